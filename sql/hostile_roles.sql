--
-- Roles that may do more than others, short of being superusers: members of
-- pg_read_all_data and pg_write_all_data, roles with the TRIGGER privilege on an
-- attached table, owners of functions that a superuser calls, and callers of
-- functions that belong to a superuser.  None of them gets at the secret, forges
-- a version, or gives others what the tables do not hold.
--
\pset format unaligned
\pset tuples_only
SET client_min_messages = warning;
CREATE ROLE regress_reads_all IN ROLE pg_read_all_data;
CREATE ROLE regress_writes_all IN ROLE pg_write_all_data;
CREATE ROLE regress_granted;
CREATE ROLE regress_nobody;
SELECT clarify_cache.setup();
SELECT look(u(7)), look(u(7));

-- The secret authenticates what is in Redis.
SET ROLE regress_reads_all;
SELECT count(*) FROM clarify_cache.instance;
SELECT count(*) FROM pg_stats WHERE schemaname = 'clarify_cache' AND tablename = 'instance';
-- (the definitions are, as they are in a dump that such a member makes)
SELECT count(*) FROM clarify_cache.section;
SELECT count(*) FROM clarify_cache.attached_table;
RESET ROLE;
SELECT count(*) FROM clarify_cache.instance;
ANALYZE clarify_cache.instance;
SET ROLE regress_reads_all;
SELECT count(*) FROM pg_stats WHERE schemaname = 'clarify_cache' AND tablename = 'instance';
-- a grant by the owner does not show it either
RESET ROLE;
GRANT SELECT ON clarify_cache.instance TO regress_granted;
SET ROLE regress_granted;
SELECT count(*) FROM clarify_cache.instance;
RESET ROLE;
REVOKE SELECT ON clarify_cache.instance FROM regress_granted;

-- A section's query runs with the rights of whoever asks.  The right to write
-- data is not the right to say what others run.
CREATE SCHEMA lair AUTHORIZATION regress_writes_all;
SET ROLE regress_writes_all;
CREATE FUNCTION lair.rob() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'robbed as %', current_user;
END $$;
SELECT attempt($$INSERT INTO clarify_cache.section VALUES ('loot', 9, 'SELECT lair.rob() AS loot', '5 min', false, NULL, '{}')$$);
SELECT attempt($$UPDATE clarify_cache.section SET query = 'SELECT lair.rob() AS loot'$$);
SELECT attempt($$DELETE FROM clarify_cache.section$$);
SELECT attempt($$MERGE INTO clarify_cache.section USING (VALUES (1)) v ON false WHEN NOT MATCHED
	THEN INSERT VALUES ('loot', 9, 'SELECT lair.rob() AS loot', '5 min', false, NULL, '{}')$$);
SELECT attempt($$INSERT INTO clarify_cache.section SELECT * FROM clarify_cache.section ON CONFLICT (name) DO UPDATE SET query = ''$$);
SELECT attempt($$INSERT INTO clarify_cache.attached_table VALUES ('pg_class', 'oid', '{}')$$);
SELECT attempt($$INSERT INTO clarify_cache.version VALUES (0, 'b', '{0}', '{1}')$$);
SELECT attempt($$INSERT INTO clarify_cache.instance VALUES ('x', 'x')$$);
COPY clarify_cache.section (name, ordinal, query, ttl, single_row, tables) FROM STDIN;
loot	9	SELECT lair.rob() AS loot	5 min	f	{}
\.
RESET ROLE;
GRANT INSERT, UPDATE, DELETE, SELECT ON clarify_cache.section TO regress_granted;
SET ROLE regress_granted;
SELECT attempt($$UPDATE clarify_cache.section SET query = 'SELECT lair.rob() AS loot'$$);
RESET ROLE;
REVOKE ALL ON clarify_cache.section FROM regress_granted;
SELECT look(u(7));
DROP SCHEMA lair CASCADE;

