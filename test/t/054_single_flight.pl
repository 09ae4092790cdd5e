# Single flight: of all who miss the same at once one builds, and the others take
# its answer; whether the tier is PostgreSQL's own or Redis.  Whoever builds may
# be cancelled, terminated or rolled back: another one builds, and no lock is
# left.  Those who look for another version, or for what no tier takes, do not
# wait.
#
# A section that takes some hundred milliseconds of computing, as measured on
# this machine at this moment; and sessions that begin at the same time, by an
# advisory lock.  Nothing else depends on time but this: nobody waits for more
# than a second, so a try in which a build took longer than half of that says
# nothing, and is made again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $people = 60;
my $conf = "max_connections = 100\njit = off\nlog_min_messages = warning\n";
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $next = 1;

# Flights: those who lead, and those who would wait in a queue, which none does.
my $flights = 'SELECT count(*) FILTER (WHERE granted), count(*) FILTER (WHERE NOT granted)
	FROM pg_locks WHERE objsubid = 25443';
my $stats = 'SELECT builds, build_time / greatest(builds, 1), waits, call_time FROM clarify_cache.stats, clarify_cache.call_stats';

# Somebody nobody has asked for yet; person 1 is whom all have.
sub somebody { return user_id(++$next); }
my $warm = user_id(1);

