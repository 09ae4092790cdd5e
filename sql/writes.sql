--
-- Ways to write: after each, the next call is exact, and just what it concerns
-- is built anew; inside the writing transaction, from the start of the statement
-- on, it is built and not filled.
--
\pset format unaligned
\pset tuples_only
CREATE TABLE owners (id int PRIMARY KEY, user_id uuid);
CREATE TABLE notes (id int PRIMARY KEY, user_id uuid, owner int REFERENCES owners DEFERRABLE INITIALLY DEFERRED, body text);
INSERT INTO owners SELECT n, u(n) FROM generate_series(1, 3) n;
INSERT INTO notes SELECT n, u(n), n, 'note ' || n FROM generate_series(1, 3) n;
SELECT clarify_cache.attach('notes');
SELECT clarify_cache.attach('owners');
SELECT clarify_cache.add_section('notes', 'SELECT id, body FROM notes WHERE user_id = $1 ORDER BY id');
SELECT clarify_cache.add_section('owners', 'SELECT id FROM owners WHERE user_id = $1 ORDER BY id');

CREATE FUNCTION looked(person uuid) RETURNS text LANGUAGE sql AS $$
	SELECT look(person, plain => $p$left(plain_rows('notes', 'SELECT id, body FROM notes WHERE user_id = $1 ORDER BY id', $1), -1)
		|| ',' || substr(plain_rows('owners', 'SELECT id FROM owners WHERE user_id = $1 ORDER BY id', $1), 2)$p$)
$$;
-- all three, shortly: f(illed) or h(it) of notes, what happened to owners aside
CREATE FUNCTION looked_all() RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(looked(u(n)), ' | ' ORDER BY n) FROM generate_series(1, 3) n $$;
SELECT looked_all();
SELECT looked_all();

-- MERGE: updates one's, deletes another's, inserts a third's
MERGE INTO notes t USING (VALUES (1, u(1)), (2, u(2)), (4, u(3))) s (id, user_id) ON t.id = s.id
	WHEN MATCHED AND t.id = 2 THEN DELETE
	WHEN MATCHED THEN UPDATE SET body = 'merged'
	WHEN NOT MATCHED THEN INSERT (id, user_id, owner, body) VALUES (s.id, s.user_id, 1, 'merged');
SELECT looked_all();
MERGE INTO notes t USING (VALUES (1)) s (id) ON t.id = s.id WHEN MATCHED THEN DO NOTHING;
SELECT looked_all();

-- COPY: the second person's, and nobody's
COPY notes FROM STDIN;
10	c1a14abf-ddf5-af4c-dc6c-5a3c04b98149	1	of the second person
11	\N	1	of nobody
\.
SELECT looked_all();
CREATE TEMP TABLE lines (id int, user_id uuid, owner int, body text);
COPY lines FROM STDIN (FORMAT csv);
12,,1,copied
13,,1,copied
\.
INSERT INTO notes SELECT id, u(2), owner, body FROM lines;
SELECT looked_all();

-- ON CONFLICT: nothing done, done, and moved to another user
INSERT INTO notes VALUES (1, u(1), 1, 'again') ON CONFLICT DO NOTHING;
SELECT looked_all();
INSERT INTO notes VALUES (1, u(2), 1, 'again') ON CONFLICT (id) DO UPDATE SET body = excluded.body;
SELECT looked_all();
INSERT INTO notes VALUES (1, u(2), 1, 'again') ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id;
SELECT looked_all();

-- data-modifying WITH, UPDATE FROM, DELETE USING; a rule
WITH gone AS (DELETE FROM notes WHERE id = 12 RETURNING *) INSERT INTO notes SELECT 14, u(3), owner, body FROM gone;
SELECT looked_all();
UPDATE notes SET body = 'joined' FROM owners o WHERE o.id = 1 AND notes.user_id = o.user_id;
SELECT looked_all();
DELETE FROM notes USING owners o WHERE o.id = notes.owner AND notes.id = 14;
SELECT looked_all();
CREATE VIEW notes_view AS SELECT * FROM notes;
UPDATE notes_view SET body = 'by a view' WHERE user_id = u(3);
SELECT looked_all();
DROP VIEW notes_view;

-- a BEFORE trigger that changes the key, and one that refuses the row
CREATE FUNCTION change_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.body = 'refused' THEN RETURN NULL; END IF;
	new.user_id := u(3);
	RETURN new;
