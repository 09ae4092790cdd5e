# Point-in-time recovery into the same Redis: the restored server is in the
# past of what was cached.  It serves what it sees itself, and when it goes on
# to another future, nothing of the first one, whose transaction ids it uses
# again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $redis = start_redis();
my $node = clarify_node('main', redis => $redis, has_archiving => 1, allows_streaming => 1);
load_look($node);
my $user = user_id(1);
my $one_built = 'exact: 4 hits, 1 built, 0 bypassed, 1 filled';
my %entry;

sub set_name
{
	my ($server, $name) = @_;
	return $server->safe_psql('postgres',
		"UPDATE users SET name = '$name' WHERE id = '$user' RETURNING txid_current()");
}
sub key { return (grep { /\{$user\}:user$/ } $redis->entries)[0]; }

look($node, $user);
is_look($node, $user, HIT, 'cached before the backup');
$node->backup('backup');

set_name($node, 'first');
is_look($node, $user, $one_built, 'the first change after it');
$entry{first} = $redis->get(key());
$node->safe_psql('postgres', "SELECT pg_create_restore_point('between')");
my $xid = set_name($node, 'second');
is_look($node, $user, $one_built, 'the second');
$entry{second} = $redis->get(key());
my $lsn = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_switch_wal())');
ok(wait_for(sub {
	$node->safe_psql('postgres', "SELECT last_archived_wal >= '$lsn' FROM pg_stat_archiver") eq 't'
}), 'archived');
$node->stop;

my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($node, 'backup', has_restoring => 1, standby => 0);
$restored->append_conf('postgresql.conf',
	"recovery_target_name = 'between'\nrecovery_target_action = 'promote'\narchive_mode = off\n");
$restored->start;
ok(wait_for(sub { $restored->safe_psql('postgres', 'SELECT NOT pg_is_in_recovery()') eq 't' }),
	'restored to between the two changes');

is($redis->get(key()), $entry{second}, 'Redis has the second change');
is_look($restored, $user, $one_built, 'which is not served');
like(context($restored, $user), qr/"name":"first"/, 'but the first');
$redis->put(key(), $entry{first});
is_look($restored, $user, HIT, 'whose entry of before is right');
$redis->put(key(), $entry{second});
is_look($restored, $user, $one_built, 'the other one, put back, is not');

is(set_name($restored, 'third'), $xid, 'a third change has the transaction id of the second');
for my $name ('first', 'second')
{
	$redis->put(key(), $entry{$name}) if defined key();
	is_look($restored, $user, $one_built, "the entry of the $name is not taken for it");
}
is_look($restored, $user, HIT, 'its own is');

# The first server, in its own time
$restored->stop;
$node->start;
is_look($node, $user, $one_built, 'the first server does not take the third change');
$redis->put(key(), $entry{second});
is_look($node, $user, HIT, 'but the second');
$node->stop;

# The same backup as it is, without any WAL after it
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($node, 'backup');
$copy->append_conf('postgresql.conf', "archive_mode = off\n");
$copy->start;
is_look($copy, $user, $one_built, 'a plain restore takes nothing of after it');
is_look($copy, $user, HIT, 'and serves what it sees');
$copy->stop;

done_testing();
