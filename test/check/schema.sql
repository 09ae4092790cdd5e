-- What check.pl's sessions write and read, and the answers by plain queries.
-- Nothing here knows of the extension.

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

-- A few who are written all the time, and a crowd that is read.
INSERT INTO people SELECT u(n), 'person ' || n FROM generate_series(1, 40) n;
INSERT INTO notes (user_id, body) SELECT u(n), 'note ' || m FROM generate_series(1, 40) n, generate_series(1, 3) m;
INSERT INTO events (user_id, at, body) SELECT u(n), m * 6, 'event ' || m FROM generate_series(1, 40) n, generate_series(1, 3) m;
INSERT INTO labels SELECT n, 'label ' || n FROM generate_series(0, 2) n;
-- which of its two definitions the section "variant" has; only the second one
-- reads notes.mark
CREATE TABLE variant (which int);
INSERT INTO variant VALUES (1);

-- a change made at commit
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN UPDATE people SET seen = seen + 1 WHERE id = NEW.user_id; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER see AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (NEW.id % 4 = 0) EXECUTE FUNCTION see();

-- Changes that are not MVCC-safe, and changes of rights, count themselves when
-- they begin and when they have ended.  (A sequence is read as of now.)
CREATE SEQUENCE ddl_started;
CREATE SEQUENCE ddl_ended;
CREATE SEQUENCE rights_started;
CREATE SEQUENCE rights_ended;
SELECT nextval('ddl_started'), nextval('ddl_ended'), nextval('rights_started'), nextval('rights_ended');

-- So do rewrites that are MVCC-safe on the primary, but on a standby not for snapshots
-- that the primary does not know of.
CREATE SEQUENCE rewrites_started;
CREATE SEQUENCE rewrites_ended;
SELECT nextval('rewrites_started'), nextval('rewrites_ended');

-- One more, for all servers to see in this order: what nextval() logs is ahead of the
-- value.  (For one session at a time.)
CREATE FUNCTION count_up(counter regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT last_value + 1 FROM %s', counter) INTO n;
	RETURN setval(counter, n);
END $$;

-- How many changes have ended and started, of those that are not MVCC-safe here.
CREATE VIEW epoch AS
	SELECT d.last_value + CASE WHEN pg_is_in_recovery() THEN r.last_value ELSE 0 END AS ended,
		s.last_value + CASE WHEN pg_is_in_recovery() THEN q.last_value ELSE 0 END AS started
	FROM ddl_ended d, ddl_started s, rewrites_ended r, rewrites_started q;

-- A reader whose rights change.  What the policy lets through, a setting says.
DO $$ BEGIN CREATE ROLE guest; EXCEPTION WHEN duplicate_object THEN END $$;
ALTER ROLE guest NOBYPASSRLS;
GRANT SELECT ON people, notes, events, labels, variant,
	ddl_started, ddl_ended, rights_started, rights_ended TO guest;
CREATE POLICY visible ON notes TO guest
	USING (id % 2 = coalesce(nullif(current_setting('app.which', true), '')::int, 0));
CREATE POLICY visible ON people TO guest
	USING (name <> coalesce(current_setting('app.which', true), ''));

-- (A REPEATABLE READ transaction that inserts a person whom another has deleted
-- meanwhile sees two.)
CREATE FUNCTION plain(who uuid[]) RETURNS TABLE (person uuid, context text)
LANGUAGE plpgsql STABLE SET TimeZone = 'UTC' AS $$
BEGIN
	-- EXECUTE: with a plan of this moment
	RETURN QUERY EXECUTE $q$SELECT w.person, '{"person":' ||
		coalesce((SELECT row_to_json(t)::text FROM (
			SELECT name, seen FROM people WHERE id = w.person ORDER BY name, seen LIMIT 1) t), 'null') ||
		',"notes":' || coalesce((SELECT '[' || string_agg(row_to_json(t)::text, ',') || ']' FROM (
			SELECT id, parent, body, made FROM notes WHERE user_id = w.person ORDER BY id) t), '[]') ||
		',"events":' || coalesce((SELECT '[' || string_agg(row_to_json(t)::text, ',') || ']' FROM (
			SELECT id, at, body FROM events WHERE user_id = w.person ORDER BY at, id) t), '[]') ||
		',"labelled":' || coalesce((SELECT '[' || string_agg(row_to_json(t)::text, ',') || ']' FROM (
			SELECT n.id, l.label FROM notes n JOIN labels l ON l.id = n.id % 3
			WHERE n.user_id = w.person ORDER BY n.id) t), '[]') ||
		',"joined":' || coalesce((SELECT '[' || string_agg(row_to_json(t)::text, ',') || ']' FROM (
			SELECT p.name, e.at, e.id FROM people p JOIN events e ON e.user_id = p.id
			WHERE p.id = w.person ORDER BY p.name, e.at, e.id) t), '[]') ||
		',"variant":' || CASE (SELECT which FROM variant)
			WHEN 1 THEN (SELECT '[' || row_to_json(t) || ']' FROM (
				SELECT count(*) AS n FROM notes WHERE user_id = w.person) t)
			ELSE (SELECT '[' || row_to_json(t) || ']' FROM (
				SELECT sum(mark) AS n FROM notes WHERE user_id = w.person) t) END || '}'
		FROM unnest($1) AS w (person)$q$ USING who;
END $$;
CREATE FUNCTION plain(who uuid) RETURNS text LANGUAGE sql STABLE AS
	$$ SELECT context FROM plain(ARRAY[who]) $$;

-- One line for the judge: LOOK|person|isolation|context|plain before|plain after
CREATE FUNCTION line(n int, before text, context text, after text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT concat_ws('|', 'LOOK', n, current_setting('transaction_isolation'), context,
		coalesce(before, '-'), after)
$$;
