# pg_dump and pg_restore, in all their ways, into other databases of the same
# server and with the same Redis.  A restored database builds its sections until
# repair(), which its own administrator calls, then caches them; it is never
# served an entry of the database it came from.  The extension's event triggers
# and guards let every restore through, and the dump holds no secret.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $redis = start_redis();
my $node = clarify_node('main', redis => $redis);
load_look($node);
my $user = user_id(1);
my $dir = PostgreSQL::Test::Utils::tempdir();
my @from = ('-d', $node->connstr('postgres'));

# Partitions have triggers that are dumped in ways of their own.
$node->safe_psql('postgres', q~
	CREATE TABLE notes (user_id uuid, at int, body text) PARTITION BY RANGE (at);
	CREATE TABLE notes_1 PARTITION OF notes FOR VALUES FROM (0) TO (10);
	CREATE TABLE notes_2 PARTITION OF notes FOR VALUES FROM (10) TO (20);
	-- pg_restore can't --clean a key that is inherited.
	ALTER TABLE notes_1 ADD PRIMARY KEY (user_id, at);
	SELECT clarify_cache.attach('notes');
	INSERT INTO notes SELECT id, n, 'note ' || n FROM users, generate_series(1, 12, 5) n;
	SELECT clarify_cache.add_section('notes', 'SELECT at, body FROM notes WHERE user_id = $1 ORDER BY at');
	ALTER FUNCTION plain_context RENAME TO plain_five;
	CREATE FUNCTION plain_context(person uuid, current_session uuid DEFAULT NULL) RETURNS text
	LANGUAGE sql STABLE AS $$
		SELECT left(public.plain_five(person, current_session), -1) || ',"notes":' || public.plain_array(ARRAY(
			SELECT row_to_json(t) FROM (
				SELECT at, body FROM public.notes WHERE user_id = person ORDER BY at) t)) || '}'
	$$;
	-- A restore runs it with an empty search_path.
	ALTER FUNCTION plain_five SET search_path = public;
	ALTER FUNCTION message_added SET search_path = public;
	ALTER FUNCTION reflection_counted SET search_path = public;
~);
use constant {
	SIX_HIT => 'exact: 6 hits, 0 built, 0 bypassed, 0 filled',
	SIX_BUILT => 'exact: 0 hits, 6 built, 0 bypassed, 6 filled',
	SIX_BYPASSED => 'exact: 0 hits, 6 built, 6 bypassed, 0 filled',
};

sub database
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	return ('-d', $node->connstr($name));
}
sub change { $node->safe_psql($_[0], "UPDATE users SET name = '$_[1]' WHERE id = '$user'"); }

my $watched = 'SELECT table_id, key_column, columns FROM clarify_cache.attached_table ORDER BY table_id::text';

# From a restore on, what any restored database must do.
sub is_restored
{
	my ($db, $what) = @_;
	is_look($node, $user, SIX_BYPASSED, "$what: built on every call", $db);
	is($node->safe_psql($db,
		"SELECT count(*), count(*) FILTER (WHERE NOT cacheable AND reason LIKE '%repair()%') FROM clarify_cache.sections"),
		'6|6', "$what: and the sections say why");
	$node->safe_psql($db, 'SELECT clarify_cache.repair()');
	is($node->safe_psql($db, $watched), $node->safe_psql('postgres', $watched), "$what: the same columns are watched");
	is_look($node, $user, SIX_BUILT, "$what: repaired, filled; nothing of another database served", $db);
	is_look($node, $user, SIX_HIT, "$what: then served", $db);
	change($db, "restored: $what");
	is_look($node, $user, 'exact: 5 hits, 1 built, 0 bypassed, 1 filled', "$what: a change is seen", $db);
	$node->safe_psql($db, "UPDATE notes SET at = 19 WHERE at = 1 AND user_id = '$user'");
	is_look($node, $user, 'exact: 5 hits, 1 built, 0 bypassed, 1 filled', "$what: a moved row of a partition too", $db);
	is_look($node, $user, SIX_HIT, "$what: and the original goes on");
}

look($node, $user);
is_look($node, $user, SIX_HIT, 'the original is served');

# What is in the dump

my $secret = $node->safe_psql('postgres', "SELECT encode(secret, 'hex') FROM clarify_cache.instance");
my $id = $node->safe_psql('postgres', 'SELECT id FROM clarify_cache.instance');
my ($text) = run_command([ 'pg_dump', @from ]);
like($text, qr/^COPY clarify_cache\.section /m, 'the dump holds the sections');
like($text, qr/^COPY clarify_cache\.attached_table /m, 'and the attached tables');
unlike($text, qr/^COPY clarify_cache\.(?:version|instance) /m, 'but not versions and instance');
unlike($text, qr/\Q$secret\E|\Q$id\E/i, 'nor secret and id anywhere');
($text) = run_command([ 'pg_dump', '--inserts', '--no-privileges', @from ]);
unlike($text, qr/\Q$secret\E|\Q$id\E/i, 'nor as INSERTs');
like($text, qr/ENABLE ALWAYS TRIGGER/, 'triggers are dumped as ENABLE ALWAYS');

