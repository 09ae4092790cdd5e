--
-- attach(), detach(), repair(): what they refuse, with the reason, and that
-- nothing has changed then; that what is attached is watched, and no longer
-- when it is detached.
--
\pset format unaligned
\pset tuples_only

CREATE FUNCTION refused(relation text, key_column text DEFAULT 'user_id') RETURNS text LANGUAGE sql AS
$$ SELECT attempt(format('SELECT clarify_cache.attach(%L, %L)', relation, key_column)) $$;

-- kinds of relations
CREATE FOREIGN DATA WRAPPER regress_dummy;
CREATE SERVER regress_server FOREIGN DATA WRAPPER regress_dummy;
CREATE FOREIGN TABLE foreign_notes (id int, user_id uuid) SERVER regress_server;
CREATE UNLOGGED TABLE unlogged_notes (id int, user_id uuid);
CREATE TEMP TABLE temp_notes (id int, user_id uuid);
CREATE VIEW notes_view AS SELECT 1 AS id, u(1) AS user_id;
CREATE MATERIALIZED VIEW notes_matview AS SELECT 1 AS id, u(1) AS user_id;
CREATE SEQUENCE notes_sequence;
CREATE TYPE notes_type AS (id int, user_id uuid);
CREATE TABLE index_notes (id int, user_id uuid);
CREATE INDEX notes_index ON index_notes (user_id);
SELECT refused('foreign_notes');
SELECT refused('unlogged_notes');
SELECT refused('temp_notes');
SELECT refused('notes_view');
SELECT refused('notes_matview');
SELECT refused('notes_sequence');
SELECT refused('notes_type');
SELECT refused('notes_index');
SELECT refused('pg_catalog.pg_class', NULL);
SELECT refused('no_such_table');
SELECT refused('0');
SELECT refused(NULL);

-- the extension's own tables, whose changes pass by all triggers
BEGIN;
SELECT refused('clarify_cache.version', NULL);
SELECT refused('clarify_cache.instance', NULL);
SELECT refused('clarify_cache.attached_table', NULL);
SELECT refused('clarify_cache.section', NULL);
ROLLBACK;

-- partitions and inheritance
CREATE TABLE events (id int, user_id uuid, at int, body text) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (30) PARTITION BY RANGE (at);
CREATE TABLE events_2a PARTITION OF events_2 FOR VALUES FROM (10) TO (20);
SELECT refused('events_1');
SELECT refused('events_2');
SELECT refused('events_2a');
CREATE UNLOGGED TABLE events_2b PARTITION OF events_2 FOR VALUES FROM (20) TO (30);
SELECT refused('events');
DROP TABLE events_2b;
CREATE FOREIGN TABLE events_2b PARTITION OF events_2 FOR VALUES FROM (20) TO (30) SERVER regress_server;
SELECT refused('events');
DROP FOREIGN TABLE events_2b;
CREATE TABLE parents (id int, user_id uuid);
CREATE TABLE children () INHERITS (parents);
SELECT refused('parents');
SELECT refused('children');

-- key columns
CREATE TABLE keys (id int, user_id uuid, name text, other uuid GENERATED ALWAYS AS (user_id) STORED,
	gone uuid, ids uuid[]);
ALTER TABLE keys DROP COLUMN gone;
CREATE DOMAIN uuid_domain AS uuid;
ALTER TABLE keys ADD COLUMN of_domain uuid_domain;
SELECT refused('keys', 'no_such_column');
SELECT refused('keys', 'gone');
SELECT refused('keys', 'User_Id');
SELECT refused('keys', '');
SELECT refused('keys', 'ctid');
SELECT refused('keys', 'id');
SELECT refused('keys', 'name');
SELECT refused('keys', 'ids');
SELECT refused('keys', 'of_domain');
SELECT refused('keys', 'other');

-- triggers with our names that are somebody else's
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TABLE triggers (id int, user_id uuid);
CREATE TRIGGER clarify_cache_track AFTER INSERT ON triggers FOR EACH ROW EXECUTE FUNCTION nothing();
SELECT refused('triggers');
DROP TRIGGER clarify_cache_track ON triggers;
CREATE TRIGGER clarify_cache_mark BEFORE INSERT ON triggers EXECUTE FUNCTION nothing();
SELECT refused('triggers');
SELECT tgname, tgfoid::regproc FROM pg_trigger WHERE tgrelid = 'triggers'::regclass;

