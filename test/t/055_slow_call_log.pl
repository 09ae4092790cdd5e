# clarify_cache.log_min_duration: one line for each call that takes so long, of
# key=value pairs that add up, that says where each section came from, and does
# not say who the user is nor what is in the context.
#
# It takes the server's log, and both tiers at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $redis = start_redis();
my $node = clarify_node('main', redis => $redis, local => '4MB',
	conf => "clarify_cache.command_timeout = '2s'\nlog_statement = none\nlog_line_prefix = ''\n");
my $user = user_id(1);
my @sections = map { "section.$_" } qw(user dreams patterns sessions reflections);
my @stages = map { $_ . '_us' } qw(versions sections local redis wait build fill audit assemble);
my $log_all = 'SET clarify_cache.log_min_duration = 0';
my $session = open_session($node);

# What is logged while these statements run: the lines of calls, and all of it.
sub logged
{
	my (@sql) = @_;
	my $offset = -s $node->logfile;
	$session->query($_) for @sql;
	my $log = slurp_file($node->logfile, $offset);
	return ([ $log =~ /^LOG:  clarify_cache: (.*)$/mg ], $log);
}

# The pairs of a line, in a hash; undef if it is not of such pairs alone.
sub pairs
{
	my ($line) = @_;
	my (%pairs, @keys);
	for my $pair (split / /, $line)
	{
		my ($key, $value) = $pair =~ /^([a-z_.]+)=([^=\s]+)$/ or return undef;
		return undef if exists $pairs{$key};
		$pairs{$key} = $value;
		push @keys, $key;
	}
	return (\%pairs, \@keys);
}

