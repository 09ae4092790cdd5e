# Sessions that were cancelled in a wait for Redis, rolled back to a savepoint,
# and go on: what their calls had begun must be let go then, not at the end of the
# transaction, which may be hours away.
#
# It takes a Redis that does not answer until the test says so, and more sessions
# with a try under way than failures open the breaker; an isolation spec can't make
# Redis wait.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use RedisTest;
use Test::More;

use constant CANCELLED => 3;

# No wait ends by itself.
my $redis = start_redis();
my $node = redis_node('main', redis => $redis,
	conf => "clarify_cache.connect_timeout = '60s'\nclarify_cache.command_timeout = '60s'\n");
my $other = session($node);
my @sessions = map { session($node) } 1 .. CANCELLED;

is($other->query('SHOW clarify_cache.breaker_failures'), CANCELLED, 'as many as failures would open the breaker');
is_filled($other, $_, "person $_: filled") for 1 .. CANCELLED + 1;
is_hit($sessions[ $_ - 1 ], $_, "session $_ is served, by a connection of its own") for 1 .. CANCELLED;
my $clients = connections();

# Of Redis' clients, those that are not this question.
sub connections
{
	return -1 + (() = $redis->command('CLIENT', 'LIST') =~ /^id=/mg);
}

# All of them wait at once, each below a subtransaction of its own.
sub cancel_all
{
	my ($call) = @_;
	$redis->freeze;
	for my $n (1 .. CANCELLED)
	{
		my $session = $sessions[ $n - 1 ];
		$session->send(sprintf $call, user_id($n));
		wait_for(sub {
			return $other->query('SELECT wait_event FROM pg_stat_activity WHERE pid = ' . $session->pid)
			  =~ /^(Extension|ClarifyCacheRedis)$/;
		}) or die 'no wait for Redis';
	}
	$other->query('SELECT pg_cancel_backend(' . $_->pid . ')') for @sessions;
	return map { $_->receive } @sessions;
}

sub are_let_go
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$redis->thaw;
	ok(wait_for(sub { connections() == $clients - CANCELLED }), "$name: the connections with an unfinished exchange are closed");
	is(status($other), 'closed|0', "$name: no failure of Redis");
	for my $n (1 .. 2)
	{
		is_hit($other, CANCELLED + 1, "$name: another session is served from Redis");
	}
	my $new = session($node);
	is_hit($new, $_, "$name: a new one is, too") for 1 .. CANCELLED;
	$new->quit;
	is($other->query(q(SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%')), CANCELLED,
		"$name: while those that were cancelled are in their transactions");
}

# ROLLBACK TO.
$_->query('BEGIN; SAVEPOINT a') for @sessions;
like($_, qr/canceling statement due to user request/, 'cancelled in the wait')
  for cancel_all(q(SELECT clarify_context('%s')));
$_->query('ROLLBACK TO a') for @sessions;
are_let_go('ROLLBACK TO');
is_hit($sessions[ $_ - 1 ], $_, "ROLLBACK TO: session $_ goes on, and is served") for 1 .. CANCELLED;
$_->query('COMMIT') for @sessions;

# Cancelled two levels down, and then let go by rolling back the outer one.
$_->query('BEGIN; SAVEPOINT a; SAVEPOINT b; SAVEPOINT c; RELEASE c') for @sessions;
like($_, qr/canceling statement due to user request/, 'cancelled in the wait')
  for cancel_all(q(SELECT clarify_context('%s')));
$_->query('ROLLBACK TO a') for @sessions;
are_let_go('nested savepoints');
is_hit($sessions[ $_ - 1 ], $_, "nested savepoints: session $_ goes on, and is served") for 1 .. CANCELLED;
$_->query('COMMIT') for @sessions;

# A block that catches the cancel, and a transaction that goes on.
$other->query(q[CREATE FUNCTION caught(person uuid) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM clarify_context(person);
		RETURN 'not cancelled';
	EXCEPTION WHEN query_canceled THEN
		RETURN 'caught';
	END $$]);
$_->query('BEGIN') for @sessions;
is($_, 'caught', 'cancelled in the wait, and caught') for cancel_all(q(SELECT caught('%s')));
are_let_go('caught');
is_hit($sessions[ $_ - 1 ], $_, "caught: session $_ goes on, and is served") for 1 .. CANCELLED;

# The calls that the cancel ended are not under way any more: what is redefined in
# the same transactions is forgotten.
my $contexts = q(SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'clarify_cache section');
for my $session (@sessions)
{
	my $before = $session->query($contexts);
	for my $round (1 .. 10)
	{
		$session->query(q(UPDATE clarify_cache.section SET ttl = ttl + '1 s' WHERE name = 'dreams'));
		like(look($session, 1), qr/^exact: /, 'redefined: exact');
	}
	cmp_ok($session->query($contexts) - $before, '<', 3, 'definitions that nobody uses are freed');
	$session->query('ROLLBACK');
}
is_hit($_, 1, 'and all are served afterwards') for @sessions, $other;

# But a call that is under way stays so when a subtransaction within it fails: here
# a policy's, which then makes the sections that the call works with unwanted.
$other->query(q[CREATE ROLE guest;
	GRANT SELECT ON users, dreams, clarify_patterns, clarify_sessions, reflections TO guest;
	CREATE FUNCTION meddles(person uuid) RETURNS bool LANGUAGE plpgsql SECURITY DEFINER AS $$
	BEGIN
		PERFORM 1 / (length(person::text) - 36);
		RETURN false;
	EXCEPTION WHEN division_by_zero THEN
		UPDATE clarify_cache.section SET ttl = ttl + '1 s';
		PERFORM clarify_context(person), clarify_context(md5('user 2')::uuid);
		RETURN true;
	END $$;
	ALTER TABLE users ENABLE ROW LEVEL SECURITY;
	CREATE POLICY guests ON users TO guest USING (meddles(id));]);
is($other->query("BEGIN; SET LOCAL ROLE guest;
	SELECT clarify_context(u)::text = plain_context(u) FROM (VALUES ('" . user_id(1) . "'::uuid)) v (u); COMMIT"), 't',
	'a subtransaction fails within a call: the call goes on');
$_->quit for @sessions, $other;

done_testing();