command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump", @from ], 'pg_dump -Fc');
command_ok([ 'pg_dump', '-Fp', '-f', "$dir/dump.sql", @from ], 'pg_dump -Fp');
command_ok([ 'pg_dump', '-Fp', '--clean', '--if-exists', '-f', "$dir/clean.sql", @from ], 'pg_dump --clean');
# The original goes on, so that it has entries that the restored ones must not take.
change('postgres', 'after the dump');
look($node, $user);

# Into new databases

my @to = database('custom');
command_ok([ 'pg_restore', '--exit-on-error', @to, "$dir/dump" ], 'pg_restore');
is_restored('custom', 'custom format');

@to = database('parallel');
command_ok([ 'pg_restore', '--exit-on-error', '-j', '2', @to, "$dir/dump" ], 'pg_restore -j');
is_restored('parallel', 'parallel');

@to = database('single');
command_ok([ 'pg_restore', '--single-transaction', @to, "$dir/dump" ], 'pg_restore --single-transaction');
is_restored('single', 'single transaction');

@to = database('plain');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/dump.sql", @to ], 'psql -f');
is_restored('plain', 'plain format');

# Over databases that are in use

for my $how ([], [ '-j', '2' ], ['--single-transaction'])
{
	my $what = join ' ', '--clean', @$how;
	my $session = open_session($node, 'custom');
	is($session->look($user), SIX_HIT, "$what: a session of the database is served");
	command_ok([ 'pg_restore', '--clean', '--if-exists', '--exit-on-error', @$how, '-d', $node->connstr('custom'), "$dir/dump" ],
		"pg_restore $what");
	is($session->look($user), SIX_BYPASSED, "$what: then it builds the restored rows");
	is_restored('custom', $what);
	is($session->look($user), SIX_HIT, "$what: and is served as the others");
	$session->close;
}
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/clean.sql", '-d', $node->connstr('plain') ],
	'a plain dump with --clean over a database');
is_restored('plain', 'plain with --clean');

# The data alone, into a database that has the extension, and has cached that
# there is nobody

for my $triggers (1, 0)
{
	my @how = $triggers ? () : ('--disable-triggers');
	my $what = join ' ', '--data-only', @how;
	my $db = $triggers ? 'data' : 'untriggered';
	@to = database($db);
	command_ok([ 'pg_restore', '--exit-on-error', '--schema-only', @to, "$dir/dump" ], "$what: the schema first");
	# A dump of the schema has the triggers, but not what is in the extension's tables.
	$node->safe_psql($db, q{
		SELECT clarify_cache.setup();
		UPDATE clarify_cache.section SET ttl = '1 h';
		SELECT clarify_cache.attach('notes');
		SELECT clarify_cache.add_section('notes', 'SELECT at, body FROM notes WHERE user_id = $1 ORDER BY at');});
	is_look($node, $user, SIX_BUILT, "$what: nobody there", $db);
	my $session = open_session($node, $db);
	is($session->look($user), SIX_HIT, "$what: which is cached");
	# Without triggers the order of foreign keys does not matter; with them it does.
	my @tables = map { ('-t', $_) }
	  qw(users dreams clarify_sessions clarify_messages clarify_patterns reflections notes_1 notes_2);
	if ($triggers)
	{
		for my $table (grep { $_ ne '-t' } @tables)
		{
			command_ok([ 'pg_restore', '--exit-on-error', '--data-only', '-t', $table, @to, "$dir/dump" ],
				"$what: $table");
		}
		is($session->look($user), SIX_BUILT, "$what: all are seen");
		is($session->look($user), SIX_HIT, "$what: and served");
	}
	else
	{
		command_ok([ 'pg_restore', '--exit-on-error', '--data-only', @how, @tables, @to, "$dir/dump" ], $what);
		is($session->look($user), SIX_BYPASSED, "$what: no longer served, since triggers were off");
		is_restored($db, $what);
		is($session->look($user), SIX_HIT, "$what: and served");
	}
	$session->close;
}

# The extension's own tables, with their guards off: repair() puts all right.
@to = database('guards');
command_ok([ 'pg_restore', '--exit-on-error', '--schema-only', @to, "$dir/dump" ], 'guards: the schema first');
my $session = open_session($node, 'guards');
like($session->query("SELECT clarify_context('$user')"), qr/no section is defined/, 'guards: no sections');
command_ok([ 'pg_restore', '--exit-on-error', '--data-only', '--disable-triggers', @to, "$dir/dump" ],
	'guards: all data with --disable-triggers');
is($session->look($user), SIX_BYPASSED, 'guards: a session sees the restored sections');
is_restored('guards', 'guards');
is($session->look($user), SIX_HIT, 'guards: and serves them');
$session->close;
is($node->safe_psql('guards', q{
	SELECT count(*), count(*) FILTER (WHERE tgenabled = 'A') FROM pg_trigger
	WHERE tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'clarify_cache'::regnamespace)
		AND NOT tgisinternal}), '10|10', 'guards: all of them fire always again, after repair()');

is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_database WHERE datname <> ALL ('{template0,template1}')}), '8',
	'all that in one server');
is(scalar(keys %{{ map { /^clarify:(\w+):/ ? ($1 => 1) : () } $redis->entries }}) > 5 ? 1 : 0, 1,
	'each with keys of its own');

$node->stop;
done_testing();