# A section that takes about so many milliseconds, and plain_slow(), what it is
# by plain queries.
sub define_slow
{
	my ($node, $n, $columns) = @_;
	$columns //= 'u.name';
	$node->safe_psql('postgres', qq{
		SELECT clarify_cache.drop_section(name) FROM clarify_cache.section;
		SELECT clarify_cache.add_section('slow', 'SELECT $columns, (SELECT sum(sqrt(g)) FROM generate_series(1, $n) g) AS x
			FROM users u WHERE u.id = \$1', ttl => '1 h');
		CREATE OR REPLACE FUNCTION plain_slow(person uuid) RETURNS text LANGUAGE sql STABLE AS \$\$
			SELECT '{"slow":' || json_agg(t) || '}' FROM (
				SELECT $columns, (SELECT sum(sqrt(g)) FROM generate_series(1, $n) g) AS x FROM users u WHERE u.id = person) t \$\$});
}
sub make_slow
{
	my ($node, $ms, $columns) = @_;
	define_slow($node, 100_000, $columns);
	my $took = $node->safe_psql('postgres', q{DO 'BEGIN PERFORM clarify_context(md5(''user '' || n)::uuid) FROM generate_series(1, 5) n; END';
		SELECT build_time / builds FROM clarify_cache.stats WHERE builds > 0});
	define_slow($node, int(100_000 * $ms / $took), $columns);
	$node->safe_psql('postgres', "SELECT clarify_context('$warm')");
}

# Let 64 clients ask for the same person at once.  Returns how many answered, how
# many of them rightly, and how many builds they counted in all.
sub all_at_once
{
	my ($node) = @_;
	my $person = somebody();
	my $gate = open_session($node);
	$node->safe_psql('postgres', qq{
		DROP TABLE IF EXISTS answers, want;
		CREATE TABLE want AS SELECT plain_slow('$person') AS want;
		CREATE TABLE answers (is_right bool, builds bigint)});
	# Each has connected, and knows the section, before they begin.
	PostgreSQL::Test::Utils::append_to_file("$dir/$next.sql", <<SQL);
SELECT clarify_context('$warm');
SELECT builds AS before FROM clarify_cache.stats \\gset
SELECT pg_advisory_lock_shared(1);
SELECT clarify_context('$person')::text = want AS is_right FROM want \\gset
INSERT INTO answers SELECT ':is_right', builds - :before FROM clarify_cache.stats;
SQL
	$gate->query('SELECT pg_advisory_lock(1)');
	my ($out, $err);
	my $clients = IPC::Run::start([ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-c', 64, '-t', 1,
			'-f', "$dir/$next.sql", 'postgres' ], '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(120));
	wait_for(sub { $gate->query('SELECT count(*) FROM pg_locks WHERE objid = 1 AND objsubid = 1 AND NOT granted') == 64 }, 60)
	  or die "no clients: $err";
	$gate->query('SELECT clarify_cache.reset_stats()');
	$gate->query('SELECT pg_advisory_unlock(1)');
	eval { $clients->finish };
	$gate->close;
	return $node->safe_psql('postgres', 'SELECT count(*), count(*) FILTER (WHERE is_right), sum(builds) FROM answers');
}

sub is_clean
{
	my ($node, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($node->safe_psql('postgres', $flights), '0|0', "$name: no lock is left");
}

my $node = clarify_node('main', local => '1MB', people => $people, conf => $conf);
make_slow($node, 150);
sub sql { return $node->safe_psql('postgres', @_); }

# All at once, preloaded

my ($answers, $builds, $ms, $waits);
for my $try (1 .. 5)
{
	$answers = all_at_once($node);
	($builds, $ms, $waits) = split /\|/, sql($stats);
	last if $ms < 500;
	diag("try $try: a build took $ms ms");
}
like($answers, qr/^64\|64\|/, 'preloaded: 64 answers, all right');
cmp_ok($builds, '>=', 1, 'preloaded: somebody built');
cmp_ok($builds, '<=', 2, 'preloaded: one or two did');
cmp_ok($waits, '>=', 32, 'preloaded: most waited for that');
cmp_ok($waits, '<=', 63, 'preloaded: and no more than there were');
is_clean($node, 'preloaded');

# Who leads is cancelled, is terminated, or gives up in a subtransaction

my $poll = open_session($node);
# Wait until so many lead; keep one where it is, and let it go on.
sub leads { my ($n) = @_; return wait_for(sub { $poll->query($flights) eq "$n|0" }); }
sub hold { kill 'STOP', $_[0]{pid}; }
sub go_on { kill 'CONT', $_[0]{pid}; }
sub naps
{
	my ($session) = @_;
	return wait_for(sub {
		$poll->query("SELECT wait_event_type FROM pg_stat_activity WHERE pid = $session->{pid}") eq 'Extension'
	});
}
sub new_session
{
	my $session = open_session($node);
	$session->{pid} = $session->query("SELECT clarify_context('$warm') \\g /dev/null\nSELECT pg_backend_pid()");
	return $session;
}

make_slow($node, 600);
for my $way ('cancel', 'terminate')
{
	my ($leader, $waiter) = (new_session(), new_session());
	my $person = somebody();
	my $want = sql("SELECT plain_slow('$person')");
	sql('SELECT clarify_cache.reset_stats()');
	$leader->send("SELECT clarify_context('$person')");
	ok(leads(1), "$way: one leads");
	hold($leader);
	$waiter->send("SELECT clarify_context('$person')");
	ok(naps($waiter), "$way: another waits");
	$poll->query("SELECT pg_${way}_backend($leader->{pid})");
	go_on($leader);
	is($waiter->query, $want, "$way: who waited gets the answer");
	if ($way eq 'cancel')
	{
		like($leader->query, qr/canceling statement/, "$way: who led does not");
	}
	else
	{
		ok(wait_for(sub { $poll->query("SELECT count(*) FROM pg_stat_activity WHERE pid = $leader->{pid}") eq '0' }),
			"$way: who led is gone");
	}
	is(sql('SELECT builds, waits FROM clarify_cache.stats, clarify_cache.call_stats'), '1|0', "$way: as it was built by who waited");
	is_clean($node, $way);
	is(sql("SELECT clarify_context('$person')"), $want, "$way: it is kept");
	is(sql('SELECT builds, local_hits FROM clarify_cache.stats'), '1|1', "$way: and hit");
	$_->close for $leader, $waiter;
}

my $session = new_session();
my $person = somebody();
my $want = sql("SELECT plain_slow('$person')");
like($session->query(qq{BEGIN;
	SAVEPOINT a;
	SET LOCAL statement_timeout = '50ms';
	SELECT clarify_context('$person')}), qr/statement timeout/, 'subtransaction: the build is cancelled');
is($session->query("ROLLBACK TO a;\n$flights"), '0|0', 'subtransaction: rolled back to the savepoint, it leads no more');
is(sql("SELECT clarify_context('$person')"), $want, 'subtransaction: another backend builds');
is($session->query("SELECT clarify_context('$person')"), $want, 'subtransaction: and it hits');
$session->query('COMMIT');
$person = somebody();
$want = sql("SELECT plain_slow('$person')");
is($session->query(qq{DO \$\$
	BEGIN
		PERFORM clarify_context('$person');
		RAISE EXCEPTION 'after the call';
	EXCEPTION WHEN raise_exception THEN
		PERFORM set_config('test.flights', (SELECT count(*) FROM pg_locks WHERE objsubid = 25443)::text, false);
	END \$\$;
	SHOW test.flights}), '0', 'subtransaction: an exception after the call leaves no lock');
sql('SELECT clarify_cache.reset_stats()');
is(sql("SELECT clarify_context('$person')"), $want, 'subtransaction: what it built is right');
is(sql('SELECT builds FROM clarify_cache.stats'), '0', 'subtransaction: and kept');
is_clean($node, 'subtransaction');

# Who looks for another version does not wait.

my $other = new_session();
$person = somebody();
for my $s ($session, $other)
{
	$s->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM users');
	sql("UPDATE users SET name = name || '!' WHERE id = '$person'");
}
sql('SELECT clarify_cache.reset_stats()');
$session->send("SELECT clarify_context('$person')");
ok(leads(1), 'two versions: one leads');
hold($session);
$other->send("SELECT clarify_context('$person')");
ok(leads(2), 'two versions: the other does, too, at the same time');
go_on($session);
my @got = map { $_->query } $session, $other;
is($got[$_], (map { $_->query("SELECT plain_slow('$person')") } $session, $other)[$_], 'two versions: each has its own answer') for 0, 1;
isnt($got[0], $got[1], 'two versions: which are different');
is(sql('SELECT builds, waits FROM clarify_cache.stats, clarify_cache.call_stats'), '2|0', 'two versions: each built');
$_->query('COMMIT') for $session, $other;
is_clean($node, 'two versions');

# What no tier takes is waited for once in a backend, if at all.

make_slow($node, 300, q(u.name, repeat(u.name, 60000) AS long));
$_->close for $session, $other;
($session, $other) = (new_session(), open_session($node));
$other->{pid} = $other->query('SELECT pg_backend_pid()');
$person = somebody();
$want = sql("SELECT md5(plain_slow('$person'))");
my $ask = "SELECT md5(clarify_context('$person')::text)";
is($session->query($ask), $want, 'too large: served');
sql('SELECT clarify_cache.reset_stats()');
my $offset = -s $node->logfile;
# One that does not know it yet leads, while one that does asks.
$other->send($ask);
ok(leads(1), 'too large: a backend that does not know leads');
hold($other);
is($session->query("SET clarify_cache.log_min_duration = 0;\n$ask"), $want, 'too large: one that knows is served meanwhile');
go_on($other);
is($other->query, $want, 'too large: and the other one then');
like(PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset), qr/clarify_cache: user=.* wait_us=0 /, 'too large: without waiting');
is(sql('SELECT builds, waits, fill_failures FROM clarify_cache.stats, clarify_cache.call_stats'), '2|0|2', 'too large: each built');
$_->close for $session, $other;
# All of a number of new backends: each may wait once, but all come to an end.
my @crowd = map { open_session($node) } 1 .. 8;
$_->send($ask) for @crowd;
is(join(' ', map { $_->query } @crowd), join(' ', ($want) x 8), 'too large: eight new backends at once are served');
$_->close for @crowd;
is_clean($node, 'too large');
$poll->close;
$node->stop;

# With Redis as the only tier they share, the next one to lead looks there.  It
# may do so before Redis has read what the one before has sent, which is sent
# without waiting, and then builds; and so may each one after it, so this is a
# number that is far from all, and usually one.

my $redis = start_redis();
$node = clarify_node('redis_only', preload => 0, redis => $redis, people => $people,
	conf => $conf . "clarify_cache.connect_timeout = '10s'\nclarify_cache.command_timeout = '10s'\n");
make_slow($node, 150);
for my $try (1 .. 5)
{
	$answers = all_at_once($node);
	$builds = (split /\|/, $answers)[2];
	last if $builds <= 16;
	diag("try $try: $answers");
}
like($answers, qr/^64\|64\|/, 'Redis alone: 64 answers, all right');
cmp_ok($builds, '>=', 1, 'Redis alone: somebody built');
cmp_ok($builds, '<=', 16, 'Redis alone: few did');
note("builds: $builds");
is_clean($node, 'Redis alone');
$node->stop;
done_testing();
