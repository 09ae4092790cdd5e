--
-- setup(): Clarify's tables under both of their names, in any schema; what is
-- missing is said in one error, with nothing changed; what is there is left
-- alone, so it may run twice.
--
\pset format unaligned
\pset tuples_only

-- a schema without the tables, no schema, NULL
CREATE SCHEMA app;
SELECT attempt('SELECT clarify_cache.setup(''app'')');
SELECT attempt('SELECT clarify_cache.setup(''no_such_schema'')');
SELECT attempt('SELECT clarify_cache.setup(NULL)');

-- some tables missing, columns missing, a view in place of a table
CREATE TABLE app.users (LIKE users);
ALTER TABLE app.users DROP COLUMN tier, DROP COLUMN total_reflections;
CREATE TABLE app.dreams (LIKE dreams);
ALTER TABLE app.dreams RENAME updated_at TO changed_at;
CREATE VIEW app.reflections AS SELECT * FROM public.reflections;
SELECT attempt('SELECT clarify_cache.setup(''app'')');
SELECT installed();

-- the other names; the tables of "public" stay out of it
DROP VIEW app.reflections;
ALTER TABLE app.dreams RENAME changed_at TO updated_at;
ALTER TABLE app.users ADD COLUMN tier text, ADD COLUMN total_reflections int;
CREATE TABLE app.reflections (LIKE reflections);
CREATE TABLE app.patterns (LIKE clarify_patterns);
CREATE TABLE app.sessions (LIKE clarify_sessions);
INSERT INTO app.users SELECT id, email, name, total_clarify_sessions, last_sign_in_at, created_at, updated_at,
	tier, total_reflections FROM users WHERE id = u(7);
INSERT INTO app.dreams SELECT * FROM dreams WHERE user_id = u(7);
INSERT INTO app.patterns SELECT * FROM clarify_patterns WHERE user_id = u(7);
INSERT INTO app.sessions SELECT * FROM clarify_sessions WHERE user_id = u(7);
INSERT INTO app.reflections SELECT * FROM reflections WHERE user_id = u(7);
SELECT clarify_cache.setup('app');
SELECT table_id, key_column FROM clarify_cache.attached_table ORDER BY table_id::text;
SELECT section, ttl, single_row, max_items, tables, cacheable, reason FROM clarify_cache.sections;
SELECT look(u(7));
SELECT look(u(7));
-- the same person in "public" is another matter
UPDATE public.dreams SET title = 'Public' WHERE user_id = u(7);
SELECT came_from(u(7));
SELECT clarify_context(u(7))::text = plain_context(u(7)) AS same_as_in_public;
UPDATE public.dreams d SET title = a.title FROM app.dreams a WHERE a.id = d.id;
SELECT look(u(7));
-- changes of each of the tables are seen
UPDATE app.sessions SET title = 'Changed' WHERE user_id = u(7);
UPDATE app.patterns SET content = 'Changed' WHERE user_id = u(7);
SELECT came_from(u(7));
SELECT came_from(u(7));
SELECT clear();

-- Both names there: the application's come first.
CREATE TABLE app.clarify_sessions (LIKE clarify_sessions);
CREATE TABLE app.clarify_patterns (LIKE clarify_patterns);
SELECT clarify_cache.setup('app');
SELECT section, tables FROM clarify_cache.sections WHERE section IN ('patterns', 'sessions');
SELECT clear();

-- The default schema; twice; after a part was taken away or changed.
SELECT clarify_cache.setup();
SELECT installed();
SELECT look(u(7));
SELECT clarify_cache.setup();
SELECT clarify_cache.setup('public');
SELECT installed();
SELECT look(u(7));
SELECT clarify_cache.detach('dreams');
SELECT clarify_cache.drop_section('sessions');
SELECT clarify_cache.add_section('sessions', 'SELECT 1 AS mine');
SELECT clarify_cache.drop_section('user');
SELECT clarify_cache.setup();
SELECT section, query ~ 'mine' AS mine, cacheable FROM clarify_cache.sections;
SELECT clear();

-- A partitioned table, and columns of more than it needs, in one transaction
-- that is rolled back.
BEGIN;
ALTER TABLE public.dreams RENAME TO old_dreams;
CREATE TABLE public.dreams (LIKE old_dreams) PARTITION BY HASH (user_id);
CREATE TABLE dreams_0 PARTITION OF dreams FOR VALUES WITH (MODULUS 1, REMAINDER 0);
SELECT clarify_cache.setup();
SELECT section, tables FROM clarify_cache.sections WHERE section = 'dreams';
ROLLBACK;
SELECT installed();

-- Objects that a hostile user put before pg_catalog, or in pg_temp.
CREATE SCHEMA evil;
CREATE FUNCTION evil.format(text, VARIADIC "any") RETURNS text LANGUAGE internal AS 'text_format';
CREATE FUNCTION evil.array_to_string(text[], text) RETURNS text LANGUAGE plpgsql AS
	$$ BEGIN RAISE EXCEPTION 'called'; END $$;
CREATE TEMP TABLE users (id uuid, name text, tier text, total_reflections int, total_clarify_sessions int);
CREATE TEMP TABLE pg_class (oid oid, relname name, relnamespace oid, relkind "char");
SET search_path = pg_temp, evil, pg_catalog, public;
SELECT clarify_cache.setup();
SELECT section, tables, cacheable FROM clarify_cache.sections;
RESET search_path;
DROP TABLE pg_temp.pg_class, pg_temp.users;
SELECT look(u(7));
SELECT look(u(7));
SELECT clear();
SET client_min_messages = warning;
DROP SCHEMA evil CASCADE;
DROP SCHEMA app CASCADE;
