# 20,000 calls in one backend, hits, misses, changes and failures of Redis mixed,
# leave its memory flat.  (test/soak.sh does the same 100,000 times, and reports.)
#
# It needs a Redis that fails at times, and a look at the process.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use PostgreSQL::Test::Utils;
use RedisTest;
use Test::More;

my $fake = start_fake();
my $redis = start_redis();
my $node = redis_node('main', redis => $redis, conf => "clarify_cache.breaker_recovery = '100ms'\n");
my $s = session($node);
my $pid = $s->pid;

sub rss_kb
{
	return PostgreSQL::Test::Utils::slurp_file("/proc/$pid/status") =~ /RssAnon:\s+(\d+)/ ? $1 : die 'no RssAnon';
}
sub contexts_kb { return $s->query('SELECT (sum(total_bytes) / 1024)::int FROM pg_backend_memory_contexts'); }

# Sockets and event sets; the server keeps files open as it likes.
sub descriptors
{
	return scalar grep { (readlink($_) // '') =~ /^(socket|anon_inode)/ } glob "/proc/$pid/fd/*";
}

# In transactions of their own, by one statement for each: psql's \watch would
# be slow, so a procedure that commits.
$s->query(q(CREATE PROCEDURE calls(times int, change_every int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. times LOOP
		PERFORM clarify_context(md5('user ' || 1 + i % 25)::uuid);
		IF i % change_every = 0 THEN
			UPDATE users SET name = 'name ' || i WHERE id = md5('user ' || 1 + i % 7)::uuid;
		END IF;
		IF i % 100 = 0 THEN
			BEGIN
				PERFORM clarify_context(md5('user ' || i)::uuid);
				PERFORM 1 / 0;
			EXCEPTION WHEN division_by_zero THEN
				NULL;
			END;
		END IF;
		COMMIT;
	END LOOP;
END $$));

sub mixed
{
	my ($times) = @_;
	set_conf($node, 'clarify_cache.redis_url', $redis->url);
	$s->query("CALL calls($times, 10)");        # hits mostly
	$s->query("CALL calls($times, 1)");         # misses
	$redis->freeze;
	$s->query("SET clarify_cache.command_timeout = '2ms'");
	$s->query("CALL calls($times, 10)");        # time-outs, the breaker, probes
	$redis->thaw;
	$s->query('RESET clarify_cache.command_timeout');
	set_conf($node, 'clarify_cache.redis_url', $fake->url);
	$s->query('SET clarify_cache.breaker_failures = 1000');
	for my $mode ([ 'garbage' ], [ 'close' ], [ 'close_mid_reply' ], [ 'error', undef, 'ERR no' ],
		[ 'wrong_type', undef, 'nested' ], [ 'huge', undef, 'array' ], [ 'extra_reply' ], [ 'wrong_key' ])
	{
		$fake->mode(@$mode);
		$s->query('CALL calls(' . int($times / 8) . ', 10)');
		$fake->mode('normal');
		$s->query('SELECT clarify_context(md5($$user 1$$)::uuid)') for 1 .. 3;
	}
	$s->query('RESET clarify_cache.breaker_failures');
}

# However fast the machine: until the breaker has closed again and the backend
# is connected.
sub settle
{
	for (1 .. 200)
	{
		$s->query('SELECT clarify_context(md5($$user 1$$)::uuid)');
		return if $s->query(q{SELECT connected AND breaker = 'closed' FROM clarify_cache.status}) eq 't';
		select(undef, undef, undef, 0.05);
	}
	die 'the breaker did not close';
}

mixed(500);
mixed(500);
settle();
my ($rss, $contexts, $descriptors) = (rss_kb(), contexts_kb(), descriptors());
mixed(2500) for 1 .. 2;
settle();
my ($rss_after, $contexts_after, $descriptors_after) = (rss_kb(), contexts_kb(), descriptors());
note "RSS $rss -> $rss_after kB, contexts $contexts -> $contexts_after kB, descriptors $descriptors -> $descriptors_after";

# A leak of 32 bytes a call would be 640 kB.
cmp_ok($contexts_after - $contexts, '<', 400, '20,000 calls: the memory contexts are flat');
cmp_ok($rss_after - $rss, '<', 2000, '20,000 calls: so is the process');
cmp_ok($descriptors_after - $descriptors, '<=', 1, '20,000 calls: no descriptor is left open');
my $counters = counters($node);
cmp_ok($counters->{redis_hits}, '>', 10_000, 'hits were among them');
cmp_ok($counters->{builds}, '>', 10_000, 'and builds');
cmp_ok($s->query('SELECT breaker_openings FROM clarify_cache.status'), '>', 1, 'and failures');
set_conf($node, 'clarify_cache.redis_url', $redis->url);
like(look($s, 1), qr/^exact/, 'exact afterwards');
$s->query("SET clarify_cache.breaker_recovery = '100ms'");
like(look($s, 1), qr/^exact/, 'exact') for 1, 2;
settle();
is_hit($s, 1, 'and served');
$s->quit;

done_testing();