# Test a line that must be there alone; returns its pairs.
sub is_line
{
	my ($lines, $first, $sources, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(scalar @$lines, 1, "$name: one line");
	my ($pairs, $keys) = pairs($lines->[0] // '');
	is(join(' ', @{ $keys // [] }), join(' ', $first, 'total_us', @stages, 'bytes', @sections), "$name: of these keys, each with a value");
	return {} unless $pairs;
	my $sum = 0;
	$sum += $pairs->{$_} for @stages;
	my $numbers = join '', @$pairs{ 'total_us', @stages, 'bytes' };
	ok($numbers =~ /^\d+$/ && $sum <= $pairs->{total_us}, "$name: the stages are no longer than all of it") or diag($lines->[0]);
	is(join(' ', map { $pairs->{$_} } @sections), $sources, "$name: where the sections came from");
	return $pairs;
}

# By default, and with -1, nothing is logged.

my ($lines, $log) = logged("SELECT clarify_context('$user')");
is(scalar @$lines, 0, 'by default, no line');
is($session->query('SHOW clarify_cache.log_min_duration'), '-1', 'which is -1');

# One user

my $pairs;
$session->query("SELECT clarify_cache.invalidate('$user')");
($lines, $log) = logged($log_all, "SELECT clarify_context('$user')");
$pairs = is_line($lines, 'user', join(' ', ('build') x 5), 'built');
like($pairs->{user}, qr/^[0-9a-f]{16}$/, 'the user is 16 digits');
my $hash = $pairs->{user};
ok($pairs->{build_us} > 0 && $pairs->{redis_us} > 0, 'building and Redis took time');
unlike($log, qr/\Q$user\E|\Q@{[$user =~ s{-}{}gr]}\E/i, 'the log does not have the id');
my $context = $session->query("SELECT clarify_context('$user')");
my ($name) = $context =~ /"name":"([^"]+)"/;
unlike($log, qr/\Q$name\E|"title"|STATEMENT|CONTEXT/, 'nor anything of the context, nor the statement');
is($pairs->{bytes}, $session->query("SELECT sum(bytes) FROM clarify_cache.explain('$user')"), 'bytes are those of the sections');

($lines) = logged("SELECT clarify_context('$user')");
$pairs = is_line($lines, 'user', join(' ', ('local') x 5), 'from the local tier');
is($pairs->{user}, $hash, 'the same user, the same digits');
is("$pairs->{redis_us} $pairs->{build_us} $pairs->{wait_us} $pairs->{fill_us}", '0 0 0 0', 'and nothing else took time');
($lines) = logged("SELECT clarify_context('" . user_id(2) . "')");
isnt((pairs($lines->[0]))[0]{user}, $hash, 'another user, other digits');
$session->query("UPDATE dreams SET title = 'new' WHERE user_id = '$user'");
($lines) = logged("SELECT clarify_context('$user')");
is_line($lines, 'user', 'local build local local local', 'a section changed');
($lines) = logged("BEGIN; UPDATE users SET name = 'mine' WHERE id = '$user'", "SELECT clarify_context('$user')", 'ROLLBACK');
is_line($lines, 'user', 'bypass/changed local local local local', 'a section bypassed');
($lines) = logged('SET clarify_cache.enabled = off', "SELECT clarify_context('$user')", 'RESET clarify_cache.enabled');
is_line($lines, 'user', join(' ', ('bypass/disabled') x 5), 'all bypassed');
($lines) = logged("SELECT clarify_context(NULL)");
is(scalar @$lines, 0, 'no user, no call, no line');
($lines) = logged("SELECT * FROM clarify_cache.explain('$user')");
is_line($lines, 'user', join(' ', ('local') x 5), 'explain() is a call');
($lines) = logged("SELECT clarify_context(id) FROM users");
is(scalar @$lines, 20, 'a line for each call of a statement');
is(scalar(grep { defined pairs($_) } @$lines), 20, 'all of which parse');

# Many users: of each tier, and built

my $ids = sub { '{' . join(',', map { user_id($_) } @_) . '}' };
$node->restart;
$session->close;
$session = open_session($node);
$session->query("SELECT clarify_context('" . user_id($_) . "')") for 1 .. 3;
$session->query("SELECT clarify_cache.invalidate('" . user_id($_) . "')") for 4, 5;
($lines) = logged($log_all, "SELECT count(context) FROM clarify_contexts('" . $ids->(1 .. 20) . "')");
$pairs = is_line($lines, 'users', join(' ', ('local:3,redis:15,build:2') x 5), 'twenty users');
is($pairs->{users}, '20', 'twenty users: so many');
ok($pairs->{assemble_us} > 0, 'twenty users: assembled');
($lines) = logged("BEGIN; UPDATE users SET name = 'mine'",
	"SELECT count(context) FROM clarify_contexts('" . $ids->(1 .. 20) . "')", 'ROLLBACK');
is_line($lines, 'users', join(' ', 'bypass:20', ('local:20') x 4), 'twenty users, a section bypassed');
($lines) = logged("SELECT clarify_cache.warm('" . $ids->(1 .. 2) . "')");
is_line($lines, 'users', join(' ', ('local:2') x 5), 'warm()');
($lines) = logged("SELECT count(*) FROM clarify_contexts('" . $ids->(7) . "')");
is_line($lines, 'user', join(' ', ('local') x 5), 'one of a batch');
($lines) = logged("SELECT count(*) FROM clarify_contexts('" . $ids->(map { 1 + $_ % 20 } 1 .. 250) . "')");
is(join('; ', map { join ' ', @{ (pairs($_))[0] }{qw(users section.user)} } @$lines), join('; ', ('20 local:20') x 3) , 'a line for each hundred');
($lines) = logged("SELECT count(*) FROM clarify_contexts('{NULL,NULL}')");
is_line($lines, 'users', join(' ', ('none') x 5), 'nobody but NULLs');

# Calls that wait

my ($leader, $waiter) = map { open_session($node) } 1 .. 2;
my $pid = $leader->query('SELECT pg_backend_pid()');
$session->query(q{SELECT clarify_cache.add_section('slow', 'SELECT (SELECT sum(sqrt(g)) FROM generate_series(1, 1000000) g) FROM users WHERE id = $1')});
# The other is kept in the middle of its build, so this one waits in vain.
$leader->send("SELECT clarify_context('$user') \\g /dev/null");
wait_for(sub { $session->query('SELECT count(*) FROM pg_locks WHERE objsubid = 25443') == 1 }) or die 'nobody leads';
kill 'STOP', $pid;
($lines) = logged("SELECT clarify_context('$user')");
kill 'CONT', $pid;
($pairs) = pairs($lines->[0]);
cmp_ok($pairs->{wait_us}, '>', 0, 'who waits for another: it is logged');
is($pairs->{'section.slow'}, 'build', 'who waits in vain: built');
$_->close for $leader, $waiter;

# Only what is slow enough

($lines) = logged("SET clarify_cache.log_min_duration = '1h'", "SELECT clarify_context('$user')");
is(scalar @$lines, 0, 'an hour: no line');
$session->query("SELECT clarify_cache.invalidate('$user')");
($lines) = logged("SET clarify_cache.log_min_duration = '5ms'", "SELECT clarify_context('$user')");
is(scalar @$lines, 1, '5 ms: a slow build is logged');
cmp_ok((pairs($lines->[0]))[0]{total_us}, '>=', 5000, '5 ms: and took longer');
($lines) = logged('SET clarify_cache.log_min_duration = -1', "SELECT clarify_context('$user')");
is(scalar @$lines, 0, '-1: no line');

# Not everybody's to set, nor the way to learn of others

$session->query('CREATE ROLE reader');
like($session->query('SET ROLE reader; SET clarify_cache.log_min_duration = 0'), qr/permission denied to set parameter/, 'a superuser\'s to set');
$session->query('RESET ROLE');
like($session->query("SET clarify_cache.log_min_duration = -2"), qr/-2 .*is outside the valid range/, 'nothing below -1');
$session->close;
$node->stop;
done_testing();
