# Redis in good health: an answer is built once and then served from Redis,
# however Redis is reached: by a Unix socket or TCP, with a password, as an ACL
# user, in a database of a number, after a change of redis_url by reload.  Two
# databases in one Redis never share an entry.
#
# It needs servers of several kinds, and several Redis; pg_regress has one each.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use RedisTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $redis = start_redis();
my $node = redis_node('main', redis => $redis);
my $s = session($node);

# The socket, which is where the others start from.
is_filled($s, 1, 'Unix socket: a first call is built and offered to Redis');
is_hit($s, 1, 'Unix socket: a second call is served from Redis');
is(scalar $redis->entries, 5, 'Redis has an entry for each section');
is(scalar(grep { index($_, '{' . user_id(1) . '}') > 0 } $redis->entries),
	5, 'each key names the user in braces');
is(scalar(grep { $redis->command('PTTL', $_) > 0 } $redis->entries), 5, 'each entry has a TTL');
is(status($s, 'enabled, preloaded, redis_address, connected, breaker, breaker_failures, breaker_openings, breaker_probe_at'),
	't|t|unix://' . $redis->address . '|t|closed|0|0|', 'status of a Redis in use');

is_filled($s, 999, 'an unknown user is built and filled like any');
is_hit($s, 999, 'and served from Redis');
my $first = $s->query("SELECT md5(clarify_context('" . user_id(1) . "')::text)");
$redis->command('FLUSHALL');
is_filled($s, 1, 'flushed: built and filled again');
is_hit($s, 1, 'and served');
is($s->query("SELECT md5(clarify_context('" . user_id(1) . "')::text)"), $first,
	'a hit is what it was before the flush');

# One section of five is missing, or has another type.
my ($key) = grep { /:dreams$/ } $redis->entries;
$redis->command('DEL', $key);
is_look($s, 1, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'one entry deleted: one section is built');
is_hit($s, 1, 'and filled');
$redis->command('DEL', $key);
$redis->command('LPUSH', $key, 'x');
is_look($s, 1, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'a key of another type is a miss');
is_hit($s, 1, 'which the fill replaces');
is(status($s), 'closed|0', 'and no failure');

# Redis and its own expiry.
$redis->command('PEXPIRE', $key, 1);
wait_for(sub { !defined $redis->get($key) }) or die 'no expiry';
is_look($s, 1, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'an expired entry is built again');

# Two databases, one Redis.
$node->safe_psql('postgres', 'CREATE DATABASE other');
load_clarify($node, db => 'other');
RedisTest::create_look($node, 'other');
$node->safe_psql('other', q(UPDATE users SET name = 'the other ' || name));
my $o = session($node, 'other');
is_hit($s, 1, 'two databases: the first has its entries');
is_filled($o, 1, 'two databases: the same user in the other one is built');
is_hit($o, 1, 'two databases: and then served, exactly');
is_hit($s, 1, 'two databases: the first one keeps its own');
is(scalar(grep { index($_, user_id(1)) > 0 } $redis->entries), 10, 'two databases: no key in common');

# redis_url by reload: nothing is left of the old connection.
my $tcp = start_redis(tcp => 1);
set_conf($node, 'clarify_cache.redis_url', $tcp->url);
is_filled($s, 1, 'redis_url changed by reload: an open session asks the new Redis, by TCP');
is_hit($s, 1, 'and is served from there');
is(scalar $tcp->entries, 5, 'which has the entries');
is(status($s, 'redis_address, connected'), 'redis://' . $tcp->address . '/0|t', 'and status says so');
is($redis->command('INFO', 'clients') =~ /connected_clients:(\d+)/ ? $1 : '', 2,
	'the session has left the old one (the other database\'s is idle still)');

set_conf($node, 'clarify_cache.redis_url', $tcp->url . '/3');
is_filled($s, 1, 'a database of the same Redis is another place');
is_hit($s, 1, 'which serves');
is($tcp->command('INFO', 'keyspace') =~ /db3:keys=(\d+)/ ? $1 : '', 5, 'database 3 has the entries');
is(status($s, 'redis_address'), 'redis://' . $tcp->address . '/3', 'and status says so');

set_conf($node, 'clarify_cache.redis_url', 'unix://' . $redis->address . '?db=2');
is_filled($s, 1, 'a database by Unix socket');
is_hit($s, 1, 'which serves');
is($redis->command('INFO', 'keyspace') =~ /db2:keys=(\d+)/ ? $1 : '', 5, 'database 2 has the entries');

set_conf($node, 'clarify_cache.redis_url', $redis->url);
is_hit($s, 1, 'back at the first Redis, its entries are still good');

set_conf($node, 'clarify_cache.redis_url', '');
is_built($s, 1, 'no redis_url: built');
is(status($s, 'redis_address IS NULL, connected, breaker'), 't|f|closed', 'and status says so');

set_conf($node, 'clarify_cache.redis_url', $redis->url);
$s->query('SET clarify_cache.enabled = off');
is_look($s, 1, 'exact: 0 hits, 5 built, 5 bypassed, 0 filled', 'enabled = off: bypassed');
$s->query('RESET clarify_cache.enabled');
is_hit($s, 1, 'and on again: served');

# Passwords.
my $locked = start_redis(password => 'pass-word');
set_conf($node, 'clarify_cache.redis_url', $locked->url);
is_filled($s, 2, 'a password: filled');
is_hit($s, 2, 'a password: served');
is(status($s, 'redis_address'), 'unix://' . $locked->address, 'the address is shown without it');

my $acl = start_redis(tcp => 1);
$acl->command('ACL', 'SETUSER', 'clarify', 'on', '>p@ss:w/rd', '~clarify:*', '+mget', '+set', '+unlink', '+select');
$acl->command('ACL', 'SETUSER', 'default', 'off');
set_conf($node, 'clarify_cache.redis_url', 'redis://clarify:p%40ss%3Aw%2Frd@' . $acl->address . '/4');
is_filled($s, 2, 'an ACL user that may do only what is needed, and a password with odd characters: filled');
is_hit($s, 2, 'the ACL user: served');
is(status($s, 'redis_address'), 'redis://' . $acl->address . '/4', 'the address is shown without user and password');
edit_dream($s, 2);
is_look($s, 2, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'the ACL user may UNLINK');
is_hit($s, 2, 'and that was no failure');
is(status($s, 'breaker, breaker_failures, breaker_openings'), 'closed|0|0', 'not one failure in all this');

$_->quit for $s, $o;

# Not preloaded: by the same code, with state of one's own.
my $plain = redis_node('plain', redis => $redis, preload => 0);
$s = session($plain);
is_filled($s, 1, 'not preloaded: built and filled');
is_hit($s, 1, 'not preloaded: served');
is(status($s, 'preloaded, connected, breaker'), 'f|t|closed', 'not preloaded: status says so');
my $t = session($plain);
is_hit($t, 1, 'not preloaded: another backend is served what the first one filled');
is($t->query('SELECT sum(redis_hits), sum(fills) FROM clarify_cache.stats'), '5|0',
	'not preloaded: and counts for itself');
$_->quit for $s, $t;

done_testing();
