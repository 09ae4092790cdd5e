--
-- What CREATE EXTENSION makes: the public names, each with a comment; who may
-- execute and read what; and that it goes, and comes again, in another schema.
--
\pset format unaligned
\pset tuples_only

-- functions, and whether PUBLIC may execute them: none that changes anything
SELECT n.nspname || '.' || p.proname || '(' || pg_get_function_arguments(p.oid) || ') -> '
		|| pg_get_function_result(p.oid) AS function,
	CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
	CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS parallel,
	p.prosecdef AS security_definer,
	EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
			WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE') AS for_public
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'clarify_cache')
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- tables and views, and who may read them
SELECT c.relname, c.relkind,
	EXISTS (SELECT FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a WHERE a.grantee = 0) AS for_public,
	ARRAY(SELECT DISTINCT a.grantee::regrole::text
		FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
		WHERE a.grantee NOT IN (0, c.relowner)) AS for_others,
	c.oid = ANY ((SELECT extconfig FROM pg_extension WHERE extname = 'clarify_cache')::oid[]) AS dumped,
	c.relpersistence, c.relreplident
FROM pg_class c WHERE c.relnamespace = 'clarify_cache'::regnamespace AND c.relkind IN ('r', 'v')
ORDER BY c.relname;
SELECT reloptions FROM pg_class WHERE oid = 'clarify_cache.version'::regclass;

-- triggers of its own tables, and event triggers: all fire always
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger
WHERE tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'clarify_cache'::regnamespace)
ORDER BY tgrelid::regclass::text, tgname;
SELECT evtname, evtevent, evtenabled, evtfoid::regproc FROM pg_event_trigger
WHERE evtname ~ 'clarify_cache' ORDER BY evtname;

-- what has no comment (triggers and indexes of its own aside)
SELECT pg_describe_object(d.classid, d.objid, 0)
FROM pg_depend d
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'clarify_cache')
	AND d.classid <> 'pg_type'::regclass
	AND obj_description(d.objid, d.classid::regclass::text) IS NULL
ORDER BY 1;
SELECT obj_description('clarify_cache'::regnamespace, 'pg_namespace') IS NOT NULL AS schema_has_one;

-- An ordinary role: it may ask and look, and nothing else.
CREATE ROLE regress_nobody;
SET ROLE regress_nobody;
SELECT count(*) FROM clarify_cache.sections;
SELECT count(*) FROM clarify_cache.stats;
SELECT count(*) FROM clarify_cache.status;
SELECT attempt('SELECT clarify_context(u(1))');
SELECT attempt('SELECT * FROM clarify_cache.version');
SELECT attempt('SELECT * FROM clarify_cache.instance');
SELECT attempt('SELECT id FROM clarify_cache.instance');
SELECT attempt('SELECT * FROM clarify_cache.section');
SELECT attempt('SELECT * FROM clarify_cache.attached_table');
SELECT attempt('SELECT clarify_cache.setup()');
SELECT attempt('SELECT clarify_cache.attach(''users'', ''id'')');
SELECT attempt('SELECT clarify_cache.detach(''users'')');
SELECT attempt('SELECT clarify_cache.repair()');
SELECT attempt('SELECT clarify_cache.add_section(''x'', ''SELECT 1'')');
SELECT attempt('SELECT clarify_cache.drop_section(''x'')');
SELECT attempt('SELECT clarify_cache.invalidate(u(1))');
SELECT attempt('SELECT clarify_cache.invalidate_all()');
SELECT attempt('SELECT clarify_cache.guard_own_table()');
SELECT attempt('SELECT clarify_cache.mark_change()');
SELECT attempt('SELECT clarify_cache.track_change()');
SELECT attempt('CREATE TABLE clarify_cache.mine ()');
-- all may use its trigger functions, which only remember; not the guard
CREATE TEMP TABLE mine (user_id uuid);
CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION clarify_cache.track_change('user_id');
INSERT INTO mine VALUES (u(1));
SELECT attempt('CREATE TRIGGER guard BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION clarify_cache.guard_own_table()');
RESET ROLE;
-- and those in the wrong place or shape do no harm
DROP TRIGGER mine ON mine;
CREATE FUNCTION misplaced(shape text, trigger_function text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE OR REPLACE TRIGGER misplaced %s EXECUTE FUNCTION clarify_cache.%s', shape, trigger_function);
	RETURN attempt('INSERT INTO mine VALUES (u(2))') || '; ' || attempt('UPDATE mine SET user_id = u(3)')
		|| '; ' || attempt('TRUNCATE mine');
END $$;
INSERT INTO mine VALUES (u(1));
SELECT misplaced('AFTER INSERT OR UPDATE OR TRUNCATE ON mine FOR EACH STATEMENT', 'track_change(''user_id'')');
SELECT misplaced('BEFORE INSERT OR UPDATE ON mine FOR EACH ROW', 'track_change(''user_id'')');
SELECT misplaced('BEFORE INSERT OR UPDATE ON mine FOR EACH ROW', 'mark_change()');
SELECT misplaced('AFTER INSERT OR UPDATE OR TRUNCATE ON mine FOR EACH STATEMENT', 'mark_change()');
SELECT misplaced('AFTER INSERT OR UPDATE ON mine FOR EACH ROW', 'guard_own_table()');
-- in their own shape, on a table that is not attached, with other arguments
SELECT misplaced('AFTER INSERT OR UPDATE ON mine FOR EACH ROW', 'track_change(''no_such_column'', ''more'')');
SELECT misplaced('BEFORE INSERT OR UPDATE OR TRUNCATE ON mine FOR EACH STATEMENT', 'mark_change(''more'')');
DROP FUNCTION misplaced;
DROP TABLE mine;
DROP ROLE regress_nobody;

-- Gone without a trace; attached tables still take writes when it is gone.
SELECT clarify_cache.setup();
SELECT look(u(1)), look(u(1));
SELECT clear();
BEGIN;
DROP EXTENSION clarify_cache;
SELECT count(*) FROM pg_namespace WHERE nspname = 'clarify_cache';
SELECT count(*) FROM pg_event_trigger WHERE evtname ~ 'clarify_cache';
UPDATE users SET name = name WHERE id = u(1);
SELECT attempt('SELECT clarify_context(u(1))');
-- in another schema, with the same names but for that
CREATE SCHEMA elsewhere;
CREATE EXTENSION clarify_cache SCHEMA elsewhere;
SELECT clarify_cache.setup();
SELECT elsewhere.clarify_context(u(1))::text = plain_context(u(1));
ROLLBACK;
SELECT clarify_cache.setup();
SELECT look(u(1)), look(u(1));
-- CASCADE with everything attached, then again: another instance
SELECT id AS old_instance FROM clarify_cache.instance \gset
SET client_min_messages = warning;
DROP EXTENSION clarify_cache CASCADE;
RESET client_min_messages;
UPDATE users SET name = 'Unwatched' WHERE id = u(1);
CREATE EXTENSION clarify_cache;
SELECT id <> :'old_instance' AS another_instance, length(secret) >= 32 AS long_secret FROM clarify_cache.instance;
SELECT installed();
SELECT clarify_cache.setup();
SELECT look(u(1));
SELECT look(u(1));
SELECT clear();
