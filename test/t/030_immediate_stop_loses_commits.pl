# Immediate stop with synchronous_commit = off: commits are lost, and what was
# cached of them must never be served again, not even when new commits get the
# same transaction ids and the lost entries are put back into Redis.
#
# It takes a server that really loses commits, and a Redis that keeps them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use Test::More;

my $redis = start_redis();
# The WAL writer would save the commits; let it look every 10 s only, which is
# as seldom as it can.
my $node = clarify_node('main', redis => $redis,
	conf => "synchronous_commit = off\nwal_writer_delay = 10s\nfsync = off\n");
load_look($node);
my ($user, $other) = (user_id(1), user_id(2));

sub name { return $node->safe_psql('postgres', "SELECT name FROM users WHERE id = '$user'"); }

# A commit and its transaction id.
sub rename_to
{
	my ($name) = @_;
	return $node->safe_psql('postgres',
		"UPDATE users SET name = '$name' WHERE id = '$user' RETURNING txid_current()");
}

my $user_changed = 'exact: 4 hits, 1 built, 0 bypassed, 1 filled';
my ($key, $lost_entry, $lost_xid, $lost);

# The WAL writer may look just then, so more than one try.
for my $try (1 .. 10)
{
	$node->safe_psql('postgres', "SET synchronous_commit = on; UPDATE users SET name = 'kept' WHERE id = '$user'");
	look($node, $user);
	$node->safe_psql('postgres', 'CHECKPOINT');
	is_look($node, $user, HIT, "try $try: cached before the commit that is lost");

	$lost_xid = rename_to('lost');
	is_look($node, $user, $user_changed, "try $try: the commit is seen");
	is_look($node, $user, HIT, "try $try: and cached");
	($key) = grep { /\{$user\}:user$/ } $redis->entries;
	$lost_entry = $redis->get($key);
	like($lost_entry, qr/"name":"lost"/, "try $try: Redis has the entry");

	$node->stop('immediate');
	$node->start;
	# (Of a commit that is lost, the change may be there, and with it its id used.)
	$lost = name() eq 'kept' &&
	  $node->safe_psql('postgres', 'SELECT txid_snapshot_xmax(txid_current_snapshot())') eq $lost_xid;
	last if $lost;
}
ok($lost, 'the immediate stop lost the commit');
is($redis->get($key), $lost_entry, 'Redis still has the entry of the lost commit');
is_look($node, $user, $user_changed, 'it is not served; the sections that did not change are');
is_look($node, $user, HIT, 'what was built instead is');

$redis->put($key, $lost_entry);
is_look($node, $user, $user_changed, 'nor when it is put back');

is(rename_to('new'), $lost_xid, 'a new commit has the transaction id of the lost one');
is_look($node, $user, $user_changed, 'the new commit is seen');
$redis->put($key, $lost_entry);
is_look($node, $user, $user_changed, 'the entry of the lost commit is not taken for it');
is_look($node, $user, HIT, 'and the right one is served');

# The same for what concerns every user.
$node->safe_psql('postgres', 'SET synchronous_commit = on; CREATE TABLE marker ()');
for my $try (1 .. 10)
{
	look($node, $other);
	$node->safe_psql('postgres', 'CHECKPOINT');
	is_look($node, $other, HIT, "try $try: another user is cached");
	$node->safe_psql('postgres',
		'BEGIN; SELECT clarify_cache.invalidate_all(); INSERT INTO marker DEFAULT VALUES; COMMIT');
	is_look($node, $other, BUILT, "try $try: invalidate_all() that is lost has its effect");
	is_look($node, $other, HIT, "try $try: and what was built then is cached");
	$node->stop('immediate');
	$node->start;
	$lost = $node->safe_psql('postgres', 'SELECT count(*) FROM marker') == 0;
	last if $lost;
	$node->safe_psql('postgres', 'SET synchronous_commit = on; DELETE FROM marker');
}
ok($lost, 'the immediate stop lost invalidate_all()');
is_look($node, $other, BUILT, 'nothing of after it is served');
is_look($node, $other, HIT, 'what was built instead is');

$node->stop;
done_testing();
