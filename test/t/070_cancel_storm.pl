# Five hundred cancels at random moments, over sessions that each read different
# users one after the other, with Redis and the local tier, a Redis that
# takes its time, and time-outs of a few milliseconds: whatever a call was doing when it
# ended, no later answer of that backend, nor anybody else's, is of another
# user, of another moment, or half an answer.
#
# An exchange with Redis that is left unfinished, a partition of the local tier
# left locked or half written, pinned settings left in force, an answer left over
# from the user before: each would show as a wrong answer, or as a session that hangs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use RedisTest;
use Test::More;
use Time::HiRes qw(sleep time usleep);

use constant CANCELS => 500;
use constant PEOPLE => 20;

# The local tier is too small for all, so that both tiers are asked.
srand(70);
my $fake = start_fake();
my $node = redis_node('main', redis => $fake, local => '64kB',
	conf => "clarify_cache.breaker_failures = 1000\nclarify_cache.command_timeout = '1s'\n");

# Every answer is compared with plain queries in the same snapshot.  Some calls are
# made where nothing is cached, some in a subtransaction whose error is caught,
# and some with a time-out that ends them.  What is counted: exact, ended,
# wrong; and settings that are not as they were.
$node->safe_psql('postgres', q~
	CREATE TABLE seen (pid int, person uuid, what text, answer text);
	CREATE PROCEDURE storm(rounds int, me int) LANGUAGE plpgsql AS $$
	DECLARE
		person uuid;
		other uuid;
		mine text;
		plain text;
		exact int := 0;
		ended int := 0;
	BEGIN
		FOR n IN 1 .. rounds LOOP
			person := md5('user ' || 1 + (n * 7 + me) % 20)::uuid;
			other := md5('user ' || 1 + (n * 3 + me * 5) % 20)::uuid;
			BEGIN
				IF n % 15 = 0 THEN
					UPDATE dreams SET title = left(title, 100) || '!' WHERE id = (SELECT id FROM dreams WHERE user_id = person LIMIT 1);
				END IF;
				CASE n % 3
					WHEN 0 THEN
						SELECT clarify_context(person)::text, plain_context(person) INTO mine, plain;
					WHEN 1 THEN
						SELECT string_agg(context::text, ';' ORDER BY user_id), string_agg(plain_context(user_id), ';' ORDER BY user_id)
							INTO mine, plain FROM clarify_contexts(ARRAY[person, other, md5('user 3')::uuid]);
					ELSE
						SELECT string_agg(clarify_context(u)::text, ';' ORDER BY u), string_agg(plain_context(u), ';' ORDER BY u)
							INTO mine, plain FROM unnest(ARRAY[person, other]) u;
				END CASE;
				IF mine IS DISTINCT FROM plain THEN
					INSERT INTO seen VALUES (pg_backend_pid(), person, plain, mine);
				ELSE
					exact := exact + 1;
				END IF;
			EXCEPTION WHEN query_canceled OR lock_not_available THEN
				ended := ended + 1;
			END;
			IF current_setting('timezone') <> 'Asia/Kolkata' OR current_setting('datestyle') <> 'German, DMY'
				OR current_setting('search_path') <> 'public, pg_temp' THEN
				INSERT INTO seen VALUES (pg_backend_pid(), person, 'settings',
					concat_ws(' ', current_setting('timezone'), current_setting('datestyle'), current_setting('search_path')));
			END IF;
			IF n % 4 = 0 THEN
				COMMIT;
			END IF;
		END LOOP;
		RAISE INFO 'exact: %, ended: %', exact, ended;
	END $$;~);
is($node->safe_psql('postgres', q~SELECT count(*) FROM users~), PEOPLE, 'people');

my @sessions = map { session($node) } 1 .. 4;
my $other = session($node);
$_->query(q(SET timezone = 'Asia/Kolkata'; SET datestyle = 'German, DMY'; SET search_path = public, pg_temp)) for @sessions;

my ($sent, $ended, $exact, $broken) = (0, 0, 0, 0);
my %running;
my $rounds = 60;
my $start = time;

