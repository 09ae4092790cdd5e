# A Redis that answers wrongly in every way that we could think of: each answer
# is exact, in bounded time, and what was a failure is counted as one; the
# connection is not used again; and a well-behaved Redis serves afterwards.
#
# No real Redis does these things; the fake one in this folder does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use RedisTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $fake = start_fake();
my $node = redis_node('main', redis => $fake);
my $s = session($node);

is_filled($s, $_, "person $_: filled") for 1 .. 3;
is_hit($s, $_, "person $_: served") for 1 .. 3;

# How an answer to MGET may go wrong, so that the exchange fails: what the
# caller gets, how long it waits (with a time-out of 200 ms), and whether the
# connection is closed by us.
my @failures = (
	[ 'a reply that does not come', 'hang_before_reply', undef, 1 ],
	[ 'a reply that stops in the middle', 'hang_mid_reply', undef, 1 ],
	[ 'a reply that comes too late', 'late', 500, 1 ],
	[ 'a reply that comes byte by byte', 'drip', 5, 1 ],
	[ 'a connection closed in the middle of a reply', 'close_mid_reply', undef, 0 ],
	[ 'garbage', 'garbage', undef, 0 ],
	[ 'an error', 'error', 'ERR something', 0 ],
	[ 'LOADING', 'error', 'LOADING Redis is loading the dataset in memory', 0 ],
	[ 'an error of odd bytes', 'error', "\xff%s%n %d", 0 ],
	[ 'an error without a text', 'error', '', 0 ],
	[ 'an integer', 'wrong_type', 'integer', 0 ],
	[ 'a status', 'wrong_type', 'status', 0 ],
	[ 'a string', 'wrong_type', 'bulk', 0 ],
	[ 'nil', 'wrong_type', 'nil', 0 ],
	[ 'an array that is too short', 'wrong_type', 'short', 0 ],
	[ 'an array that is too long', 'wrong_type', 'long', 0 ],
	[ 'arrays in the array', 'wrong_type', 'nested', 0 ],
	[ 'a string said to have 2 GB', 'huge', 'bulk', 1 ],
	[ 'an array said to have 2 billion elements', 'huge', 'array', 0 ],
	[ 'the reply twice', 'extra_reply', undef, 0 ],
	[ 'the reply one and a half times', 'extra_half', undef, 0 ]);

$s->query("SET clarify_cache.command_timeout = '200ms'");
for my $case (@failures)
{
	my ($name, $mode, $argument, $waits) = @$case;
	$s->query("SET clarify_cache.breaker_recovery = '1h'");
	$fake->mode($mode, 'MGET', $argument);
	$fake->clear_log;
	is_built($s, 1, "$name: exact");
	cmp_ok($s->{ms}, '<', 450, "$name: one time-out at most");
	cmp_ok($s->{ms}, '>=', 199, "$name: has waited for it") if $waits;
	is(status($s), 'closed|1', "$name: a failure");
	is($fake->count('MGET'), 1, "$name: not tried again");

	# Of another user, at once: nothing of the first answer may be left.
	$fake->mode('normal');
	is_hit($s, 2, "$name: then another user is served, exactly");
	is_hit($s, 1, "$name: and the first one");
	is(status($s), 'closed|0', "$name: which ends the row of failures");
}

# An exchange is not failed by these: the values are wrong, each is a miss.
# What is built instead is exact, and offered.
for my $case (
	[ 'values of another user', 'wrong_key' ],
	[ 'values swapped between the keys', 'swap' ])
{
	my ($name, $mode) = @$case;
	$fake->mode($mode, 'MGET');
	is_look($s, 2, 'exact: 0 hits, 5 built, 0 bypassed, 5 filled, 5 corrupt', "$name: exact, none is taken");
	is(status($s), 'closed|0', "$name: no failure, and nothing else is to be had from this Redis");
	$fake->mode('normal');
	is_hit($s, 2, "$name: then served");
	is_hit($s, 1, "$name: and the other user, whose values they were");
}
$fake->mode('wrong_type', 'MGET', 'integers');
is_filled($s, 2, 'an array of integers: five misses');
$fake->mode('normal');
is_hit($s, 2, 'an array of integers: then served');