END $$;
CREATE TRIGGER zz_last BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION change_key();
INSERT INTO notes VALUES (20, u(1), 1, 'for one, given to another');
SELECT looked_all();
INSERT INTO notes VALUES (21, u(1), 1, 'refused');
SELECT looked_all();
DROP TRIGGER zz_last ON notes;

-- a trigger that writes to another attached table
CREATE FUNCTION also_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO owners VALUES (new.id + 100, new.user_id);
	RETURN NULL;
END $$;
CREATE TRIGGER also AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION also_owner();
INSERT INTO notes VALUES (22, u(1), 1, 'two tables');
SELECT looked_all();
-- the same, deferred to the commit
DROP TRIGGER also ON notes;
CREATE CONSTRAINT TRIGGER also AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION also_owner();
INSERT INTO notes VALUES (23, u(1), 1, 'two tables, one at the commit');
SELECT looked_all();
BEGIN;
INSERT INTO notes VALUES (24, u(2), 1, 'two tables, one later');
SELECT looked(u(2));
SET CONSTRAINTS ALL IMMEDIATE;
SELECT looked(u(2));
COMMIT;
SELECT looked_all();
DROP TRIGGER also ON notes;

-- A writing transaction builds what reads the table, and fills none of it; from
-- a read before the write, and after a rollback, it is as it was.
BEGIN;
SELECT looked(u(1));
UPDATE notes SET body = 'uncommitted' WHERE user_id = u(1);
SELECT looked(u(1));
SELECT looked(u(2));
ROLLBACK;
SELECT looked_all();
BEGIN;
SAVEPOINT a;
UPDATE notes SET body = 'in a savepoint' WHERE user_id = u(1);
SELECT looked(u(1));
ROLLBACK TO a;
SELECT looked(u(1));
INSERT INTO owners VALUES (200, u(2));
SET LOCAL clarify_cache.enabled = off;	-- no UNLINK, of users and sections each with each
COMMIT;
SELECT looked_all();
SELECT looked_all();

-- DO blocks: subtransactions that fail, that succeed; COMMIT inside
DO $$
BEGIN
	BEGIN
		UPDATE notes SET body = 'rolled back' WHERE user_id = u(1);
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		UPDATE notes SET body = 'kept' WHERE user_id = u(2);
	END;
END $$;
SELECT looked_all();
SELECT looked_all();
DO $$
BEGIN
	UPDATE notes SET body = 'first' WHERE user_id = u(1);
	RAISE NOTICE '%', looked(u(1));
	COMMIT;
	RAISE NOTICE '%', looked(u(1));
	RAISE NOTICE '%', looked(u(1));
	UPDATE notes SET body = 'second' WHERE user_id = u(1);
	ROLLBACK;
	RAISE NOTICE '%', looked(u(1));
	PERFORM clarify_cache.invalidate(u(1));
	COMMIT;
	RAISE NOTICE '%', looked(u(1));
END $$;

