# Values in Redis that were forged, altered, swapped, copied from elsewhere or
# put back after a change: none is ever served; each is a miss that the next
# call mends.
#
# The values are put there by somebody who can write to Redis but does not know
# the secret: the test, through a connection of its own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use Digest::SHA qw(hmac_sha256_hex);
use RedisTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $redis = start_redis();
my $node = redis_node('main', redis => $redis);
my $s = session($node);

my ($instance) = $node->safe_psql('postgres', 'SELECT id FROM clarify_cache.instance');
sub key { my ($n, $section, $of) = @_; return 'clarify:' . ($of // $instance) . ':{' . user_id($n) . "}:$section"; }

# Put a value under a person's key; it must be recognized as not ours, and
# then be replaced.
sub is_refused
{
	my ($n, $section, $value, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$redis->put(key($n, $section), $value);
	is_look($s, $n, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled, 1 corrupt', "$name: refused");
	is_hit($s, $n, "$name: and replaced");
}

for my $n (1 .. 3)
{
	is_filled($s, $n, "person $n: filled");
	is_hit($s, $n, "person $n: served");
}

# The form of an entry is what it is said to be.
my $dreams = key(1, 'dreams');
my $entry = $redis->get($dreams);
like($entry, qr/^clarify1 v=[0-9a-f]{16} f=[0-9a-f]{16} b=[0-9]{16} e=[0-9]{16} m=[0-9a-f]{64}\n\[\{"id":/,
	'an entry: a header line, and the JSON');
$redis->put($dreams, $entry);
is_hit($s, 1, 'the very value put back is served: only what is wrong is refused');

# One bit, or one byte more or less, anywhere.
my ($line, $payload) = split /\n/, $entry, 2;
my %at;
$at{"the header's " . ($1 eq 'c' ? 'format' : $1)} = $-[0] while $line =~ /(?:^|(?<= ))([cvfbem])/g;
my @positions = map { [ $_, $at{$_} ] } sort keys %at;
push @positions, [ 'the last digit of the version', index($line, ' f=') - 1 ],
  [ 'the last digit of the fingerprint', index($line, ' b=') - 1 ],
  [ 'the last digit of the build time', index($line, ' e=') - 1 ],
  [ 'the last digit of the expiry', index($line, ' m=') - 1 ],
  [ 'the first digit of the MAC', index($line, ' m=') + 3 ],
  [ 'the last digit of the MAC', length($line) - 1 ],
  [ 'the end of the header', length($line) ],
  [ 'the first byte of the payload', length($line) + 1 ],
  [ 'the middle of the payload', length($line) + int(length($payload) / 2) ],
  [ 'the last byte of the payload', length($entry) - 1 ];
for my $case (@positions)
{
	my ($name, $position) = @$case;
	my $altered = $entry;
	substr($altered, $position, 1) ^= "\x01";
	is_refused(1, 'dreams', $altered, "a bit flipped in $name");
	is_refused(1, 'dreams', substr($entry, 0, $position), "cut before $name");
}
for my $position (0, length($line), length($line) + 1, length($entry) - 1)
{
	my ($longer, $shorter) = ($entry, $entry);
	substr($longer, $position, 0) = ' ';
	substr($shorter, $position, 1) = '';
	is_refused(1, 'dreams', $longer, "a byte more at $position") if $position;
	is_refused(1, 'dreams', $shorter, "a byte less at $position");
}
is_refused(1, 'dreams', '', 'nothing');
is_refused(1, 'dreams', "\n", 'an empty header');
is_refused(1, 'dreams', "$line\n", 'a header without a payload');
is_refused(1, 'dreams', $line, 'a header without its end');
is_refused(1, 'dreams', $payload, 'a payload without a header');
is_refused(1, 'dreams', "$entry\0", 'a zero byte at the end');
is_refused(1, 'dreams', "$line\n$entry", 'the header twice');
is_refused(1, 'dreams', $line =~ s/m=(.*)/'m=' . uc $1/er . "\n$payload", 'a MAC in upper case');
is_refused(1, 'dreams', $line =~ s/b=/b=0/r . "\n$payload", 'a leading zero');
is_refused(1, 'dreams', $line =~ s/ v=/  v=/r . "\n$payload", 'a blank more');
is_refused(1, 'dreams', $line =~ s/e=[0-9]+/e=99999999999999999999999/r . "\n$payload", 'an expiry beyond 64 bits');
is_refused(1, 'dreams', $line =~ s/e=([0-9]+)/'e=' . ($1 + 3600_000_000)/er . "\n$payload", 'a longer life');
is_refused(1, 'dreams', 'x' x 1_000_000, 'a million bytes');
is_refused(1, 'dreams', "clarify1 v=" . 'f' x 100_000, 'a version of 100,000 digits');

# A MAC of the forger's own, under every secret that he could think of.
for my $secret ('', "\0" x 32, $instance, 'clarify')
{
	my ($head) = $line =~ /^(.* )m=/;
	my $forged = '[{"id":null,"title":"forged"}]';
	my $mac = hmac_sha256_hex(pack('Q>', length $dreams) . $dreams . $head . $forged, $secret);
	is_refused(1, 'dreams', "${head}m=$mac\n$forged", 'a MAC under a guessed secret');
}

# Header and payload of authentic entries, mixed.
my $patterns = $redis->get(key(1, 'patterns'));
is_refused(1, 'dreams', "$line\n" . ($patterns =~ s/.*\n//r), 'the payload of another section');
is_refused(1, 'dreams', ($patterns =~ s/\n.*//sr) . "\n$payload", 'the header of another section');
is_refused(1, 'dreams', $patterns, 'the entry of another section');
is_refused(1, 'dreams', $redis->get(key(2, 'dreams')), 'the entry of another user');
is_refused(1, 'dreams', $redis->get(key(2, 'patterns')), 'the entry of another section of another user');
is_refused(1, 'dreams', "$line\n" . ($redis->get(key(2, 'dreams')) =~ s/.*\n//r), 'the payload of another user');

# All values of two users, each under the other's key.
my @sections = qw(user dreams patterns sessions reflections);
my %of = map { $_ => [ $redis->get(key(1, $_)), $redis->get(key(2, $_)) ] } @sections;
$redis->put(key(1, $_), $of{$_}[1]), $redis->put(key(2, $_), $of{$_}[0]) for @sections;
is_look($s, $_, 'exact: 0 hits, 5 built, 0 bypassed, 5 filled, 5 corrupt', "two users swapped: person $_ is exact")
  for 1, 2;
is_hit($s, $_, "two users swapped: then person $_ is served") for 1, 2;

# A user whose id is a prefix, or the braces closed early: no such key is read.
$redis->put("clarify:$instance:{" . user_id(1) . '}:dreams:x', 'x');
is_hit($s, 1, 'a key beside ours is not read');

# Put back after a change: authentic, and of other data.
my $old = $redis->get($dreams);
edit_dream($s, 1);
is_look($s, 1, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'a change');
my $new = $redis->get($dreams) if is_hit($s, 1, 'is served');
$redis->put($dreams, $old);
is_look($s, 1, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled, 1 of other data', 'the value of before, put back: refused');
is_hit($s, 1, 'the value of before, put back: and replaced');
is_refused(1, 'dreams', ($new =~ s/\n.*//sr) . "\n" . ($old =~ s/.*\n//r), 'the payload of before under the new header');
my ($version) = $new =~ /(v=\w+)/;
is_refused(1, 'dreams', $old =~ s/v=\w+/$version/r, 'the value of before with the version of now');

# The data back as it was: even so, the version is another.
$s->query("UPDATE dreams SET title = rtrim(title, '!') WHERE user_id = '" . user_id(1) . "'");
$redis->put($dreams, $old);
is_look($s, 1, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled, 1 of other data', 'changed back: the old entry stays refused');
is_hit($s, 1, 'changed back: the new one is served');

# A change that is rolled back leaves the entry good; inside, it is not read.
my $kept = $redis->get($dreams);
$s->query('BEGIN');
edit_dream($s, 1);
$redis->put($dreams, $old);
is_look($s, 1, 'exact: 4 hits, 1 built, 1 bypassed, 0 filled', 'inside a transaction that changed it: not even read');
$s->query('ROLLBACK');
$redis->put($dreams, $kept);
is_hit($s, 1, 'rolled back: the entry is good as ever');

# All sections of before, after all tables have changed.
my %before = map { $_ => $redis->get(key(3, $_)) } @sections;
my $three = user_id(3);
$s->query("UPDATE users SET name = 'someone else' WHERE id = '$three'");
$s->query("DELETE FROM reflections WHERE user_id = '$three'");
$s->query("DELETE FROM clarify_patterns WHERE user_id = '$three'");
$s->query("DELETE FROM clarify_sessions WHERE user_id = '$three'");
$s->query("DELETE FROM dreams WHERE user_id = '$three'");
$redis->put(key(3, $_), $before{$_}) for @sections;
is_look($s, 3, 'exact: 0 hits, 5 built, 0 bypassed, 5 filled, 5 of other data', 'all of a person\'s old values put back: refused');
is_hit($s, 3, 'all of a person\'s old values put back: replaced');

# invalidate() and TRUNCATE, and the values of before.
%before = map { $_ => $redis->get(key(1, $_)) } @sections;
$s->query("SELECT clarify_cache.invalidate('" . user_id(1) . "')");
$redis->put(key(1, $_), $before{$_}) for @sections;
is_look($s, 1, 'exact: 0 hits, 5 built, 0 bypassed, 5 filled, 5 of other data', 'invalidate(): old values are refused');
is_hit($s, 1, 'invalidate(): replaced');
%before = map { $_ => $redis->get(key(1, $_)) } @sections;
$s->query('TRUNCATE reflections');
$redis->put(key(1, $_), $before{$_}) for @sections;
is_look($s, 1, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled, 1 of other data', 'TRUNCATE: the old value is refused');
is_hit($s, 1, 'TRUNCATE: replaced');

# A section that was redefined, and the entry of its first definition.
$s->query(q[CREATE TABLE letters (user_id uuid, a text, b text);
	SELECT clarify_cache.attach('letters');
	SELECT clarify_cache.add_section('letters', 'SELECT a FROM letters WHERE user_id = $1', ttl => '1 h')]);
my $get = "SELECT clarify_context('" . user_id(1) . "') ->> 'letters'";
$s->query("INSERT INTO letters VALUES ('" . user_id(1) . "', 'A', 'B')");
is($s->query($get), '[{"a":"A"}]', 'a section of its own') for 1, 2;
my $first = $redis->get(key(1, 'letters'));
$s->query(q[SELECT clarify_cache.drop_section('letters');
	SELECT clarify_cache.add_section('letters', 'SELECT b FROM letters WHERE user_id = $1', ttl => '2 s')]);
$redis->put(key(1, 'letters'), $first);
is($s->query($get), '[{"b":"B"}]', 'redefined: the entry of the first definition is refused') for 1, 2;

# Past the expiry in its header, though Redis was told to keep it.
my $hits = sub { $s->query("SELECT redis_hits FROM clarify_cache.stats WHERE section = 'letters'") };
my $start = &$hits;
$s->query($get);
is(&$hits - $start, 1, 'short-lived: served');
$redis->command('PERSIST', key(1, 'letters'));
my $short = $redis->get(key(1, 'letters'));
sleep 2.1;
is($redis->get(key(1, 'letters')), $short, 'expired: Redis still has it');
$start = &$hits;
is($s->query($get), '[{"b":"B"}]', 'expired: right');
is(&$hits - $start, 0, 'expired: not served');
isnt($redis->get(key(1, 'letters')), $short, 'expired: replaced') if $s->query($get);
$s->query(q(SELECT clarify_cache.drop_section('letters')));

# Another instance: the same schema, data and ids in another database, and
# after DROP and CREATE EXTENSION in this one.
$node->safe_psql('postgres', 'CREATE DATABASE other');
load_clarify($node, db => 'other');
RedisTest::create_look($node, 'other');
my $o = session($node, 'other');
my ($theirs) = $o->query('SELECT id FROM clarify_cache.instance');
isnt($theirs, $instance, 'another database has another instance');
is_filled($o, 2, 'another instance: filled');
is_hit($o, 2, 'another instance: served');
$redis->put(key(2, $_), $redis->get(key(2, $_, $theirs))) for @sections;
is_look($s, 2, 'exact: 0 hits, 5 built, 0 bypassed, 5 filled, 5 corrupt', 'the entries of another instance are refused');
is_hit($s, 2, 'the entries of another instance: replaced');
$redis->put(key(2, $_, $theirs), $redis->get(key(2, $_))) for @sections;
is_look($o, 2, 'exact: 0 hits, 5 built, 0 bypassed, 5 filled, 5 corrupt', 'and ours by that one');

$o->query('DROP EXTENSION clarify_cache CASCADE; CREATE EXTENSION clarify_cache; SELECT clarify_cache.setup()');
my ($newer) = $o->query('SELECT id FROM clarify_cache.instance');
isnt($newer, $theirs, 'created again: another instance');
$redis->put(key(2, $_, $newer), $redis->get(key(2, $_, $theirs))) for @sections;
is_look($o, 2, 'exact: 0 hits, 5 built, 0 bypassed, 5 filled, 5 corrupt',
	'created again: entries of its former life are refused');
is_hit($o, 2, 'created again: replaced');

# Another prefix is another place.
$s->query("SET clarify_cache.key_prefix = 'other'");
is_filled($s, 2, 'another key_prefix: nothing there');
is_hit($s, 2, 'another key_prefix: served') ;
$redis->put(key(2, 'dreams'), $redis->get(key(2, 'dreams') =~ s/^clarify/other/r));
$s->query("RESET clarify_cache.key_prefix");
is_look($s, 2, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled, 1 corrupt', 'an entry from another prefix is refused');

is(status($s, 'breaker, breaker_failures, breaker_openings'), 'closed|0|0', 'no value, however wrong, is a failure of Redis');
is(log_count($node, '(?:WARNING|ERROR|FATAL|PANIC):'), 0, 'nor an error');
$_->quit for $s, $o;

done_testing();
