package Workload;

# What sessions do: scripts at random.
#
# A script is a list of [tag, SQL]; the tag says how an error is judged
# (Session.pm).  Looks print lines for the judge.

use strict;
use warnings;

use Choose;
use Exporter 'import';
our @EXPORT = qw(reading reading_as_guest reading_everybody writing keeping untracked_changes unsafe
  changing_rights finishing);
# What scripts are made of, for other profiles.
our @EXPORT_OK = qw(person pause epoch look looking_at_everybody change begin end ddl repair trim);

# Of the people in schema.sql: those who are written all the time; all; nobody.
use constant { BUSY => 5, EVERYBODY => 40, NOBODY => 41 };

our $unsafe;	# are there changes that are not MVCC-safe?
our $dir;		# where snapshots are handed on

sub person { return 1 + int(rand(chance(0.9) ? BUSY : EVERYBODY)); }

sub read_file
{
	my ($file) = @_;
	open my $fh, '<', $file or return;
	my $text = <$fh>;
	return $text;
}

sub pause { return [ 'sleep', sprintf 'SELECT pg_sleep(%.4f)', rand($_[0]) ]; }
sub epoch { return $unsafe ? [ 'epoch', q{SELECT concat_ws('|', 'EPOCH', ended, started) FROM epoch} ] : (); }

# Everybody at once.
use constant ALL =>
	q{WITH look AS MATERIALIZED (SELECT n, clarify_context(u(n))::text AS c, plain(u(n)) AS p FROM generate_series(1, 5) n) SELECT line(n, NULL, c, p) FROM look};

sub look
{
	my $n = shift // person();
	$n = NOBODY if chance(0.02);
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
sub a_time { return $unsafe && chance(0.1) ? 100 + int(rand 10) : int(rand 20); }

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
		1 => "COPY notes (user_id, body) FROM PROGRAM 'echo " . sprintf('00000000-0000-0000-0000-%012d', $n) . ",copied' WITH (FORMAT csv)",
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

# ---------------------------------------------------------- readers, writers

sub isolation
{
	return weighted(4 => 'READ COMMITTED', 4 => 'REPEATABLE READ', 1 => 'SERIALIZABLE');
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
		($unsafe ? 8 : 3) => sub {
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
			# Among unsafe changes, what an imported snapshot's first look was nobody here knows.
			my $id = $unsafe || $on_standby ? undef : read_file("$dir/snapshot");
			return (epoch(), look($n)) unless defined $id;
			(epoch(), begin('REPEATABLE READ'), [ 'snapshot', "SET TRANSACTION SNAPSHOT '$id'" ],
				look($n), look(), pause(0.02), look($n), end('COMMIT'))
		},
		($on_standby || $unsafe ? 0 : 1) => sub {
			(begin('REPEATABLE READ'), [ 'snapshot', "SELECT 'SNAPSHOT|' || pg_export_snapshot()" ],
				look($n), pause(0.3), look($n), end('COMMIT'))
		},
		1 => sub { [ 'set', 'SET TimeZone = ' . one_of("'UTC'", "'Asia/Tokyo'", "'America/New_York'") ] },
		1 => sub { [ 'set', 'SET DateStyle = ' . one_of("'ISO, DMY'", "'German'", "'SQL'") ] });
}

sub looking_at_everybody
{
	my ($times) = @_;
	return [ 'look', sprintf 'SELECT bulk(%s, %d, %.3f)', one_of('true', 'false'), $times, one_of(0, 0.001, 0.005) ];
}

# Everybody in one statement, for many answers; several in one snapshot too.
sub reading_everybody
{
	my @look = looking_at_everybody(one_of(1, 5, 20));
	return weighted(
		6 => sub { (epoch(), map { (@look, epoch()) } 1 .. 4) },
		1 => sub {
			(epoch(), begin('REPEATABLE READ'), @look, epoch(), pause(one_of(0.02, 0.2)),
				@look, epoch(), end('COMMIT'))
		});
}

# All at once by one whose rights change.  Single statements: what a
# transaction has locked, a plain query does not look at again.
sub reading_as_guest
{
	return ([ 'set', "SET app.which = '" . one_of(0, 1) . "'" ],
		map { [ 'guest', 'SELECT look_as_guest(' . person() . ')' ] } 1 .. 4);
}

