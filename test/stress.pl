# The sessions of stress.sh, each a process with a psql of its own that it
# sends a script at a time and whose output it judges.
#
# Judging.  A look is one statement with clarify_context() and the same content
# by plain queries, before and after it.  Where no change is under way that is
# not MVCC-safe, all must be the same, whatever the isolation level.  Profile
# "ddl" has such changes (TRUNCATE, rewrites, partitions with rows).  They count
# themselves in two sequences, when they begin and when they have ended; a
# snapshot older than one of them may see either side:
#
#	- READ COMMITTED: the statement is not judged ("ambiguous").
#	- REPEATABLE READ: each section must be the plain one of now, or that of
#	  the transaction's first look, where these two are known.
#
# An entry that a race left in the cache shows in the looks that follow.

use strict;
use warnings;

use Getopt::Long;
use IPC::Open2;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

my ($profile, $seconds, $seed, $dir, $log, $standby) = ('mvcc', 300, 1);
GetOptions(
	'profile=s' => \$profile,
	'seconds=i' => \$seconds,
	'seed=i' => \$seed,
	'dir=s' => \$dir,
	'log=s' => \$log,
	'standby=s' => \$standby) or die;
mkdir $dir;

use constant USERS => 5;
use constant MAX_FAILURES => 3;
my $ddl = $profile eq 'ddl';
my $deadline;

# What each section is called, in its place.
my @sections = qw(person notes events labelled joined variant);

my $schema = <<'SQL';
CREATE EXTENSION clarify_cache;
CREATE FUNCTION u(n int) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$ SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
CREATE TABLE people (id uuid PRIMARY KEY, name text NOT NULL, seen bigint NOT NULL DEFAULT 0);
CREATE TABLE notes (id serial PRIMARY KEY, user_id uuid REFERENCES people ON DELETE CASCADE,
	parent int REFERENCES notes ON DELETE SET NULL, body text, made timestamptz DEFAULT now(),
	mark int NOT NULL DEFAULT 0);
CREATE INDEX ON notes (user_id);
CREATE SEQUENCE event_id;
CREATE TABLE events (id int DEFAULT nextval('event_id'), user_id uuid, at int, body text) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (at);
CREATE TABLE events_2a PARTITION OF events_2 FOR VALUES FROM (10) TO (15);
CREATE TABLE events_2b PARTITION OF events_2 FOR VALUES FROM (15) TO (20);
CREATE INDEX ON events (user_id);
CREATE TABLE labels (id int PRIMARY KEY, label text);
INSERT INTO people SELECT u(n), 'person ' || n FROM generate_series(1, 5) n;
INSERT INTO labels SELECT n, 'label ' || n FROM generate_series(0, 2) n;
-- which of its two definitions the section "variant" has; only the second one
-- reads notes.mark
CREATE TABLE variant (which int);
INSERT INTO variant VALUES (1);
CREATE SEQUENCE ddl_started;
CREATE SEQUENCE ddl_ended;
SELECT nextval('ddl_started'), nextval('ddl_ended');

-- a change made at commit
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN UPDATE people SET seen = seen + 1 WHERE id = NEW.user_id; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER see AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (NEW.id % 4 = 0) EXECUTE FUNCTION see();

-- (A REPEATABLE READ transaction that inserts a person whom another has deleted meanwhile sees two.)
SELECT clarify_cache.attach('people', 'id'), clarify_cache.attach('notes'), clarify_cache.attach('events'),
	clarify_cache.attach('labels', NULL);
