# Connections to Redis that do not come about: still under way when the writer who
# began them is done, never answered, to a name that nobody knows, without a file
# descriptor left.  A writer does not wait, a call waits as long as it may, and
# whoever comes when the connection is there has it.
#
# It needs a listener whose queue is full, which neither makes a connection nor
# refuses it; and time-outs that the test waits out.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use IO::Socket::INET;
use RedisTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $fake = start_fake(tcp => 1, backlog => 1);
my $node = redis_node('main', redis => $fake,
	conf => "clarify_cache.connect_timeout = '20s'\nclarify_cache.breaker_failures = 1000\n"
	  . "max_files_per_process = 64\n");
$node->safe_psql('postgres', 'CREATE EXTENSION dblink');

sub write_row
{
	my ($session, $n) = @_;
	my $start = time;
	my $error = $session->error("UPDATE users SET name = name || '.' WHERE id = '" . user_id($n) . "'");
	return $error || (time - $start < 5 ? '' : 'slow');
}

# Connections fill the queue until one is not made at once.
my @queue;

sub fill_queue
{
	$fake->mode('slow_accept');
	for (1 .. 20)
	{
		my $socket = IO::Socket::INET->new(PeerAddr => $fake->address, Blocking => 0) or die $!;
		push @queue, $socket;
		my $ready = '';
		vec($ready, fileno $socket, 1) = 1;
		return if !select undef, $ready, undef, 0.2;
	}
	die 'the queue is not to be filled';
}

sub empty_queue
{
	$fake->mode('normal');
	close $_ for splice @queue;
}

# Begun by a writer, finished by the call after it.
my $s = session($node);
$fake->clear_log;
fill_queue();
is(write_row($s, 1), '', 'a writer begins: commits');
is(status($s, 'connected'), 'f', 'a writer begins: there is no connection yet');
empty_queue();
like(look($s, 2), qr/^exact: 0 hits, 5 built, 0 bypassed, 5 filled/, 'a call finishes: exact, and fills');
is_hit($s, 2, 'a call finishes: then it is served');
is(status($s, 'breaker_failures, connected'), '0|t', 'a call finishes: no failure');
is($node->safe_psql('postgres', 'SELECT connects FROM clarify_cache.redis_stats'), '1', 'a call finishes: by the same connection');

# Begun by a writer, and too late for the next one: both have not waited.
my $t = session($node);
$t->query("SET clarify_cache.connect_timeout = '300ms'");
fill_queue();
is(write_row($t, 1), '', 'too late: the first writer commits');
sleep 0.5;
is(write_row($t, 1), '', 'too late: the second writer commits');
is(status($t, 'breaker_failures, connected'), '1|f', 'too late: a failure');
# ... and for the next call, which tries anew, for as long as it may
is(write_row($t, 1), '', 'never: a writer commits');
my $start = time;
is_built($t, 3, 'never: a call is exact');
cmp_ok(time - $start, '>=', 0.3, 'never: has waited');
cmp_ok(time - $start, '<', 5, 'never: not for long');
is(status($t, 'breaker_failures, connected'), '2|f', 'never: a failure');
empty_queue();
$t->query("RESET clarify_cache.connect_timeout");
like(look($t, 3), qr/^exact: 0 hits, 5 built, 0 bypassed, 5 filled/, 'accepted at last: exact, and fills');
is_hit($t, 3, 'accepted at last: served');

# Refused, to who waits and to who does not.
$fake->kill9;
my $u = session($node);
is(write_row($u, 1), '', 'refused: a writer commits');
is(write_row($u, 1), '', 'refused: and again');
is_built($u, 2, 'refused: a call is exact');
cmp_ok(status($u, 'breaker_failures'), '>=', 2, 'refused: failures');
$fake->start;
like(look($u, 2), qr/^exact: /, 'started again: exact');
is_hit($u, 2, 'started again: served');

# No file descriptor is left for a connection, as others have them all; then one,
# then another one.  (A connection takes two: one to wait on it.)
my $v = session($node);
my $connect = q(SELECT dblink_connect_u('c' || %d, 'dbname=postgres host=' || current_setting('unix_socket_directories')
	|| ' port=' || current_setting('port')));
my $taken = 0;
$taken++ until $v->error(sprintf $connect, $taken) || $taken > 60;
like($v->error(sprintf $connect, $taken), qr/too many open files/, 'descriptors run out');
my @sources;
while (1)
{
	is(write_row($v, 1), '', "$taken descriptors taken by others: a writer commits");
	push @sources, look($v, 2);
	last if $taken == 0 || $sources[-1] =~ /5 hits/;
	is_hit($u, 2, "$taken descriptors taken by others: others are served");
	$v->query('SELECT dblink_disconnect(\'c' . --$taken . '\')');
}
is(scalar(grep { !/^exact: [05] hits, [05] built, 0 bypassed, 0 filled$/ } @sources), 0, 'all answers are exact');
cmp_ok(scalar(@sources), '>=', 3, 'from none at all to enough of them');
is_hit($v, 2, 'with enough of them: served');
is(status($v, 'connected, breaker_failures'), 't|0', 'with enough of them: connected');
$v->query('SELECT dblink_disconnect(name) FROM unnest(dblink_get_connections()) name');

# A name that can't be looked up (its first part is too long): asked for once in a
# recovery period, and not by writers.
set_conf($node, 'clarify_cache.redis_url', 'redis://' . 'x' x 64 . '.invalid:6379');
my $w = session($node);
is(write_row($w, 1), '', 'no such name: a writer commits');
is(status($w, 'breaker_failures'), '0', 'no such name: and does not ask');
is_built($w, 2, "no such name: call $_ is exact") for 1 .. 3;
is(status($w, 'breaker_failures'), '3', 'no such name: failures');
is(write_row($w, 1), '', 'no such name: a writer commits again');
$w->query('SET clarify_cache.breaker_failures = 1');
is_built($w, 2, 'no such name: exact');
is(status($w, 'breaker'), 'open', 'no such name: the breaker opens');
is(log_count($node, 'leaves Redis alone.*\n.*The last failure: the host name could not be resolved\.'), 1,
	'no such name: the log says why');

# TLS, where hiredis has it; else an error that says so, and not the password.
my ($ret, $out, $err) = $node->psql('postgres',
	"ALTER SYSTEM SET clarify_cache.redis_url = 'rediss://:geheim\@localhost'; ALTER SYSTEM RESET clarify_cache.redis_url");
like($err, qr/^$|DETAIL:  This build of clarify_cache has no TLS/, 'TLS: taken, or refused with the reason');
unlike($err, qr/geheim/, 'TLS: without the password');

# Back
set_conf($node, 'clarify_cache.redis_url', $fake->url);
$w->query("SET clarify_cache.breaker_recovery = '100ms'");
sleep 0.2;
like(look($w, 2), qr/^exact: /, 'back: exact');
is_hit($w, 2, 'back: served');
is(status($w), 'closed|0', 'back: all is well');

$_->quit for $s, $t, $u, $v, $w;
done_testing();
