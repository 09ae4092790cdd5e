# A wait for Redis that ends before the answer comes, by time-out, cancel,
# statement_timeout or a lost client: it ends promptly; the answer that comes
# afterwards meets nobody; and another user's read on the same backend is exact,
# and soon served from Redis again.
#
# It needs a Redis that answers when the test says so, and a second session
# that cancels; an isolation spec can't make Redis wait.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use RedisTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

# No wait here ends by a time-out of Redis, unless set so.
my $fake = start_fake();
my $node = redis_node('main', redis => $fake,
	conf => "clarify_cache.connect_timeout = '30s'\nclarify_cache.command_timeout = '30s'\n");
my $s = session($node);
my $other = session($node);
my $call = "SELECT clarify_context('" . user_id(1) . "')";
my $cancel = 'SELECT pg_cancel_backend(' . $s->pid . ')';

# The backend waits for Redis: the command is there, and it says so itself.
sub wait_for_wait
{
	my ($session, @commands) = @_;
	return wait_for(sub {
		return $fake->count(@commands) > 0
		  && $other->query('SELECT wait_event FROM pg_stat_activity WHERE pid = ' . $session->pid)
		  =~ /^(Extension|ClarifyCacheRedis)$/;
	}) || die 'no wait for Redis';
}

# Wait for the session's query, which must end with this error, promptly.
sub ends_with
{
	my ($session, $start, $error, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like($session->receive, $error, "$name: the error is the caller's own doing");
	cmp_ok(time - $start, '<', 0.5, "$name: promptly");
}

# Then another user's read on the same backend: while Redis holds the answer to
# the first one back, and after it has sent it.
sub others_are_exact
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$fake->mode('normal');
	is(status($s), 'closed|0', "$name: no failure of Redis");
	is_hit($s, 2, "$name: then another user is served, exactly");
	is_hit($s, 1, "$name: and the first one");
	is_hit($s, 3, "$name: and a third one");
	is($fake->count('CONNECT'), 1, "$name: on a new connection");
	ok(wait_for(sub { $fake->count('CLOSE') == 1 }), "$name: the one with the unfinished exchange is closed");
}

for my $n (1 .. 3)
{
	is_filled($s, $n, "person $n: filled");
	is_hit($s, $n, "person $n: served");
}

for my $mode (qw(hang_before_reply hang_mid_reply))
{
	my $name = "cancel, $mode";
	$fake->clear_log;
	$fake->mode($mode, 'MGET');
	$s->send($call);
	wait_for_wait($s, 'MGET');
	my $start = time;
	$other->query($cancel);
	ends_with($s, $start, qr/canceling statement due to user request/, $name);
	others_are_exact($name);

	$name = "statement_timeout, $mode";
	$fake->clear_log;
	$fake->mode($mode, 'MGET');
	$s->query("SET statement_timeout = '300ms'");
	$start = time;
	$s->send($call);
	like($s->receive, qr/canceling statement due to statement timeout/, "$name: the error is the caller's own");
	my $took = time - $start;
	cmp_ok($took, '>=', 0.29, "$name: has waited until then");
	cmp_ok($took, '<', 0.8, "$name: promptly");
	$s->query('RESET statement_timeout');
	others_are_exact($name);

	# In a subtransaction whose error is caught, the transaction goes on.
	$name = "cancel in a subtransaction, $mode";
	$fake->clear_log;
	$fake->mode($mode, 'MGET');
	$s->query('BEGIN; SAVEPOINT a');
	$s->send($call);
	wait_for_wait($s, 'MGET');
	$start = time;
	$other->query($cancel);
	ends_with($s, $start, qr/canceling statement due to user request/, $name);
	$s->query('ROLLBACK TO a');
	$fake->mode('normal');
	is_hit($s, 2, "$name: then another user, in the same transaction");
	is_hit($s, 1, "$name: and the first one");
	$s->query('COMMIT');
	is_hit($s, 3, "$name: and a third one, in the next");
	is($fake->count('CONNECT'), 1, "$name: on a new connection");
}

# An exception block in a function, with another user's read in its handler.
$fake->clear_log;
$fake->mode('hang_mid_reply', 'MGET');
$s->query(q[CREATE FUNCTION caught(one uuid, two uuid) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM clarify_context(one);
		RETURN 'not cancelled';
	EXCEPTION WHEN query_canceled THEN
		RETURN look(two);
	END $$]);
$s->send("SELECT caught('" . user_id(1) . "', '" . user_id(2) . "')");
wait_for_wait($s, 'MGET');
$other->query($cancel);
wait_for(sub { $fake->count('CONNECT') == 1 }) or die 'no second try';
$fake->mode('normal');
like($s->receive, qr/^exact: (5 hits, 0|0 hits, 5) built/, 'cancel, caught in a function: the handler\'s read of another user is exact');
is_hit($s, $_, "cancel, caught in a function: then person $_ is served") for 1, 2;

