# Changes that no trigger of ours sees: DDL in single-user mode, DDL and rows while
# triggers and event triggers are switched off, and what has to be done where the
# library is missing.  Entries from before are not served after it, though every
# trigger is in its place again, until repair() has vouched for the table.  What only
# looks like that, as privileges and maintenance do, goes on being served.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $redis = start_redis();
my $node = clarify_node('node', redis => $redis);
load_look($node);
my $user = user_id(1);
my $one_bypassed = 'exact: 4 hits, 1 built, 1 bypassed, 0 filled';
my $one_built = 'exact: 4 hits, 1 built, 0 bypassed, 1 filled';

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub reason { return sql("SELECT reason FROM clarify_cache.sections WHERE section = '$_[0]'"); }

# Commands, one a line, in single-user mode.
sub single_user
{
	my ($commands) = @_;
	$node->stop;
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'postgres', '--single', '-D', $node->data_dir, 'postgres' ], '<', \$commands, '>', \$out, '2>', \$err)
	  or die "single-user mode: $out$err";
	die "single-user mode: $err" if $err =~ /ERROR/;
	$node->start;
}

sub is_noticed
{
	my ($name, $section, $table) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_look($node, $user, $one_bypassed, "$name: is not served");
	is_look($node, $user, $one_bypassed, 'nor kept');
	is(reason($section),
		"table $table is not what it was when its changes were last known to be watched; run clarify_cache.repair()",
		'which the view says');
	sql('SELECT clarify_cache.repair()');
	is(reason($section), '', 'repair() mends it');
	is_look($node, $user, $one_built, 'what was there before is not found');
	is_look($node, $user, HIT, 'what is built now is');
}

is_look($node, $user, BUILT, 'built');
is_look($node, $user, HIT, 'served');

# What is innocent

single_user("SELECT 1\n");
is_look($node, $user, HIT, 'a restart, and single-user mode that changes nothing');
sql('GRANT SELECT ON users TO PUBLIC; GRANT SELECT (name) ON users TO PUBLIC; ANALYZE users');
sql($_) for 'VACUUM FULL users', 'CLUSTER users USING users_pkey', 'VACUUM (FREEZE) users', 'REINDEX TABLE users';
sql(q{COMMENT ON TABLE users IS 'people'; CREATE INDEX innocent ON users (name); DROP INDEX innocent});
sql('VACUUM FULL pg_class; VACUUM FULL pg_attribute; VACUUM FULL pg_trigger; VACUUM FULL pg_inherits');
is_look($node, $user, $one_built, 'an index dropped: as before, a whole-table bump');
is_look($node, $user, HIT, 'privileges, maintenance, comments, indexes');
sql('ALTER TABLE users ALTER name SET STATISTICS 50');
is_look($node, $user, HIT, 'statistics');
sql(q{ALTER TABLE users ADD note text, ADD CONSTRAINT known CHECK (name <> ''), ALTER tier SET DEFAULT 'free'});
is_look($node, $user, $one_built, 'columns, constraints: a bump');
is_look($node, $user, HIT, 'and cached again, by itself');
sql('BEGIN; TRUNCATE users CASCADE; ROLLBACK');
is_look($node, $user, HIT, 'TRUNCATE that is rolled back');

# What is not, in single-user mode.  The new rows are of the old type.

single_user("ALTER TABLE users ALTER name TYPE text USING name || ', unseen'\n");
is_noticed('rows written anew', 'user', 'public.users');
like(context($node, $user), qr/, unseen/, 'and it is what was written');
single_user("ALTER TABLE users DISABLE TRIGGER clarify_cache_track\n"
	. "UPDATE users SET name = 'without a trigger'\n"
	. "ALTER TABLE users ENABLE ALWAYS TRIGGER clarify_cache_track\n");
is_noticed('a trigger off and on', 'user', 'public.users');
like(context($node, $user), qr/without a trigger/, 'and it is what was written');
single_user("CREATE TABLE users_child () INHERITS (users)\n");
is_look($node, $user, $one_bypassed, 'an inheritance child');
single_user("DROP TABLE users_child CASCADE\n");
is_look($node, $user, HIT, 'that is gone again, and was empty: no harm done');
my $swap = "ALTER TABLE users RENAME name TO nom\nALTER TABLE users RENAME tier TO name\nALTER TABLE users RENAME nom TO tier\n";
single_user($swap);
is_look($node, $user, $one_bypassed, 'columns that have changed names');
single_user($swap);
is_look($node, $user, HIT, 'there and back: as it was');

# A table without a TOAST table, and a partitioned one

