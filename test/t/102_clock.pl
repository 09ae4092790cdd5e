# A clock that was ahead: what was built then holds expressions of a time that is to
# come, and would be served until the clock gets there.  No tier takes such an entry, or
# gives one.
#
# It takes a server whose clock can be set (set_clock.c, compiled here), and entries of
# any times under the real secret.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use Digest::SHA qw(hmac_sha256_hex);
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
system_or_bail($ENV{CC} || 'gcc', '-O1', '-fPIC', '-shared', '-o', "$dir/set_clock.so",
	"$FindBin::RealBin/../set_clock/set_clock.c", '-ldl');

sub set_clock
{
	my ($seconds) = @_;
	open my $file, (-e "$dir/clock" ? '+<' : '+>'), "$dir/clock" or die $!;
	syswrite $file, pack('q', $seconds * 1_000_000) or die $!;
	close $file;
}

sub start_node
{
	my (@opt) = @_;
	local $ENV{SET_CLOCK} = "$dir/clock";
	local $ENV{LD_PRELOAD} = join ' ', grep { defined && length } $ENV{LD_PRELOAD}, "$dir/set_clock.so";
	my $node = clarify_node(@opt);
	load_look($node);
	# Between a fill and a look a busy machine may take its time, so not 10 s.
	$node->safe_psql('postgres', q{SELECT clarify_cache.add_section('clock',
		'SELECT now() AS at FROM users WHERE id = $1', '10 min', true)});
	return $node;
}

my $user = user_id(1);

# Where the section comes from, and whether it is of now
sub clock_of
{
	my ($session) = @_;
	return $session->query(qq{
		SELECT served_from || CASE WHEN \@extract(epoch FROM clock_timestamp() -
				(clarify_context('$user') -> 'clock' ->> 'at')::timestamptz) < 120 THEN ', of now' ELSE ', of another time' END
		FROM clarify_cache.explain('$user') WHERE section = 'clock'});
}

set_clock(0);
my $redis = start_redis();
my %nodes = (local => start_node('local_tier'), redis => start_node('redis_tier', redis => $redis));
for my $tier (sort keys %nodes)
{
	my $node = $nodes{$tier};
	my ($s, $other) = map { open_session($node) } 1 .. 2;
	is(clock_of($s), 'build, of now', "$tier: built");
	is(clock_of($s), "$tier, of now", "$tier: served");

	set_clock(3600);
	is(clock_of($s), 'build, of now', "$tier: an hour ahead, it has expired, and is built");
	is(clock_of($other), "$tier, of now", "$tier: and served at that time");
	set_clock(0);
	is(clock_of($other), 'build, of now', "$tier: back again, what was built ahead is not served");
	is(clock_of($s), "$tier, of now", "$tier: but what was built since");

	# A transaction that has begun while the clock was ahead has its now().
	$node->safe_psql('postgres', 'SELECT clarify_cache.invalidate_all()');
	set_clock(3600);
	$s->query('BEGIN');
	set_clock(0);
	$s->query("SELECT clarify_context('$user')");
	$s->query('COMMIT');
	is(clock_of($other), 'build, of now', "$tier: begun ahead, nothing is filled");
	is(clock_of($other), "$tier, of now", "$tier: by others it is");

	# A little may be due to another server's clock.
	$node->safe_psql('postgres', 'SELECT clarify_cache.invalidate_all()');
	set_clock(3);
	is(clock_of($s), 'build, of now', "$tier: three seconds ahead, it is built");
	set_clock(0);
	is(clock_of($other), "$tier, of now", "$tier: and served at once");
	$_->close for $s, $other;
}

# Entries with the right MAC and other times

my $node = $nodes{redis};
my ($instance, $secret) = split /\|/, $node->safe_psql('postgres', q{SELECT id, encode(secret, 'hex') FROM clarify_cache.instance});
my $key = "clarify:$instance:{$user}:dreams";
my $s = open_session($node);
# Have the entry built and expire so many seconds from now.  The ttl is an hour.
sub put
{
	my ($built, $expires) = @_;
	my $entry = $redis->get($key);
	my ($head, $b, $e, $payload) = $entry =~ /^(.* )b=(\d+) e=(\d+) m=\w+\n(.*)$/s or die "no entry: $entry";
	my $now = $node->safe_psql('postgres', "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
	my $times = sprintf 'b=%d e=%d ', $now + $built * 1_000_000, $now + $expires * 1_000_000;
	my $mac = hmac_sha256_hex(pack('Q>', length $key) . "$key$head$times$payload", pack('H*', $secret));
	$redis->put($key, "$head${times}m=$mac\n$payload");
}

sub source_of { return $s->query("SELECT served_from FROM clarify_cache.explain('$user') WHERE section = 'dreams'"); }

source_of();
for my $case (
	[ -1, 600, 'redis', 'ten minutes to go' ],
	[ -1, 3599, 'redis', 'just its ttl' ],
	[ -1, 3599.000001, 'build', 'a microsecond more than its ttl' ],
	[ -3000, 600, 'redis', 'built long ago' ],
	[ -3001, 600, 'build', 'built longer ago than its ttl before its expiry' ],
	[ -10, -1, 'build', 'expired' ],
	[ 2, 600, 'redis', 'built in two seconds' ],
	[ 300, 600, 'build', 'built in five minutes' ],
	[ 3600, 3610, 'build', 'built in an hour' ],
	[ 600, 300, 'build', 'expired before it was built' ],
	[ 100_000_000, 100_000_010, 'build', 'built in three years' ])
{
	my ($built, $expires, $wanted, $name) = @$case;
	put($built, $expires);
	is(source_of(), $wanted, "$name: $wanted");
	is(source_of(), 'redis', "$name: and the next call is served");
}
$s->close;

$_->stop for values %nodes;
done_testing();
