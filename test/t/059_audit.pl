# clarify_cache.audit_rate, where it takes more than a session: what the log is
# told of a mismatch, and what not; that both tiers then have the right answer;
# that an audit does no harm: it waits for no lock, and fails no call but by a
# cancel; the answers of other backends; a standby.
#
# Wrong entries are made by a superuser who turns the triggers off in the
# catalogs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

my $redis = start_redis();
my $node = clarify_node('main', redis => $redis, local => '4MB', allows_streaming => 1, conf => <<'CONF');
clarify_cache.command_timeout = '2s'
clarify_cache.connect_timeout = '2s'
log_statement = none
log_min_error_statement = warning
log_line_prefix = ''
log_error_verbosity = verbose
jit = off
CONF
load_look($node);
my $user = user_id(1);
my $audit_all = 'SET clarify_cache.audit_rate = 1';

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Of all sections together.
sub counted
{
	my ($server) = @_;
	return ($server // $node)->safe_psql('postgres',
		'SELECT sum(local_hits + redis_hits), sum(audited), sum(audit_mismatches), sum(builds) FROM clarify_cache.stats');
}
sub reset_stats { sql('SELECT clarify_cache.reset_stats()'); }

# Trigger functions that note nothing ('D'), or the extension's own ('A').
sub triggers
{
	my ($state) = @_;
	for my $name ('track_change', 'mark_change')
	{
		sql("CREATE OR REPLACE FUNCTION clarify_cache.$name() RETURNS trigger LANGUAGE "
			. ($state eq 'D' ? q{plpgsql AS 'BEGIN RETURN NULL; END'} : qq{C AS '\$libdir/clarify_cache', 'clarify_$name'}));
	}
}

# What is logged while these statements run in a new session, and what psql shows.
sub logged
{
	my (@sql) = @_;
	my $offset = -s $node->logfile;
	my $session = open_session($node);
	my $shown = join "\n", map { $session->query($_) } @sql;
	$session->close;
	return (slurp_file($node->logfile, $offset), $shown);
}

# Clean

sql('SELECT count(clarify_context(id)) FROM users');
reset_stats();
my ($log, $shown) = logged($audit_all, 'SELECT count(clarify_context(id)) FROM users');
is(counted(), '100|100|0|0', 'all people: audited, without a mismatch');
unlike($log, qr/WARNING/, 'and nothing logged');

# A wrong entry, in both tiers

triggers('D');
sql("UPDATE users SET name = 'Sekrit Namesake' WHERE id = '$user'");
reset_stats();
my $call = "SELECT clarify_context('$user') ->> 'user'";
my ($before) = sql("SELECT plain_context('$user')") =~ /("tier":.*?\})/;
($log, $shown) = logged("SET client_min_messages = notice; SET clarify_cache.log_min_duration = 0; $audit_all", $call);
like($shown, qr/^WARNING:  clarify_cache: a cached answer was not what its snapshot holds$/m, 'the client is warned');
like($shown, qr/Sekrit Namesake/, 'and given what was built');
my $hex = qr/[0-9a-f]{16}/;
my $time = qr{\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+[+-]\d\d(?::\d\d)?};
like($log, qr/^WARNING:\ \ XX001:\ clarify_cache:\ a\ cached\ answer\ was\ not\ what\ its\ snapshot\ holds\n
	DETAIL:\ \ Section\ "user"\ of\ user\ $hex\ was\ found\ in\ the\ local\ tier:\ version\ $hex,\ fingerprint\ $hex,\ built\ at\ $time,\ expires\ at\ $time,
	\ \d+\ bytes\.\ \ Under\ the\ snapshot\ \d+:\d+,\ command\ \d+,\ \d+\ bytes\ were\ built;\ byte\ 9\ is\ the\ first\ that\ differs\.\n
	HINT:\ \ .*invalidate_all\(\).*\n/mx, 'the log has the details') or diag($log);
my ($hash) = $log =~ /of user ($hex)/;
like($log, qr/^LOG:  00000: clarify_cache: user=$hash .* audit_us=[1-9].* section\.user=build section\.dreams=local/m,
	'the same user, in the line of the call; and what became of it');
unlike($shown, qr/$hash/, 'which the client is not told');
unlike($log, qr/Sekrit|"tier"|STATEMENT|CONTEXT:|\Q$user\E/, 'nothing of the context, nor the statement, nor the id');
is(counted(), '4|5|1|1', 'counted');
is(sql("SELECT audited, audit_mismatches, fills, fill_failures FROM clarify_cache.stats WHERE section = 'user'"), '1|1|1|0', 'as the mismatch of one, kept');

reset_stats();
like(sql($call), qr/Sekrit Namesake/, 'the next call, not audited: right, from the local tier');
is(counted(), '5|0|0|0', 'by a hit');
$node->restart;
is_served($node, $user, 'exact: 0 local, 5 redis, 0 built', 'and from Redis');
($log) = logged($audit_all, $call);
unlike($log, qr/WARNING/, 'which agrees with an audit');
sql("UPDATE users SET name = 'Another' WHERE id = '$user'");
$node->restart;
($log) = logged($audit_all, $call);
like($log, qr/Section "user" of user $hash was found in Redis: /, 'a wrong entry of Redis: found there');
triggers('A');
sql('SELECT clarify_cache.invalidate_all()');

