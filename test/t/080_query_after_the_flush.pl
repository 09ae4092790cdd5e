# Another library runs queries while a transaction commits, after the tokens were
# written: what these change is in the same commit, and outdates what it must,
# like any other change.  And libraries that have asked for shared memory before
# and after ours get it.
#
# It takes a library of that kind (late_query.c, compiled here) and a server that
# preloads it, before ours, whose callbacks then run first.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $include = `pg_config --includedir-server`;
chomp $include;
my $library = PostgreSQL::Test::Utils::tempdir() . '/late_query.so';
system_or_bail($ENV{CC} || 'gcc', '-O1', '-fPIC', '-shared', "-I$include",
	'-o', $library, "$FindBin::RealBin/../late_query/late_query.c");

my $redis = start_redis();
my $node = clarify_node('main', redis => $redis, local => '16MB',
	conf => "shared_preload_libraries = '$library, pg_stat_statements, clarify_cache, auto_explain'\n");
load_look($node);
my ($user, $other) = (user_id(1), user_id(2));
my $s = open_session($node);

# A transaction that has the library run a query at its end.
sub run_late
{
	my ($late, $sql, $end) = @_;
	$late =~ s/'/''/g;
	return $s->query("BEGIN; $sql; SET LOCAL late_query.query = '$late'; " . ($end // 'COMMIT'));
}

sub both_hit
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($s->look($_), HIT, "$name: served again") for $user, $other;
}

is($s->query("CREATE EXTENSION pg_stat_statements; SELECT count(*) > 0 FROM pg_stat_statements"), 't',
	'a library loaded before ours has its shared memory');
$s->look($_) for $user, $other;
both_hit('before');

# One user's rows: in a transaction that has changed something, the same and
# something else, and in one that has not.
my $change = "UPDATE dreams SET title = title || '!' WHERE user_id = '$user'";
is(run_late($change, 'SELECT'), '', 'a late change and nothing else');
is($s->look($user), 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'a late change and nothing else: seen');
is($s->look($other), HIT, 'a late change and nothing else: of that user alone');
both_hit('a late change and nothing else');
is(run_late($change, "UPDATE users SET name = 'late' WHERE id = '$user'"), '', 'and one before');
is($s->look($user), 'exact: 3 hits, 2 built, 0 bypassed, 2 filled', 'and one before: both seen');
both_hit('and one before');
is(run_late($change, $change), '', 'the same twice');
is($s->look($user), 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'the same twice: seen');
both_hit('the same twice');

# Read between the two, it would be filled with what is not there yet.
is(run_late("SELECT clarify_context('$user'); $change", $change), '', 'a call in between');
is($s->look($user), 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'a call in between: seen');
both_hit('a call in between');
is(run_late("$change; CREATE TABLE seen AS SELECT clarify_context('$user')::text = plain_context('$user') AS exact",
	'SELECT'), '', 'a call after it');
is($s->query('SELECT exact FROM seen; DROP TABLE seen'), 't', 'a call after it: exact');
$s->look($_) for $user, $other;
both_hit('a call after it');

# Moved to another user; inserted and deleted; a column that nobody reads.
is(run_late("UPDATE dreams SET user_id = '$other' WHERE user_id = '$user'", 'SELECT'), '', 'moved');
is($s->look($_), 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'moved: seen by both') for $user, $other;
both_hit('moved');
is(run_late("WITH d AS (DELETE FROM dreams WHERE user_id = '$other' RETURNING *) INSERT INTO dreams (id, user_id, title) SELECT id, '$user', title FROM d",
	'SELECT'), '', 'deleted and inserted');
is($s->look($_), 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'deleted and inserted: seen by both') for $user, $other;
both_hit('deleted and inserted');
is(run_late("UPDATE users SET email = 'late\@example.org' WHERE id = '$user'", 'SELECT'), '', 'a column that nobody reads');
both_hit('a column that nobody reads');

# Everybody's: TRUNCATE, and by word.
is(run_late('TRUNCATE reflections', $change), '', 'TRUNCATE');
is($s->look($user), 'exact: 3 hits, 2 built, 0 bypassed, 2 filled', 'TRUNCATE: seen by the one');
is($s->look($other), 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'TRUNCATE: and by the other');
both_hit('TRUNCATE');
is(run_late('SELECT clarify_cache.invalidate_all()', 'SELECT'), '', 'invalidate_all()');
is($s->look($_), BUILT, 'invalidate_all(): all built') for $user, $other;
both_hit('invalidate_all()');
is(run_late("SELECT clarify_cache.invalidate('$user')", 'TRUNCATE reflections'), '', 'invalidate()');
is($s->look($user), BUILT, 'invalidate(): one built');
is($s->look($other), 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'invalidate(): and the other where the table changed');
both_hit('invalidate()');

# In a transaction that is prepared, and finished by another session.
is(run_late($change, 'SELECT', "PREPARE TRANSACTION 'late'"), '', 'prepared');
both_hit('prepared');
is($node->safe_psql('postgres', "COMMIT PREPARED 'late'"), '', 'prepared: committed');
is($s->look($user), 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'prepared: seen');
both_hit('prepared and committed');

# A late query that fails takes the transaction with it.
like(run_late('SELECT 1 / 0', $change), qr/division by zero/, 'a late error');
both_hit('a late error');

# A table of somebody's own with our triggers on it: no row, no trouble.
$s->query("CREATE TABLE own (user_id uuid); CREATE TRIGGER t AFTER INSERT ON own FOR EACH ROW
	EXECUTE FUNCTION clarify_cache.track_change('user_id')");
is(run_late("INSERT INTO own VALUES ('$user')", $change), '', 'a table that is not attached');
is($s->query("SELECT count(*) FROM clarify_cache.version WHERE 'own'::regclass = ANY (tables)"), '0',
	'a table that is not attached: no row');

# Above READ COMMITTED
for my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	$s->look($_) for $user, $other;
	is(run_late($change, "SET TRANSACTION ISOLATION LEVEL $level; SELECT count(*) > 0 FROM users"), 't', $level);
	is($s->look($user), 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', "$level: seen");
	both_hit($level);
}

$s->close;
$node->stop;
done_testing();
