--
-- A role that has no USAGE on the schema clarify_cache, as after a hardening of
-- the database: it writes, reads and runs DDL as if there were no cache, has its
-- answers from the cache, and what it writes is seen.
--
-- A session remembers where the extension's objects are.  So each part begins
-- with a new one, in which the role is the first who needs them.
--
\pset format unaligned
\pset tuples_only
SELECT clarify_cache.setup();
CREATE ROLE regress_stranger BYPASSRLS;
GRANT ALL ON users, dreams, clarify_patterns, clarify_sessions, reflections TO regress_stranger;
CREATE FUNCTION stranger_look(person uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before jsonb := counted();
	exact bool;
BEGIN
	SET LOCAL ROLE regress_stranger;
	SELECT clarify_context(person)::text IS NOT DISTINCT FROM plain_context(person) INTO exact;
	RESET ROLE;
	RETURN CASE WHEN exact THEN 'exact; ' ELSE 'WRONG; ' END || sources(before, counted());
END $$;
REVOKE USAGE ON SCHEMA clarify_cache FROM PUBLIC;
SET ROLE regress_stranger;
SELECT has_schema_privilege('clarify_cache', 'USAGE');

-- reads and fills
\c -
SELECT stranger_look(u(13));
SELECT look(u(13));
-- ... and is served
\c -
SELECT stranger_look(u(13));

-- writes: at READ COMMITTED, above it, prepared, and with a TRUNCATE
\c -
SET ROLE regress_stranger;
UPDATE dreams SET title = title || '!' WHERE user_id = u(13);
RESET ROLE;
SELECT look(u(13));
\c -
SET ROLE regress_stranger;
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE dreams SET title = title || '!' WHERE user_id = u(13);
UPDATE users SET total_reflections = total_reflections + 1 WHERE id = u(13);
COMMIT;
RESET ROLE;
SELECT look(u(13));
\c -
SET ROLE regress_stranger;
BEGIN;
UPDATE dreams SET title = title || '!' WHERE user_id = u(13);
PREPARE TRANSACTION 'stranger';
COMMIT PREPARED 'stranger';
RESET ROLE;
SELECT look(u(13));
\c -
SET ROLE regress_stranger;
BEGIN;
TRUNCATE reflections;
SELECT json_array_length(clarify_context(u(13)) -> 'reflections');
ROLLBACK;
RESET ROLE;
SELECT look(u(13));

-- DDL that has nothing to do with it
\c -
SET ROLE regress_stranger;
CREATE TEMP TABLE own (id int);
DROP TABLE own;
RESET ROLE;
SELECT look(u(13));
-- ... of an attached table
CREATE TABLE things (id int PRIMARY KEY, user_id uuid, body text) PARTITION BY RANGE (id);
CREATE TABLE things_1 PARTITION OF things FOR VALUES FROM (0) TO (10);
INSERT INTO things VALUES (1, u(13), 'one');
SELECT clear();
SELECT clarify_cache.attach('things');
SELECT clarify_cache.add_section('things', 'SELECT id, body FROM things WHERE user_id = $1 ORDER BY id');
\set plain '$$plain_rows(''things'', ''SELECT id, body FROM things WHERE user_id = $1 ORDER BY id'', $1)$$'
SELECT look(u(13), plain => :plain);
GRANT CREATE ON SCHEMA public TO regress_stranger;
ALTER TABLE things OWNER TO regress_stranger;
ALTER TABLE things_1 OWNER TO regress_stranger;
SELECT look(u(13), plain => :plain);
\c -
SET ROLE regress_stranger;
ALTER TABLE things ALTER COLUMN body TYPE varchar USING upper(body);
RESET ROLE;
SELECT look(u(13), plain => :plain);
SELECT look(u(13), plain => :plain);
-- a new partition of it, which gets its triggers
\c -
SET ROLE regress_stranger;
CREATE TABLE things_2 PARTITION OF things FOR VALUES FROM (10) TO (20);
RESET ROLE;
SELECT look(u(13), plain => :plain);
\c -
SET ROLE regress_stranger;
INSERT INTO things_2 VALUES (11, u(13), 'eleven');
RESET ROLE;
SELECT look(u(13), plain => :plain);
SELECT look(u(13), plain => :plain);
SELECT installed();

-- What changes something stays shut.
\c -
SET ROLE regress_stranger;
SELECT attempt('SELECT clarify_cache.repair()');
RESET ROLE;
GRANT USAGE ON SCHEMA clarify_cache TO PUBLIC;
SELECT clear();
DROP TABLE things;
DROP FUNCTION stranger_look;
DROP OWNED BY regress_stranger;
DROP ROLE regress_stranger;
