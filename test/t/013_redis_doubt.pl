# While as many tries as would open the breaker wait for a Redis that answers
# nobody, the next caller doubts that it will: it looks for a moment whether
# anybody gets an answer, and builds.  That moment is short however long the
# time-out is, and nothing in it can be cancelled.
#
# Takes a Redis that hangs, with a long time-out, and more callers than the breaker
# allows failures.  (What the breaker does when the tries have failed is in
# 003_redis_breaker.)

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use RedisTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $fake = start_fake();
my $node = redis_node('main', redis => $fake, conf => "clarify_cache.command_timeout = '20s'\n");
my @s = map { session($node) } 1 .. 6;
my $other = pop @s;
my ($call, $look) = map { "SELECT $_('" . user_id(1) . "')" } qw(clarify_context look);
my $cancel = sub { 'SELECT pg_cancel_backend(' . $_[0]->pid . ')' };

is_filled($s[0], 1, 'healthy: filled');
is_hit($_, 1, 'healthy: served') for @s;
look($other, 1);

$fake->mode('hang_before_reply', 'MGET');
$fake->clear_log;
$_->send($look) for @s[0 .. 2];
wait_for(sub { $fake->count('MGET') == 3 }) or die 'three tries do not come';
sleep 2.5;    # Redis has answered nobody for longer than a tenth of the time-out

# Not cancelled: it builds.
my $start = time;
is_built($s[3], 1, 'the fourth caller is exact, by building');
cmp_ok(time - $start, '<', 1, 'the fourth caller does not wait for long');

# Cancelled as soon as it has begun.  Whether the cancel or the answer comes first
# is chance; that one of them does at once is not.
for my $try (1 .. 3)
{
	$start = time;
	$s[4]->send($call);
	$other->query($cancel->($s[4]));
	like($s[4]->receive, qr/^\{"user"|canceling statement due to user request/, "cancelled $try: answered, or cancelled");
	cmp_ok(time - $start, '<', 1, "cancelled $try: promptly");
}
is($fake->count('MGET'), 3, 'nobody but the first three tries');
is(status($other, 'breaker, breaker_failures'), 'closed|0', 'to doubt is no failure');

# The three that wait can be cancelled as ever; the next caller is admitted again.
for my $n (0 .. 2)
{
	$other->query($cancel->($s[$n]));
	like($s[$n]->receive, qr/canceling statement due to user request/, "waiting caller $n: cancelled");
}
$fake->mode('normal');
is_hit($_, 1, 'well again: everybody is served') for @s;

# A Redis that answers others is not in doubt.
$fake->mode('late', 'MGET', 50);
$fake->clear_log;
$_->send($look) for @s, $other;
like($_->receive, qr/^exact: /, 'slow, all at once: exact') for @s, $other;
cmp_ok($fake->count('MGET'), '>=', 3, 'slow, all at once: three at least are admitted');
is(status($other, 'breaker'), 'closed', 'slow, all at once: no failure');

$_->quit for @s, $other;
$node->stop;
done_testing();
