# What changes while a call waits for Redis: rights, roles, policies, tables.  The
# entries that then arrive were asked for before, and nobody gets from them what
# they may not read by now.
#
# It needs a Redis that answers when the test says so, and a second session.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use RedisTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $fake = start_fake();
my $node = redis_node('main', redis => $fake,
	conf => "clarify_cache.connect_timeout = '60s'\nclarify_cache.command_timeout = '60s'\n");
my $dba = session($node);
my $s = session($node);
my $r = session($node);
my $call = "SELECT clarify_context('" . user_id(1) . "')::text = plain_context('" . user_id(1) . "')";
my $sources = "SELECT section, served_from, reason FROM clarify_cache.explain('" . user_id(1) . "') WHERE served_from <> 'redis'";

$dba->query(q{CREATE ROLE reader BYPASSRLS; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader});
$r->query('SET ROLE reader');

# Have a session ask, change something while it waits, and return what it gets.
sub change_while_waiting
{
	my ($session, $sql, $change) = @_;
	$fake->clear_log;
	$fake->mode('hang_before_reply', 'MGET');
	$session->send($sql);
	wait_for(sub {
		return $fake->count('MGET') > 0
		  && $dba->query('SELECT wait_event FROM pg_stat_activity WHERE pid = ' . $session->pid)
		  =~ /^(Extension|ClarifyCacheRedis)$/;
	}) or die 'no wait for Redis';
	$dba->query($change);
	$fake->mode('normal');
	return $session->receive;
}

sub is_served
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	look($dba, 1);
	is($_->query($call), 't', "$name: exact") for $s, $r;
	is($_->query($sources), '', "$name: served") for $s, $r;
}
is_served('before');

# The table's definition, or what is known of it: built, not served.
for my $case (
	[ 'CREATE INDEX', 'CREATE INDEX i ON dreams (title)' ],
	[ 'statistics', 'ALTER TABLE dreams ALTER COLUMN title SET STATISTICS 50' ],
	[ 'GRANT', 'GRANT SELECT ON dreams TO pg_monitor' ],
	[ 'a trigger', 'CREATE TRIGGER t BEFORE UPDATE ON dreams FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()' ])
{
	my ($name, $change) = @$case;
	is(change_while_waiting($s, $sources, $change), 'dreams|bypass|invalidated', "$name: built");
	is_served($name);
}
is(change_while_waiting($s, $call, 'DROP INDEX CONCURRENTLY IF EXISTS no_such_index; ANALYZE dreams'), 't', 'ANALYZE: exact');

# Rights: what a plain query would say.
my $denied = qr/ERROR:  permission denied for table dreams/;
like(change_while_waiting($r, $call, 'REVOKE SELECT ON dreams FROM reader'), $denied, 'REVOKE: refused');
is($s->query($call), 't', 'REVOKE: others are served');
$dba->query('GRANT SELECT ON dreams TO reader');
is_served('GRANT again');
$dba->query('CREATE ROLE of_readers; GRANT SELECT ON dreams TO of_readers; GRANT of_readers TO reader; REVOKE SELECT ON dreams FROM reader');
is_served('by membership');
like(change_while_waiting($r, $call, 'REVOKE of_readers FROM reader'), $denied, 'a membership that ends: refused');
$dba->query('GRANT SELECT ON dreams TO reader');
is_served('and again');
like(change_while_waiting($r, $call, 'REVOKE EXECUTE ON FUNCTION pg_catalog.uuid_eq(uuid, uuid) FROM PUBLIC'),
	qr/ERROR:  permission denied for function uuid_eq/, 'EXECUTE on an operator\'s function: refused');
$dba->query('GRANT EXECUTE ON FUNCTION pg_catalog.uuid_eq(uuid, uuid) TO PUBLIC');
is_served('EXECUTE again');
like(change_while_waiting($r, $call, 'REVOKE USAGE ON SCHEMA public FROM PUBLIC'),
	qr/ERROR:  permission denied for schema public/, 'USAGE: refused');
$dba->query('GRANT USAGE ON SCHEMA public TO PUBLIC');
is_served('USAGE again');

# Policies come to hold a role that they did not hold.
my $restricted = join "\n", map { "$_|bypass|row_security" } qw(user dreams patterns sessions reflections);
is(change_while_waiting($r, $sources, 'ALTER ROLE reader NOBYPASSRLS'), $restricted,
	'BYPASSRLS that ends: the policies decide');
is($r->query("SELECT clarify_context('" . user_id(1) . "') -> 'dreams'"), '[]', 'BYPASSRLS that ends: nothing is shown');
is($s->query($call), 't', 'BYPASSRLS that ends: others see all');
$dba->query('ALTER ROLE reader BYPASSRLS');
is_served('BYPASSRLS again');
is($r->query('BEGIN; ' . $call), 't', 'in a transaction: served');
is(change_while_waiting($r, $sources, 'ALTER ROLE reader NOBYPASSRLS'), $restricted,
	'in a transaction: the policies decide');
$r->query('COMMIT');
$dba->query('ALTER ROLE reader BYPASSRLS');
is_served('BYPASSRLS in the end');

# The user's rows: as of the caller's snapshot, and not after it.
is(change_while_waiting($s, $call, "UPDATE dreams SET title = 'changed' WHERE user_id = '" . user_id(1) . "'"), 't',
	'a change: exact, as of before');
is_served('a change');

# The row that holds the secret is locked: Redis is not asked, nobody waits.
my $t = session($node);
$dba->query('BEGIN; LOCK TABLE clarify_cache.instance IN ACCESS EXCLUSIVE MODE');
$fake->clear_log;
is_built($t, 1, 'the secret is locked: built');
is($fake->count('MGET', 'SET'), 0, 'the secret is locked: Redis is not asked');
$t->query("UPDATE users SET name = 'x' WHERE id = '" . user_id(2) . "'");
is($fake->count('UNLINK'), 0, 'the secret is locked: nor told');
is_hit($s, 1, 'the secret is locked: who knows it is served');
$dba->query('COMMIT');
is_hit($t, 1, 'the secret is free: served');

is(status($s), 'closed|0', 'nothing of all this is a failure of Redis');
$_->quit for $dba, $s, $r, $t;
done_testing();
