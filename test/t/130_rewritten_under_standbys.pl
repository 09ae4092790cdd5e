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
sub catch_up
{
	$primary->wait_for_catchup($_->name, 'replay', $primary->lsn('flush')) for @_;
}
sub replay { $behind->safe_psql('postgres', "SELECT pg_wal_replay_$_[0]()"); }

# The name in the context, of an unlocked snapshot that is taken now, and asked later.
sub old_snapshot
{
	my ($node) = @_;
	my $session = open_session($node);
	$session->query("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT 1");
	return $session;
}

# Versions.  Each rewrite comes after a change that the old snapshots do not see.

my $n = 0;
for my $rewrite ('VACUUM FULL clarify_cache.version', 'CLUSTER clarify_cache.version USING version_key',
	'REINDEX TABLE clarify_cache.version')
{
	my $user = user_id(++$n);
	on_primary("UPDATE users SET name = 'before' WHERE id = '$user'");
	catch_up(@standbys);
	is_look($standby, $user, BUILT, "$rewrite: built before");
	is_look($alone, $user, BUILT, 'by the standby that is alone as well');
	my @old = map { old_snapshot($_) } $standby, $alone;
	on_primary("UPDATE users SET name = 'after' WHERE id = '$user'");
	on_primary($rewrite);
	catch_up(@standbys);
	for my $session (@old)
	{
		is($session->look($user), BYPASSED, 'a snapshot from before builds');
		is($session->look($user), BYPASSED, 'each time');
	}
	for my $node ($primary, $alone)
	{
		like(look($node, $user), qr/^exact: 4 hits, 1 built, 0 bypassed/, 'fresh readers miss what changed');
		is_look($node, $user, HIT, 'and find it then');
		like(context($node, $user), qr/"name":"after"/, 'as it is after the change');
	}
	is_look($standby, $user, HIT, 'on the other standby, too');
	$_->query('COMMIT') for @old;
}

# Definitions: what a section was before is not what the snapshot's version means.

on_primary('VACUUM FULL clarify_cache.section; VACUUM FULL clarify_cache.attached_table; VACUUM FULL clarify_cache.witness');
catch_up(@standbys);
is_look($_, user_id(1), HIT, 'definitions, rewritten: a fresh reader\'s hits go on') for @standbys;
my $session = old_snapshot($standby);
on_primary('VACUUM FULL clarify_cache.section');
catch_up(@standbys);
is($session->look(user_id(1)), BYPASSED, 'an older one builds');
$session->query('COMMIT');

# Attached tables.  The old snapshot reads the future in them, under its own version;
# a standby that is still of that version must not be given it.

for my $rewrite ('VACUUM FULL users', 'CLUSTER users USING users_pkey', 'REINDEX TABLE users',
	'CREATE INDEX CONCURRENTLY users_name ON users (id, name)')
{
	my $user = user_id(++$n);
	on_primary("UPDATE users SET name = 'before' WHERE id = '$user'");
	catch_up(@standbys);
	replay('pause');
	my $old = old_snapshot($standby);
	on_primary("UPDATE users SET name = 'after' WHERE id = '$user'");
	on_primary($rewrite);
	catch_up($standby, $alone);
	is($old->look($user), 'exact: 0 hits, 5 built, 0 bypassed, 4 filled',
		"$rewrite: what an older snapshot finds in there is not kept");
	is_look($behind, $user, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'the standby that is behind builds that');
	like(context($behind, $user), qr/"name":"before"/, 'as it is there');
	is_look($behind, $user, HIT, 'and keeps it');
	is_look($primary, $user, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'the primary builds its own');
	is_look($primary, $user, HIT, 'and keeps it');
	$old->query('COMMIT');
	replay('resume');
	catch_up(@standbys);
	is_look($behind, $user, HIT, 'which the standby is given when it has caught up');
}

done_testing();