my $prepared = 0;

sub writing
{
	return weighted(
		8 => sub { (change(), epoch(), look()) },
		1 => sub {
			(begin('READ COMMITTED'), [ 'set', 'SET LOCAL session_replication_role = replica' ],
				change(), look(), [ 'write', 'SAVEPOINT s' ], change(), (chance(0.3) ? [ 'write', 'ROLLBACK TO s' ] : ()),
				look(), end(chance(0.7) ? 'COMMIT' : "PREPARE TRANSACTION 'p$$." . ++$prepared . "'"))
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
sub repair { return [ 'own', 'SELECT clarify_cache.repair()' ]; }

# So that nobody's rows get many, nor people few.
sub trim
{
	return ddl((map { "DELETE FROM $_ WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY random()) AS r FROM $_) t WHERE r > 6)" } qw(notes events)),
		"INSERT INTO people SELECT u(n), 'back' FROM generate_series(1, 40) n ON CONFLICT DO NOTHING");
}

# The section "variant" takes its other definition.
sub redefine
{
	return in_one('UPDATE variant SET which = 3 - which',
		q{SELECT clarify_cache.drop_section('variant')},
		q{SELECT clarify_cache.add_section('variant', CASE which WHEN 1 THEN 'SELECT count(*) AS n FROM notes WHERE user_id = $1' ELSE 'SELECT sum(mark) AS n FROM notes WHERE user_id = $1' END) FROM variant});
}

# Changes made while a trigger is off, and how it comes on again.
sub untracked_changes
{
	my $table = one_of(qw(people notes events events_1 events_2 events_2b labels));
	my $trigger = one_of(qw(clarify_cache_track clarify_cache_mark));
	my $how = one_of('DISABLE', 'ENABLE', 'ENABLE REPLICA', 'DISABLE');
	my @off = "ALTER TABLE $table $how TRIGGER " . ($how eq 'DISABLE' && chance(0.3) ? 'USER' : $trigger);
	my @on = ("ALTER TABLE $table ENABLE ALWAYS TRIGGER clarify_cache_track", "ALTER TABLE $table ENABLE ALWAYS TRIGGER clarify_cache_mark");
	push @off, "ALTER TABLE $table DISABLE TRIGGER see" if $table eq 'notes' && chance(0.1);
	push @on, "ALTER TABLE $table ENABLE TRIGGER USER", @on if $off[0] =~ /USER/;
	push @on, "ALTER TABLE $table ENABLE TRIGGER see" if $table eq 'notes';
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
		6 => sub { [ 'own', 'SELECT clarify_cache.compact()' ] },
		1 => sub { [ 'own', 'SELECT clarify_cache.warm(ARRAY(SELECT u(n) FROM generate_series(1, 40) n))' ] },
		2 => sub { ddl('VACUUM clarify_cache.version') },
		2 => sub { ddl('VACUUM FULL clarify_cache.version') },
		1 => sub { ddl('CLUSTER clarify_cache.version USING version_key') },
		2 => sub { ddl('REINDEX TABLE clarify_cache.version') },
		1 => sub { ddl('REINDEX INDEX CONCURRENTLY clarify_cache.version_key') },
		2 => sub { ddl('ANALYZE notes, events, clarify_cache.version') },
		2 => sub { trim() },
		2 => sub { repair() },
		2 => sub { ddl('DROP INDEX IF EXISTS extra', 'CREATE INDEX extra ON notes (body)', 'DROP INDEX IF EXISTS extra') },
		1 => sub { ddl('DROP INDEX IF EXISTS extra', 'CREATE INDEX CONCURRENTLY extra ON notes (user_id, id)', 'DROP INDEX CONCURRENTLY IF EXISTS extra') },
		1 => sub { ddl('VACUUM FULL ' . one_of(qw(notes people events_1 labels))) },
		1 => sub { ddl('REINDEX TABLE notes') },
		3 => sub { ddl('ALTER TABLE ' . one_of(qw(notes people labels)) . ' ' . one_of('ADD COLUMN IF NOT EXISTS extra int', 'DROP COLUMN IF EXISTS extra')) },
		# rolled back, so nobody else sees either
		1 => sub { (ddl('BEGIN', 'TRUNCATE notes'), look(), ddl('ROLLBACK')) },
		1 => sub { (ddl('BEGIN', 'SAVEPOINT s', 'TRUNCATE events_1', 'ROLLBACK TO s'), change(), ddl('COMMIT')) },
		1 => sub { in_one('ALTER TABLE notes ADD COLUMN extra2 int', change()->[1], 'ALTER TABLE notes DROP COLUMN extra2') },
		5 => sub { redefine() },
		5 => sub { untracked_changes() },
		1 => sub { in_one("SELECT clarify_cache.detach('labels')", "SELECT clarify_cache.attach('labels', NULL)") },
		1 => sub { in_one("SELECT clarify_cache.detach('notes')", change()->[1], "SELECT clarify_cache.attach('notes')") },
		$unsafe ? 0 : 3 => sub {
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

# What the guest may read, and whether all of it.
sub changing_rights
{
	my $table = one_of(qw(people notes events labels));
	my ($off, $on) = @{ weighted(
		3 => [ "REVOKE SELECT ON $table FROM guest", "GRANT SELECT ON $table TO guest" ],
		2 => [ "REVOKE SELECT ON $table FROM guest; GRANT SELECT (id) ON $table TO guest", "GRANT SELECT ON $table TO guest" ],
		4 => [ "ALTER TABLE $table ENABLE ROW LEVEL SECURITY", "ALTER TABLE $table DISABLE ROW LEVEL SECURITY" ],
		1 => [ 'ALTER ROLE guest BYPASSRLS', 'ALTER ROLE guest NOBYPASSRLS' ],
		1 => [ 'ALTER POLICY visible ON notes USING (true)',
			q{ALTER POLICY visible ON notes USING (id % 2 = coalesce(nullif(current_setting('app.which', true), '')::int, 0))} ]) };
	my @count = map { [ 'count', "SELECT nextval('rights_$_')" ] } qw(started ended);
	# Now and then several are off at once.
	my @script = ($count[0], ddl($off), $count[1], pause(0.2));
	push @script, $count[0], ddl($on), $count[1], pause(0.2) if chance(0.7);
	push @script, $count[0], ddl('GRANT SELECT ON people, notes, events, labels TO guest',
		'ALTER ROLE guest NOBYPASSRLS',
		(map { "ALTER TABLE $_ DISABLE ROW LEVEL SECURITY" } qw(people notes events labels))), $count[1]
	  if chance(0.15);
	return @script;
}

# Changes that older snapshots see as they please.
sub unsafe
{
	my @script = weighted(
		2 => sub { in_one('TRUNCATE labels', "INSERT INTO labels SELECT n, 'new ' || n FROM generate_series(0, 2) n") },
		2 => sub { ddl('TRUNCATE ' . one_of(qw(events events_1 events_2 events_2a notes))) },
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
	return ([ 'count', q{SELECT nextval('ddl_started')} ], @script, [ 'count', q{SELECT nextval('ddl_ended')} ],
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
		1 => sub { ddl('SET lock_timeout = 10', 'ALTER TABLE events DETACH PARTITION events_x CONCURRENTLY', 'SET lock_timeout = 100', 'ALTER TABLE events DETACH PARTITION events_x FINALIZE') },
		1 => sub { ddl('UPDATE events_x SET body = body || \'d\'') },
		1 => sub { ddl('DROP TABLE events_x') });
}

# Finish what others prepared; cancel and end a few sessions.
sub finishing
{
	my $end = one_of('COMMIT', 'ROLLBACK', 'COMMIT');
	my @script = ddl("SELECT '$end PREPARED ' || quote_literal(gid) FROM pg_prepared_xacts WHERE gid LIKE 'p%' AND database = current_database()\\gexec\nSELECT 1 WHERE false");
	push @script, ddl(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^(reader|writer)' ORDER BY random() LIMIT 1})
	  if chance(0.05);
	return @script;
}

1;
