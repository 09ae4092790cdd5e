# Sixteen clients read and write while Redis is killed, restarted empty and with
# old data, frozen, flushed and made to drop all connections: not one answer
# differs from plain queries under the same snapshot, and no statement fails;
# with connections that stay, with a new one for each transaction, preloaded
# and not.
#
# It needs many clients at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use File::Copy;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $redis = start_redis(conf => { dbfilename => 'dump.rdb' });
my $dir = PostgreSQL::Test::Utils::tempdir();
sub script
{
	my ($name, $text) = @_;
	open my $file, '>', "$dir/$name" or die $!;
	print $file $text;
	close $file;
	return "$dir/$name";
}

# The first must never be wrong; a wrong one ends pgbench with the division.
# The writers each change rows that one section shows, of one or many people.
my $person = "\\set n random(1, 20)\n";
my $check = 'SELECT 1 / (clarify_context(id)::text = plain_context(id))::int FROM person WHERE n = :n;';
my @scripts = (
	script('read', "$person$check\n") . '@20',
	script('repeatable', "$person" . "BEGIN ISOLATION LEVEL REPEATABLE READ;\n$check\n"
		. "\\set n random(1, 20)\n$check\nCOMMIT;\n") . '@5',
	script('write', "$person" . 'UPDATE clarify_sessions SET message_count = message_count + 1 '
		. "WHERE id = (SELECT md5('session 1 of ' || :n)::uuid);\n") . '@5',
	script('write_read', "${person}BEGIN;\nUPDATE users SET total_reflections = :n + 1 "
		. "WHERE id = (SELECT id FROM person WHERE n = :n);\n$check\nROLLBACK;\n$check\n") . '@2',
	script('add', "${person}INSERT INTO reflections (user_id, tone, dream, plan, relationship, offering, ai_response) "
		. "SELECT id, 'gentle', '', '', '', '', '' FROM person WHERE n = :n;\n$check\n") . '@2');

sub storm
{
	my ($node, $name, @options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($out, $err) = ('', '');
	my $before = counters($node);
	my $run = do
	{
		local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port);
		IPC::Run::start(
			[ 'pgbench', '-n', '-c', 16, '-j', 2, '-T', 12 * slowness(), @options, (map { ('-f', $_) } @scripts), 'postgres' ],
			'>', \$out, '2>', \$err);
	};
	my $end = time + 12 * slowness() - 1;
	my $rounds = 0;
	while (time < $end)
	{
		sleep 0.7;
		$redis->command('SAVE');
		copy("$redis->{dir}/dump.rdb", "$redis->{dir}/old.rdb");
		sleep 0.3;
		$redis->kill9;
		sleep 0.3;
		copy("$redis->{dir}/old.rdb", "$redis->{dir}/dump.rdb") if $rounds % 2;
		$redis->start;
		sleep 0.5;
		$redis->freeze;
		sleep 0.4;
		$redis->thaw;
		sleep 0.4;
		$redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
		sleep 0.3;
		$redis->command('FLUSHALL');
		$rounds++;
	}
	my $ok = $run->finish;
	ok($ok, "$name: not one wrong answer, and no failure") or diag $err;
	unlike($err, qr/ERROR|FATAL/, "$name: no error");
	cmp_ok($rounds, '>=', 2, "$name: Redis died, came back with old data, froze and was flushed");
	my ($transactions) = $out =~ /number of transactions actually processed: (\d+)/;
	cmp_ok($transactions // 0, '>', 100, "$name: many transactions");
	note grep { /tps|failed/ } $out =~ /^[^#S].*\n/mg;
	return if $name =~ /not preloaded/;
	my $after = counters($node);
	cmp_ok($after->{$_} - $before->{$_}, '>', 200, "$name: many $_") for qw(redis_hits builds fills);
}

for my $preload (1, 0)
{
	my $kind = $preload ? 'preloaded' : 'not preloaded';
	my $node = clarify_node("storm$preload", redis => $redis, preload => $preload,
		conf => "clarify_cache.breaker_recovery = '150ms'\nmax_connections = 50\n");
	$node->safe_psql('postgres', q(CREATE TABLE person AS
		SELECT n, md5('user ' || n)::uuid AS id FROM generate_series(1, 20) n; ANALYZE person));
	storm($node, "$kind");
	storm($node, "$kind, a connection for each transaction", '-C') if $preload;
	is_exact($node, user_id($_), "$kind: person $_ is exact afterwards") for 1 .. 5;
	my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
	unlike($log, qr/(?:PANIC|terminated by signal|WARNING|TRAP)/, "$kind: no crash, no warning");
	$node->stop;
}

done_testing();
