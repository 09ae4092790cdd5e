--
-- What a row-level security policy calls, in the middle of a build, may do
-- anything: empty the table of another section, change its definition, and ask
-- for a context itself.  Such a call may be wrong for nobody but its own
-- transaction, whose rollback takes all of it back.
--
-- (Whose search_path such functions see is in row_security.)
--
\pset format unaligned
\pset tuples_only
CREATE ROLE regress_person;
CREATE TABLE first (id int, user_id uuid);
CREATE TABLE second (id int, user_id uuid);
INSERT INTO first VALUES (1, u(14));
INSERT INTO second VALUES (1, u(14));
SELECT clarify_cache.attach('first');
SELECT clarify_cache.attach('second');
-- The first section is built for each caller; the second is cached.
SELECT clarify_cache.add_section('first', 'SELECT id FROM first WHERE user_id = $1');
SELECT clarify_cache.add_section('second', 'SELECT id FROM second WHERE user_id = $1');
CREATE FUNCTION meddle() RETURNS bool LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
BEGIN
	IF current_setting('test.meddle', true) <> '' THEN
		EXECUTE current_setting('test.meddle');
		PERFORM clarify_context(u(14));
	END IF;
	RETURN true;
END $$;
CREATE POLICY meddles ON first TO regress_person USING (meddle());
ALTER TABLE first ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON first, second TO regress_person;

-- The owner, whom the policy does not concern, is everybody else.
CREATE FUNCTION others() RETURNS text LANGUAGE sql AS $$
	SELECT came_from(u(14)) || '; ' || clarify_context(u(14))::text
$$;
-- Make all entries outdated, so that what is built could be filled; meddle; and
-- take it back.
CREATE PROCEDURE meddled(command text) LANGUAGE plpgsql AS $$
DECLARE
	before jsonb;
	answer text;
BEGIN
	PERFORM clarify_cache.invalidate_all();
	COMMIT;
	before := counted();
	PERFORM set_config('test.meddle', command, false);
	SET LOCAL ROLE regress_person;
	answer := clarify_context(u(14));
	RESET ROLE;
	RAISE INFO '%', answer;
	RAISE INFO '%', sources(before, counted());
	ROLLBACK;
	PERFORM set_config('test.meddle', '', false);
	COMMIT;
	RAISE INFO 'others: %', others();
END $$;

-- with nothing to meddle, the second section is filled, and served
CALL meddled('');
-- TRUNCATE, which a snapshot from before sees, too
CALL meddled('TRUNCATE second');
CALL meddled('TRUNCATE second; INSERT INTO second VALUES (2, u(14))');
-- an ordinary change, unseen by the snapshot of the call
CALL meddled('UPDATE second SET id = 2');
CALL meddled('DELETE FROM second');
-- DDL
CALL meddled('ALTER TABLE second ALTER COLUMN id TYPE int USING id + 1');
CALL meddled('ALTER TABLE second DISABLE TRIGGER ALL; TRUNCATE second');
CALL meddled('SELECT clarify_cache.detach(''second''); TRUNCATE second; SELECT clarify_cache.attach(''second'')');
-- a subtransaction that is rolled back leaves the table as it was
CALL meddled('DO $x$ BEGIN BEGIN TRUNCATE second; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN END; END $x$');
-- the definition
CALL meddled('SELECT clarify_cache.drop_section(''second''); SELECT clarify_cache.add_section(''second'', ''SELECT 0 AS id FROM second WHERE user_id = $1'')');

-- A view in a table's place: what it calls sees the caller's search_path, also
-- where a call is built as a whole, by a session that knows nothing yet.
SELECT clear();
CREATE SCHEMA helpers;
CREATE TABLE helpers.settings (step int);
INSERT INTO helpers.settings VALUES (10);
CREATE FUNCTION helpers.shown(int) RETURNS int LANGUAGE plpgsql AS
	$$ BEGIN RETURN $1 + (SELECT step FROM settings); END $$;
SELECT clarify_cache.attach('second');
SELECT clarify_cache.add_section('second', 'SELECT id FROM second WHERE user_id = $1');
SELECT came_from(u(14)), clarify_context(u(14));
ALTER TABLE second RENAME TO another;
SET search_path = public, helpers;
CREATE VIEW second AS SELECT shown(id) AS id, user_id FROM another;
SELECT came_from(u(14)), clarify_context(u(14));
\c -
SET search_path = public, helpers;
SET default_transaction_isolation = 'serializable';
SELECT came_from(u(14)), clarify_context(u(14));
\c -
SET search_path = public, helpers;
BEGIN;
CREATE TABLE own ();
SELECT came_from(u(14)), clarify_context(u(14));
ROLLBACK;
RESET search_path;
DROP VIEW second;
ALTER TABLE another RENAME TO second;
SELECT clarify_cache.repair();
SELECT came_from(u(14)), clarify_context(u(14));
SELECT came_from(u(14)), clarify_context(u(14));
SET client_min_messages = warning;
DROP SCHEMA helpers CASCADE;
RESET client_min_messages;

SELECT clear();
DROP PROCEDURE meddled;
DROP FUNCTION others;
DROP TABLE first, second;
DROP FUNCTION meddle;
DROP ROLE regress_person;
