# The circuit breaker: three failures in a row open it, for all backends when
# the library is preloaded, for each backend when not; while it is open nobody
# tries; after the recovery period exactly one caller does; and the log has one
# line for each change.
#
# Tries are counted by the server that is tried, which no client can do.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use RedisTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $fake = start_fake(password => 'fake-secret');
my $timeout = "clarify_cache.command_timeout = '200ms'\n";
my $node = redis_node('shared', redis => $fake, conf => $timeout);
my @s = map { session($node) } 1 .. 8;
my $call = sub { "SELECT look('" . user_id($_[0]) . "')" };
my $log = sub {
	return join ' ', map { log_count($node, $_) }
	  'clarify_cache leaves Redis alone after 3 failures in a row', 'clarify_cache uses Redis again';
};

is_filled($s[0], 1, 'healthy: filled');
is_hit($_, 1, 'healthy: served') for @s;
is(status($s[0], 'breaker, breaker_failures, breaker_openings, breaker_probe_at'), 'closed|0|0|', 'status: closed');

# Sequentially: three tries in all.
$fake->mode('hang_before_reply', 'MGET');
$fake->clear_log;
is_built($_, 1, 'frozen: each backend is exact') for @s;
is($fake->count('MGET'), 3, 'preloaded: three tries of eight backends');
is(status($s[7], 'breaker, breaker_failures, breaker_openings, breaker_probe_at > now()'),
	'open|3|1|t', 'status: open, as a backend sees it that did not try');
is_built($_, 1, 'open: each backend is exact') for @s;
is($fake->count('MGET', 'CONNECT'), 3, 'open: nobody tries, or connects, again');
is(&$log, '1 0', 'the log says so once');

# Neither does a writer.
$fake->clear_log;
edit_dream($s[3], 1);
is_built($s[3], 1, 'open: exact after a write');
is($fake->count('CONNECT', 'UNLINK', 'MGET'), 0, 'open: a writer does not try either');

# The recovery period is over: one probe, though all call at once.
$node->append_conf('postgresql.conf', "clarify_cache.breaker_recovery = '5s'\n");
set_conf($node, 'clarify_cache.breaker_recovery', '5s');
$_->query('SELECT 1') for @s;    # to take the setting
is(status($s[0]), 'half-open|3', 'status: half-open, when the period is over and nobody has tried');
$fake->clear_log;
$_->send($call->(1)) for @s;
like($_->receive, qr/^exact: 0 hits/, 'half-open: exact') for @s;
is($fake->count('MGET'), 1, 'half-open: exactly one of eight callers tries');
is(status($s[0], 'breaker, breaker_openings'), 'open|1', 'a failed probe leaves it open, which is no opening');
is(&$log, '1 0', 'and no line in the log');

# A probe that is cancelled leaves it open, too.
set_conf($node, 'clarify_cache.breaker_recovery', '100ms');
$_->query('SELECT 1') for @s;
$s[0]->query("SET clarify_cache.command_timeout = '20s'");
$fake->clear_log;
$s[0]->send($call->(1));
wait_for(sub { $fake->count('MGET') }) or die 'no probe';
set_conf($node, 'clarify_cache.breaker_recovery', '1h');
$s[1]->query("SELECT pg_cancel_backend(" . $s[0]->pid . ')');
like($s[0]->receive, qr/canceling statement due to user request/, 'a probe can be cancelled');
$s[0]->query('RESET clarify_cache.command_timeout');
is(status($s[2], 'breaker <> $$closed$$'), 't', 'which leaves the breaker open');

# And so does one whose backend dies.
set_conf($node, 'clarify_cache.breaker_recovery', '100ms');
sleep 0.2;
$s[7]->query("SET clarify_cache.command_timeout = '20s'");
$fake->clear_log;
$s[7]->send($call->(1));
wait_for(sub { $fake->count('MGET') }) or die 'no probe';
$s[1]->query("SELECT pg_terminate_backend(" . $s[7]->pid . ')');
eval { pop(@s)->receive };
$fake->mode('normal');
sleep 0.2;

