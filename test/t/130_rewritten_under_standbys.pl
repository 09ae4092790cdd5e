# What a rewrite freezes, a standby's older snapshot sees, though it should not:
# VACUUM FULL, CLUSTER and REINDEX of clarify_cache.version and of attached tables on
# a primary that does not know of its standbys' snapshots.  Such a reader builds, and
# what it builds is for nobody else: neither for fresh readers of the primary, nor for
# a standby that is behind, nor from a tier of its own for who comes after it.
#
# Replay is paused and waited for by position, so nothing depends on time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $redis = start_redis();
my $primary = clarify_node('primary', redis => $redis, allows_streaming => 1);
load_look($primary);
$primary->backup('backup');

sub make_standby
{
	my ($name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init_from_backup($primary, 'backup', has_streaming => 1);
	$node->append_conf('postgresql.conf',
		"max_standby_streaming_delay = -1\nhot_standby_feedback = off\n$conf");
	$node->start;
	return $node;
}
my $standby = make_standby('standby', '');
my $behind = make_standby('behind', '');
my $alone = make_standby('alone', "clarify_cache.redis_url = ''\nclarify_cache.local_cache_size = '4MB'\n");
my @standbys = ($standby, $behind, $alone);

sub on_primary { $primary->safe_psql('postgres', $_[0]); }
sub replay { $behind->safe_psql('postgres', "SELECT pg_wal_replay_$_[0]()"); }
sub catch_up
{
	$primary->wait_for_catchup($_->name, 'replay', $primary->lsn('flush')) for @_;
}

# The primary may happen to clean a page of what an old snapshot sees; then replay
# waits for that.  False if it does.
sub catches_up
{
	my (@nodes) = @_;
	my $lsn = $primary->lsn('flush');
	my $waits = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'startup' AND wait_event ~ '^RecoveryConflict'};
	for my $node (@nodes)
	{
		my $state = 'f';
		wait_for(sub {
			$state = $node->safe_psql('postgres', "SELECT pg_last_wal_replay_lsn() >= '$lsn'");
			$state = 'conflict' if $state eq 'f' && $node->safe_psql('postgres', $waits) > 0;
			return $state ne 'f';
		});
		return 0 if $state eq 'conflict';
	}
	return 1;
}

# A transaction with a snapshot of now, and no lock on anything.
sub old_snapshot
{
	my ($node) = @_;
	my $session = open_session($node);
	$session->query("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT 1");
	return $session;
}

# Change a person's name under snapshots of these standbys, and rewrite something.
# Returns the person, and the snapshots' sessions, once replay does not wait for them.
my $n = 0;
sub rewrite_under
{
	my ($rewrite, $before, $replaying, @snapshots) = @_;
	for (1 .. 10)
	{
		my $user = user_id($n = $n % 19 + 1);
		on_primary("UPDATE users SET name = 'before' WHERE id = '$user'");
		catch_up(@standbys);
		$before->($user);
		my @old = map { old_snapshot($_) } @snapshots;
		on_primary("UPDATE users SET name = 'after' WHERE id = '$user'");
		on_primary($rewrite);
		return ($user, @old) if catches_up(@$replaying);
		$_->close for @old;
		replay('resume') if $behind->safe_psql('postgres', 'SELECT pg_is_wal_replay_paused()') eq 't';
	}
	die "replay waits for old snapshots each time: $rewrite";
}

# Versions.  Each rewrite comes after a change that the old snapshots do not see.

for my $rewrite ('VACUUM FULL clarify_cache.version', 'CLUSTER clarify_cache.version USING version_key',
	'REINDEX TABLE clarify_cache.version')
{
	my ($user, @old) = rewrite_under($rewrite,
		sub { look($_, $_[0]) for $standby, $alone }, \@standbys, $standby, $alone);
	for my $session (@old)
	{
		is($session->look($user), BYPASSED, "$rewrite: a snapshot from before builds");
		is($session->look($user), BYPASSED, 'each time');
	}
	for my $node ($primary, $alone)
	{
		like(look($node, $user), qr/^exact: \d hits, [1-5] built, 0 bypassed/, 'fresh readers miss what changed');
		is_look($node, $user, HIT, 'and find it then');
		like(context($node, $user), qr/"name":"after"/, 'as it is after the change');
	}
	is_look($standby, $user, HIT, 'on the other standby, too');
	$_->close for @old;
}

# Definitions: what a section was before is not what the snapshot's version means.

on_primary('VACUUM FULL clarify_cache.section');
on_primary("VACUUM FULL clarify_cache.$_") for 'attached_table', 'witness';
catch_up(@standbys);
look($_, user_id(20)) for $standby, $alone;
is_look($_, user_id(20), HIT, 'definitions, rewritten: a fresh reader\'s hits go on') for @standbys;
my ($user, $session) = rewrite_under('VACUUM FULL clarify_cache.section', sub { }, [$standby], $standby);
is($session->look($user), BYPASSED, 'an older one builds');
$session->close;

# Attached tables.  The old snapshot reads the future in them, under its own version;
# a standby that is still of that version must not be given it.

for my $rewrite ('VACUUM FULL users', 'CLUSTER users USING users_pkey', 'REINDEX TABLE users',
	'CREATE INDEX CONCURRENTLY users_name ON users (id, name)')
{
	on_primary('DROP INDEX IF EXISTS users_name');
	my ($user, $old) = rewrite_under($rewrite, sub { replay('pause') }, [ $standby, $alone ], $standby);
	my $said = $old->look($user);
	like($said, qr/^exact: 0 hits, 5 built, 0 bypassed, 4 filled|^exact: 4 hits, 1 built, 0 bypassed, 0 filled/,
		"$rewrite: what an older snapshot finds in there is not kept");
	is_look($behind, $user, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'the standby that is behind builds that');
	like(context($behind, $user), qr/"name":"before"/, 'as it is there');
	is_look($behind, $user, HIT, 'and keeps it');
	is_look($primary, $user, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'the primary builds its own');
	is_look($primary, $user, HIT, 'and keeps it');
	$old->close;
	replay('resume');
	catch_up(@standbys);
	is_look($behind, $user, HIT, 'which the standby is given when it has caught up');
}

# A rewrite that changes what the table is made of, too (a column's default value, kept
# with its definition, goes into the rows).

on_primary(q{
	CREATE TABLE numbers (user_id uuid PRIMARY KEY, n int);
	ALTER TABLE numbers ADD m int DEFAULT 7;
	SELECT clarify_cache.attach('numbers');
	SELECT clarify_cache.add_section('numbers', 'SELECT n FROM numbers WHERE user_id = $1')});
for my $n (21 .. 23)
{
	my $user = user_id($n);
	on_primary("INSERT INTO numbers VALUES ('$user', 1)");
	catch_up(@standbys);
	replay('pause');
	my $old = old_snapshot($standby);
	on_primary("UPDATE numbers SET n = 2 WHERE user_id = '$user'");
	on_primary('VACUUM FULL numbers');
	if (catches_up($standby))
	{
		$old->query("SELECT clarify_context('$user')");
		is($behind->safe_psql('postgres', "SELECT clarify_context('$user') -> 'numbers'"), '[{"n":1}]',
			'the standby that is behind is not given the future');
	}
	$old->close;
	replay('resume');
	on_primary('ALTER TABLE numbers DROP m; ALTER TABLE numbers ADD m int DEFAULT 7; SELECT clarify_cache.repair()');
}

done_testing();
