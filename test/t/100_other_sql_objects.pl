# SQL objects that are not of the library's version, in a server whose sessions were
# open before they changed: of version 1.0, upgraded by another session; and tables
# whose columns the library does not know, which it must not touch.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $redis = start_redis();
my $node = clarify_node('main', redis => $redis, local => '16MB', setup => 0);
my $user = user_id(1);
my $one_built = 'exact: 4 hits, 1 built, 0 bypassed, 1 filled';
my $strange = qr/objects of extension "clarify_cache" are not those of its library/;
my @managed = ("attach('users', 'id')", "detach('users')", 'repair()', 'compact()',
	q{add_section('x', 'SELECT name FROM users WHERE id = $1')}, "drop_section('user')");

sub manage { my ($session, $call) = @_; return $session->query("SELECT clarify_cache.$call"); }

# Upgraded by another session

$node->safe_psql('postgres', "CREATE EXTENSION clarify_cache VERSION '1.0'");
my ($writer, $reader) = map { open_session($node) } 1 .. 2;
like(manage($writer, $_), qr/are older than its library/, "$_ of version 1.0") for @managed, 'setup()';
is($writer->query("CREATE TABLE other (); UPDATE users SET name = name"), '', 'DDL and writers go on');
like($reader->query("SELECT clarify_context('$user')"), qr/no section is defined/, 'a reader meets no section');
$node->safe_psql('postgres', 'ALTER EXTENSION clarify_cache UPDATE');
is(manage($writer, 'setup()'), '', 'a session from before the upgrade sees that it was done');
load_look($node);
is($reader->look($user), BUILT, 'so does a reader');
is($reader->look($user), HIT, 'who is served');
$_->close for $writer, $reader;

# Sessions that are at work while the objects change below them: to an older version
# and back, with a writer in the middle of a transaction

($writer, $reader) = map { open_session($node) } 1 .. 2;
$writer->query("BEGIN; UPDATE users SET name = 'between' WHERE id = '$user'");
$node->safe_psql('postgres', q{
	UPDATE pg_extension SET extversion = '1.0' WHERE extname = 'clarify_cache';
	ALTER TABLE clarify_cache.version SET (vacuum_truncate = off);
	ALTER EXTENSION clarify_cache DROP TABLE clarify_cache.witness;
	DROP TABLE clarify_cache.witness});
is($reader->look($user), BYPASSED, 'older objects: all is built');
is($writer->query('COMMIT'), '', 'a writer who had begun before commits');
is($writer->query("UPDATE dreams SET title = 'between' WHERE user_id = '$user'"), '', 'and writes again');
is($reader->look($user), BYPASSED, 'all is built');
$writer->query("BEGIN; UPDATE clarify_patterns SET content = 'x' WHERE user_id = '$user'");
$node->safe_psql('postgres', 'ALTER EXTENSION clarify_cache UPDATE');
is($reader->look($user), BYPASSED, 'upgraded, but nobody has written down yet what the tables are made of');
is($writer->query('COMMIT'), '', 'a writer from before the upgrade commits');
$node->safe_psql('postgres', 'SELECT clarify_cache.repair()');
is($reader->look($user), BUILT, 'after repair() all is built, and what was written in between is seen');
is($reader->look($user), HIT, 'and kept');
$_->close for $writer, $reader;

# Tables of other columns.  Of each, a shape from which the library would read past
# the end, or a pointer that is none.

my %shape = (
	'version as it once was' => q{
		DROP INDEX clarify_cache.version_key;
		ALTER TABLE clarify_cache.version DROP key_hash, DROP kind, DROP tables, DROP tokens,
			ADD kind "char" NOT NULL DEFAULT 'c', ADD table_id oid NOT NULL DEFAULT 1, ADD key_hash bigint NOT NULL DEFAULT 0,
			ADD token bigint NOT NULL DEFAULT 1;
		CREATE INDEX version_key ON clarify_cache.version (key_hash, kind)},
	'tokens of another type' => 'ALTER TABLE clarify_cache.version ALTER tokens TYPE text USING tokens::text',
	'no column columns' => 'ALTER TABLE clarify_cache.attached_table DROP columns',
	'columns that may be NULL' => 'ALTER TABLE clarify_cache.attached_table ALTER columns DROP NOT NULL;
		ALTER TABLE clarify_cache.attached_table DISABLE TRIGGER ALL;
		UPDATE clarify_cache.attached_table SET columns = NULL;
		ALTER TABLE clarify_cache.attached_table ENABLE ALWAYS TRIGGER guard_row',
	'a secret that is a number' => 'ALTER TABLE clarify_cache.instance ALTER secret TYPE int USING 42',
	'a witness of another make' => 'ALTER TABLE clarify_cache.witness ALTER digest TYPE text');