-- whose table it is, and transactions that may not write
CREATE ROLE regress_other;
GRANT USAGE ON SCHEMA clarify_cache TO regress_other;
SET ROLE regress_other;
SELECT refused('keys');
RESET ROLE;
GRANT EXECUTE ON FUNCTION clarify_cache.attach(regclass, name), clarify_cache.detach(regclass),
	clarify_cache.repair() TO regress_other;
SET ROLE regress_other;
SELECT refused('keys');
RESET ROLE;
BEGIN READ ONLY;
SELECT refused('keys');
SELECT attempt('SELECT clarify_cache.detach(''keys'')');
SELECT attempt('SELECT clarify_cache.repair()');
ROLLBACK;

-- nothing of all that was done, not even in part
SELECT installed();
SELECT count(*) FROM pg_trigger WHERE tgname ~ '^clarify_cache' AND tgrelid <> 'triggers'::regclass;

-- an attached table is watched
CREATE TABLE notes (id int, user_id uuid, owner_id uuid, body text);
INSERT INTO notes VALUES (1, u(1), u(2), 'one'), (2, u(2), u(1), 'two');
SELECT clarify_cache.attach('notes');
SELECT clarify_cache.attach('events');
SELECT installed();
SELECT table_id, key_column FROM clarify_cache.attached_table ORDER BY table_id::text;
SELECT tgrelid::regclass AS relation, tgname, tgfoid::regproc, tgenabled FROM pg_trigger
	WHERE tgname ~ '^clarify_cache' AND tgrelid <> 'triggers'::regclass
	ORDER BY tgrelid::regclass::text, tgname;
SELECT clarify_cache.add_section('notes', 'SELECT id, body FROM notes WHERE user_id = $1 ORDER BY id');
SELECT clarify_cache.add_section('events', 'SELECT id, at, body FROM events WHERE user_id = $1 ORDER BY at, id');
CREATE FUNCTION plain_notes(person uuid, key_column text DEFAULT 'user_id') RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT left(plain_rows('notes', format('SELECT id, body FROM notes WHERE %s = $1 ORDER BY id', key_column), person), -1)
		|| ',' || substr(plain_rows('events', 'SELECT id, at, body FROM events WHERE user_id = $1 ORDER BY at, id', person), 2)
$$;
SELECT look(u(1), plain => 'plain_notes($1)');
SELECT look(u(1), plain => 'plain_notes($1)');
INSERT INTO events VALUES (1, u(1), 5, 'by the root'), (2, u(1), 15, 'two levels down');
SELECT look(u(1), plain => 'plain_notes($1)');
INSERT INTO events_2a VALUES (3, u(1), 12, 'in the partition');
SELECT look(u(1), plain => 'plain_notes($1)');
UPDATE events_1 SET body = 'changed' WHERE id = 1;
SELECT look(u(1), plain => 'plain_notes($1)');
UPDATE events SET at = 19 WHERE id = 1;
SELECT look(u(1), plain => 'plain_notes($1)');
DELETE FROM events_2 WHERE id = 3;
SELECT look(u(1), plain => 'plain_notes($1)');
TRUNCATE events_2a;
SELECT look(u(1), plain => 'plain_notes($1)');
SELECT look(u(1), plain => 'plain_notes($1)');
SELECT look(u(2), plain => 'plain_notes($1)');

-- a change of a row without a user is nobody's
INSERT INTO notes VALUES (3, NULL, NULL, 'nobody''s');
SELECT look(u(1), plain => 'plain_notes($1)');
UPDATE notes SET user_id = u(1) WHERE id = 3;
SELECT look(u(1), plain => 'plain_notes($1)');
UPDATE notes SET user_id = NULL WHERE id = 3;
SELECT look(u(1), plain => 'plain_notes($1)');