# The first values ever stored, for ever.
edit_dream($s, 1);
is_look($s, 1, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'a change');
$fake->mode('old');
is_look($s, 1, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled, 1 of other data', 'old values: the changed one is not taken');
is_look($s, 1, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled, 1 of other data', 'old values: as often as they come');
$fake->mode('normal');
is_hit($s, 1, 'old values: then served');

# Closed before any of the reply: like a connection closed while idle, this is
# tried once more, on a new connection; then it is a failure.
$fake->mode('close', 'MGET');
$fake->clear_log;
is_built($s, 1, 'closed instead of a reply: exact');
is($fake->count('MGET'), 2, 'closed instead of a reply: tried again once');
is(status($s), 'closed|1', 'closed instead of a reply: one failure');
$fake->mode('normal');
is_hit($s, 2, 'closed instead of a reply: then served');

# A connection that waits to be accepted.
my $t = session($node);
$fake->mode('slow_accept');
$t->query("SET clarify_cache.command_timeout = '200ms'");
is_built($t, 1, 'slow accept: exact');
cmp_ok($t->{ms}, '<', 450, 'slow accept: one time-out for all');
is_hit($s, 1, 'slow accept: who is connected is served');
$fake->mode('normal');
is_hit($t, 2, 'slow accept: then served');

# Answers to what nobody waits for.
$s->query("SET clarify_cache.breaker_recovery = '100ms'");
for my $case (
	[ 'error', 'OOM command not allowed when used memory > maxmemory' ],
	[ 'error', 'READONLY You can\'t write against a read only replica.' ],
	[ 'error', "\xff\x00%n" ])
{
	my ($mode, $argument) = @$case;
	my ($name) = $argument =~ /^([A-Z]*)/;
	$fake->command('FLUSHALL');
	$fake->mode($mode, 'SET', $argument);
	is_filled($s, 1, "a fill answered $name: offered");
	is(status($s), 'closed|0', "a fill answered $name: not known yet");
	is_filled($s, 1, "a fill answered $name: exact, and offered again");
	is(status($s), 'closed|1', "a fill answered $name: a failure, once it is read");
	$fake->mode('normal');
	like(look($s, 1), qr/^exact: 0 hits/, "a fill answered $name: exact");
	is_hit($s, 2, "a fill answered $name: another user is served") if look($s, 2);
	is_hit($s, 1, "a fill answered $name: then served");
	is(status($s), 'closed|0', "a fill answered $name: and all is well");
}

for my $case (
	[ 'garbage', 'garbage' ],
	[ 'nothing', 'hang_before_reply' ],
	[ 'half a reply', 'hang_mid_reply' ],
	[ 'two replies', 'extra_reply' ],
	[ 'a huge reply', 'huge', 'bulk' ],
	[ 'arrays', 'wrong_type', 'nested' ])
{
	my ($name, $mode, $argument) = @$case;
	$fake->command('FLUSHALL');
	$fake->mode($mode, 'SET', $argument);
	is_filled($s, 1, "a fill answered with $name: offered");
	like(look($s, 2), qr/^exact: 0 hits, 5 built/, "a fill answered with $name: another user's answer is exact");
	cmp_ok($s->{ms}, '<', 450, "a fill answered with $name: one time-out at most");
	$fake->mode('normal');
	like(look($s, 1), qr/^exact: /, "a fill answered with $name: the first user's answer is exact");
	like(look($s, 2), qr/^exact: /, "a fill answered with $name: and the other's");
	is_hit($s, $_, "a fill answered with $name: then person $_ is served") for 1, 2;
	is(status($s), 'closed|0', "a fill answered with $name: and all is well");
}

# A SET that is confirmed and not carried out.
$fake->command('FLUSHALL');
$fake->mode('forget');
is_filled($s, 1, 'fills forgotten: exact') for 1 .. 3;
$fake->mode('normal');

# Every command at once goes wrong, for a writer too.
for my $mode (qw(garbage close hang_before_reply extra_reply))
{
	$s->query("SET clarify_cache.breaker_recovery = '100ms'");
	is_hit($s, 1, "$mode, a writer: before") if defined look($s, 1) && defined look($s, 1);
	$fake->mode($mode);
	is($s->error("UPDATE users SET name = name || '.' WHERE id = '" . user_id(1) . "'"), '',
		"$mode, a writer: commits");
	like(look($s, 1), qr/^exact: 0 hits, 5 built/, "$mode, a writer: its own next answer is exact");
	$fake->mode('normal');
	like(look($s, 1), qr/^exact: /, "$mode, a writer: exact when it is over");
	is_hit($s, 2, "$mode, a writer: another user is served") if defined look($s, 2);
}

# A reply to the question before, again, while nobody looks: it must not become
# the answer to the next question.
$s->query("SET clarify_cache.breaker_recovery = '1h'");
is_hit($s, $_, "before a second reply: person $_") for 1, 2;
$fake->mode('extra_later', 'MGET', 30);
$fake->clear_log;
is_hit($s, 1, 'a second reply is to come: served');
sleep 0.1;
$fake->mode('normal');
is_built($s, 2, 'a second reply has come: another user\'s answer is exact, and not made of it');
is(status($s), 'closed|1', 'a second reply has come: a failure');
is_hit($s, $_, "a second reply has come: then person $_ is served") for 2, 1;
is($fake->count('CONNECT'), 1, 'a second reply has come: on a new connection');

# The same, and a write is the next thing that this session does.
is_hit($s, $_, "before a second reply, and a write: person $_") for 1, 2;
$fake->mode('extra_later', 'MGET', 30);
is_hit($s, 1, 'a second reply is to come, and a write: served');
sleep 0.1;
$fake->mode('normal');
$s->query("SET clarify_cache.breaker_failures = 1");
is($s->error("UPDATE users SET name = name || '.' WHERE id = '" . user_id(1) . "'"), '',
	'a second reply has come, and a write: commits');
is(status($s, 'breaker'), 'open', 'a second reply has come, and a write: a failure');
$s->query("RESET clarify_cache.breaker_failures; SET clarify_cache.breaker_recovery = '100ms'");
sleep 0.2;
like(look($s, $_), qr/^exact: /, "a second reply has come, and a write: person $_ is exact") for 2, 1;
is_hit($s, $_, "a second reply has come, and a write: then person $_ is served") for 2, 1;

is(log_count($node, '(?:ERROR|FATAL|PANIC|WARNING):'), 0, 'nothing of all this is an error or a warning');
$_->quit for $s, $t;

done_testing();