# In a transaction that is older than the ttl, as fills are not made in

sql(q{
	CREATE TABLE short (user_id uuid, body text);
	SELECT clarify_cache.attach('short');
	SELECT clarify_cache.add_section('short', 'SELECT body FROM short WHERE user_id = $1', ttl => '4 s')});
sql("INSERT INTO short VALUES ('$user', 'before')");
triggers('D');
my $old = open_session($node);
$old->query("$audit_all; BEGIN");
sleep 5;
sql("SELECT clarify_context('$user'); UPDATE short SET body = 'after'");
my $short = "SELECT clarify_context('$user') ->> 'short'";
my $seen = $old->query($short);
SKIP:
{
	skip 'this machine is too slow', 2 if sql("SELECT audit_mismatches FROM clarify_cache.stats WHERE section = 'short'") == 0;
	like($seen, qr/after/, 'in an old transaction: what was built');
	like(sql($short), qr/after/, 'and it is kept');
}
$old->query('COMMIT');
$old->close;
sql("SELECT clarify_cache.drop_section('short')");

# A partition that is locked: a hit does not wait for it, nor does an audit

sql(q{
	CREATE TABLE parts (user_id uuid, n int) PARTITION BY RANGE (n);
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
	SELECT clarify_cache.attach('parts');
	SELECT clarify_cache.add_section('parts', 'SELECT n FROM parts WHERE user_id = $1 ORDER BY n')});
sql("SELECT clarify_context('$user')");
reset_stats();
my $ddl = open_session($node);
$ddl->query('BEGIN; LOCK TABLE parts_1');
my $session = open_session($node);
$session->query("SET statement_timeout = '60s'; $audit_all");
is($session->query("SELECT clarify_context('$user')::text = (SELECT plain FROM (SELECT rtrim(plain_context('$user'), '}') || ',\"parts\":[]}' AS plain) p)"),
	't', 'a partition is locked: answered');
is(sql("SELECT local_hits, audited, audit_mismatches FROM clarify_cache.stats WHERE section = 'parts'"), '1|0|0', 'by a hit, which could not be audited');
is(counted(), '6|5|0|0', 'as the others were');
$ddl->query('ROLLBACK');
$ddl->close;
is($session->query("SELECT clarify_context('$user') IS NOT NULL"), 't', 'and when it is not');
is(sql("SELECT local_hits, audited, audit_mismatches FROM clarify_cache.stats WHERE section = 'parts'"), '2|1|0', 'it is audited');
sql("SELECT clarify_cache.drop_section('parts')");

# A time-out in an audit is the statement's, and leaves nothing behind

sql(q{SELECT clarify_cache.add_section('slow', 'SELECT (SELECT sum(sqrt(g)) FROM generate_series(1, 10000000) g) FROM users WHERE id = $1', ttl => '1 h')});
sql("SELECT clarify_context('$user')");
reset_stats();
$session->query("SET statement_timeout = '300ms'");
like($session->query("SELECT clarify_context('$user')"), qr/^ERROR:  canceling statement due to statement timeout/m, 'a time-out ends the call');
is($session->query("RESET clarify_cache.audit_rate; SET statement_timeout = 0; SELECT clarify_context('$user') IS NOT NULL"), 't', 'the next one is served');
is(sql("SELECT local_hits, audited, audit_mismatches, builds FROM clarify_cache.stats WHERE section = 'slow'"), '1|0|0|0', 'and the entry is as it was');
$session->query($audit_all);

# What another backend has built is a hit, too

my $leader = open_session($node);
my $made = 0;
for my $try (1 .. 5)
{
	my $person = user_id(10 + $try);
	reset_stats();
	$leader->send("SELECT clarify_context('$person') \\g /dev/null");
	wait_for(sub { sql('SELECT count(*) FROM pg_locks WHERE objsubid = 25443') == 1 }) or die 'nobody leads';
	$session->query("SELECT clarify_context('$person')");
	$leader->query('SELECT 1');
	$made = sql('SELECT waits FROM clarify_cache.call_stats');
	last if $made;
}
SKIP:
{
	skip 'this machine is too slow', 1 unless $made;
	is(sql("SELECT local_hits, audited, audit_mismatches, builds FROM clarify_cache.stats WHERE section = 'slow'"), '1|1|0|1', 'what one waited for is audited');
}
$_->close for $leader, $session;
sql("SELECT clarify_cache.drop_section('slow')");

# A standby

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nclarify_cache.audit_rate = 1\nclarify_cache.redis_url = ''\n");
$standby->start;
is_look($standby, $user, BUILT, 'a standby builds');
is_look($standby, $user, HIT, 'and hits');
my ($hits, $audited, $mismatches) = split /\|/, counted($standby);
is("$hits $mismatches", "$audited 0", 'all of which are audited, without a mismatch');
cmp_ok($audited, '>', 0, 'and there are some');
triggers('D');
sql("UPDATE users SET name = 'Sekrit of the standby' WHERE id = '$user'");
$node->wait_for_catchup('standby', 'replay', $node->lsn('flush'));
is_look($standby, $user, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'a wrong entry: what was built');
is_look($standby, $user, HIT, 'and it is kept');
is((split /\|/, counted($standby))[2], '1', 'a mismatch');

$standby->stop;
$node->stop;
done_testing();
