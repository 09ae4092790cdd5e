--
-- The library meets SQL objects of another version: readers build, writers go on
-- and lose nothing, management says what to do; and objects that were upgraded are
-- those of a fresh CREATE EXTENSION.
--
\pset format unaligned
\pset tuples_only

-- All there is of the extension, by name: a line for each property.
CREATE FUNCTION described() RETURNS SETOF text LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
	WITH extension AS (SELECT * FROM pg_extension WHERE extname = 'clarify_cache'),
	members AS (SELECT d.classid, d.objid FROM pg_depend d, extension e
		WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'),
	relations AS (SELECT c.* FROM pg_class c JOIN members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid)
	SELECT concat_ws(' ', 'extension', extversion, extconfig::regclass[], extcondition, extrelocatable) FROM extension
	UNION ALL
	SELECT concat_ws(' ', 'member', pg_describe_object(classid, objid, 0),
		'comment', obj_description(objid, classid::regclass::name),
		'first granted', (SELECT p.initprivs::text FROM pg_init_privs p
			WHERE p.classoid = classid AND p.objoid = objid AND p.objsubid = 0)) FROM members
	UNION ALL
	SELECT concat_ws(' ', 'relation', relname, relkind, relpersistence, relreplident, relrowsecurity, relacl, reloptions,
		(SELECT amname FROM pg_am a WHERE a.oid = relam), CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) END) FROM relations
	UNION ALL
	SELECT concat_ws(' ', 'column', r.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
		a.attstorage, pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum))
	FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0
		LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	UNION ALL
	SELECT concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), i.indisprimary)
	FROM relations r JOIN pg_index i ON i.indrelid = r.oid
	UNION ALL
	SELECT concat_ws(' ', 'constraint', r.relname, c.conname, pg_get_constraintdef(c.oid))
	FROM relations r JOIN pg_constraint c ON c.conrelid = r.oid
	UNION ALL
	SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(t.oid), t.tgenabled)
	FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid
	UNION ALL
	SELECT concat_ws(' ', 'function', pg_get_functiondef(p.oid), p.proacl)
	FROM pg_proc p JOIN members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
	UNION ALL
	SELECT concat_ws(' ', 'event trigger', evtname, evtevent, evtenabled, evtfoid::regproc, evttags)
	FROM pg_event_trigger WHERE evtname ~ 'clarify_cache'
	UNION ALL
	SELECT concat_ws(' ', 'schema', nspname, nspacl, obj_description(oid, 'pg_namespace'))
	FROM pg_namespace WHERE nspname = 'clarify_cache'
$$;

-- What is installed says that it is of that version.
CREATE FUNCTION pretend(version text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pg_extension SET extversion = version WHERE extname = 'clarify_cache';
	ALTER TABLE clarify_cache.version SET (vacuum_truncate = off);
END $$;

CREATE FUNCTION managed() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT attempt(command) FROM unnest(ARRAY[
		'SELECT clarify_cache.attach(''users'', ''id'')',
		'SELECT clarify_cache.detach(''users'')',
		'SELECT clarify_cache.repair()',
		'SELECT clarify_cache.add_section(''more'', ''SELECT name FROM users WHERE id = $1'')',
		'SELECT clarify_cache.drop_section(''user'')',
		'SELECT clarify_cache.compact()']) command
$$;

-- Back to 1.0: the same objects as that version's own.
CREATE FUNCTION back_to_1_0() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pretend('1.0');
	ALTER EXTENSION clarify_cache DROP TABLE clarify_cache.witness;
	DROP TABLE clarify_cache.witness;
END $$;
SELECT back_to_1_0();
CREATE TABLE description AS SELECT described() AS line;
DROP EXTENSION clarify_cache;
CREATE EXTENSION clarify_cache VERSION '1.0';
SELECT count(*) > 100 AS has_lines FROM description;
(TABLE description EXCEPT SELECT described()) UNION ALL (SELECT described() EXCEPT TABLE description);

-- Fresh and upgraded, there is no difference.
ALTER EXTENSION clarify_cache UPDATE;
DELETE FROM description;
INSERT INTO description SELECT described();
DROP EXTENSION clarify_cache;
CREATE EXTENSION clarify_cache;
SELECT count(*) > 100 AS has_lines FROM description;
(TABLE description EXCEPT SELECT described()) UNION ALL (SELECT described() EXCEPT TABLE description);
SELECT extversion FROM pg_extension WHERE extname = 'clarify_cache';

-- Nobody writes the table that was added.
SELECT attempt('INSERT INTO clarify_cache.witness VALUES (''users''::regclass, 1, 1)');
SELECT attempt('TRUNCATE clarify_cache.witness');
SELECT attempt('ALTER TABLE clarify_cache.witness RENAME TO other');

-- The objects are older.
SELECT clarify_cache.setup();
SELECT look(u(17)), look(u(19)), look(u(20));
SELECT look(u(17)), look(u(19)), look(u(20));
SELECT back_to_1_0();
SELECT look(u(17));
SELECT DISTINCT served_from, reason FROM clarify_cache.explain(u(17));
SELECT DISTINCT cacheable, reason FROM clarify_cache.sections;
SELECT count(*), how FROM managed() how GROUP BY how;
-- Writers, DDL and invalidate() go on, in one transaction and another.
UPDATE dreams SET title = title || ', in between' WHERE user_id = u(17);
BEGIN;
UPDATE reflections SET created_at = created_at + interval '1 second' WHERE user_id = u(19);
SAVEPOINT s;
UPDATE users SET name = 'nobody' WHERE id = u(19);
ROLLBACK TO s;
COMMIT;
SELECT clarify_cache.invalidate(u(20));
CREATE TABLE other ();
ALTER TABLE clarify_patterns ADD COLUMN added int;
DROP TABLE other;
SELECT look(u(17)), look(u(19));
-- Upgraded, with what was written meanwhile.
ALTER EXTENSION clarify_cache UPDATE;
SELECT clarify_cache.repair();
SELECT look(u(17));
SELECT look(u(19));
SELECT look(u(20));
SELECT look(u(17)), look(u(19)), look(u(20));

-- The objects are newer: the same with the other remedy.
SELECT pretend('1.10');
SELECT look(u(17));
SELECT DISTINCT served_from, reason FROM clarify_cache.explain(u(17));
SELECT count(*), how FROM managed() how GROUP BY how;
UPDATE dreams SET title = title || ', again' WHERE user_id = u(17);
SELECT look(u(17));
SELECT pretend('1.1');
SELECT look(u(17));
SELECT look(u(17));

-- An upgrade that is rolled back
SELECT back_to_1_0();
BEGIN;
ALTER EXTENSION clarify_cache UPDATE;
ROLLBACK;
SELECT look(u(17));
SELECT split_part(attempt('SELECT clarify_cache.repair()'), E'\n', 1);
BEGIN;
SAVEPOINT s;
ALTER EXTENSION clarify_cache UPDATE;
ROLLBACK TO s;
UPDATE dreams SET title = title || ', afterwards' WHERE user_id = u(17);
COMMIT;
ALTER EXTENSION clarify_cache UPDATE;
SELECT clarify_cache.repair();
SELECT look(u(17));
SELECT look(u(17));

ALTER TABLE clarify_patterns DROP COLUMN added;
SELECT clear();
SELECT installed();
DROP TABLE description;
DROP FUNCTION described, pretend, managed, back_to_1_0;