for my $name (sort keys %shape)
{
	my ($db, $log) = ('strange', -s $node->logfile);
	$node->safe_psql('postgres', "DROP DATABASE IF EXISTS $db");
	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0");
	load_clarify($node, db => $db, people => 3);
	load_look($node, $db);
	look($node, $user, $db);
	my ($reader, $writer, $late) = map { open_session($node, $db) } 1 .. 3;
	is($reader->look($user), HIT, "$name: served before");
	$writer->query("UPDATE users SET name = 'before' WHERE id = '$user'");
	$reader->look($user);
	my ($ret, $out, $err) = $node->psql($db, "BEGIN; $shape{$name}; COMMIT");
	like($err, qr/can't be given other columns/, "$name: is refused");
	($ret, $out, $err) = $node->psql($db, "ALTER EVENT TRIGGER clarify_cache_ddl_end DISABLE; BEGIN; $shape{$name}; COMMIT;
		ALTER EVENT TRIGGER clarify_cache_ddl_end ENABLE ALWAYS");
	is($ret, 0, "$name: made, unseen") or diag($err);

	is($reader->look($user), BYPASSED, "$name: all is built");
	is($reader->query("SELECT DISTINCT reason FROM clarify_cache.explain('$user')"), 'upgrade', "$name: for that reason");
	like($reader->query('SELECT DISTINCT reason FROM clarify_cache.sections'), qr/has not the columns/, "$name: as the view says");
	is($writer->query("UPDATE users SET name = 'after' WHERE id = '$user'; TRUNCATE reflections"), '', "$name: writers go on");
	is($writer->query("BEGIN; UPDATE dreams SET title = 'after' WHERE user_id = '$user'; SAVEPOINT s; DELETE FROM dreams; ROLLBACK TO s; COMMIT"),
		'', "$name: in transactions, too");
	is($writer->query("BEGIN; UPDATE users SET name = 'prepared' WHERE id = '$user'; PREPARE TRANSACTION 'p'"), '', "$name: prepared");
	is($writer->query("COMMIT PREPARED 'p'"), '', "$name: and committed");
	is($late->query('CREATE TABLE other (); ALTER TABLE users ADD COLUMN other int; ALTER TABLE dreams DISABLE TRIGGER USER; DROP TABLE other'),
		'', "$name: so does DDL");
	is($reader->look($user), BYPASSED, "$name: all is built, and right");
	like(manage($writer, $_), $strange, "$name: $_") for @managed;
	like(manage($writer, $_), $strange, "$name: $_") for "invalidate('$user')", 'invalidate_all()';
	is(scalar(() = PostgreSQL::Test::Utils::slurp_file($node->logfile, $log) =~ /LOG:  changes of attached tables are not recorded/g), 1,
		"$name: logged, once a session");
	$_->close for $reader, $writer, $late;

	is($node->safe_psql($db, q{SET client_min_messages = error; DROP EXTENSION clarify_cache CASCADE;
		CREATE EXTENSION clarify_cache; SELECT clarify_cache.setup()}), '', "$name: created anew");
	is_look($node, $user, BUILT, "$name: filled", $db);
	is_look($node, $user, HIT, "$name: and served", $db);
}
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no session has crashed');

# Columns that somebody has added are left alone.

$node->safe_psql('postgres', join ';', map { "ALTER TABLE clarify_cache.$_ ADD mine text" } qw(version attached_table section witness));
$reader = open_session($node);
$reader->look($user);
is($reader->look($user), HIT, 'with columns of others: served');
is(manage($reader, q{add_section('x', 'SELECT last_sign_in_at FROM users WHERE id = $1')}), '', 'a section is added');
is(manage($reader, "drop_section('x')"), '', 'and dropped');
is(manage($reader, 'repair()'), '', 'repair() works');
$reader->look($user);
$reader->query("UPDATE dreams SET title = 'more' WHERE user_id = '$user'");
is($reader->look($user), $one_built, 'a change is seen');
$reader->close;

$node->stop;
done_testing();
