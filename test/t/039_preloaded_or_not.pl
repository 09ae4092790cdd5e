# The library is loaded by the server, by the session, by LOAD, by the first
# call, or by a trigger in the middle of a transaction: answers and invalidation
# are the same, only breaker and counters are shared or not.  And settings,
# which reach running backends with a reload, also those that the server was
# given before it knew them.
#
# shared_preload_libraries needs a server of its own for each.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use Test::More;

my $redis = start_redis();
my $second = start_redis();
my $user = user_id(1);
my $one_built = 'exact: 4 hits, 1 built, 0 bypassed, 1 filled';

sub reload
{
	my ($node, $name, $value) = @_;
	# A server that has not loaded the library takes no setting of it.
	$node->safe_psql('postgres', "LOAD 'clarify_cache'; ALTER SYSTEM SET $name = '$value'");
	$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
	my $end = open_session($node);
	$end->query("LOAD 'clarify_cache'");
	wait_for(sub { $end->query("SHOW $name") eq $value }) or die "$name is not $value";
	$end->close;
}

for my $how ('preloaded', 'not preloaded', 'session_preload_libraries')
{
	my $node = clarify_node('server_' . substr($how, 0, 3), redis => $redis, preload => $how eq 'preloaded',
		conf => "clarify_cache.breaker_recovery = 1h\n"
		  . ($how =~ /session/ ? "session_preload_libraries = 'clarify_cache'\n" : ''));
	load_look($node);

	is($node->safe_psql('postgres', "LOAD 'clarify_cache'; SELECT preloaded FROM clarify_cache.status"),
		$how eq 'preloaded' ? 't' : 'f', "$how: status says so");
	is($node->safe_psql('postgres', "SELECT clarify_context('$user')::text = plain_context('$user')"), 't',
		"$how: loaded by the call");
	is_look($node, $user, HIT, "$how: another session is served");

	# A session that never called anything of ours, until a trigger does.
	my $writer = open_session($node);
	$writer->query("BEGIN; SAVEPOINT a; UPDATE users SET name = '$how' WHERE id = '$user'");
	is_look($node, $user, HIT, "$how: a change by a trigger that loads the library is not seen");
	is($writer->look($user), 'exact: 4 hits, 1 built, 1 bypassed, 0 filled',
		"$how: but by its own transaction");
	$writer->query('RELEASE a; COMMIT');
	is_look($node, $user, $one_built, "$how: committed, it is seen");
	$writer->close;
	$node->safe_psql('postgres', "BEGIN; UPDATE users SET name = 'p' WHERE id = '$user'; PREPARE TRANSACTION 'p'");
	$node->safe_psql('postgres', "COMMIT PREPARED 'p'");
	is_look($node, $user, $one_built, "$how: prepared and committed by sessions that did nothing else");
	$node->safe_psql('postgres', 'ALTER TABLE dreams DISABLE TRIGGER USER');
	is_look($node, $user, 'exact: 4 hits, 1 built, 1 bypassed, 0 filled', "$how: DDL by such a session is noticed");
	$node->safe_psql('postgres', 'ALTER TABLE dreams ENABLE TRIGGER USER');
	$node->safe_psql('postgres', 'SELECT clarify_cache.repair()');
	is_look($node, $user, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled',
		"$how: and repaired by one");

	# Another address, in sessions that run.
	my $session = open_session($node);
	is($session->look($user), HIT, "$how: a session is served by the first Redis");
	reload($node, 'clarify_cache.redis_url', $second->url);
	is($session->look($user), BUILT, "$how: after a reload it fills the second");
	is($session->look($user), HIT, "$how: and is served by it");
	is($session->query('SELECT redis_address FROM clarify_cache.status') =~ /\Q@{[$second->address]}\E/ ? 1 : 0, 1,
		"$how: status names the second");
	reload($node, 'clarify_cache.redis_url', '');
	is($session->look($user), 'exact: 0 hits, 5 built, 0 bypassed, 0 filled', "$how: without Redis it builds");
	reload($node, 'clarify_cache.redis_url', $redis->url);
	is($session->look($user), HIT, "$how: back at the first, its entries are as right as before");

	# A bad address is refused, or ignored.
	my ($ret, $out, $err) = $node->psql('postgres',
		"LOAD 'clarify_cache'; ALTER SYSTEM SET clarify_cache.redis_url = 'http://x'");
	like($err, qr/invalid value for parameter "clarify_cache.redis_url".*DETAIL.*HINT/s, "$how: a malformed URL is refused");
	$node->append_conf('postgresql.auto.conf', "clarify_cache.redis_url = 'http://x'");
	$node->reload;
	is($session->query('SELECT 1'), '1', "$how: and in a file");
	is($session->look($user), HIT, "$how: leaves a running session as it was");
	$node->safe_psql('postgres', "LOAD 'clarify_cache'; ALTER SYSTEM RESET clarify_cache.redis_url");
	$node->reload;
	is_look($node, $user, HIT, "$how: without it, all is as in postgresql.conf");

	# The breaker: of all, or of each.
	$redis->freeze;
	$session->query("SELECT clarify_context('$user') FROM generate_series(1, 3) \\g /dev/null");
	is($session->query('SELECT breaker FROM clarify_cache.status'), 'open', "$how: three failures open the breaker");
	is($node->safe_psql('postgres', "LOAD 'clarify_cache'; SELECT breaker FROM clarify_cache.status"),
		$how eq 'preloaded' ? 'open' : 'closed', "$how: which another session sees, if it is shared");
	$redis->thaw;
	is(($session->look($user) =~ /^exact: 0 hits, 5 built, 0 bypassed, 0 filled/) ? 1 : 0, 1,
		"$how: the session leaves Redis alone");
	is(look($node, $user), $how eq 'preloaded' ? 'exact: 0 hits, 5 built, 0 bypassed, 0 filled' : HIT,
		"$how: another does, or does not");
	$session->close;

	# Not every role may see or set what may hold a password.
	$node->safe_psql('postgres', 'CREATE ROLE reader');
	like(($node->psql('postgres', "LOAD 'clarify_cache'; SET ROLE reader; SHOW clarify_cache.redis_url"))[2],
		qr/permission denied|must be superuser/, "$how: redis_url is not for every role to see");
	$node->stop;
}

done_testing();