-- In the middle of a statement: a volatile function sees rows whose AFTER
-- triggers have not fired.
CREATE FUNCTION noticed(person uuid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE '%', looked(person);
	RETURN 'noticed';
END $$;
SELECT looked_all();
INSERT INTO notes SELECT 30 + n, u(1), 1, noticed(u(1)) FROM generate_series(1, 2) n;
SELECT looked_all();
INSERT INTO notes VALUES (40, u(2), 1, 'x') RETURNING noticed(u(2));
SELECT looked_all();
UPDATE notes SET body = noticed(u(2)) WHERE id IN (24, 40);
SELECT looked_all();
CREATE FUNCTION notice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE '% %: %', tg_when, tg_level, looked(u(1));
	RETURN coalesce(new, old);
END $$;
CREATE TRIGGER a_statement BEFORE INSERT ON notes EXECUTE FUNCTION notice();
CREATE TRIGGER a_row BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION notice();
CREATE TRIGGER a_row_after AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION notice();
CREATE TRIGGER z_statement AFTER INSERT ON notes EXECUTE FUNCTION notice();
SELECT looked(u(1));
INSERT INTO notes VALUES (50, u(1), 1, 'one'), (51, u(1), 1, 'two');
SELECT looked(u(1));
SELECT looked(u(1));
SET client_min_messages = warning;
DROP FUNCTION notice CASCADE;
RESET client_min_messages;

-- Cursors: opened before a write and fetched after it; WITH HOLD beyond it.
BEGIN;
DECLARE c CURSOR FOR SELECT n, clarify_context(u(1))::text = looked_at.context AS as_when_opened
	FROM generate_series(1, 3) n,
	(SELECT clarify_context(u(1))::text AS context OFFSET 0) looked_at;
FETCH c;
UPDATE notes SET body = 'while a cursor is open' WHERE user_id = u(1);
FETCH c;
SELECT looked(u(1));
COMMIT;
SELECT looked(u(1));
SELECT clarify_context(u(1))::text AS before \gset
BEGIN;
DECLARE h CURSOR WITH HOLD FOR SELECT n, clarify_context(u(1))::text FROM generate_series(1, 2) n;
UPDATE notes SET body = 'before the cursor is held' WHERE user_id = u(1);
COMMIT;
SELECT looked(u(1));
FETCH h \gset fetched_
SELECT :'fetched_clarify_context' = :'before' AS as_when_opened;
CLOSE h;
SELECT looked(u(1));

-- every isolation level: read, written, read again
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT looked(u(1));
SELECT looked(u(1));
UPDATE notes SET body = 'repeatable read' WHERE user_id = u(1);
SELECT looked(u(1));
COMMIT;
SELECT looked(u(1));
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT looked(u(1));
UPDATE notes SET body = 'serializable' WHERE user_id = u(1);
SELECT looked(u(1));
COMMIT;
SELECT looked(u(1));
BEGIN READ ONLY;
SELECT looked(u(1)), looked(u(2));
COMMIT;
-- READ ONLY set after a write: the commit still writes the tokens
BEGIN;
UPDATE notes SET body = 'then read only' WHERE user_id = u(1);
SET TRANSACTION READ ONLY;
SELECT looked(u(1));
COMMIT;
SELECT looked(u(1));
BEGIN READ ONLY;
SELECT attempt('SELECT clarify_cache.invalidate(u(1))');
SELECT attempt('SELECT clarify_cache.invalidate_all()');
COMMIT;
SELECT looked(u(1));

-- session_replication_role = replica, and triggers disabled for the session's
-- role only: ours fire all the same
SET session_replication_role = replica;
UPDATE notes SET body = 'as a replica' WHERE user_id = u(1);
SELECT looked(u(1));
DELETE FROM notes WHERE id = 51;
RESET session_replication_role;
SELECT looked(u(1));

-- past max_tracked_keys users the whole table is outdated; up to it, each alone
INSERT INTO notes SELECT 1000 + n, u(n), NULL, 'many' FROM generate_series(11, 15) n;
SELECT looked_all();
SELECT looked_all();
SET clarify_cache.max_tracked_keys = 3;
UPDATE notes SET body = 'three users' WHERE id BETWEEN 1011 AND 1013;
SELECT looked_all();
UPDATE notes SET body = 'four users' WHERE id BETWEEN 1011 AND 1014;
SELECT looked_all();
-- the whole table and single users in one transaction; two tables
BEGIN;
UPDATE notes SET body = 'one user' WHERE id = 1011;
UPDATE notes SET body = 'four others' WHERE id BETWEEN 1011 AND 1014;
UPDATE notes SET body = 'one more' WHERE user_id = u(1);
INSERT INTO owners VALUES (300, u(3));
COMMIT;
SELECT looked_all();
SELECT looked_all();
RESET clarify_cache.max_tracked_keys;

-- TRUNCATE, rolled back and not
BEGIN;
TRUNCATE notes;
SELECT looked(u(1));
ROLLBACK;
SELECT looked_all();
TRUNCATE notes, owners;
SELECT looked_all();
SELECT looked_all();

-- prepared transactions, finished either way
INSERT INTO owners SELECT n, u(n) FROM generate_series(1, 3) n;
SELECT looked_all();
BEGIN;
INSERT INTO notes VALUES (1, u(1), 1, 'prepared');
PREPARE TRANSACTION 'regress_writes';
SELECT looked(u(1));
COMMIT PREPARED 'regress_writes';
SELECT looked(u(1));
BEGIN;
INSERT INTO notes VALUES (2, u(1), 1, 'prepared');
PREPARE TRANSACTION 'regress_writes';
SELECT looked(u(1));
ROLLBACK PREPARED 'regress_writes';
SELECT looked(u(1));

SELECT clear();
DROP TABLE notes, owners, lines;
DROP FUNCTION looked, looked_all, noticed, change_key, also_owner;
