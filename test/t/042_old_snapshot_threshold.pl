# With old_snapshot_threshold in force a snapshot may miss rows without an error
# from us, tokens as well as data: nothing is read from the cache or put there.
#
# It takes a restart to set it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use Test::More;

my $redis = start_redis();
my $node = clarify_node('main', redis => $redis);
load_look($node);
my $user = user_id(1);

if ($node->safe_psql('postgres', "SELECT count(*) FROM pg_settings WHERE name = 'old_snapshot_threshold'") == 0)
{
	$node->stop;
	plan(skip_all => 'this server has no old_snapshot_threshold');
}

look($node, $user);
is_look($node, $user, HIT, 'off: served');
$node->append_conf('postgresql.conf', "old_snapshot_threshold = 1min\n");
$node->restart;
is_look($node, $user, BYPASSED, 'in force: built, though entries are there');
$redis->command('FLUSHALL');
is_look($node, $user, BYPASSED, 'and when they are not');
is(scalar($redis->entries), 0, 'nothing is put there');
$node->safe_psql('postgres', "UPDATE users SET name = 'changed' WHERE id = '$user'");
is_look($node, $user, BYPASSED, 'changes are seen');

$node->append_conf('postgresql.conf', "old_snapshot_threshold = -1\n");
$node->restart;
is_look($node, $user, BUILT, 'off again: filled');
is_look($node, $user, HIT, 'and served');

$node->stop;
done_testing();
