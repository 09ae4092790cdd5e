# A hot standby with a local tier, as its primary has one, and no Redis: each
# fills and serves its own, each of its own moment, however far the standby lags;
# what is replayed is seen; DDL and TRUNCATE as well; and so it goes on when the
# standby is promoted.
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

my $primary = clarify_node('primary', local => '4MB', allows_streaming => 1);
load_look($primary);
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1\nhot_standby_feedback = on\n");
$standby->start;

my ($user, $other) = (user_id(1), user_id(2));
my $one_built = 'exact: 4 hits, 1 built, 0 bypassed, 1 filled';
my $one_bypassed = 'exact: 4 hits, 1 built, 1 bypassed, 0 filled';
my $tier = 'SELECT local_size, local_used > 0, local_entries FROM clarify_cache.status';

sub on_primary { $primary->safe_psql('postgres', $_[0]); }
sub catch_up { $primary->wait_for_catchup('standby', 'replay', $primary->lsn('flush')); }

catch_up();
is_look($primary, $user, BUILT, 'the primary builds');
is_look($primary, $user, HIT, 'and serves');
is($standby->safe_psql('postgres', $tier), '4194304|f|0', 'the standby has a tier of its own');
is_look($standby, $user, BUILT, 'builds itself');
is_look($standby, $user, HIT, 'and serves');
is($standby->safe_psql('postgres', $tier), '4194304|t|5', 'from that');
is_look($standby, user_id(999), BUILT, 'an unknown user, too');

# A change that is replayed

on_primary("UPDATE users SET name = 'seen by both' WHERE id = '$user'");
catch_up();
is_look($standby, $user, $one_built, 'a change that was replayed is a miss');
is_look($standby, $user, HIT, 'and then kept');
is_look($primary, $user, $one_built, 'as it is on the primary');
on_primary("BEGIN; UPDATE users SET name = 'never' WHERE id = '$user'; ROLLBACK");
catch_up();
is_look($standby, $user, HIT, 'a rollback is none');

# Lagging

$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
on_primary("UPDATE users SET name = 'ahead' WHERE id = '$user'");
on_primary("DELETE FROM users WHERE id = '$other'");
for my $turn (1, 2)
{
	is_look($primary, $user, $turn == 1 ? $one_built : HIT, "turn $turn: the primary sees its change");
	is_look($standby, $user, HIT, "turn $turn: the lagging standby serves what it sees");
	is_look($standby, $other, $turn == 1 ? BUILT : HIT, "turn $turn: and a user who is deleted on the primary");
}
like(context($primary, $user), qr/"name":"ahead"/, 'the primary is ahead');
like(context($standby, $user), qr/"name":"seen by both"/, 'the standby is behind');
my $reader = open_session($standby);
is($reader->query("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT look('$user')"), HIT, 'a reader whose snapshot stays');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
catch_up();
is_look($standby, $user, $one_built, 'caught up: a miss');
is_look($standby, $user, HIT, 'and kept');
is_look($standby, $other, BUILT, 'the deleted user is gone');
is($reader->look($user), $one_built, 'the reader\'s snapshot still has its own');
is($reader->look($user), HIT, 'and may keep it');
is_look($standby, $user, $one_built, 'which is not for others');
$reader->query('COMMIT');

# What an old snapshot does not protect from

for my $change (
	[ 'TRUNCATE', 'TRUNCATE reflections' ],
	[ 'DDL', 'ALTER TABLE reflections ALTER COLUMN view_count TYPE bigint USING 0' ])
{
	my ($what, $sql) = @$change;
	on_primary("INSERT INTO reflections (user_id, dream, plan, relationship, offering, ai_response)
		VALUES ('$user', '', '', '', '', '')");
	catch_up();
	look($standby, $user);
	is_look($standby, $user, HIT, "$what: cached before");
	$reader->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) > 0 FROM users');
	on_primary($sql);
	catch_up();
	is_look($standby, $user, $one_built, "$what: replayed, a new reader builds");
	is($reader->look($user), $one_built =~ s/1 filled/0 filled/r, "$what: an old one builds, and does not fill");
	is_look($standby, $user, HIT, "$what: and the new one's entry stays");
	$reader->query('COMMIT');
	is($reader->look($user), HIT, "$what: the old one's next transaction is of now");
}
on_primary('ALTER TABLE dreams DISABLE TRIGGER USER');
on_primary("UPDATE dreams SET title = 'unannounced' WHERE user_id = '$user'");
catch_up();
is_look($standby, $user, $one_bypassed, 'a table whose triggers are off is not served');
on_primary('ALTER TABLE dreams ENABLE TRIGGER USER');
on_primary('SELECT clarify_cache.repair()');
catch_up();
is_look($standby, $user, $one_built, 'repaired, it is');

# Many users at once, and ahead of need

my $ids = '{' . join(',', map { user_id($_) } 3 .. 20) . '}';
is($standby->safe_psql('postgres', "SELECT clarify_cache.warm('$ids'), clarify_cache.warm('$ids')"), '90|0', 'warm() on the standby');
is($standby->safe_psql('postgres', "SELECT count(*) FROM clarify_contexts('$ids') WHERE context::text = plain_context(user_id)"), '18',
	'many users at once: exact');
is($standby->safe_psql('postgres', 'SELECT min(local_hits) >= 18 FROM clarify_cache.stats'), 't', 'and hit');
is($standby->safe_psql('postgres', "SELECT DISTINCT served_from FROM clarify_cache.explain('$user')"), 'local', 'explain() on the standby');

# Promoted, with the tier that it has; the old primary goes on for a while.

look($standby, $user);
look($primary, $user);
$reader->close;
$standby->promote;
is_look($standby, $user, HIT, 'promoted: what it had is still right');
$_->safe_psql('postgres', "UPDATE users SET name = 'by ' || current_setting('cluster_name') WHERE id = '$user'") for $primary, $standby;
for my $node ($primary, $standby)
{
	my $name = $node->name;
	is_look($node, $user, $one_built, "promoted: $name sees its own change");
	is_look($node, $user, HIT, "promoted: and keeps it");
	like(context($node, $user), qr/"by $name/, "promoted: which is that of $name");
}
$standby->restart;
is_look($standby, $user, BUILT, 'a restart: an empty tier');
is_look($standby, $user, HIT, 'that is filled again');

$standby->stop;
$primary->stop;
done_testing();
