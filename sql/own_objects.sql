--
-- The extension's schema, tables and functions are found by their names.  So
-- none of them can be renamed, moved or dropped by itself: the triggers of
-- attached tables would go on firing, and what they note would get lost.
--
\pset format unaligned
\pset tuples_only
SELECT clarify_cache.setup();
SELECT look(u(12));
SELECT look(u(12));

-- Refused, all of them the same way; who comes afterwards hits as before.
SELECT attempt('ALTER SCHEMA clarify_cache RENAME TO elsewhere');
CREATE SCHEMA elsewhere;
-- A command that PostgreSQL itself refuses shows the state of the error.
CREATE FUNCTION refused(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	how text := attempt(command);
BEGIN
	IF how ~ '^0A000: objects of extension "clarify_cache" can''t be renamed, moved or dropped' THEN
		RETURN 'refused';
	END IF;
	RETURN split_part(how, E'\n', 1);
END $$;
SELECT t, refused(format('ALTER TABLE clarify_cache.%I RENAME TO other', t)),
	refused(format('ALTER TABLE clarify_cache.%I SET SCHEMA elsewhere', t))
FROM unnest('{version,instance,attached_table,section,witness}'::text[]) t;
SELECT f, refused(format('ALTER FUNCTION clarify_cache.%I() RENAME TO other', f)),
	refused(format('ALTER FUNCTION clarify_cache.%I() SET SCHEMA elsewhere', f))
FROM unnest('{mark_change,track_change,guard_own_table}'::text[]) f;
SELECT refused('ALTER ROUTINE clarify_cache.mark_change() RENAME TO other');
SELECT refused('DROP TABLE clarify_cache.version');
SELECT refused('DROP SCHEMA clarify_cache CASCADE');
SELECT look(u(12));
-- where no function catches it, and in a transaction
ALTER SCHEMA clarify_cache RENAME TO elsewhere_2;
ALTER TABLE clarify_cache.version RENAME TO other;
BEGIN;
UPDATE dreams SET title = title || ', before' WHERE user_id = u(12);
SAVEPOINT s;
ALTER FUNCTION clarify_cache.track_change() RENAME TO other;
ROLLBACK TO s;
UPDATE dreams SET title = title || ', after' WHERE user_id = u(12);
COMMIT;
SELECT look(u(12));
SELECT look(u(12));

-- Taken out of the extension first, which by itself changes nothing.
BEGIN;
ALTER EXTENSION clarify_cache DROP TABLE clarify_cache.version;
SELECT refused('ALTER TABLE clarify_cache.version RENAME TO other'),
	refused('DROP TABLE clarify_cache.version');
ALTER EXTENSION clarify_cache DROP FUNCTION clarify_cache.mark_change();
SELECT refused('ALTER FUNCTION clarify_cache.mark_change() RENAME TO other'),
	refused('DROP FUNCTION clarify_cache.mark_change() CASCADE');
ALTER EXTENSION clarify_cache DROP SCHEMA clarify_cache;
SELECT refused('ALTER SCHEMA clarify_cache RENAME TO other');
UPDATE dreams SET title = title || ', loose' WHERE user_id = u(12);
SELECT look(u(12));
ALTER EXTENSION clarify_cache ADD TABLE clarify_cache.version;
ALTER EXTENSION clarify_cache ADD FUNCTION clarify_cache.mark_change();
ALTER EXTENSION clarify_cache ADD SCHEMA clarify_cache;
COMMIT;
SELECT look(u(12));
SELECT look(u(12));

-- With the event trigger turned off it can be done: then a writer fails rather
-- than change what is cached.
ALTER EVENT TRIGGER clarify_cache_ddl_end DISABLE;
ALTER SCHEMA clarify_cache RENAME TO elsewhere_2;
UPDATE dreams SET title = 'unseen' WHERE user_id = u(12);
TRUNCATE reflections;
SELECT attempt('SELECT clarify_context(u(12))');
ALTER SCHEMA elsewhere_2 RENAME TO clarify_cache;
SELECT look(u(12));
ALTER TABLE clarify_cache.version RENAME TO other;
UPDATE dreams SET title = 'unseen' WHERE user_id = u(12);
SELECT attempt('SELECT clarify_context(u(12))');
SELECT attempt('SELECT clarify_cache.repair()');
ALTER TABLE clarify_cache.other RENAME TO version;
ALTER EVENT TRIGGER clarify_cache_ddl_end ENABLE ALWAYS;
SELECT look(u(12));
UPDATE dreams SET title = 'seen' WHERE user_id = u(12);
SELECT look(u(12));

-- A table that goes while it is off: repair() says so and goes on with the others,
-- and the next DDL forgets it.
SELECT look(u(12));
CREATE TABLE gone (user_id uuid);
SELECT clarify_cache.attach('gone');
ALTER EVENT TRIGGER clarify_cache_ddl_end DISABLE;
DROP TABLE gone;
ALTER TABLE dreams DISABLE TRIGGER USER;
ALTER EVENT TRIGGER clarify_cache_ddl_end ENABLE ALWAYS;
SELECT count(*) FROM clarify_cache.attached_table;
SET client_min_messages = error;	-- its number
SELECT attempt('SELECT clarify_cache.repair()');
RESET client_min_messages;
SELECT look(u(12));
UPDATE dreams SET title = 'seen again' WHERE user_id = u(12);
SELECT look(u(12));
SELECT look(u(12));
COMMENT ON TABLE dreams IS NULL;
SELECT count(*) FROM clarify_cache.attached_table;

-- Other objects of those names, elsewhere, are nobody's concern.
CREATE TABLE elsewhere.version (id int);
ALTER TABLE elsewhere.version RENAME TO instance;
DROP TABLE elsewhere.instance;
SELECT look(u(12));

-- The functions of the event triggers, called by hand
SELECT attempt('SELECT clarify_cache.on_ddl_command_start()');
SELECT attempt('SELECT clarify_cache.on_ddl_command_end()');

-- DROP EXTENSION may, of course.
BEGIN;
SELECT clear();
DROP EXTENSION clarify_cache;
UPDATE dreams SET title = 'without' WHERE user_id = u(12);
CREATE EXTENSION clarify_cache;
ROLLBACK;
SELECT look(u(12));

SELECT installed();
SELECT clear();
DROP SCHEMA elsewhere;
DROP FUNCTION refused;