# A time-out, with the late answer to come while the next question waits.
$s->query("SET clarify_cache.command_timeout = '150ms'; SET clarify_cache.breaker_failures = 100");
for my $late (200, 160, 151, 300)
{
	$fake->clear_log;
	$fake->mode('late', 'MGET', $late);
	like(look($s, 1), qr/^exact: /, "late by $late ms: exact");
	like(look($s, 2), qr/^exact: /, "late by $late ms: another user's read is exact while the answer comes");
	$fake->mode('normal');
	like(look($s, 3), qr/^exact: 5 hits/, "late by $late ms: a third user's is served, by an answer of its own");
	is_hit($s, $_, "late by $late ms: then person $_") for 1 .. 3;
}
is($s->query('SELECT sum(corrupt_entries) FROM clarify_cache.stats'), 0,
	'no late answer was ever held against another question');
$s->query('RESET clarify_cache.command_timeout; RESET clarify_cache.breaker_failures');

# A wait for fills to leave: Redis reads no more, and the socket is full.
$s->query(q(CREATE TABLE large (id int PRIMARY KEY, user_id uuid, body text);
	CREATE INDEX ON large (user_id)));
$s->query(q(SELECT clarify_cache.attach('large')));
$s->query("INSERT INTO large SELECT n, '" . user_id(1) . "', repeat(md5(n::text), 900) FROM generate_series(1, 30) n");
$s->query(q(SELECT clarify_cache.add_section('large', 'SELECT id, body FROM large WHERE user_id = $1 ORDER BY id')));
my $large = "SELECT length(clarify_context('" . user_id(1) . "')::text)";
my $length = $s->query($large);
cmp_ok($length, '>', 800_000, 'a large context');
is($s->query($large), $length, 'which is served');
$fake->command('FLUSHALL');

$fake->clear_log;
$fake->mode('deaf', 'MGET');
$s->send($large);
wait_for_wait($s, 'MGET');
my $start = time;
$other->query($cancel);
ends_with($s, $start, qr/canceling statement due to user request/, 'cancel while a fill leaves');
$fake->mode('normal');
is($s->query($large), $length, 'cancel while a fill leaves: then it is built');
is($s->query("SELECT starts_with(clarify_context(id)::text, left(plain_context(id), -1)) FROM users WHERE id = '"
	. user_id(2) . "'"), 't', 'cancel while a fill leaves: then another user is answered exactly');
my $builds = counters($node)->{builds};
is($s->query($large), $length, 'cancel while a fill leaves: and then it is served');
is(counters($node)->{builds}, $builds, 'cancel while a fill leaves: by Redis');
is(status($s), 'closed|0', 'cancel while a fill leaves: no failure');

# The same, until the time-out: the answer is there, only the fill is given up.
$fake->command('FLUSHALL');
$fake->mode('deaf', 'MGET');
$s->query("SET clarify_cache.command_timeout = '300ms'");
$start = time;
is($s->query($large), $length, 'time-out while a fill leaves: the answer is right');
cmp_ok(time - $start, '>=', 0.29, 'time-out while a fill leaves: has waited for the fill');
cmp_ok(time - $start, '<', 1.2, 'time-out while a fill leaves: in bounded time');
is(status($s), 'closed|1', 'time-out while a fill leaves: a failure');
$fake->mode('normal');
is($s->query($large), $length, 'time-out while a fill leaves: then built') for 1, 2;
$builds = counters($node)->{builds};
is($s->query($large), $length, 'time-out while a fill leaves: and then served');
is(counters($node)->{builds}, $builds, 'time-out while a fill leaves: by Redis');
$s->query(q(SELECT clarify_cache.drop_section('large'); SELECT clarify_cache.detach('large')));

# The session ends during the wait.
$s->query('RESET clarify_cache.command_timeout');
like(look($s, 1), qr/^exact/, 'before the end') for 1, 2;
$fake->clear_log;
$fake->mode('hang_before_reply', 'MGET');
$s->send($call);
wait_for_wait($s, 'MGET');
$start = time;
$other->query('SELECT pg_terminate_backend(' . $s->pid . ')');
ok(wait_for(sub { $other->query('SELECT count(*) FROM pg_stat_activity WHERE pid = ' . $s->pid) == 0 }),
	'terminated in the wait: gone');
cmp_ok(time - $start, '<', 1, 'terminated in the wait: promptly');
eval { $s->receive };
$fake->mode('normal');
is_hit($other, 1, 'terminated in the wait: others are served');

# The server stops during the wait.
$s = session($node);
$fake->clear_log;
$fake->mode('hang_before_reply', 'MGET');
$s->send($call);
wait_for(sub { $fake->count('MGET') }) or die 'no wait';
$start = time;
$node->stop('fast');
cmp_ok(time - $start, '<', 10, 'a server that is stopped does not wait for Redis');

done_testing();