sub take
{
	my ($n, $said) = @_;
	delete $running{$n};
	($exact, $ended) = ($exact + $1, $ended + $2) if $said =~ /exact: (\d+), ended: (\d+)/;
	# between two calls, or at the commit, nothing catches it
	$broken++ if $said =~ /canceling statement/;
	like($said, qr/exact: |canceling statement/, 'no other error') unless $said =~ /exact: |canceling statement/;
}

while ($sent < CANCELS && time - $start < 240)
{
	for my $n (0 .. $#sessions)
	{
		my $session = $sessions[$n];
		if (!$running{$n})
		{
			$fake->mode($sent % 4 == 0 ? ('late', 'MGET', 3) : $sent % 4 == 1 ? ('drip', 'MGET', 1) : $sent % 4 == 2 ? ('late', undef, 1) : ('normal'));
			$session->send("CALL storm($rounds, $n)");
			$running{$n} = 1;
		}
	}
	# at random moments, a few at each
	my $pids = join ',', map { $_->pid } @sessions;
	$sent += $other->query("SELECT count(*) FROM (SELECT pg_cancel_backend(pid) FROM pg_stat_activity
		WHERE pid IN ($pids) AND state = 'active' AND query LIKE 'CALL%' AND random() < 0.7) c");
	usleep(int rand 25_000);
	for my $n (0 .. $#sessions)
	{
		my $psql = $sessions[$n]{psql};
		$psql->{run}->pump_nb;
		take($n, $sessions[$n]->receive) if $running{$n} && $psql->{stdout} =~ /$sessions[$n]{end}\n/;
	}
}
take($_, $sessions[$_]->receive) for sort keys %running;
cmp_ok($sent, '>=', CANCELS, "cancels: $sent");
note("exact $exact, ended in a call $ended, ended between $broken");

# The same by time-outs: some end in the wait for Redis, some in a build.
$fake->mode('late', 'MGET', 2);
for my $ms (1, 2, 3, 5, 8)
{
	for my $session (@sessions)
	{
		$session->query("SET lock_timeout = '1ms'; SET statement_timeout = '${ms}ms'");
		for my $n (1 .. 10)
		{
			my $said = $session->error("SELECT clarify_context('" . user_id($n) . "')::text = plain_context('" . user_id($n) . "')");
			like($said, qr/^$|canceling statement due to statement timeout/, "statement_timeout of $ms ms: no other error")
			  unless $said =~ /^$|canceling statement due to statement timeout/;
			$ended++ if $said ne '';
		}
		# This may be ended itself.
		wait_for(sub { $session->error('SET statement_timeout = 0') eq '' }) or die 'no end of the time-out';
		$session->query('SET lock_timeout = 0');
	}
}
cmp_ok($ended + $broken, '>', 100, 'many calls were ended in their middle');
is($node->safe_psql('postgres', 'SELECT count(*) FROM seen'), 0, 'no wrong answer, and no setting left changed')
  or diag($node->safe_psql('postgres', 'SELECT left(what, 300), left(answer, 300) FROM seen LIMIT 3'));

# All is well: every person in every session, one after the other.
$fake->mode('normal');
for my $session (@sessions)
{
	for my $n (1 .. PEOPLE)
	{
		my $look = look($session, $n);
		like($look, qr/^exact: /, "then person $n is answered exactly") unless $look =~ /^exact: /;
	}
}
my $before = counters($node);
is(look($sessions[0], $_) =~ /^exact/ ? 1 : 0, 1, "person $_ is exact") for 1 .. PEOPLE;
my $after = counters($node);
is($after->{builds} - $before->{builds}, 0, 'and nothing is built any more');
cmp_ok($after->{$_}, '>', 500, "many answers were $_") for qw(local_hits redis_hits);
$other->query("SET clarify_cache.enabled = off");
is($other->query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0, 'no flight is left led');
is(log_count($node, 'PANIC:|terminated by signal|server process'), 0, 'no backend was lost');
is(status($sessions[0], 'breaker'), 'closed', 'a cancel is no failure of Redis');
$_->quit for @sessions, $other;

done_testing();