-- twice
SELECT refused('notes');
SELECT refused('notes', 'owner_id');
SELECT refused('notes', NULL);
SELECT refused('events_1');
SELECT table_id, key_column FROM clarify_cache.attached_table ORDER BY table_id::text;
SELECT look(u(1), plain => 'plain_notes($1)');

-- detach() of what is not, by one who may not
SELECT attempt('SELECT clarify_cache.detach(''keys'')');
SELECT attempt('SELECT clarify_cache.detach(''events_1'')');
SELECT attempt('SELECT clarify_cache.detach(0)');
SET ROLE regress_other;
SELECT attempt('SELECT clarify_cache.detach(''notes'')');
SELECT attempt('SELECT clarify_cache.repair()');
RESET ROLE;
SELECT clarify_cache.detach(NULL);
SELECT look(u(1), plain => 'plain_notes($1)');

-- detached: what reads it is built, the rest hits
SELECT clarify_cache.detach('notes');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'notes'::regclass;
SELECT look(u(1), plain => 'plain_notes($1)');
UPDATE notes SET body = 'unseen' WHERE user_id = u(1);
SELECT look(u(1), plain => 'plain_notes($1)');
SELECT section, cacheable, reason FROM clarify_cache.sections;

-- attached again: the entries from before have another version
SELECT clarify_cache.attach('notes');
SELECT look(u(1), plain => 'plain_notes($1)');
SELECT look(u(1), plain => 'plain_notes($1)');

-- attached by another key: the section is not keyed any more
SELECT clarify_cache.detach('notes');
SELECT clarify_cache.attach('notes', 'owner_id');
SELECT section, cacheable, reason FROM clarify_cache.sections;
SELECT look(u(1), plain => 'plain_notes($1)');
SELECT clarify_cache.drop_section('notes');
SELECT clarify_cache.add_section('notes', 'SELECT id, body FROM notes WHERE owner_id = $1 ORDER BY id');
SELECT clarify_cache.drop_section('events');
SELECT look(u(2), plain => $$plain_rows('notes', 'SELECT id, body FROM notes WHERE owner_id = $1 ORDER BY id', $1)$$);
SELECT look(u(2), plain => $$plain_rows('notes', 'SELECT id, body FROM notes WHERE owner_id = $1 ORDER BY id', $1)$$);
UPDATE notes SET body = 'by its owner' WHERE owner_id = u(2);
SELECT look(u(2), plain => $$plain_rows('notes', 'SELECT id, body FROM notes WHERE owner_id = $1 ORDER BY id', $1)$$);

-- without a key: any change concerns everybody
SELECT clarify_cache.detach('notes');
SELECT clarify_cache.attach('notes', NULL);
SELECT clarify_cache.drop_section('notes');
SELECT clarify_cache.add_section('notes', 'SELECT count(*) FROM notes');
SELECT look(u(2), plain => $$plain_rows('notes', 'SELECT count(*) FROM notes', $1)$$);
SELECT look(u(2), plain => $$plain_rows('notes', 'SELECT count(*) FROM notes', $1)$$);
DELETE FROM notes WHERE owner_id = u(1);
SELECT look(u(2), plain => $$plain_rows('notes', 'SELECT count(*) FROM notes', $1)$$);
INSERT INTO notes DEFAULT VALUES;
SELECT look(u(2), plain => $$plain_rows('notes', 'SELECT count(*) FROM notes', $1)$$);

-- names that need quotes
CREATE SCHEMA "a schema";
CREATE TABLE "a schema"."It's a ""table""" ("The User" uuid, "sel""ect" text);
INSERT INTO "a schema"."It's a ""table""" VALUES (u(1), 'quoted');
SELECT clarify_cache.attach('"a schema"."It''s a ""table"""', 'The User');
SELECT clarify_cache.drop_section('notes');
SELECT clarify_cache.add_section('quoted', 'SELECT "sel""ect" FROM "a schema"."It''s a ""table""" WHERE "The User" = $1');
SELECT look(u(1), plain => $$'{"quoted":[{"sel\"ect":"quoted"}]}'$$);
UPDATE "a schema"."It's a ""table""" SET "sel""ect" = '"';
SELECT look(u(1), plain => $$'{"quoted":[{"sel\"ect":"\""}]}'$$);
SELECT look(u(1), plain => $$'{"quoted":[{"sel\"ect":"\""}]}'$$);