SELECT clarify_cache.add_section('person', 'SELECT name, seen FROM people WHERE id = $1
	ORDER BY name, seen LIMIT 1', single_row => true);
SELECT clarify_cache.add_section('notes', 'SELECT id, parent, body, made FROM notes WHERE user_id = $1 ORDER BY id');
SELECT clarify_cache.add_section('events', 'SELECT id, at, body FROM events WHERE user_id = $1 ORDER BY at, id');
SELECT clarify_cache.add_section('labelled', 'SELECT n.id, l.label FROM notes n JOIN labels l ON l.id = n.id % 3
	WHERE n.user_id = $1 ORDER BY n.id');
SELECT clarify_cache.add_section('joined', 'SELECT p.name, e.at, e.id FROM people p JOIN events e ON e.user_id = $1
	WHERE p.id = $1 ORDER BY p.name, e.at, e.id');
SELECT clarify_cache.add_section('variant', 'SELECT count(*) AS n FROM notes WHERE user_id = $1');

CREATE FUNCTION plain(person uuid) RETURNS text LANGUAGE plpgsql STABLE SET TimeZone = 'UTC' AS $$
DECLARE
	result text;
BEGIN
	-- EXECUTE: with a plan of this moment
	EXECUTE $q$SELECT '{"person":' ||
		coalesce((SELECT row_to_json(t)::text FROM (
			SELECT name, seen FROM people WHERE id = $1 ORDER BY name, seen LIMIT 1) t), 'null') ||
		',"notes":' || coalesce((SELECT '[' || string_agg(row_to_json(t)::text, ',') || ']' FROM (
			SELECT id, parent, body, made FROM notes WHERE user_id = $1 ORDER BY id) t), '[]') ||
		',"events":' || coalesce((SELECT '[' || string_agg(row_to_json(t)::text, ',') || ']' FROM (
			SELECT id, at, body FROM events WHERE user_id = $1 ORDER BY at, id) t), '[]') ||
		',"labelled":' || coalesce((SELECT '[' || string_agg(row_to_json(t)::text, ',') || ']' FROM (
			SELECT n.id, l.label FROM notes n JOIN labels l ON l.id = n.id % 3
			WHERE n.user_id = $1 ORDER BY n.id) t), '[]') ||
		',"joined":' || coalesce((SELECT '[' || string_agg(row_to_json(t)::text, ',') || ']' FROM (
			SELECT p.name, e.at, e.id FROM people p JOIN events e ON e.user_id = p.id
			WHERE p.id = $1 ORDER BY p.name, e.at, e.id) t), '[]') ||
		',"variant":' || CASE (SELECT which FROM variant)
			WHEN 1 THEN (SELECT '[' || row_to_json(t) || ']' FROM (
				SELECT count(*) AS n FROM notes WHERE user_id = $1) t)
			ELSE (SELECT '[' || row_to_json(t) || ']' FROM (
				SELECT sum(mark) AS n FROM notes WHERE user_id = $1) t) END || '}'$q$ INTO result USING person;
	RETURN result;
END $$;

-- One line for the judge: LOOK|person|isolation|context|plain before|plain after
CREATE FUNCTION line(n int, before text, context text, after text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT concat_ws('|', 'LOOK', n, current_setting('transaction_isolation'), context,
		coalesce(before, '-'), after)
$$;

-- The same in a function that sees its own moment, and what a statement has done so far.
CREATE FUNCTION look_now(n int) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN (WITH look AS MATERIALIZED (SELECT clarify_context(u(n))::text AS c, plain(u(n)) AS p)
		SELECT line(n, NULL, c, p) FROM look);
END $$;
CREATE FUNCTION look_within(n int) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	c text;
	p text;
BEGIN
	SELECT clarify_context(u(n))::text, plain(u(n)) INTO c, p;
	IF c IS DISTINCT FROM p THEN
		RAISE WARNING 'WITHIN|%|%', c, p;
	END IF;
	RETURN '';
END $$;
SQL

# ------------------------------------------------------------------ choosing

sub one_of { return $_[ int(rand @_) ]; }
sub chance { return rand() < $_[0]; }
sub person { return 1 + int(rand USERS); }

# From (weight => thing, ...).
sub weighted
{
	my $total = 0;
	for (my $i = 0; $i < @_; $i += 2) { $total += $_[$i]; }
	my $at = rand $total;
	while (@_ > 2 && ($at -= $_[0]) >= 0) { splice @_, 0, 2; }
	return ref $_[1] eq 'CODE' ? $_[1]->() : $_[1];
}

# A script is a list of [tag, SQL]; the tag says how an error is judged.
sub pause { return [ 'sleep', sprintf 'SELECT pg_sleep(%.4f)', rand($_[0]) ]; }
sub epoch { return $ddl ? [ 'epoch', q{SELECT 'EPOCH|' || (SELECT last_value FROM ddl_ended) || '|' || (SELECT last_value FROM ddl_started)} ] : (); }

# Everybody at once.
use constant ALL =>
	q{WITH look AS MATERIALIZED (SELECT n, clarify_context(u(n))::text AS c, plain(u(n)) AS p FROM generate_series(1, 5) n) SELECT line(n, NULL, c, p) FROM look};

sub look
{
	my $n = shift // person();
	$n = USERS + 1 if chance(0.02);
	my $sql = weighted(
		5 => "WITH look AS MATERIALIZED (SELECT clarify_context(u($n))::text AS c, plain(u($n)) AS p) SELECT line($n, NULL, c, p) FROM look",
		3 => "WITH look AS MATERIALIZED (SELECT plain(u($n)) AS b, clarify_context(u($n))::text AS c, plain(u($n)) AS p) SELECT line($n, b, c, p) FROM look",
		2 => "EXECUTE look($n)",
		2 => "SELECT look_now($n)",
		1 => ALL);
	return ([ 'look', $sql ], epoch());
}

sub a_note { return "(SELECT id FROM notes WHERE user_id = u($_[0]) ORDER BY random() LIMIT 1)"; }
sub an_event { return "(SELECT id FROM events WHERE user_id = u($_[0]) ORDER BY random() LIMIT 1)"; }
sub a_time { return $ddl && chance(0.1) ? 100 + int(rand 10) : int(rand 20); }
sub text { return "'" . join('', map { chr(97 + rand 26) } 1 .. 6) . "'"; }

# A change of rows.
sub change
{
	my ($n, $m) = (person(), person());
	my $sql = weighted(
		6 => "UPDATE people SET seen = seen + 1 WHERE id = u($n)",
		2 => "UPDATE people SET name = " . text() . " WHERE id = u($n)",
		8 => "INSERT INTO notes (user_id, body) VALUES (u($n), " . text() . ")",
		2 => "INSERT INTO notes (user_id, parent, body) SELECT u($n), id, " . text() . " FROM notes WHERE id = " . a_note($n),
		8 => "UPDATE notes SET body = " . text() . " WHERE id = " . a_note($n),
		6 => "UPDATE notes SET mark = mark + 1 WHERE id = " . a_note($n),
		1 => "UPDATE notes SET mark = mark + 10",
		7 => "DELETE FROM notes WHERE id = " . a_note($n),
		5 => "UPDATE notes SET user_id = u($m) WHERE id = " . a_note($n),
		1 => "UPDATE notes SET user_id = NULL WHERE id = " . a_note($n),
		1 => "UPDATE notes SET user_id = u($n) WHERE user_id IS NULL",
		6 => "INSERT INTO events (user_id, at, body) VALUES (u($n), " . a_time() . ', ' . text() . ")",
		5 => "UPDATE events SET body = " . text() . " WHERE id = " . an_event($n),
		6 => "DELETE FROM events WHERE id = " . an_event($n),
		5 => "UPDATE events SET at = " . a_time() . " WHERE id = " . an_event($n),
		3 => "UPDATE events SET user_id = u($m) WHERE id = " . an_event($n),
		2 => "UPDATE events SET user_id = u($m), at = " . a_time() . " WHERE id = " . an_event($n),
		2 => "UPDATE events_1 SET body = " . text() . " WHERE user_id = u($n)",
		2 => "INSERT INTO events_2a (user_id, at, body) VALUES (u($n), 12, " . text() . ")",
		2 => "UPDATE events_2 SET at = " . (10 + int(rand 10)) . " WHERE user_id = u($n)",
		2 => "DELETE FROM events_2b WHERE user_id = u($n)",
		1 => "UPDATE labels SET label = " . text() . " WHERE id = " . int(rand 3),
		1 => "WITH gone AS (DELETE FROM people WHERE id = u($n) RETURNING *) SELECT count(*) FROM gone",
		3 => "INSERT INTO people VALUES (u($n), " . text() . ") ON CONFLICT (id) DO UPDATE SET seen = people.seen + 1",
		2 => "INSERT INTO people SELECT u(n), 'again' FROM generate_series(1, 5) n ON CONFLICT DO NOTHING",
		2 => "MERGE INTO notes t USING (SELECT " . a_note($n) . " AS id) s ON t.id = s.id WHEN MATCHED AND length(t.body) > 8 THEN DELETE WHEN MATCHED THEN UPDATE SET body = t.body || 'm' WHEN NOT MATCHED THEN INSERT (user_id, body) VALUES (u($n), 'merged')",
		1 => "COPY notes (user_id, body) FROM PROGRAM 'echo 00000000-0000-0000-0000-00000000000$n,copied' WITH (FORMAT csv)",
		2 => "UPDATE events SET body = body || '.' WHERE length(body) < 12",
		1 => "DELETE FROM notes WHERE id % 5 = 0",
		1 => "SELECT clarify_cache.invalidate(u($n))",
		0.2 => "SELECT clarify_cache.invalidate_all()",
		2 => "UPDATE notes SET body = " . text() . " || look_within($n) WHERE user_id = u($n)",
		2 => "INSERT INTO notes (user_id, body) SELECT u($n), look_within($n) || g FROM generate_series(1, 2) g",
		1 => "INSERT INTO events (user_id, at, body) VALUES (u($n), 3, 'r') RETURNING left(look_within($n), 0)",
		2 => "DO \$\$ BEGIN UPDATE notes SET body = 'undone' WHERE user_id = u($n); PERFORM look_within($n); RAISE EXCEPTION 'undo'; EXCEPTION WHEN raise_exception THEN PERFORM look_within($n); UPDATE people SET seen = seen + 1 WHERE id = u($m); END \$\$");
	return [ 'write', $sql ];
}

sub begin { return [ 'begin', "BEGIN ISOLATION LEVEL $_[0]" ]; }
sub end { return [ 'end', $_[0] ]; }

# ---------------------------------------------------------------- scenarios

sub isolation
{
	return weighted(4 => 'READ COMMITTED', 4 => 'REPEATABLE READ', $standby ? 0 : 1 => 'SERIALIZABLE');
}

sub reading
{
	my ($on_standby) = @_;
	my $n = person();
	return weighted(
		10 => sub { (epoch(), map { look($n) } 1 .. 4) },
		8 => sub {
			my $isolation = weighted(2 => 'READ COMMITTED', 6 => 'REPEATABLE READ',
				($on_standby ? 0 : 2) => 'SERIALIZABLE');
			my $length = one_of(0.002, 0.02, 0.1, 0.3);
			(epoch(), begin($isolation),
				(map { (look(chance(0.7) ? $n : undef), pause($length)) } 1 .. 3 + int(rand 3)),
				end('COMMIT'))
		},
		($ddl ? 8 : 3) => sub {
			# Rolling back to the savepoint gives the locks back, so that tables change under the snapshot.
			(epoch(), begin('REPEATABLE READ'), [ 'sleep', 'SAVEPOINT s' ], [ 'look', ALL ], epoch(), [ 'sleep', 'ROLLBACK TO s' ],
				(map { (pause(one_of(0.02, 0.1, 0.5)), look($n), (chance(0.3) ? [ 'sleep', 'ROLLBACK TO s' ] : ()), look(), [ 'sleep', 'ROLLBACK TO s' ]) } 1 .. 3 + int(rand 3)),
				end('COMMIT'))
		},
		3 => sub {
			(epoch(), begin($on_standby ? 'READ COMMITTED' : isolation()),
				[ 'look', 'DECLARE c CURSOR FOR SELECT line(n, NULL, clarify_context(u(n))::text, plain(u(n))) FROM generate_series(1, 5) n' ],
				[ 'look', 'FETCH 1 FROM c' ], epoch(), pause(0.05),
				($on_standby ? () : change()), [ 'look', 'FETCH 2 FROM c' ], epoch(), pause(0.02),
				[ 'look', 'FETCH ALL FROM c' ], epoch(), end('COMMIT'))
		},
		2 => sub {
			# In ddl, what an imported snapshot's first look was nobody here knows.
			my $id = $ddl || $on_standby ? undef : read_file("$dir/snapshot");
			return (epoch(), look($n)) unless defined $id;
			(epoch(), begin('REPEATABLE READ'), [ 'snapshot', "SET TRANSACTION SNAPSHOT '$id'" ],
				look($n), look(), pause(0.02), look($n), end('COMMIT'))
		},
		($on_standby || $ddl ? 0 : 1) => sub {
			(begin('REPEATABLE READ'), [ 'snapshot', "SELECT 'SNAPSHOT|' || pg_export_snapshot()" ],
				look($n), pause(0.3), look($n), end('COMMIT'))
		},
		1 => sub { [ 'set', 'SET TimeZone = ' . one_of("'UTC'", "'Asia/Tokyo'", "'America/New_York'") ] },
		1 => sub { [ 'set', 'SET DateStyle = ' . one_of("'ISO, DMY'", "'German'", "'SQL'") ] });
}

my $prepared = 0;

sub writing
{
	return weighted(
		8 => sub { (change(), epoch(), look()) },
		1 => sub {
			(begin('READ COMMITTED'), [ 'set', 'SET LOCAL session_replication_role = replica' ],
				change(), change(), end('COMMIT'))
		},
		1 => sub {
			(epoch(), begin(isolation()), change(), [ 'set', 'SET TRANSACTION READ ONLY' ], look(), end('COMMIT'))
		},
		10 => sub {
			my @script = (epoch(), begin(isolation()));
			push @script, look() if chance(0.5);
			for (1 .. 1 + int(rand 3))
			{
				push @script, change() if chance(0.8);
				push @script, [ 'write', 'SAVEPOINT s' ], change(), (chance(0.5) ? look() : ()),
				  [ 'write', 'ROLLBACK TO s' ], (chance(0.5) ? look() : ())
				  if chance(0.3);
				push @script, look() if chance(0.5);
				push @script, pause(one_of(0.001, 0.01, 0.05)) if chance(0.5);
			}
			push @script, weighted(
				7 => sub { end('COMMIT') },
				2 => sub { end('ROLLBACK') },
				2 => sub { end("PREPARE TRANSACTION 'p$$." . ++$prepared . "'") });
			push @script, epoch(), look() if chance(0.5);
			@script
		});
}

sub ddl { return map { [ 'ddl', $_ ] } @_; }
sub in_one { return ddl('BEGIN', @_, weighted(5 => 'COMMIT', 2 => 'ROLLBACK')); }
sub repair { return ddl('SELECT clarify_cache.repair()'); }

# The section "variant" takes its other definition.
sub redefine
{
	return in_one('UPDATE variant SET which = 3 - which',
		q{SELECT clarify_cache.drop_section('variant')},
		q{SELECT clarify_cache.add_section('variant', CASE which WHEN 1 THEN 'SELECT count(*) AS n FROM notes WHERE user_id = $1' ELSE 'SELECT sum(mark) AS n FROM notes WHERE user_id = $1' END) FROM variant});
}

# Changes made while a trigger is off, and how it comes on again.
sub untracked
{
	my $table = one_of(qw(people notes events events_1 events_2 events_2b labels));
	my $trigger = one_of(qw(clarify_cache_track clarify_cache_mark));
	my $how = one_of('DISABLE', 'ENABLE', 'ENABLE REPLICA', 'DISABLE');
	my @off = "ALTER TABLE $table $how TRIGGER " . ($how eq 'DISABLE' && chance(0.3) ? 'USER' : $trigger);
	my @on = ("ALTER TABLE $table ENABLE ALWAYS TRIGGER clarify_cache_track", "ALTER TABLE $table ENABLE ALWAYS TRIGGER clarify_cache_mark");
	push @off, "ALTER TABLE $table DISABLE TRIGGER see" if $table eq 'notes' && chance(0.1);
	push @on, "ALTER TABLE $table ENABLE TRIGGER USER", @on if $off[0] =~ /USER/;
	my @write = map { $_->[1] } change(), change();
	return weighted(
		3 => sub { (ddl(@off), ddl(@write), (chance(0.5) ? ddl(@on) : ()), pause(0.02), repair(), ddl(@on), repair()) },
		1 => sub { (in_one(@off, @write, @on), repair()) },
		1 => sub { (in_one(@off, @write, 'SELECT clarify_cache.repair()'), ddl(@on), repair()) },
		1 => sub { (ddl('BEGIN', 'SAVEPOINT s', @off, 'ROLLBACK TO s', @write, 'COMMIT')) });
}

# Schema changes and maintenance that are MVCC-safe.  Nobody writes events of
# 100 and more here, so the partition that comes and goes is empty.
sub keeping
{
	return weighted(
		6 => sub { ddl('SELECT clarify_cache.compact()') },
		2 => sub { ddl('VACUUM clarify_cache.version') },
		2 => sub { ddl('VACUUM FULL clarify_cache.version') },
		1 => sub { ddl('CLUSTER clarify_cache.version USING version_key') },
		2 => sub { ddl('REINDEX TABLE clarify_cache.version') },
		1 => sub { ddl('REINDEX INDEX CONCURRENTLY clarify_cache.version_key') },
		2 => sub { ddl('ANALYZE notes, events, clarify_cache.version') },
		2 => sub { ddl('DELETE FROM notes WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY random()) AS r FROM notes) t WHERE r > 6)', 'DELETE FROM events WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY random()) AS r FROM events) t WHERE r > 6)') },
		2 => sub { repair() },
		2 => sub { ddl('DROP INDEX IF EXISTS extra', 'CREATE INDEX extra ON notes (body)', 'DROP INDEX IF EXISTS extra') },
		1 => sub { ddl('DROP INDEX IF EXISTS extra', 'CREATE INDEX CONCURRENTLY extra ON notes (user_id, id)', 'DROP INDEX CONCURRENTLY IF EXISTS extra') },
		1 => sub { ddl('VACUUM FULL ' . one_of(qw(notes people events_1 labels))) },
		1 => sub { ddl('REINDEX TABLE notes') },
		3 => sub { ddl('ALTER TABLE ' . one_of(qw(notes people labels)) . ' ' . one_of('ADD COLUMN IF NOT EXISTS extra int', 'DROP COLUMN IF EXISTS extra')) },
		1 => sub { in_one('ALTER TABLE notes ADD COLUMN extra2 int', change()->[1], 'ALTER TABLE notes DROP COLUMN extra2') },
		5 => sub { redefine() },
		5 => sub { untracked() },
		1 => sub { in_one("SELECT clarify_cache.detach('labels')", "SELECT clarify_cache.attach('labels', NULL)") },
		1 => sub { in_one("SELECT clarify_cache.detach('notes')", change()->[1], "SELECT clarify_cache.attach('notes')") },
		$ddl ? 0 : 3 => sub {
			(weighted(
				1 => sub { ddl('CREATE TABLE events_x PARTITION OF events FOR VALUES FROM (100) TO (110)') },
				1 => sub { ddl('CREATE TABLE events_x (LIKE events INCLUDING DEFAULTS)', 'ALTER TABLE events ATTACH PARTITION events_x FOR VALUES FROM (100) TO (110)') }),
				pause(0.1), (chance(0.5) ? repair() : ()),
				weighted(
					1 => sub { () },
					1 => sub { ddl('ALTER TABLE events DETACH PARTITION events_x') },
					1 => sub { (ddl('ALTER TABLE events DETACH PARTITION events_x CONCURRENTLY'), ddl('ALTER TABLE events DETACH PARTITION events_x FINALIZE')) }),
				pause(0.1), (chance(0.5) ? repair() : ()),
				ddl('DROP TABLE events_x'), (chance(0.7) ? repair() : ()))
		});
}

# Changes that older snapshots see as they please.
sub unsafe
{
	my @script = weighted(
		2 => sub { in_one('TRUNCATE labels', "INSERT INTO labels SELECT n, 'new ' || n FROM generate_series(0, 2) n") },
		2 => sub { ddl('TRUNCATE ' . one_of(qw(events events_1 events_2 events_2a notes))) },
		1 => sub { (ddl('BEGIN', 'TRUNCATE notes'), look(), ddl('ROLLBACK')) },
		1 => sub { (ddl('BEGIN', 'SAVEPOINT s', 'TRUNCATE events_1', 'ROLLBACK TO s'), change(), ddl('COMMIT')) },
		2 => sub { ddl('ALTER TABLE notes ALTER body TYPE ' . one_of('varchar', 'text') . " USING left(body, 10) || 'y'") },
		2 => sub { ddl('ALTER TABLE people ALTER seen TYPE ' . one_of('int', 'bigint', 'numeric') . ' USING seen + 1000') },
		# (To another type, or with another column, a partition pending detach would stay as it was, and plain queries under older snapshots fail.)
		2 => sub { ddl("ALTER TABLE events ALTER body TYPE text USING left(body, 10) || 'z'") },
		1 => sub { ddl('BEGIN', 'SAVEPOINT s', "ALTER TABLE notes ALTER body TYPE text USING 'lost'", 'ROLLBACK TO s', change()->[1], 'COMMIT') },
		1 => sub { (ddl('BEGIN', "ALTER TABLE people ALTER name TYPE text USING left(name, 8) || 'p'", "PREPARE TRANSACTION 'own$$'"), pause(0.1), ddl(one_of('COMMIT', 'ROLLBACK') . " PREPARED 'own$$'")) },
		1 => sub { (ddl('BEGIN', 'TRUNCATE events_2b', "PREPARE TRANSACTION 'own$$'"), pause(0.1), ddl(one_of('COMMIT', 'ROLLBACK') . " PREPARED 'own$$'")) },
		1 => sub { ddl('ALTER TABLE notes ADD COLUMN IF NOT EXISTS extra3 float DEFAULT random()', 'ALTER TABLE notes DROP COLUMN IF EXISTS extra3') },
		1 => sub { ddl('ALTER TABLE labels SET UNLOGGED', change()->[1], 'ALTER TABLE labels SET LOGGED') },
		8 => sub { a_partition() });
	return ([ 'ddl', q{SELECT nextval('ddl_started')} ], @script, [ 'ddl', q{SELECT nextval('ddl_ended')} ],
		(chance(0.5) ? repair() : ()));
}

# The partition events_x comes or goes, with rows; errors where it is (not) there.
sub a_partition
{
	return weighted(
		2 => sub { ddl('CREATE TABLE events_x PARTITION OF events FOR VALUES FROM (100) TO (110)', 'INSERT INTO events SELECT nextval(\'event_id\'), u(n), 100 + n, \'x\' FROM generate_series(1, 5) n') },
		2 => sub { ddl('CREATE TABLE events_x (LIKE events INCLUDING DEFAULTS)', 'INSERT INTO events_x SELECT nextval(\'event_id\'), u(n), 100 + n, \'x\' FROM generate_series(1, 5) n') },
		4 => sub { ddl('ALTER TABLE events ATTACH PARTITION events_x FOR VALUES FROM (100) TO (110)') },
		1 => sub { in_one('INSERT INTO events_x SELECT nextval(\'event_id\'), u(n), 100 + n, \'y\' FROM generate_series(1, 5) n', 'ALTER TABLE events ATTACH PARTITION events_x FOR VALUES FROM (100) TO (110)') },
		2 => sub { ddl('ALTER TABLE events DETACH PARTITION events_x') },
		2 => sub { ddl('ALTER TABLE events DETACH PARTITION events_x CONCURRENTLY') },
		1 => sub { ddl('ALTER TABLE events DETACH PARTITION events_x FINALIZE') },
		1 => sub { ddl('SET statement_timeout = 30', 'ALTER TABLE events DETACH PARTITION events_x CONCURRENTLY', 'RESET statement_timeout', 'ALTER TABLE events DETACH PARTITION events_x FINALIZE') },
		1 => sub { ddl('UPDATE events_x SET body = body || \'d\'') },
		1 => sub { ddl('DROP TABLE events_x') });
}

# ------------------------------------------------------------------- sessions

my $name;
my ($in, $out, $psql);
my %count;
my @recent;

sub read_file
{
	my ($file) = @_;
	open my $fh, '<', $file or return;
	my $text = <$fh>;
	return $text;
}

sub failures { my @files = glob "$dir/failure.*"; return scalar @files; }

sub connect_psql
{
	my ($host) = @_;
	local $ENV{PGAPPNAME} = $name;
	local $ENV{PGHOST} = $host if $host;
	$psql = open2($out, $in, 'exec psql -XAtq -v VERBOSITY=verbose 2>&1');
	$in->autoflush(1);
	print $in "SET lock_timeout = '" . ($ddl ? 100 : 300) . "ms';\n" if $name =~ /^(keeper|ddl)/;
	print $in q{PREPARE look(int) AS WITH look AS MATERIALIZED (SELECT clarify_context(u($1))::text AS c, plain(u($1)) AS p) SELECT line($1, NULL, c, p) FROM look;}, "\n";
}

# Run a script; its output as [tag, line].  Undefined if the session ended.
sub run
{
	my @lines;
	my $tag = '';
	my $text = join '', map { "\\echo \@$_->[0]\n$_->[1];\n" } @_;
	$SIG{PIPE} = 'IGNORE';
	print $in $text, "\\echo \@done\n";
	while (defined(my $line = <$out>))
	{
		chomp $line;
		return \@lines if $line eq '@done';
		if ($line =~ /^\@(\w+)$/) { $tag = $1; push @lines, [ $tag, '@' ]; next; }
		if ($line =~ /^SNAPSHOT\|(.*)/)
		{
			open my $fh, '>', "$dir/snapshot.$$" or next;
			print $fh $1;
			close $fh;
			rename "$dir/snapshot.$$", "$dir/snapshot";
			next;
		}
		push @lines, [ $tag, $line ];
	}
	return undef;
}

# Is the difference still there, and what does the database say about it?
sub diagnosis
{
	my $text = '';
	my $lines = run(
		[ 'ddl', 'ROLLBACK' ],
		(map { [ 'look', "SELECT CASE WHEN c = p THEN 'again: same' ELSE 'again: DIFFERENT ' || c END FROM (SELECT clarify_context(u(n))::text AS c, plain(u(n)) AS p FROM generate_series(1, 5) n OFFSET 0) s" ] } 1 .. 3),
		[ 'ddl', 'SELECT section, cacheable, reason FROM clarify_cache.sections' ],
		[ 'ddl', q{SELECT table_id::regclass, kind, key_hash, token, xmin, ctid FROM clarify_cache.version ORDER BY 1, 2, 3} ]);
	$text .= "$_->[1]\n" for @{ $lines // [] };
	return $text;
}

sub fail
{
	my ($what, $script) = @_;
	return if failures() >= MAX_FAILURES;
	my $log_end = `tail -n 400 '$log'`;
	open my $fh, '>', "$dir/failure.$$." . time or die;
	print $fh "$what\n\nsession: $name, $count{looks} looks so far\n\nscript:\n",
	  (map { "\t$_->[0]: $_->[1];\n" } @$script), "\nits output:\n",
	  (map { "\t$_->[0]: $_->[1]\n" } @recent), "\nafterwards:\n",
	  ($psql ? diagnosis() : ''), "\nthe server's log until then:\n$log_end";
	close $fh;
}

# SQLSTATEs that plain queries and writes raise among others of their kind:
# serialization, deadlock, lock_timeout, cancel, termination, aborted block.
my $common = qr/^(40001|40P01|55P03|57014|57P01|25P02)$/;
my %tolerated = (
	# FK and unique violations; no partition for a row; a table (partition) or savepoint that is not there
	write => qr/^(23503|23505|23514|42P01|55000|22003|25006|38000|3B001)$/,
	snapshot => qr/^(22023|42704|55000)$/,
	end => qr/^(23503|23505|25006)$/,
	ddl => qr/^(?!XX)/,);
my $own_tables;

sub judge_error
{
	my ($tag, $lines, $i, $script) = @_;
	my ($severity, $code, $message) = $lines->[$i][1] =~ /^(ERROR|FATAL|PANIC|WARNING):  (\w{5}): (.*)/
	  or return;
	if ($severity eq 'WARNING')
	{
		fail('WRONG, within a statement', $script) if $message =~ /^WITHIN/ && !$ddl;
		$count{within_unjudged}++ if $message =~ /^WITHIN/ && $ddl;
		return;
	}
	my $rest = '';
	for (my $j = $i + 1; $j < @$lines && $lines->[$j][1] !~ /^(\@|ERROR|WARNING|LOOK|EPOCH)/; $j++)
	{
		$rest .= "$lines->[$j][1]\n";
	}
	(my $what = $message) =~ s/"(p[\d.]+|[\dA-F]+-.*)"/.../g;
	$what =~ s/\d+/N/g;
	$count{"error $tag $code $what"}++ unless $code eq '25P02';
	if ($code eq '40P01' && $rest =~ /relation ($own_tables) /)
	{
		fail("deadlock over the extension's table:\n$message\n$rest", $script);
	}
	elsif ($code !~ $common && !($tolerated{$tag} && $code =~ $tolerated{$tag}))
	{
		fail("unexpected error at $tag:\n$message\n$rest", $script);
	}
}

sub parts
{
	my ($text) = @_;
	my $pattern = '^\{' . join(',', map { "\"$_\":(.*)" } @sections) . '\}$';
	return $text =~ /$pattern/;
}

sub judge
{
	my ($lines, $script) = @_;
	my ($ended, $now, $first) = (-1, -1, {});	# DDL ended before the snapshot, before the look
	my $cursor = grep { $_->[1] =~ /^DECLARE/ } @$script;
	my @pending;

	@recent = @$lines;
	for (my $i = 0; $i < @$lines; $i++)
	{
		my ($tag, $line) = @{ $lines->[$i] };
		if ($tag eq 'begin' && $line eq '@') { $first = {}; }
		elsif ($line =~ /^EPOCH\|(\d+)\|(\d+)/)
		{
			judge_ddl_look($_, $ended == $2, $now == $2, $first, $script) for @pending;
			$now = $1;
			my $rr = @pending && $pending[0][1] ne 'read committed';
			$ended = $1 unless $rr || $cursor;
			@pending = ();
		}
		elsif ($line =~ /^LOOK\|/)
		{
			my (undef, $n, $isolation, $context, $before, $after) = split /\|/, $line;
			$count{looks}++;
			if ($ddl) { push @pending, [ $n, $isolation, $context, $before, $after ]; }
			elsif ($context ne $after || ($before ne '-' && $before ne $after))
			{
				fail("WRONG ($isolation), person $n:\ncontext\t$context\nplain\t$after\nbefore\t$before", $script);
			}
		}
		else { judge_error($tag, $lines, $i, $script); }
	}
}

# Nothing changed since the snapshot?  Since before the look?
sub judge_ddl_look
{
	my ($look, $clear, $now_clear, $first, $script) = @_;
	my ($n, $isolation, $context, $before, $after) = @$look;
	my $rr = $isolation ne 'read committed';

	$first->{$n} //= [ $clear, $after ] if $rr;
	my ($first_clear, $first_answer) = $rr ? @{ $first->{$n} } : (0, '-');
	my $how = $clear ? 'strictly' : $first_clear && ($before ne '-' || $now_clear) ? 'by section' : 'not at all';
	$count{"judged $how"}++;
	return if $context eq $after && ($before eq '-' || $before eq $after);
	if (!$clear)
	{
		$count{"different, judged $how"}++;
		return if $how eq 'not at all';
		my @c = parts($context);
		my @allowed = map { [ parts($_) ] } $first_answer, $after, ($before eq '-' ? () : $before);
		return if !grep { my $i = $_; !grep { $_->[$i] eq $c[$i] } @allowed } 0 .. $#sections;
	}
	fail("WRONG ($isolation, judged $how), person $n:\ncontext\t$context\nplain\t$after\nbefore\t$before\nfirst\t$first_answer", $script);
}

sub session
{
	my ($next, $rest, $host) = @_;
	my $may_end = 0;
	connect_psql($host);
	while (time < $deadline && failures() < MAX_FAILURES)
	{
		my @script = $next->();
		my $lines = run(@script);
		$count{scripts}++;
		if (!defined $lines)
		{
			waitpid $psql, 0;
			undef $psql;
			# the keeper terminates some
			if (!-e "$dir/terminated.$name") { fail('the session ended', \@script); last; }
			unlink "$dir/terminated.$name";
			connect_psql($host);
			next;
		}
		judge($lines, \@script);
		sleep rand $rest if $rest;
	}
	close $in if $in;
	waitpid $psql, 0 if $psql;
	open my $fh, '>', "$dir/count.$name" or die;
	print $fh "$count{$_}\t$_\n" for keys %count;
	close $fh;
}

# Finish what others prepared; cancel and end a few sessions.
sub finishing
{
	my $end = one_of('COMMIT', 'ROLLBACK', 'COMMIT');
	my @script = ddl("SELECT '$end PREPARED ' || quote_literal(gid) FROM pg_prepared_xacts WHERE gid LIKE 'p%' AND database = current_database()\\gexec\nSELECT 1 WHERE false");
	push @script, ddl(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^(reader|writer)' ORDER BY random() LIMIT 1})
	  if chance(0.05);
	if (chance(0.01))
	{
		my $victim = 'writer' . (1 + int(rand 3));
		open my $fh, '>', "$dir/terminated.$victim";
		push @script, ddl("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '$victim'");
	}
	return @script;
}

# ----------------------------------------------------------------------- main

sub query { my $r = `psql -XAtq -c "$_[0]"`; chomp $r; return $r; }

open my $load, '|-', 'psql -Xq -v ON_ERROR_STOP=1 >/dev/null' or die;
print $load $schema;
close $load or die "the schema could not be loaded\n";
$own_tables = query(q{SELECT string_agg(oid::text, '|') FROM pg_class WHERE relnamespace = 'clarify_cache'::regnamespace});

my @jobs = (
	(map { [ "reader$_", \&reading, 0.005 ] } 1 .. 5),
	(map { [ "writer$_", \&writing, 0.04 ] } 1 .. ($standby ? 3 : 5)),
	[ 'finisher', \&finishing, 0.05 ],
	[ 'keeper', \&keeping, 0.3 ]);
push @jobs, map { [ "ddl$_", \&unsafe, 0.8 ] } 1 .. 2 if $ddl;
push @jobs, map { [ "reader_standby$_", sub { reading(1) }, 0.005, $standby ] } 1 .. 4 if $standby;

if ($standby)
{
	local $ENV{PGHOST} = $standby;
	for (1 .. 100) { last if (query(q{SELECT to_regprocedure('look_within(int)') IS NOT NULL}) // '') eq 't'; sleep 0.1; }
}

$deadline = time + $seconds;
$count{looks} = 0;
my @children;
for my $i (0 .. $#jobs)
{
	my $pid = fork // die;
	if ($pid == 0)
	{
		srand($seed + $i);
		$name = $jobs[$i][0];
		session(@{ $jobs[$i] }[ 1 .. 3 ]);
		POSIX::_exit(0);
	}
	push @children, $pid;
}
waitpid $_, 0 for @children;

my %total;
for my $file (glob "$dir/count.*")
{
	open my $fh, '<', $file or die;
	/^(\d+)\t(.*)/ and $total{$2} += $1 while <$fh>;
}
print "errors that plain PostgreSQL raises among such sessions:\n" if grep { /^error/ } keys %total;
printf "%7d  %s\n", $total{$_}, $_ =~ s/^error //r for sort { $total{$b} <=> $total{$a} } grep { /^error/ } keys %total;
printf "%s: %d\n", $_, $total{$_} for sort grep { !/^error/ } keys %total;

my $bad = failures();
for my $host ($ENV{PGHOST}, $standby // ())
{
	local $ENV{PGHOST} = $host;
	my ($hits, $builds, $bypasses, $fills, $mismatches, $corrupt) = split /\|/,
	  query('SELECT sum(redis_hits + local_hits), sum(builds), sum(bypasses), sum(fills), sum(version_mismatches), sum(corrupt_entries) FROM clarify_cache.stats');
	my $share = $hits + $builds > 0 ? 100 * $hits / ($hits + $builds) : 0;
	printf "%s: %d hits (%.0f %%), %d built, of these %d bypassed; %d fills, %d outdated, %d foreign entries\n",
	  $host eq ($standby // '') ? 'standby' : 'server', $hits, $share, $builds, $bypasses, $fills, $mismatches, $corrupt;
	if ($share < 5) { print "the cache was hardly used\n"; $bad++; }
}
for my $file (glob "$dir/failure.*")
{
	open my $fh, '<', $file or die;
	print "\n---- failure ----\n", <$fh>;
}
print $bad ? "FAILED\n" : "no wrong answer\n";
exit($bad ? 1 : 0);