sql(q{
	CREATE TABLE numbers (user_id uuid, n int);
	CREATE TABLE parts (user_id uuid, n int) PARTITION BY LIST (n);
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
	CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2) PARTITION BY LIST (n);
	CREATE TABLE parts_2a PARTITION OF parts_2 DEFAULT;
	SELECT clarify_cache.attach('numbers'), clarify_cache.attach('parts');
	SELECT clarify_cache.add_section('numbers', 'SELECT n FROM numbers WHERE user_id = $1 ORDER BY n');
	SELECT clarify_cache.add_section('parts', 'SELECT n FROM parts WHERE user_id = $1 ORDER BY n');
});
sql("INSERT INTO numbers VALUES ('$user', 1); INSERT INTO parts VALUES ('$user', 1), ('$user', 2)");
sub numbers { return sql("SELECT clarify_context('$user') -> '$_[0]'"); }
sub from { return sql("SELECT served_from FROM clarify_cache.explain('$user') WHERE section = '$_[0]'"); }
numbers('numbers');
is(from($_), 'redis', "$_: served") for 'numbers', 'parts';
single_user("ALTER TABLE numbers ALTER n TYPE int USING n + 1\n");
is(numbers('numbers'), '[{"n":2}]', 'a table of numbers alone');
is(from('numbers'), 'bypass', 'is not served');
single_user("ALTER TABLE parts DETACH PARTITION parts_1\n");
is(numbers('parts'), '[{"n":2}]', 'a partition that is gone');
is(from('parts'), 'bypass', 'is not served');
sql('SELECT clarify_cache.repair()');
numbers('numbers');
is(from($_), 'redis', "$_: mended") for 'numbers', 'parts';
single_user("ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES IN (1)\n");
is(numbers('parts'), '[{"n":1},{"n":2}]', 'and that has come');
is(from('parts'), 'bypass', 'is not served');
sql('SELECT clarify_cache.repair()');
numbers('parts');
is(from('parts'), 'redis', 'mended');
single_user("ALTER TABLE parts_2a DISABLE TRIGGER ALL\n");
is(from('parts'), 'bypass', 'a partition of a partition, whose triggers are off');
sql('ALTER TABLE parts_2a ENABLE ALWAYS TRIGGER clarify_cache_mark, ENABLE ALWAYS TRIGGER clarify_cache_track');
numbers('parts');
is(from('parts'), 'redis', 'and on again before our eyes: a fresh token, and that is all');
sql($_) for 'CREATE TABLE parts_3 PARTITION OF parts FOR VALUES IN (3)', 'CREATE TABLE parts_4 (user_id uuid, n int)',
  'DROP TABLE parts_3', 'VACUUM FULL parts', 'VACUUM FULL parts_1', 'ANALYZE parts';
numbers('parts');
is(from('parts'), 'redis', 'partitions made and dropped: cached again by itself');

# A table that was a partition of another one's for a while

sql(q{
	CREATE TABLE lone (user_id uuid, n int);
	CREATE TABLE parent (user_id uuid, n int) PARTITION BY HASH (user_id);
	CREATE TABLE second (user_id uuid, n int);
	SELECT clarify_cache.attach('lone'), clarify_cache.attach('second');
	SELECT clarify_cache.add_section('lone', 'SELECT (SELECT sum(n) FROM lone WHERE user_id = $1) AS lone, (SELECT sum(n) FROM second WHERE user_id = $1) AS second');
});
sql("INSERT INTO lone VALUES ('$user', 1); INSERT INTO second VALUES ('$user', 10)");
numbers('lone');
is(from('lone'), 'redis', 'a table: served');
single_user("ALTER TABLE parent ATTACH PARTITION lone FOR VALUES WITH (MODULUS 1, REMAINDER 0)\n"
	. "UPDATE parent SET n = 2\n" . "ALTER TABLE parent DETACH PARTITION lone\n");
is(numbers('lone'), '[{"lone":2,"second":10}]', 'that was written as a partition');

sql('SELECT clarify_cache.repair(); SELECT clarify_cache.drop_section($$lone$$)');

# Two tables that have changed places, by the names of their schemas, which locks neither

sql(qq{
	CREATE SCHEMA one; CREATE SCHEMA two;
	CREATE TABLE one.t (user_id uuid, x text); CREATE TABLE two.t (user_id uuid, x text);
	INSERT INTO one.t VALUES ('$user', 'first'); INSERT INTO two.t VALUES ('$user', 'second');
	SELECT clarify_cache.attach('one.t'), clarify_cache.attach('two.t');
	SELECT clarify_cache.add_section('swap', 'SELECT (SELECT x FROM one.t WHERE user_id = \$1) AS one, (SELECT x FROM two.t WHERE user_id = \$1) AS two')});
