# A writer neither waits for Redis nor fails because of it: frozen, frozen with
# the socket full, killed, not accepting, not to be resolved.
#
# It needs a Redis that can be frozen.  The time-outs are ten seconds, so a
# bound of two on a commit shows that none was waited for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use IO::Socket::INET;
use RedisTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $redis = start_redis();
my $node = redis_node('main', redis => $redis, people => 250,
	conf => "clarify_cache.connect_timeout = '10s'\nclarify_cache.command_timeout = '10s'\n");
my $s = session($node);
my $bound = 2;

sub writes_quickly
{
	my ($session, $sql, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $start = time;
	is($session->error($sql), '', "$name: commits, without a word");
	cmp_ok(time - $start, '<', $bound, "$name: without waiting");
}

my $one_row = "UPDATE users SET name = name || '.' WHERE id = '" . user_id(1) . "'";

# Frozen, in a session that is connected, and in one that is not.
is_filled($s, 1, 'before: filled');
is_hit($s, 1, 'before: served');
my $t = session($node);
$redis->freeze;
writes_quickly($s, $one_row, "frozen, connected, write $_") for 1 .. 3;
writes_quickly($t, $one_row, "frozen, not connected, write $_") for 1 .. 3;

# The socket is full: what does not go out at once is given up.
my $everybody = "UPDATE dreams SET title = title || '.'";
writes_quickly($s, $everybody, "frozen, 200 people and more, write $_") for 1 .. 12;
$redis->thaw;
like(look($s, 1), qr/^exact: [03] hits/, 'thawed: exact');
is_hit($s, 1, 'thawed: served');
like(look($t, 1), qr/^exact/, 'thawed: exact in the other session');
is_hit($t, 2, 'thawed: served in the other session') if look($t, 2);
is(status($s), 'closed|0', 'no failure is left');

# Killed, in a session that was connected, and in one that was not.
my $u = session($node);
$redis->kill9;
writes_quickly($s, $one_row, "killed, connected before, write $_") for 1 .. 2;
writes_quickly($u, $one_row, "killed, not connected, write $_") for 1 .. 4;
is(status($u, 'breaker'), 'open', 'killed: writers notice, too');
writes_quickly($u, $one_row, 'killed, breaker open');
is_built($u, 1, 'killed: exact');
$redis->start;
$s->query("SET clarify_cache.breaker_recovery = '100ms'");
is_filled($s, 1, 'restarted: filled');
is_hit($s, 1, 'restarted: served');
writes_quickly($s, $one_row, 'restarted');
is_look($s, 1, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'restarted: a write is seen at once');

# A kernel that lets connections wait.
my $deaf = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die $!;
my @queue = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $deaf->sockport, Blocking => 0) } 1 .. 8;
set_conf($node, 'clarify_cache.redis_url', 'redis://127.0.0.1:' . $deaf->sockport);
writes_quickly($s, $one_row, "nobody accepts, write $_") for 1 .. 4;

# A name that nobody knows: a writer does not ask.
set_conf($node, 'clarify_cache.redis_url', 'redis://no-such-host.invalid:6379');
writes_quickly($s, $one_row, "no such host, write $_") for 1 .. 4;

# Back, and everything that was written meanwhile is seen.
set_conf($node, 'clarify_cache.redis_url', $redis->url);
like(look($s, 1), qr/^exact/, 'back: exact');
is_hit($s, 1, 'back: served');
$_->quit for $s, $t, $u;

done_testing();