-- repair(): what DDL took away comes back; one table that can't be repaired
-- does not keep the others from it
SELECT clear();
SELECT clarify_cache.attach('notes');
SELECT clarify_cache.attach('events');
SELECT clarify_cache.add_section('notes', 'SELECT id, body FROM notes WHERE user_id = $1 ORDER BY id');
SELECT clarify_cache.add_section('events', 'SELECT id, at, body FROM events WHERE user_id = $1 ORDER BY at, id');
SELECT look(u(1), plain => 'plain_notes($1)');
ALTER TABLE notes DISABLE TRIGGER ALL;
INSERT INTO notes VALUES (4, u(1), NULL, 'unseen');
SELECT look(u(1), plain => 'plain_notes($1)');
SELECT section, cacheable, reason FROM clarify_cache.sections;
SELECT clarify_cache.repair();
SELECT section, cacheable, reason FROM clarify_cache.sections;
SELECT look(u(1), plain => 'plain_notes($1)');
SELECT look(u(1), plain => 'plain_notes($1)');
DROP TRIGGER clarify_cache_mark ON events_1;
ALTER TABLE events_2a ENABLE REPLICA TRIGGER clarify_cache_track;
ALTER TRIGGER clarify_cache_track ON notes RENAME TO another_name;
INSERT INTO events VALUES (5, u(1), 5, 'unseen?');
SELECT look(u(1), plain => 'plain_notes($1)');
SELECT clarify_cache.repair();
SELECT look(u(1), plain => 'plain_notes($1)');
SELECT look(u(1), plain => 'plain_notes($1)');
INSERT INTO events VALUES (6, u(1), 6, 'seen'), (7, u(1), 16, 'seen');
INSERT INTO notes VALUES (6, u(1), NULL, 'seen');
SELECT look(u(1), plain => 'plain_notes($1)');
CREATE TABLE notes_child () INHERITS (notes);
ALTER TABLE events DISABLE TRIGGER ALL;
SELECT clarify_cache.repair();
SELECT section, cacheable, reason FROM clarify_cache.sections;
SELECT look(u(1), plain => 'plain_notes($1)');
SELECT look(u(1), plain => 'plain_notes($1)');
DROP TABLE notes_child;
SELECT look(u(1), plain => 'plain_notes($1)');
SELECT clarify_cache.repair();
SELECT look(u(1), plain => 'plain_notes($1)');
SELECT look(u(1), plain => 'plain_notes($1)');
-- with nothing to repair, entries are outdated all the same
SELECT clarify_cache.repair();
SELECT look(u(1), plain => 'plain_notes($1)');

-- an attached table is dropped, and made again
DROP TABLE notes;
SELECT count(*) FROM clarify_cache.attached_table;
SELECT section, tables, cacheable, reason FROM clarify_cache.sections WHERE section = 'events';
SELECT section, cacheable, reason FROM clarify_cache.sections WHERE section = 'notes';
SELECT attempt('SELECT clarify_context(u(1))');
SELECT clarify_cache.drop_section('notes');
SELECT look(u(1), plain => $$plain_rows('events', 'SELECT id, at, body FROM events WHERE user_id = $1 ORDER BY at, id', $1)$$);

SELECT clear();
SELECT installed();
REVOKE ALL ON FUNCTION clarify_cache.attach(regclass, name), clarify_cache.detach(regclass),
	clarify_cache.repair() FROM regress_other;
REVOKE USAGE ON SCHEMA clarify_cache FROM regress_other;
DROP ROLE regress_other;
DROP FUNCTION refused, plain_notes;
DROP TABLE unlogged_notes, index_notes, events, parents, children, keys, triggers;
DROP FUNCTION nothing;
DROP VIEW notes_view;
DROP MATERIALIZED VIEW notes_matview;
DROP SEQUENCE notes_sequence;
DROP TYPE notes_type;
DROP DOMAIN uuid_domain;
SET client_min_messages = warning;
DROP SCHEMA "a schema" CASCADE;
DROP FOREIGN DATA WRAPPER regress_dummy CASCADE;
