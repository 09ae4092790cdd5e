# Somebody who can read and write Redis, and knows all that is in there, but not
# the secret: tries whatever bytes can be tried, methodically.  006_redis_forged
# has the cases that one thinks of; here are all the others of a kind: each byte of
# an entry changed, each length, each entry under each key; and values that are
# larger, longer and odder than anything that was ever written there.
#
# Nothing of it may be served, raise an error, or get from Redis into the local tier.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use RedisTest;
use Test::More;

my $redis = start_redis();
my $node = redis_node('main', redis => $redis);
my $s = session($node);

# A section that is small, so that each of its bytes can be tried.
$s->query(q(CREATE TABLE small (user_id uuid, a text)));
$s->query("INSERT INTO small SELECT id, left(name, 3) FROM users");
$s->query(q(SELECT clarify_cache.drop_section(name) FROM clarify_cache.section));
$s->query(q(SELECT clarify_cache.attach('small')));
$s->query(q(SELECT clarify_cache.add_section('small', 'SELECT a FROM small WHERE user_id = $1', ttl => '1 h')));
$s->query(q(SELECT clarify_cache.add_section('smaller', 'SELECT a FROM small WHERE user_id = $1', ttl => '1 h', single_row => true)));
my $instance = $s->query('SELECT id FROM clarify_cache.instance');
sub key { my ($n, $section) = @_; return "clarify:$instance:{" . user_id($n) . "}:$section"; }