is(numbers('swap'), '[{"one":"first","two":"second"}]', 'two tables');
is(from('swap'), 'redis', 'served');
sql('BEGIN; ALTER SCHEMA one RENAME TO three; ALTER SCHEMA two RENAME TO one; ALTER SCHEMA three RENAME TO two; COMMIT');
is(numbers('swap'), '[{"one":"second","two":"first"}]', 'schemas that have changed names');
sql(q{SELECT clarify_cache.drop_section('swap')});

# A write that fires no trigger, though its snapshot has them

my $own = open_session($node);
$own->query("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT clarify_context('$user') IS NOT NULL");
sql(q{ALTER EVENT TRIGGER clarify_cache_ddl_end DISABLE; ALTER TABLE numbers DISABLE TRIGGER clarify_cache_mark, DISABLE TRIGGER clarify_cache_track});
$own->query('UPDATE numbers SET n = 42');
is($own->query("SELECT clarify_context('$user') -> 'numbers'"), '[{"n":42}]', 'a transaction sees its own write, though no trigger fired');
$own->query('ROLLBACK');
$own->close;
sql(q{ALTER EVENT TRIGGER clarify_cache_ddl_end ENABLE ALWAYS; SELECT clarify_cache.repair()});

# What was written down, locked while a session looks, and free again

my $locking = open_session($node);
my $looking = open_session($node);
$locking->query("BEGIN;\nLOCK TABLE clarify_cache.witness");
$looking->query("SELECT clarify_context('$user') IS NOT NULL");
$locking->query('COMMIT');
$looking->query("SELECT clarify_context('$user') IS NOT NULL");
is($looking->query("SELECT DISTINCT served_from FROM clarify_cache.explain('$user')"), 'redis', 'a session that could not read it once, looks again');
$_->close for $locking, $looking;

# A session that has looked before, while event triggers are off

my $session = open_session($node);
$session->look($user);
sql('ALTER EVENT TRIGGER clarify_cache_ddl_end DISABLE');
sql(q{ALTER TABLE parts DISABLE TRIGGER ALL; UPDATE parts SET n = 2; ALTER TABLE parts ENABLE ALWAYS TRIGGER clarify_cache_mark, ENABLE ALWAYS TRIGGER clarify_cache_track});
is($session->query("SELECT clarify_context('$user') -> 'parts'"), '[{"n":2},{"n":2}]', 'a session that has looked before sees that, too');
my ($status, $out, $err) = $node->psql('postgres', 'SELECT clarify_cache.repair()');
like($err, qr/event trigger "clarify_cache_ddl_end" is not enabled always/, 'repair() says that schema changes are not watched');
sql('ALTER EVENT TRIGGER clarify_cache_ddl_end ENABLE ALWAYS; SELECT clarify_cache.repair()');
numbers('parts');
is(from('parts'), 'redis', 'mended');

# The library is missing (its functions name one that is not there): the recipe of the
# README, for a server that goes on without it.

my $lost = clarify_node('lost', preload => 0, redis => $redis);
load_look($lost);
$node = $lost;
is_look($node, $user, BUILT, 'the other server: built');
sql(q{UPDATE pg_proc SET probin = '$libdir/no_such_library' WHERE probin = '$libdir/clarify_cache'});
($status, $out, $err) = $node->psql('postgres', "UPDATE users SET name = 'fails'");
like($err, qr/could not access file/, 'without the library, no attached table can be written');
($status, $out, $err) = $node->psql('postgres', 'CREATE TABLE other (n int)');
like($err, qr/could not access file/, 'and there is no DDL');
sql(q{
	ALTER EVENT TRIGGER clarify_cache_ddl_start DISABLE;
	ALTER EVENT TRIGGER clarify_cache_ddl_end DISABLE;
	DO $$
	DECLARE
		rel regclass;
	BEGIN
		FOR rel IN SELECT table_id FROM clarify_cache.attached_table LOOP
			EXECUTE format('ALTER TABLE %s DISABLE TRIGGER clarify_cache_mark, DISABLE TRIGGER clarify_cache_track', rel);
		END LOOP;
	END $$;
	CREATE TABLE other (n int);
	UPDATE users SET name = 'without the library';
});
sql(q{UPDATE pg_proc SET probin = '$libdir/clarify_cache' WHERE probin = '$libdir/no_such_library'});
is_look($node, $user, BYPASSED, 'the library is back: nothing from before is served');
sql(q{
	ALTER EVENT TRIGGER clarify_cache_ddl_start ENABLE ALWAYS;
	ALTER EVENT TRIGGER clarify_cache_ddl_end ENABLE ALWAYS;
	SELECT clarify_cache.repair();
});
is_look($node, $user, BUILT, 'after repair() all is built anew');
is_look($node, $user, HIT, 'and served');
sql("UPDATE users SET name = 'seen'");
is_look($node, $user, $one_built, 'and changes are seen');

done_testing();