# Redis is well: the next probe closes it for everybody.
is(status($s[6]), 'half-open|4', 'status: half-open after a probe that died (the failed one is counted)');
$fake->clear_log;
like(look($s[4], 1), qr/^exact: 4 hits, 1 built, 0 bypassed, 1 filled/, 'well again: the probe is served');
is_hit($_, 1, 'well again: everybody is served') for @s;
is(status($s[6], 'breaker, breaker_failures, breaker_openings, breaker_probe_at'), 'closed|0|1|', 'status: closed');
is(&$log, '1 1', 'the log says so once');

# Failures in a row: a success in between counts from the start.
for my $round (1 .. 3)
{
	$fake->mode('error', 'MGET', 'ERR no');
	is_built($s[$_], 1, 'two failures: exact') for 0, 1;
	$fake->mode('normal');
	is_hit($s[2], 1, 'a success: served');
}
is(status($s[0], 'breaker, breaker_failures, breaker_openings'), 'closed|0|1', 'only failures in a row open it');

# Another number of failures.
set_conf($node, 'clarify_cache.breaker_recovery', '1h');
set_conf($node, 'clarify_cache.breaker_failures', 5);
$fake->mode('error', 'MGET', 'ERR no');
$fake->clear_log;
is_built($s[$_ % 7], 1, 'breaker_failures: exact') for 1 .. 9;
is($fake->count('MGET'), 5, 'breaker_failures = 5: five tries');
is(log_count($node, 'leaves Redis alone after 5 failures'), 1, 'the log says so once');

# All at once: as many tries may be under way as there are callers, but each
# caller makes one at most, and the log has one line.
$fake->mode('normal');
$s[0]->query("SET clarify_cache.breaker_recovery = '100ms'");
look($s[0], 1);
is_hit($_, 1, 'closed again') for @s;
set_conf($node, 'clarify_cache.breaker_failures', 3);
$fake->mode('hang_before_reply', 'MGET');
$fake->clear_log;
$_->send($call->(1)) for @s[1 .. 6];
like($_->receive, qr/^exact: /, 'frozen, all at once: exact') for @s[1 .. 6];
cmp_ok($fake->count('MGET'), '<=', 6, 'frozen, all at once: no caller tries twice');
is(status($s[1], 'breaker'), 'open', 'frozen, all at once: open');
is(&$log, '2 2', 'frozen, all at once: one line in the log');
is(log_count($node, 'fake-secret'), 0, 'no line has the password');
$_->quit for @s;
$node->stop;

# Not preloaded: each backend has a breaker of its own.
$fake->mode('normal');
$node = redis_node('own', redis => $fake, preload => 0, conf => $timeout);
@s = map { session($node) } 1 .. 3;
is_filled($s[0], 1, 'not preloaded: filled');
is_hit($_, 1, 'not preloaded: served') for @s;
$fake->mode('hang_before_reply', 'MGET');
for my $backend (0 .. 1)
{
	$fake->clear_log;
	is_built($s[$backend], 1, "not preloaded: backend $backend is exact") for 1 .. 5;
	is($fake->count('MGET'), 3, "not preloaded: three tries of backend $backend");
}
is(status($s[$_]), 'open|3', "not preloaded: open for backend $_") for 0, 1;
is(status($s[2]), 'closed|0', 'not preloaded: closed for one that did not try');
is(&$log, '2 0', 'not preloaded: each says so once');
$fake->mode('normal');
is_hit($s[2], 1, 'not preloaded: it is served');
$s[0]->query("SET clarify_cache.breaker_recovery = '100ms'");
is_hit($s[0], 1, 'not preloaded: one that probes is served');
is(status($s[0]), 'closed|0', 'not preloaded: closed for itself');
is(status($s[1]), 'open|3', 'not preloaded: not for another');
is(&$log, '2 1', 'not preloaded: it says so once');
$_->quit for @s;

done_testing();
