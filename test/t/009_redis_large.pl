# Large entries: one of 900 kB, which no single write or read of a socket takes,
# is filled and served; one over max_entry_size is served and not cached; one
# over every limit, put there by somebody, costs nothing but time.
#
# It needs to look into Redis.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use RedisTest;
use PostgreSQL::Test::Utils;
use Test::More;

for my $tcp (0, 1)
{
	my $over = $tcp ? 'TCP' : 'Unix socket';
	my $redis = start_redis(tcp => $tcp);
	my $node = new_node("large$tcp", redis => $redis,
		conf => "clarify_cache.command_timeout = '10s'\nclarify_cache.breaker_recovery = '1h'\n");
	$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION clarify_cache;
CREATE TABLE large (id int PRIMARY KEY, user_id uuid, body text);
CREATE INDEX ON large (user_id);
CREATE TABLE small (id int PRIMARY KEY, user_id uuid, body text);
SELECT clarify_cache.attach('large'), clarify_cache.attach('small');
SELECT clarify_cache.add_section('large', 'SELECT id, body FROM large WHERE user_id = $1 ORDER BY id');
SELECT clarify_cache.add_section('small', 'SELECT id, body FROM small WHERE user_id = $1 ORDER BY id');
CREATE FUNCTION plain(person uuid) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT '{"large":[' || coalesce((SELECT string_agg(row_to_json(t)::text, ',' ORDER BY id)
			FROM (SELECT id, body FROM large WHERE user_id = person) t), '') || '],"small":['
		|| coalesce((SELECT string_agg(row_to_json(t)::text, ',' ORDER BY id)
			FROM (SELECT id, body FROM small WHERE user_id = person) t), '') || ']}'
$$;
CREATE FUNCTION fill(person uuid, bytes int) RETURNS void LANGUAGE sql AS $$
	DELETE FROM large WHERE user_id = person;
	INSERT INTO large SELECT ('x' || left(md5(person::text || n), 7))::bit(28)::int, person,
		left(repeat(md5(person::text || n), 1 + bytes / 320), bytes / 10)
	FROM generate_series(1, 10) n;
	INSERT INTO small VALUES (('x' || left(md5(person::text), 7))::bit(28)::int, person, 'ü')
		ON CONFLICT DO NOTHING;
$$;
SQL
	my $s = session($node);
	my $counted = sub {
		return $s->query('SELECT sum(redis_hits), sum(builds), sum(fills) FROM clarify_cache.stats');
	};

	# The answer is compared on the server; what is counted, by difference.
	my $get = sub {
		my ($n) = @_;
		my @before = split /\|/, &$counted;
		my $exact = $s->query("SELECT clarify_context(u)::text = plain(u) FROM (SELECT '" . user_id($n) . "'::uuid AS u) p");
		my @after = split /\|/, &$counted;
		return join ' ', $exact, map { $after[$_] - $before[$_] } 0 .. 2;
	};
	my $fill = sub { $s->query("SELECT fill('" . user_id($_[0]) . "', $_[1])") };

	$fill->(1, 900_000);
	is($get->(1), 't 0 2 2', "$over: 900 kB, built and filled");
	is($get->(1), 't 2 0 0', "$over: 900 kB, served") for 1 .. 3;
	my ($key) = grep { /large$/ } $redis->entries;
	cmp_ok($redis->command('STRLEN', $key), '>', 900_000, "$over: 900 kB are in Redis");

	# Users in turn, so that a rest of one would meet the next.
	$fill->($_, 300_000 + 100_000 * $_) for 2 .. 6;
	is($get->($_), 't 0 2 2', "$over: person $_, filled") for 2 .. 6;
	is($get->($_), 't 2 0 0', "$over: person $_, served") for 6, 2, 5, 3, 4, 1;

	# Over the limit.
	$fill->(1, 1_100_000);
	is($get->(1), 't 1 1 0', "$over: 1.1 MB, served and not cached") for 1 .. 3;
	is($redis->command('EXISTS', $key), 0, "$over: 1.1 MB, no entry");
	$s->query("SET clarify_cache.max_entry_size = '2MB'");
	is($get->(1), 't 1 1 1', "$over: under a higher limit, filled");
	is($get->(1), 't 2 0 0', "$over: under a higher limit, served");
	$s->query("SET clarify_cache.max_entry_size = '1kB'");
	is($get->(1), 't 2 0 0', "$over: a lower limit is for what is filled");
	$fill->(1, 2000);
	is($get->(1), 't 1 1 0', "$over: 2 kB, over a limit of 1 kB") for 1, 2;
	$s->query('RESET clarify_cache.max_entry_size');
	is($get->(1), 't 1 1 1', "$over: filled under the limit");
	is($get->(1), 't 2 0 0', "$over: served under the limit");
	is(status($s, 'breaker, breaker_failures, breaker_openings'), 'closed|0|0', "$over: no failure");

	# What is too large to be ours is not read to its end.
	my $entry = $redis->get($key);
	$redis->put($key, 'x' x 40_000_000);
	is($get->(1), 't 0 2 0', "$over: 40 MB under a key, exact");
	is(status($s), 'closed|1', "$over: 40 MB under a key, a failure");
	is($get->(2), 't 2 0 0', "$over: then another user is served");
	$redis->put($key, $entry);
	is($get->(1), 't 2 0 0', "$over: and the first one, with his entry back");

	# A value of 40 MB needs the memory only while the call lasts.
	$s->query("SET clarify_cache.max_entry_size = '64MB'");
	$fill->(1, 20_000_000);
	is($get->(1), 't 1 1 1', "$over: 20 MB, if that is allowed, filled");
	is($get->(1), 't 2 0 0', "$over: 20 MB, served");
	is(status($s), 'closed|0', "$over: no failure");
	is($s->query('SELECT sum(total_bytes) < 30 * 1024 * 1024 FROM pg_backend_memory_contexts'), 't',
		"$over: nothing of it stays in memory");
	$s->quit;
	$node->stop;
	$redis->stop;
}

done_testing();
