# A connection that the server closes while it is idle is opened again, and that
# is no failure, however often; for a reader, after fills, and for a writer.
#
# It needs a Redis that closes connections when told to.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use RedisTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

for my $tcp (0, 1)
{
	my $over = $tcp ? 'TCP' : 'Unix socket';
	my $redis = start_redis(tcp => $tcp);
	my $node = redis_node("idle$tcp", redis => $redis);
	my $s = session($node);
	my $clients = sub { return $redis->command('INFO', 'clients') =~ /connected_clients:(\d+)/ && $1 - 1; };
	my $close_all = sub {
		$redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
		wait_for(sub { &$clients == 0 }) or die 'connections are left';
	};

	is_filled($s, 1, "$over: filled");
	is_hit($s, 1, "$over: served");
	for my $time (1 .. 5)
	{
		$close_all->();
		is_hit($s, 1, "$over: closed while idle, time $time: served");
		is(status($s, 'connected, breaker, breaker_failures'), 't|closed|0', "$over: closed while idle: no failure");
	}

	# With answers to fills outstanding.
	is_filled($s, 2, "$over: filled");
	wait_for(sub { scalar(my @keys = $redis->entries) == 10 }) or die 'not filled';
	$close_all->();
	is_hit($s, 2, "$over: closed after a fill: served");

	# In the middle of a transaction.
	$s->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
	is_hit($s, 1, "$over: in a transaction");
	$close_all->();
	is_hit($s, 2, "$over: closed in the middle of a transaction: served");
	$s->query('COMMIT');

	# A writer.
	my ($dreams) = grep { index($_, user_id(1)) > 0 && /dreams$/ } $redis->entries;
	$close_all->();
	edit_dream($s, 1);
	ok(wait_for(sub { $redis->command('EXISTS', $dreams) == 0 }), "$over: a writer has its entry removed all the same")
	  unless $tcp;    # there it does not wait for the connection
	like(look($s, 1), qr/^exact: 4 hits, 1 built, 0 bypassed, 1 filled/, "$over: exact");
	is_hit($s, 1, "$over: served");

	# By Redis' own time limit.
	$redis->command('CONFIG', 'SET', 'timeout', '1');
	ok(wait_for(sub { &$clients == 0 }), "$over: Redis closes what is idle for a second");
	is_hit($s, 2, "$over: served");
	is(status($s, 'breaker, breaker_failures, breaker_openings'), 'closed|0|0', "$over: not one failure");

	# Redis restarted while idle: the same, if it is up in time.
	$redis->kill9;
	$redis->start;
	is_filled($s, 2, "$over: restarted while idle: filled");
	is(status($s, 'breaker, breaker_failures, breaker_openings'), 'closed|0|0', "$over: not one failure");
	$s->quit;
	$node->stop;
	$redis->stop;
}

done_testing();
