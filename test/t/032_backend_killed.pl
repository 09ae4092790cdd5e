# A backend killed with SIGKILL makes the server start all over: breaker and
# counters, which are in shared memory, begin anew, entries in Redis go on.
#
# Killed once while the breaker is open, and once in the middle of a wait for
# Redis and of a transaction that had written.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use Test::More;

my $redis = start_redis();
my $node = clarify_node('main', redis => $redis,
	conf => "restart_after_crash = on\nclarify_cache.breaker_recovery = 1h\n");
load_look($node);
my $user = user_id(1);

sub breaker { return $node->safe_psql('postgres', 'SELECT breaker, breaker_openings FROM clarify_cache.status'); }

# Kill it, and wait until the others are gone and the server is back.
sub kill_backend
{
	my ($pid) = @_;
	my $witness = open_session($node);
	$witness->query('SELECT 1');
	kill 'KILL', $pid;
	eval { $witness->query('SELECT pg_sleep(1)') for 1 .. 30; };
	$witness->close;
	ok(wait_for(sub { ($node->psql('postgres', 'SELECT 1'))[0] == 0 }), 'the server is back');
}

look($node, $user);
is_look($node, $user, HIT, 'cached');

$redis->freeze;
$node->safe_psql('postgres', "SELECT clarify_context('$user') FROM generate_series(1, 3)");
is(breaker(), 'open|1', 'a frozen Redis opened the breaker');
my $session = open_session($node);
my $pid = $session->query("SELECT look('$user') \\g /dev/null\nSELECT pg_backend_pid()");
kill_backend($pid);
is(breaker(), 'closed|0', 'after the crash the breaker is closed');
is($node->safe_psql('postgres', 'SELECT sum(redis_hits) FROM clarify_cache.stats'), '0',
	'and the counters are at zero');
$redis->thaw;
is_look($node, $user, HIT, 'the entries from before serve again');

$session = open_session($node);
$pid = $session->query('SELECT pg_backend_pid()');
$session->query(qq{SET clarify_cache.command_timeout = '60s';
	SELECT look('$user') \\g /dev/null
	BEGIN; UPDATE dreams SET title = 'killed' WHERE user_id = '$user';});
$redis->freeze;
$session->send("SELECT clarify_context('$user')");
ok(wait_for(sub {
	$node->safe_psql('postgres', "SELECT wait_event_type IN ('Extension', 'Client') FROM pg_stat_activity WHERE pid = $pid") eq 't'
}), 'a backend waits for Redis in a transaction that has written');
kill_backend($pid);
$redis->thaw;
unlike(plain($node, $user), qr/killed/, 'its transaction is rolled back');
is_look($node, $user, HIT, 'and the entries from before serve');
$node->safe_psql('postgres', "UPDATE dreams SET title = 'after' WHERE user_id = '$user'");
is_look($node, $user, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'changes are seen as ever');
is_look($node, $user, HIT, 'and cached');

$node->stop;
done_testing();
