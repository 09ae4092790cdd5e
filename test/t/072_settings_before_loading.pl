# Where the library is not preloaded, anybody can give its settings any value
# before a session loads it, as nobody knows yet who may.  When it is loaded, none
# of them is kept but those that anybody may set: not another Redis, another
# prefix of keys, other limits.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use RedisTest;
use Test::More;

my $redis = start_redis();
my $evil = start_fake();
my $node = redis_node('main', redis => $redis, preload => 0);
$node->safe_psql('postgres', q{
	CREATE ROLE mallory LOGIN BYPASSRLS;
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO mallory;
	GRANT USAGE ON SCHEMA auth TO mallory;});

my %wanted = (
	redis_url => $evil->url,
	connect_timeout => '60s',
	command_timeout => '60s',
	breaker_failures => '1000',
	breaker_recovery => '100ms',
	key_prefix => 'other',
	ttl_jitter => '50',
	audit_rate => '1',
	max_entry_size => '1kB',
	max_tracked_keys => '1',
	log_min_duration => '0',
	local_cache_size => '64MB');
my $show = "SELECT name, setting FROM pg_settings WHERE name LIKE 'clarify_cache.%' AND name <> 'clarify_cache.enabled' ORDER BY name";
# A superuser sees all of them.  The first call loads the library.
my $s = session($node);
$s->query("SELECT clarify_context('" . user_id(1) . "')");
my $right = $s->query($show);
is(scalar(() = $right =~ /\n/g) + 1, scalar(keys %wanted), 'each setting but "enabled" is tried');

# Logged in as nobody in particular; "look" tells what came from where.
my $m = session($node);
$m->query('SET SESSION AUTHORIZATION mallory');
$m->query("SET clarify_cache.$_ = '$wanted{$_}'") for sort keys %wanted;
$m->query("SET clarify_cache.nonsense = 'x'");
my $said = $m->error("SELECT clarify_context('" . user_id(2) . "')");
like($said, qr/WARNING: .*"clarify_cache\.$_"/, "clarify_cache.$_: refused") for sort keys %wanted;
is($m->query("SELECT clarify_context('" . user_id(2) . "')::text = plain_context('" . user_id(2) . "')"), 't', 'the answer is right');
$m->query('RESET SESSION AUTHORIZATION');
is($m->query($show), $right, 'each setting has the value that it had');
is($evil->count('CONNECT'), 0, 'nobody connected to the other Redis');
is(scalar(grep { !/^clarify:/ } $redis->entries), 0, 'nothing is under another prefix');
$m->query('SET SESSION AUTHORIZATION mallory');
like($m->error("SET clarify_cache.key_prefix = 'other'"), qr/permission denied/, 'nor later');
is($m->error('SET clarify_cache.enabled = off'), '', 'what anybody may set can be set');

# By an option of the connection; and as the role's own setting, which PostgreSQL
# may refuse from the start.
$node->append_conf('pg_hba.conf', "local all all trust\n");
$node->reload;
my $call = "SELECT clarify_context('" . user_id(3) . "') IS NOT NULL";
my ($ret, $out, $err) = $node->psql('postgres', "$call; SHOW clarify_cache.key_prefix",
	extra_params => [ '-d', $node->connstr('postgres') . " user=mallory options='-c clarify_cache.key_prefix=other'" ]);
is($out, "t\nclarify", 'an option of the connection: refused');
$node->psql('postgres', 'ALTER ROLE mallory SET clarify_cache.max_tracked_keys = 1', extra_params => [ '-U', 'mallory' ]);
($ret, $out, $err) = $node->psql('postgres', "$call; SHOW clarify_cache.max_tracked_keys", extra_params => [ '-U', 'mallory' ]);
is($out, "t\n10000", "the role's own setting: refused");
is(scalar(grep { !/^clarify:/ } $redis->entries), 0, 'nothing is under another prefix');
$_->quit for $s, $m;

done_testing();
