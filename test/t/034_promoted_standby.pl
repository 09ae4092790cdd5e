# Split brain: a standby is promoted while its old primary runs on, and both
# change the same user, differently, in transactions of the same ids.  They
# share one Redis, and neither is ever served what the other built of a future
# of its own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $redis = start_redis();
my $old = clarify_node('old', redis => $redis, allows_streaming => 1);
load_look($old);
$old->backup('backup');
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init_from_backup($old, 'backup', has_streaming => 1);
$new->start;

my $user = user_id(1);
my $one_built = 'exact: 4 hits, 1 built, 0 bypassed, 1 filled';

sub set_name
{
	my ($node, $name) = @_;
	return $node->safe_psql('postgres',
		"UPDATE users SET name = '$name' WHERE id = '$user' RETURNING txid_current()");
}
sub user_entry { return (grep { /\{$user\}:user$/ } $redis->entries)[0]; }

set_name($old, 'before');
$old->wait_for_catchup('new', 'replay', $old->lsn('flush'));
is_look($old, $user, BUILT, 'built by the primary');
is_look($new, $user, HIT, 'served by its standby');
my $before = $redis->get(user_entry());

$new->promote;
is_look($new, $user, HIT, 'promoted, it still serves what was before');
is_look($old, $user, HIT, 'as does the old primary');

my %xid = (old => set_name($old, 'of the old'), new => set_name($new, 'of the new'));
is($xid{new}, $xid{old}, 'both change the user, in transactions of the same id');
my %entry;
for my $turn (1, 2)
{
	is_look($old, $user, $one_built, "turn $turn: the old primary builds its own");
	is_look($old, $user, HIT, "turn $turn: and serves it");
	$entry{old} = $redis->get(user_entry());
	is_look($new, $user, $one_built, "turn $turn: the new one does not take it, but builds its own");
	is_look($new, $user, HIT, "turn $turn: and serves it");
	$entry{new} = $redis->get(user_entry());
}
like($entry{old}, qr/of the old/, 'the one is of the old primary');
like($entry{new}, qr/of the new/, 'the other of the new');

# Whatever is put back into Redis, each takes only its own.
for my $name ('old', 'new', 'before')
{
	my $value = $entry{$name} // $before;
	for my $node ($old, $new)
	{
		$redis->put(user_entry(), $value);
		is_look($node, $user, $node->name eq $name ? HIT : $one_built,
			$node->name . " server, entry $name put back");
	}
}

# Both again and again, with the same number of changes.
for my $turn (1 .. 3)
{
	set_name($_, $_->name . " $turn") for $old, $new;
	is_look($old, $user, $one_built, "change $turn: the old primary's");
	is_look($new, $user, $one_built, "change $turn: the new one's");
}

# The same change back to what it was: the same text, and yet of another time.
set_name($_, 'the same') for $old, $new;
is_look($old, $user, $one_built, 'the same name on both: built by the old primary');
is_look($new, $user, $one_built, 'and by the new one');

# What neither changed is shared; what one invalidates is its own.
$new->safe_psql('postgres', 'SELECT clarify_cache.invalidate_all()');
is_look($new, $user, BUILT, 'invalidated on the new one, nothing of before serves it');
is_look($old, $user, BUILT, 'nor does its own serve the old primary');

$new->stop;
$old->stop;
done_testing();