-- Who may create triggers on an attached table may put another one in the
-- place of ours: seen, and then built, until it is repaired.
GRANT TRIGGER, SELECT, UPDATE ON dreams TO regress_granted;
SELECT clarify_cache.repair();
SELECT look(u(7)), look(u(7));
SET ROLE regress_granted;
SELECT attempt('CREATE OR REPLACE TRIGGER clarify_cache_track AFTER UPDATE ON dreams FOR EACH ROW WHEN (false)
	EXECUTE FUNCTION clarify_cache.track_change(''user_id'')');
UPDATE dreams SET title = 'unseen' WHERE user_id = u(7);
RESET ROLE;
SELECT look(u(7));
SELECT clarify_cache.repair();
SELECT look(u(7)), look(u(7));
SET ROLE regress_granted;
SELECT attempt('CREATE OR REPLACE TRIGGER clarify_cache_track AFTER INSERT OR UPDATE OR DELETE ON dreams FOR EACH ROW
	EXECUTE FUNCTION clarify_cache.track_change(''id'', ''title'')');
UPDATE dreams SET title = 'unseen again' WHERE user_id = u(7);
RESET ROLE;
SELECT look(u(7));
SELECT clarify_cache.repair();
SELECT look(u(7)), look(u(7));
-- ... or more of them, with arguments of all kinds: what they add is a miss at most
SET ROLE regress_granted;
CREATE TRIGGER a AFTER UPDATE ON dreams FOR EACH ROW EXECUTE FUNCTION clarify_cache.track_change('status');
CREATE TRIGGER b AFTER UPDATE ON dreams FOR EACH ROW EXECUTE FUNCTION clarify_cache.track_change('id', '', 'no such', E'\\x00', 'ctid');
CREATE TRIGGER c AFTER UPDATE ON dreams FOR EACH ROW EXECUTE FUNCTION clarify_cache.track_change('');
CREATE CONSTRAINT TRIGGER d AFTER UPDATE ON dreams DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
	EXECUTE FUNCTION clarify_cache.track_change('user_id');
CREATE TRIGGER zz BEFORE UPDATE ON dreams FOR EACH STATEMENT EXECUTE FUNCTION clarify_cache.mark_change('x', 'y');
SELECT attempt('CREATE TRIGGER e BEFORE UPDATE ON dreams FOR EACH ROW EXECUTE FUNCTION clarify_cache.guard_own_table()');
SELECT attempt('CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION clarify_cache.on_ddl_command_end()');
SELECT attempt('DROP TRIGGER clarify_cache_track ON dreams');
SELECT attempt('ALTER TABLE dreams DISABLE TRIGGER clarify_cache_track');
SELECT attempt('ALTER EVENT TRIGGER clarify_cache_ddl_end DISABLE');
SELECT attempt('SET session_replication_role = replica');
UPDATE dreams SET title = 'seen' WHERE user_id = u(7);
RESET ROLE;
SELECT split_part(look(u(7)), ';', 1), split_part(look(u(7)), ';', 1);
UPDATE dreams SET title = 'seen too' WHERE user_id = u(7);
SELECT split_part(look(u(7)), ';', 1);
DROP TRIGGER a ON dreams;
DROP TRIGGER b ON dreams;
DROP TRIGGER c ON dreams;
DROP TRIGGER d ON dreams;
DROP TRIGGER zz ON dreams;
SELECT clarify_cache.repair();
SELECT look(u(7)), look(u(7));

-- Event trigger functions, and trigger functions, called by their names.
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA clarify_cache TO regress_granted;
SET ROLE regress_granted;
SELECT p.proname, attempt('SELECT clarify_cache.' || p.proname || '()') FROM pg_proc p
WHERE pronamespace = 'clarify_cache'::regnamespace AND prorettype IN ('trigger'::regtype, 'event_trigger'::regtype)
ORDER BY proname COLLATE "C";
-- (with EXECUTE on all, still no owner of the tables)
SELECT attempt('SELECT clarify_cache.attach(''users'', ''id'')');
SELECT attempt('SELECT clarify_cache.detach(''users'')');
SELECT attempt('SELECT clarify_cache.setup()');
SELECT attempt('SELECT clarify_cache.attach(''pg_catalog.pg_authid'', NULL)');
SELECT attempt('SELECT clarify_cache.attach(''clarify_cache.section'', NULL)');
SELECT attempt('SELECT clarify_cache.add_section(''authid'', ''SELECT rolpassword FROM pg_catalog.pg_authid'')');
SELECT attempt('SELECT clarify_cache.add_section(''instance'', ''SELECT secret FROM clarify_cache.instance'')');
RESET ROLE;
-- a superuser is not led to share these
SELECT attempt('SELECT clarify_cache.attach(''clarify_cache.instance'', NULL)');
SELECT attempt('SELECT clarify_cache.attach(''clarify_cache.version'', NULL)');
SELECT attempt('SELECT clarify_cache.attach(''pg_catalog.pg_authid'', NULL)');
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA clarify_cache FROM regress_granted;

-- Functions that belong to a superuser, called by one who may read nothing: the
-- owner's rights, and the owner's settings; then the caller's own again.
CREATE FUNCTION by_owner(person uuid) RETURNS text LANGUAGE sql SECURITY DEFINER
	SET search_path = pg_catalog, public, pg_temp SET TimeZone = 'Asia/Kolkata' SET DateStyle = 'German'
	SET extra_float_digits = -10 SET bytea_output = 'escape' SET IntervalStyle = 'iso_8601' SET row_security = off
	AS 'SELECT look(person)';
CREATE FUNCTION text_by_owner(person uuid) RETURNS text LANGUAGE sql SECURITY DEFINER
	SET search_path = pg_catalog, public, pg_temp SET TimeZone = 'Asia/Kolkata' SET DateStyle = 'German'
	AS 'SELECT clarify_context(person)';
SELECT clarify_cache.invalidate_all();
SET ROLE regress_nobody;
SELECT by_owner(u(7));
SELECT attempt('SELECT clarify_context(u(7))');
SELECT by_owner(u(7));
SELECT attempt('SELECT clarify_prompt(u(7))'), attempt('SELECT clarify_contexts(ARRAY[u(7)])'), attempt('SELECT clarify_cache.explain(u(7))');
RESET ROLE;
SELECT text_by_owner(u(7)) = clarify_context(u(7))::text;
SELECT look(u(7));

-- Functions of one who may read nothing, called by a superuser: with their
-- owner's rights, or with the caller's.  One that changes the role back and
-- forth while it calls; one that leaves settings behind.
CREATE SCHEMA lair AUTHORIZATION regress_nobody;
SET ROLE regress_nobody;
CREATE FUNCTION lair.as_me(person uuid) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS
	$$ BEGIN RETURN public.clarify_context(person); END $$;
CREATE FUNCTION lair.as_you(person uuid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('timezone', 'Asia/Kolkata', false), set_config('datestyle', 'German', false),
		set_config('intervalstyle', 'iso_8601', false), set_config('search_path', 'lair, pg_catalog, public', false);
	RETURN public.clarify_context(person);
END $$;
CREATE FUNCTION lair.as_both(person uuid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL ROLE regress_nobody;
	BEGIN
		RETURN public.clarify_context(person);
	EXCEPTION WHEN insufficient_privilege THEN
	END;
	RESET ROLE;
	PERFORM public.clarify_context(person);
	SET LOCAL ROLE regress_nobody;
	RETURN public.clarify_context(person);
END $$;
CREATE FUNCTION lair.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'robbed as %', current_user; END $$;
RESET ROLE;
SELECT attempt('SELECT lair.as_me(u(7))');
SELECT clarify_cache.invalidate_all();
BEGIN;
SELECT attempt('SELECT lair.as_both(u(7))');
ROLLBACK;
SELECT lair.as_you(public.u(7)) IS NOT NULL;
RESET timezone;
RESET datestyle;
RESET intervalstyle;
RESET search_path;
SELECT look(u(7));
DROP SCHEMA lair CASCADE;

-- A superuser under SET ROLE and SET SESSION AUTHORIZATION is who it says.
SET ROLE regress_nobody;
SELECT attempt('SELECT clarify_context(u(7))');
SET ROLE NONE;
SELECT look(u(7));
SET SESSION AUTHORIZATION regress_nobody;
SELECT attempt('SELECT clarify_context(u(7))');
RESET SESSION AUTHORIZATION;
BEGIN;
SET LOCAL ROLE regress_nobody;
SAVEPOINT s;
SELECT attempt('SELECT clarify_context(u(7))');
ROLLBACK TO s;
SELECT attempt('SELECT clarify_context(u(7))');
COMMIT;
SELECT look(u(7));
DROP FUNCTION by_owner, text_by_owner;
SELECT clear();
REVOKE ALL ON dreams FROM regress_granted;
DROP ROLE regress_reads_all, regress_writes_all, regress_granted, regress_nobody;
