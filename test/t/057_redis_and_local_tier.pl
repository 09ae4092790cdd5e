# Both tiers at once: the local one is asked first, then Redis, and what neither
# has is built and put into both.  What Redis had goes into the local tier, with
# its own expiry; what is forged does not.  Without Redis the local tier serves.
#
# A restart empties the local tier and leaves Redis as it is.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use Test::More;

my $redis = start_redis();
my $node = clarify_node('main', redis => $redis, local => '4MB', conf => <<'CONF');
clarify_cache.ttl_jitter = 50
clarify_cache.connect_timeout = '2s'
clarify_cache.command_timeout = '2s'
clarify_cache.breaker_recovery = '1h'
CONF
load_look($node);
my ($instance) = $node->safe_psql('postgres', 'SELECT id FROM clarify_cache.instance');
my ($user, $other) = (user_id(1), user_id(2));
my $all_local = 'exact: 5 local, 0 redis, 0 built';

sub key { my ($user, $section) = @_; return "clarify:$instance:{$user}:$section"; }
sub sent { return $node->safe_psql('postgres', 'SELECT commands FROM clarify_cache.redis_stats'); }

# Microseconds since 1970 at which the entry of a section expires, by its header
# in Redis; and by explain(), which a moment passes in.
sub expiry_in_redis { return $redis->get(key(@_)) =~ / e=(\d+) / ? $1 : 0; }
sub expiry_explained
{
	my ($user, $section, $from) = @_;
	return $node->safe_psql('postgres',
		"SELECT (1e6 * extract(epoch FROM clock_timestamp() + ttl_left))::bigint
		 FROM clarify_cache.explain('$user') WHERE section = '$section' AND served_from = '$from'");
}

# The order

is_served($node, $user, 'exact: 0 local, 0 redis, 5 built', 'neither has it: built');
wait_for(sub { $redis->entries == 5 }) or die 'no entries in Redis';
my $sent = sent();
is_served($node, $user, $all_local, 'then the local tier has it, for another backend too');
is(sent(), $sent, 'and Redis is not asked');
$redis->command('DEL', key($user, 'dreams'));
is_served($node, $user, $all_local, 'whatever Redis has or not');

$node->restart;
is_served($node, $user, 'exact: 0 local, 4 redis, 1 built', 'a part is found in Redis, a part is built');
is_served($node, $user, $all_local, 'then all is in the local tier');
wait_for(sub { $redis->entries == 5 }) or die 'no entries in Redis';
$node->restart;
is_served($node, $user, 'exact: 0 local, 5 redis, 0 built', 'all is found in Redis');
is_served($node, $user, $all_local, 'then all is in the local tier');

# A change that Redis is not told of
$node->safe_psql('postgres', "SET clarify_cache.enabled = off; UPDATE dreams SET title = 'new' WHERE user_id = '$user'");
is_served($node, $user, 'exact: 4 local, 0 redis, 1 built', 'outdated in both: built');
is_served($node, $user, $all_local, 'and replaced');

# Many users at once, of whom each tier has some
is_served($node, $other, 'exact: 0 local, 0 redis, 5 built', 'another user');
$node->restart;
wait_for(sub { $redis->entries == 10 }) or die 'no entries in Redis';
is_served($node, $other, 'exact: 0 local, 5 redis, 0 built', 'is in Redis, and from now on in the local tier');
my $third = user_id(3);
my $batch = "SELECT string_agg(section || ' ' || local_hits || ' ' || redis_hits || ' ' || builds, ', ')
	FROM clarify_cache.stats WHERE section IN ('user', 'sessions')";
$node->safe_psql('postgres', 'SELECT clarify_cache.reset_stats()');
is($node->safe_psql('postgres', "SELECT bool_and(context::text = plain_context(user_id))
	FROM clarify_contexts('{$user,$other,$third}')"), 't', 'three at once: exact');
is($node->safe_psql('postgres', $batch), 'user 1 1 1, sessions 1 1 1',
	'three at once: one from the local tier, one from Redis, one built');
$node->safe_psql('postgres', 'SELECT clarify_cache.reset_stats()');
is($node->safe_psql('postgres', "SELECT bool_and(context::text = plain_context(user_id))
	FROM clarify_contexts('{$user,$other,$third}')"), 't', 'again: exact');
is($node->safe_psql('postgres', $batch), 'user 3 0 0, sessions 3 0 0', 'again: all from the local tier');

# An entry from Redis lives no longer in the local tier than in Redis.

$node->restart;
served($node, $user);
for my $section (qw(user dreams patterns sessions reflections))
{
	my $in_redis = expiry_in_redis($user, $section);
	my $local = expiry_explained($user, $section, 'local');
	# With a jitter of half the ttl, another expiry would be seconds off.
	ok($local - $in_redis >= 0 && $local - $in_redis < 1e6, "$section: expires when it does in Redis")
	  or diag("in Redis $in_redis, local $local");
}

# Forged, and put back

$node->restart;
my $entry = $redis->get(key($user, 'dreams'));
$redis->put(key($user, 'dreams'), $entry =~ s/"title":"new"/"title":"lie"/r);
is_served($node, $user, 'exact: 0 local, 4 redis, 1 built, 1 corrupt', 'a forged value is not taken');
is_served($node, $user, $all_local, 'nor is it in the local tier then');
unlike(context($node, $user), qr/lie/, 'for anybody');
$node->restart;
$redis->put(key($other, 'dreams'), $entry);
is_served($node, $other, 'exact: 0 local, 4 redis, 1 built, 1 corrupt', 'another user\'s value is not taken');
is_served($node, $other, $all_local, 'nor is it in the local tier then');
$node->safe_psql('postgres', "UPDATE dreams SET title = 'newer' WHERE user_id = '$user'");
$redis->put(key($user, 'dreams'), $entry);
$node->restart;
is(served($node, $user) =~ /^exact: 0 local, \d redis, \d built$/ ? 1 : 0, 1, 'a value of before the last change is not taken');
is_served($node, $user, $all_local, 'nor is it in the local tier then');

# Redis goes away

$redis->kill9;
my $session = open_session($node);
is($session->served($user), $all_local, 'Redis is gone: the local tier serves');
$node->safe_psql('postgres', "UPDATE dreams SET title = 'alone' WHERE user_id = '$user'");
is($session->served($user), 'exact: 4 local, 0 redis, 1 built', 'what changes meanwhile is built');
is($session->served($user), $all_local, 'and kept in the local tier');
my $fourth = user_id(4);
is($session->served($fourth), 'exact: 0 local, 0 redis, 5 built', 'who is new is built');
is_served($node, $fourth, $all_local, 'and kept in the local tier for all backends');
is($node->safe_psql('postgres', "SELECT sum(fill_failures) FROM clarify_cache.stats"), '0',
	'which is no failure to fill');
$session->close;

# What happened between us and it
is($node->safe_psql('postgres', 'SELECT commands > 0, connects > 0, errors >= 3, breaker_openings FROM clarify_cache.redis_stats'),
	't|t|t|1', 'it is counted');

$node->stop;
done_testing();