my %right = map { $_ => $s->query("SELECT clarify_context('" . user_id($_) . "')") } 1 .. 3;
my @sections = qw(small smaller);
my %entry = map { my $n = $_; map { ("$n $_" => $redis->get(key($n, $_))) } @sections } 1 .. 3;
like($entry{'1 small'}, qr/^clarify1 .*\n\[\{"a":/, 'an entry');

# Thousands of values: a test each would tell nothing more.
my ($tried, $wrong, $served) = (0, 0, 0);
my $counts = "SELECT sum(redis_hits) || ' ' || sum(corrupt_entries) FROM clarify_cache.stats WHERE section = 'small'";
my $last = $s->query($counts);

sub try_value
{
	my ($value, $name) = @_;
	$redis->put(key(1, 'small'), $value);
	my ($answer, $now) = split /\n/, $s->query("SELECT clarify_context('" . user_id(1) . "');\n$counts");
	my ($hits, $corrupt) = split / /, $last;
	my ($hits_now, $corrupt_now) = split / /, $now;
	$last = $now;
	$tried++;
	if ($answer ne $right{1})
	{
		$wrong++;
		fail("$name: served wrongly");
	}
	elsif ($hits_now != $hits || $corrupt_now != $corrupt + 1)
	{
		$served++;
		fail("$name: not refused");
	}
}

# Each byte: another bit, another byte of the same class, NUL, and gone.
my $entry = $entry{'1 small'};
for my $i (0 .. length($entry) - 1)
{
	for my $how (sub { $_[0] ^ "\x01" }, sub { $_[0] ^ "\x20" }, sub { "\0" }, sub { "\xff" })
	{
		my $altered = $entry;
		substr($altered, $i, 1) = &$how(substr($entry, $i, 1));
		try_value($altered, "byte $i changed") if $altered ne $entry;
	}
	my $shorter = $entry;
	substr($shorter, $i, 1) = '';
	try_value($shorter, "byte $i left out") if $shorter ne $entry;
	try_value(substr($entry, 0, $i), "cut to $i bytes");
	try_value(substr($entry, $i + 1), "its end from byte $i on");
}
is($wrong + $served, 0, "each byte of an entry, in each way: all $tried refused");

# Cases that parsers get wrong.
($tried, $wrong, $served) = (0, 0, 0);
my ($line, $payload) = split /\n/, $entry, 2;
my ($v, $f, $b, $e, $m) = $line =~ /^clarify1 v=(\w+) f=(\w+) b=(\w+) e=(\w+) m=(\w+)$/ or die;
sub made
{
	my (%with) = (v => $v, f => $f, b => $b, e => $e, m => $m, magic => 'clarify1', end => "\n", @_);
	return "$with{magic} v=$with{v} f=$with{f} b=$with{b} e=$with{e} m=$with{m}$with{end}" . ($with{payload} // $payload);
}
for my $field (qw(v f m))
{
	my %is = (v => $v, f => $f, m => $m);
	try_value(made($field => uc $is{$field}), "$field in upper case") if uc $is{$field} ne $is{$field};
	try_value(made($field => $_), "$field is odd")
	  for '', '0', "0x$is{$field}", "00$is{$field}", "$is{$field}0", " $is{$field}", "+$is{$field}", "-$is{$field}",
	  'g' x length $is{$field}, "\0" x length $is{$field}, "\xff" x length $is{$field}, '0' x length $is{$field},
	  'f' x length $is{$field}, substr($is{$field}, 1), ' ' x length $is{$field}, $is{$field} x 1000;
}
for my $field (qw(b e))
{
	my %is = (b => $b, e => $e);
	try_value(made($field => $_), "$field is odd")
	  for '', '0', "0$is{$field}", "+$is{$field}", "-$is{$field}", "$is{$field}.0", "$is{$field}e0", '-1', '9' x 18, '9' x 19, '9' x 5000,
	  '18446744073709551616', '9223372036854775807', '9223372036854775808', '-9223372036854775808', $is{$field} - 1, $is{$field} + 1,
	  ' ' . $is{$field}, "$is{$field}\0";
}
try_value(made(b => $e, e => $b), 'the times swapped');
try_value(made(magic => $_), "a format that is '$_'") for '', 'clarify', 'clarify2', 'Clarify1', "clarify1\0", 'clarify1 ', " clarify1", "\xef\xbb\xbfclarify1";
try_value(made(end => $_), 'another end of the line') for '', "\r\n", "\r", "\0", "\n\n", " \n", "\n ", "\0\n", "\x{85}";
try_value(made(payload => $_), 'another payload')
  for '', '[]', 'null', '{}', '[{"a":"forged"}]', "$payload ", " $payload", "$payload\n", "$payload\0", "\xff\xfe\xfd", "\xc3(", "\0" x 100,
  '[' x 100_000, '"' . 'x' x 3_000_000 . '"', "]}';DROP TABLE small;--", $payload x 2, scalar reverse $payload;
# moved from one part to the next
try_value(substr($entry, 0, length($line)) . ' ' . $payload, 'a blank for the newline');
try_value("$line\n$line\n$payload", 'the line twice');
try_value("$payload\n$line\n", 'the other way round');
try_value(' ' x 200_000 . $entry, 'a very long line before it');
try_value('clarify1 v=' . 'a' x 4_000_000, 'a line of four million bytes without an end');
try_value($entry . ' ' x 4_000_000, 'four million bytes behind it');
try_value(join('', map { chr } 0 .. 255) x 100, 'all bytes there are');
is($wrong + $served, 0, "odd values: all $tried refused");

# Each entry under each other key, as it is; and the parts of any two put together.
($tried, $wrong, $served) = (0, 0, 0);
for my $from (sort keys %entry)
{
	next if $from eq '1 small';
	try_value($entry{$from}, "the entry of $from");
	my ($line2, $payload2) = split /\n/, $entry{$from}, 2;
	try_value("$line\n$payload2", "the payload of $from") if $payload2 ne $payload;
	try_value("$line2\n$payload", "the line of $from");
	try_value($line2 =~ s/m=.*//r . "m=$m\n$payload", "the line of $from with this MAC");
	try_value($line =~ s/m=.*//r . ($line2 =~ s/.*m=//r) . "\n$payload2", "the MAC of $from");
}
is($wrong + $served, 0, "entries of others, and parts of theirs: all $tried refused");

# The key in other spellings is another key, which nobody asks for.
for my $key (uc key(1, 'small'), key(1, 'SMALL'), key(1, 'small '), key(1, "small\0"), key(1, ''), key(1, 'small') =~ s/[{}]//gr,
	key(1, 'small') =~ s/-//gr, "other:" . key(1, 'small'), key(1, 'small:small'))
{
	$redis->put($key, $entry{'2 small'});
}
is($s->query("SELECT clarify_context('" . user_id(1) . "')"), $right{1}, 'keys like it are not asked for');

# Values of other types, and keys without a value.
for my $command ([ 'LPUSH', $entry ], [ 'SADD', $entry ], [ 'HSET', 'a', $entry ], [ 'ZADD', 1, $entry ], [ 'XADD', '*', 'a', $entry ],
	[ 'SETBIT', 8_000_000, 1 ], [ 'INCR' ], [ 'PFADD', $entry ])
{
	my ($name, @arguments) = @$command;
	$redis->command('DEL', key(1, 'small'));
	$redis->command($name, key(1, 'small'), @arguments);
	is($s->query("SELECT clarify_context('" . user_id(1) . "')"), $right{1}, "a value made by $name") for 1, 2;
}
is(status($s, 'breaker, breaker_failures, breaker_openings'), 'closed|0|0', 'none of it is a failure of Redis');

# What had been right once, put back again and again while it changes.
my $user = user_id(1);
my @old;
for my $n (1 .. 20)
{
	$s->query("UPDATE small SET a = 'v$n' WHERE user_id = '$user'");
	for my $old (@old)
	{
		$redis->put(key(1, 'small'), $old);
		my $answer = $s->query("SELECT clarify_context('$user') -> 'small' -> 0 ->> 'a'");
		is($answer, "v$n", "an old value in the place of v$n") if $answer ne "v$n";
	}
	is($s->query("SELECT clarify_context('$user') -> 'small' -> 0 ->> 'a'"), "v$n", "v$n is what is read");
	push @old, $redis->get(key(1, 'small'));
}
# ... and when it is back to what it was
$s->query("UPDATE small SET a = 'v1' WHERE user_id = '$user'");
$redis->put(key(1, 'small'), $old[0]);
my $before = $s->query("SELECT version_mismatches FROM clarify_cache.stats WHERE section = 'small'");
is($s->query("SELECT clarify_context('$user') -> 'small' -> 0 ->> 'a'"), 'v1', 'back to v1');
is($s->query("SELECT version_mismatches FROM clarify_cache.stats WHERE section = 'small'") - $before, 1, 'but not by the entry of then');

# Users whose ids are odd: each has entries of its own, also those of zeros and
# ones, and ids that differ in one bit.
my @odd = ('00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '00000000-0000-0000-0000-000000000001',
	'80000000-0000-0000-0000-000000000000', '0000000a-0000-0000-0000-000000000000', 'a0000000-0000-0000-0000-000000000000');
$s->query("INSERT INTO small VALUES ('$odd[$_]', 'odd $_')") for 0 .. $#odd;
$s->query("INSERT INTO small VALUES (NULL, 'nobody')");
for my $round (1, 2)
{
	is($s->query("SELECT clarify_context('$odd[$_]') -> 'small' ->> 0"), qq({"a":"odd $_"}), "$odd[$_]") for 0 .. $#odd;
}
is($s->query("SELECT clarify_context('FFFFFFFF-FFFFFFFF-FFFFFFFF-FFFFFFFF') -> 'small' ->> 0"), '{"a":"odd 1"}', 'another spelling of it');
is($s->query('SELECT clarify_context(NULL) IS NULL'), 't', 'NULL is nobody');
my %entries = map { $_ => 1 } $redis->entries;
is($entries{"clarify:$instance:{$_}:small"}, 1, "an entry of $_") for @odd;
for my $i (0 .. $#odd)
{
	my $key = sub { "clarify:$instance:{$_[0]}:small" };
	my $value = $redis->get(&$key($odd[$i]));
	my $next = $odd[($i + 1) % @odd];
	$redis->put(&$key($next), $value);
	is($s->query("SELECT clarify_context('$next') -> 'small' ->> 0"), '{"a":"odd ' . (($i + 1) % @odd) . '"}', "the entry of $odd[$i] is not that of $next");
}

# With a local tier, nothing that is not authentic gets into it.
my $redis2 = start_redis();
my $both = redis_node('both', redis => $redis2, local => '4MB');
my $t = session($both);
is(look($t, 1), 'exact: 0 hits, 5 built, 0 bypassed, 5 filled', 'both tiers: filled');
my @keys = $redis2->entries;
my %theirs = map { $_ => $redis2->get($_) } @keys;
is(look($t, 2), 'exact: 0 hits, 5 built, 0 bypassed, 5 filled', 'both tiers: another user');
$t->quit;
$both->restart;
$t = session($both);
my $id = $t->query('SELECT id FROM clarify_cache.instance');
for my $section (qw(user dreams patterns sessions reflections))
{
	my ($one, $two) = map { "clarify:$id:{" . user_id($_) . "}:$section" } 1, 2;
	$redis2->put($two, $theirs{$one});
}
is(look($t, 2), 'exact: 0 hits, 5 built, 0 bypassed, 5 filled, 5 corrupt', "both tiers: another user's entries are refused");
like(look($t, 2), qr/^exact: 0 hits, 0 built/, 'and what the local tier has now is right');

# (A backend whose session has quit may still be there at the restart.)
is(log_count($_, '(?:WARNING|ERROR|FATAL|PANIC):(?!  terminating connection due to administrator command)'),
	0, 'nothing of it is an error')
  for $node, $both;
$_->quit for $s, $t;

done_testing();
