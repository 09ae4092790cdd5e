# A hot standby reads and fills the same Redis as its primary, each with its
# own moment: entries are shared where both see the same, and never where they
# do not, however far the standby lags.  DDL and TRUNCATE are replayed under
# readers of the standby.
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
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
# Replay waits for readers, until a test says otherwise.
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1\nhot_standby_feedback = on\n");
$standby->start;

my ($user, $other) = (user_id(1), user_id(2));
my $one_built = 'exact: 4 hits, 1 built, 0 bypassed, 1 filled';
my $one_bypassed = 'exact: 4 hits, 1 built, 1 bypassed, 0 filled';

sub on_primary { $primary->safe_psql('postgres', $_[0]); }
sub catch_up { $primary->wait_for_catchup('standby', 'replay', $primary->lsn('flush')); }
sub set_on_standby
{
	my ($name, $value) = @_;
	$standby->safe_psql('postgres', "ALTER SYSTEM SET $name = '$value'");
	$standby->safe_psql('postgres', 'SELECT pg_reload_conf()');
	wait_for(sub { $standby->safe_psql('postgres', "SHOW $name") eq $value });
}
sub no_reflections { $redis->command('DEL', grep { /:reflections$/ } $redis->entries); }

catch_up();

# Sharing

is_look($standby, $user, BUILT, 'the standby builds and fills');
is_look($standby, $user, HIT, 'the standby serves');
is_look($primary, $user, HIT, 'the primary serves what the standby built');
is_look($primary, $other, BUILT, 'the primary builds another user');
is_look($standby, $other, HIT, 'the standby serves what the primary built');

on_primary("UPDATE users SET name = 'seen by both' WHERE id = '$user'");
catch_up();
is_look($standby, $user, $one_built, 'a change of the primary is a miss on the standby, once replayed');
is_look($primary, $user, HIT, 'what the standby then built is right on the primary');

# Lagging

$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
on_primary("UPDATE users SET name = 'ahead' WHERE id = '$user'");
for my $turn (1, 2)
{
	is_look($primary, $user, $one_built, "turn $turn: the primary sees its change");
	is_look($primary, $user, HIT, "turn $turn: and serves it");
	is_look($standby, $user, $one_built, "turn $turn: the lagging standby does not take it, but what it sees");
	is_look($standby, $user, HIT, "turn $turn: and serves that");
}
like(context($primary, $user), qr/"name":"ahead"/, 'the primary is ahead');
like(context($standby, $user), qr/"name":"seen by both"/, 'the standby is behind');
on_primary("DELETE FROM users WHERE id = '$other'");
is_look($standby, $other, BUILT, 'a user deleted on the primary (and in Redis) is built on the standby, where he still is');
is_look($standby, $other, HIT, 'and served');
is_look($primary, $other, BUILT, 'but not to the primary');
look($primary, $user);
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
catch_up();
is_look($standby, $user, HIT, 'caught up, the standby serves what the primary built');
is_look($standby, $other, HIT, 'the deleted user too: gone');

# Tables truncated and altered under an old snapshot of the standby, which does
# not protect from either: what it builds then may be new, so it fills nothing.

my $reader = open_session($standby);
for my $change (
	[ 'TRUNCATE', "TRUNCATE reflections" ],
	[ 'DDL', "ALTER TABLE reflections ALTER COLUMN view_count TYPE bigint USING 0" ])
{
	my ($what, $sql) = @$change;
	on_primary("INSERT INTO reflections (user_id, dream, plan, relationship, offering, ai_response)
		VALUES ('$user', '', '', '', '', '')");
	catch_up();
	look($standby, $user);
	is_look($standby, $user, HIT, "$what: cached before");
	is($reader->query(qq{
		BEGIN ISOLATION LEVEL REPEATABLE READ;
		SELECT count(*) > 0 FROM users;}), 't', "$what: a reader's snapshot");
	on_primary($sql);
	catch_up();
	no_reflections();
	is($reader->look($user), $one_built =~ s/1 filled/0 filled/r,
		"$what: replayed; the reader builds and does not fill");
	is(scalar(grep { /\{$user\}:reflections$/ } $redis->entries), 0, "$what: Redis has no entry of it");
	is_look($standby, $user, $one_built, "$what: a new reader does");
	is_look($primary, $user, HIT, "$what: and its entry is the primary's");
	is($reader->look($user), $one_built =~ s/1 filled/0 filled/r, "$what: but not the old reader's");
	$reader->query('COMMIT');
	is($reader->look($user), HIT, "$what: the reader's next transaction is of now");
}

# Replay waits for a reader that holds the table's lock, hit or not.

on_primary("INSERT INTO reflections (user_id, dream, plan, relationship, offering, ai_response)
	VALUES ('$user', '', '', '', '', '')");
catch_up();
look($standby, $user);
is($reader->query("BEGIN ISOLATION LEVEL READ COMMITTED;\nSELECT look('$user')"), HIT,
	'a reader in a transaction holds what a plain query would');
on_primary("TRUNCATE reflections");
is_look($primary, $user, $one_built, 'the primary has truncated');
ok(wait_for(sub {
	$standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity
		WHERE backend_type = 'startup' AND wait_event_type = 'Lock'}) == 1
}), 'replay waits for the reader');
is($reader->look($user), 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'who sees what was there before');
$reader->query('COMMIT');
catch_up();
is($reader->look($user), $one_built, 'and then does not any more');

# A reader that is cancelled by replay

set_on_standby('max_standby_streaming_delay', '100ms');
on_primary("INSERT INTO reflections (user_id, dream, plan, relationship, offering, ai_response)
	VALUES ('$user', '', '', '', '', '')");
catch_up();
look($standby, $user);
is($reader->query("BEGIN;\nSELECT look('$user')"), HIT, 'another reader in a transaction');
on_primary('TRUNCATE reflections');
catch_up();
like($reader->query('SELECT 1'), qr/conflict with recovery/, 'is cancelled by replay');
$reader->close;
is_look($standby, $user, $one_built, 'and what it left behind is not served');
$reader = open_session($standby);

# Holes

on_primary('ALTER TABLE dreams DISABLE TRIGGER USER');
on_primary("UPDATE dreams SET title = 'unannounced' WHERE user_id = '$user'");
catch_up();
is_look($standby, $user, $one_bypassed, 'a table whose triggers are off is not served by the standby');
is($reader->query(qq{BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT look('$user')}), $one_bypassed,
	'nor to a reader who stays');
on_primary('ALTER TABLE dreams ENABLE TRIGGER USER');
on_primary('SELECT clarify_cache.repair()');
catch_up();
is($reader->look($user), $one_bypassed, 'nor when the table is repaired meanwhile');
is_look($standby, $user, 'exact: 4 hits, 1 built, 0 bypassed, 1 filled',
	'repaired, it is served again');
is_look($standby, $user, HIT, 'by the standby');
is_look($primary, $user, HIT, 'and by the primary');
$reader->query('COMMIT');

# What can't be done there

like(($standby->psql('postgres', "SELECT clarify_cache.$_"))[2], qr/read-only transaction|during recovery/,
	"clarify_cache.$_ is refused on a standby")
  for 'repair()', 'invalidate_all()', "invalidate('$user')", "attach('clarify_messages')", "drop_section('user')";
is_look($standby, $user, HIT, 'and leaves all as it is');

$reader->close;
$standby->stop;
$primary->stop;
done_testing();
