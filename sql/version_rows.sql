--
-- One row of clarify_cache.version has a user's tokens of all tables: what changes
-- in one table changes no version of another, detach() takes a table's tokens and
-- leaves the others, and a user of more tables than a row has room for has several
-- rows.
--
-- (Who writes has the cache off when it commits, so that nothing is taken from
-- Redis: what is outdated must be so by its version.)
--
\pset format unaligned
\pset tuples_only
CREATE FUNCTION plain_some(person uuid) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT '{' || string_agg(btrim(plain_rows('t' || n, format('SELECT body FROM t%s WHERE user_id = $1', n), person), '{}'), ',' ORDER BY n)
		|| ',' || btrim(plain_rows('both', 'SELECT t1.body, t2.body AS other FROM t1, t2 WHERE t1.user_id = $1 AND t2.user_id = $1', person), '{}') || '}'
	FROM unnest('{1,2,64,65,70}'::int[]) n
$$;
CREATE FUNCTION look_at(n int) RETURNS text LANGUAGE sql AS $$ SELECT look(u(n), plain => 'plain_some($1)') $$;
\set ECHO none
SELECT format('CREATE TABLE t%s (user_id uuid, body text)', n) FROM generate_series(1, 70) n \gexec
SELECT clarify_cache.attach(('t' || n)::regclass) FROM generate_series(1, 70) n \g /dev/null
SELECT clarify_cache.add_section('t' || n, format('SELECT body FROM t%s WHERE user_id = $1', n))
FROM unnest('{1,2,64,65,70}'::int[]) n \g /dev/null
SELECT clarify_cache.add_section('both', 'SELECT t1.body, t2.body AS other FROM t1, t2 WHERE t1.user_id = $1 AND t2.user_id = $1') \g /dev/null
CREATE PROCEDURE change(what text, first int, last int) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN first .. last LOOP
		EXECUTE format(what, n);
	END LOOP;
END $$;
\set ECHO all
-- How many tables each of the users' rows has tokens of; each table is in a row once.
CREATE FUNCTION rows_of_users() RETURNS TABLE (tables int, tokens int, different bigint) LANGUAGE sql AS $$
	SELECT cardinality(tables), cardinality(tokens), (SELECT count(DISTINCT t) FROM unnest(tables) t)
	FROM clarify_cache.version WHERE kind = 'u' ORDER BY 1
$$;

-- Two users, in one transaction, the tables in turn
SET clarify_cache.enabled = off;
BEGIN;
CALL change('INSERT INTO t%s VALUES (u(1), ''one'')', 1, 2);
CALL change('INSERT INTO t%s VALUES (u(2), ''two'')', 1, 3);
CALL change('INSERT INTO t%s VALUES (u(1), ''one'')', 64, 64);
COMMIT;
RESET clarify_cache.enabled;
SELECT * FROM rows_of_users();
SELECT look_at(1), look_at(2);

-- One table's token is changed in place, and another table added.
SET clarify_cache.enabled = off;
UPDATE t2 SET body = 'changed' WHERE user_id = u(1);
INSERT INTO t65 VALUES (u(1), 'one');
RESET clarify_cache.enabled;
SELECT * FROM rows_of_users();
SELECT look_at(1), look_at(2);

-- Two tables that a section reads, in one transaction: their tokens differ.
SET clarify_cache.enabled = off;
BEGIN;
CALL change('UPDATE t%s SET body = body || '' in both'' WHERE user_id = u(1)', 1, 2);
COMMIT;
RESET clarify_cache.enabled;
SELECT look_at(1), look_at(2);
SELECT look_at(1), look_at(2);

-- detach() leaves the other tables' tokens: their entries stay.
SELECT clarify_cache.detach('t3');
SELECT clarify_cache.detach('t4');
SELECT * FROM rows_of_users();
SELECT look_at(1), look_at(2);
-- A row goes with its last token; so do a dropped table's.
INSERT INTO t5 VALUES (u(3), 'three');
SELECT * FROM rows_of_users();
DROP TABLE t5;
SELECT * FROM rows_of_users();
SELECT look_at(1), look_at(2);
SELECT clarify_cache.attach('t3'), clarify_cache.attach('t4');
-- Detached and attached, the table has other versions.
SELECT clarify_cache.detach('t1'), clarify_cache.attach('t1');
SELECT look_at(1), look_at(2);
SELECT look_at(1), look_at(2);

-- More tables than there is room for
DO $$ BEGIN CREATE TABLE t5 (user_id uuid, body text); PERFORM clarify_cache.attach('t5'); END $$;
SET clarify_cache.enabled = off;
BEGIN;
CALL change('INSERT INTO t%s VALUES (u(4), ''four'')', 1, 70);
COMMIT;
RESET clarify_cache.enabled;
SELECT * FROM rows_of_users() WHERE tables > 5;
SELECT look_at(4);
SET clarify_cache.enabled = off;
BEGIN;
CALL change('UPDATE t%s SET body = body || ''!'' WHERE user_id = u(4)', 60, 70);
COMMIT;
RESET clarify_cache.enabled;
SELECT * FROM rows_of_users() WHERE tables > 5;
SELECT look_at(4);
SELECT look_at(4);
-- Row by row above READ COMMITTED; compact() makes as few of them as hold all.
SET clarify_cache.enabled = off;
SET default_transaction_isolation = 'repeatable read';
BEGIN;
CALL change('INSERT INTO t%s VALUES (u(4), ''again'')', 1, 70);
COMMIT;
BEGIN;
CALL change('INSERT INTO t%s VALUES (u(4), ''and again'')', 1, 70);
COMMIT;
UPDATE t70 SET body = 'last' WHERE user_id = u(4);
RESET default_transaction_isolation;
RESET clarify_cache.enabled;
SELECT look_at(4);
SELECT look_at(4);
SELECT * FROM rows_of_users();
SELECT clarify_cache.compact() > 0;
SELECT * FROM rows_of_users();
SELECT look_at(1), look_at(2), look_at(4);
SELECT clarify_cache.compact();

-- Sets of tables that no row can have all of: a full row takes those that it has, so
-- that rows stay few.
SET clarify_cache.enabled = off;
CREATE PROCEDURE change_two(first int, second int) LANGUAGE plpgsql AS $$
BEGIN
	CALL change('INSERT INTO t%s VALUES (u(4), ''by turns'')', first, first + 24);
	CALL change('INSERT INTO t%s VALUES (u(4), ''by turns'')', second, second + 24);
	COMMIT;
END $$;
DO $$ BEGIN
	FOR i IN 1 .. 5 LOOP
		CALL change_two(1, 46);
		CALL change_two(20, 46);
		CALL change_two(1, 26);
	END LOOP;
END $$;
RESET clarify_cache.enabled;
SELECT * FROM rows_of_users();
SELECT look_at(4);
SELECT look_at(4);
-- The same above READ COMMITTED, and folded; no more is done where there is nothing to fold.
SET clarify_cache.enabled = off;
SET default_transaction_isolation = 'repeatable read';
CALL change_two(1, 46);
CALL change_two(20, 46);
CALL change_two(1, 26);
RESET default_transaction_isolation;
RESET clarify_cache.enabled;
SELECT look_at(4);
SELECT clarify_cache.compact() > 0;
SELECT * FROM rows_of_users();
SELECT look_at(4);
SELECT string_agg(ctid::text, ' ' ORDER BY ctid) AS places FROM clarify_cache.version WHERE kind = 'u' \gset
SELECT clarify_cache.compact();
SELECT string_agg(ctid::text, ' ' ORDER BY ctid) = :'places' FROM clarify_cache.version WHERE kind = 'u';

-- Bumps of many tables
SET clarify_cache.enabled = off;
BEGIN;
CALL change('TRUNCATE t%s', 60, 65);
COMMIT;
RESET clarify_cache.enabled;
SELECT look_at(1), look_at(4);
SELECT look_at(1), look_at(4);
SET clarify_cache.enabled = off;
BEGIN;
CALL change('TRUNCATE t%s', 1, 2);
COMMIT;
RESET clarify_cache.enabled;
SELECT look_at(1), look_at(4);
SET clarify_cache.enabled = off;
SELECT clarify_cache.invalidate_all();
RESET clarify_cache.enabled;
SELECT look_at(1), look_at(4);
SELECT look_at(1), look_at(4);

-- A column that somebody has added, and a row made by hand: that user's contexts are
-- built, nothing fails, and writers add rows of their own.
CREATE TEMP TABLE saved AS SELECT * FROM clarify_cache.version WHERE kind = 'u' AND cardinality(tables) = 3;
ALTER EXTENSION clarify_cache DROP TABLE clarify_cache.version;
ALTER TABLE clarify_cache.version DISABLE TRIGGER guard_row;
ALTER TABLE clarify_cache.version ADD COLUMN other text;
CREATE PROCEDURE put(tables text, tokens text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('UPDATE clarify_cache.version SET tables = %s, tokens = %s WHERE key_hash = (SELECT key_hash FROM saved)', tables, tokens);
	COMMIT;
	RAISE NOTICE '%', look_at(1);
	INSERT INTO t1 VALUES (u(1), 'by hand');
END $$;
CALL put('tables', '''{}''');
CALL put('''{1,2}''', '''{1}''');
CALL put('''{{1,2}}''', '''{{1,2}}''');
CALL put('''{1,2}''', '''{1,NULL}''');
CALL put('(SELECT array_agg(n) FROM generate_series(1, 65) n)', '(SELECT array_agg(n) FROM generate_series(1, 65) n)');
SELECT count(*) FROM clarify_cache.version WHERE key_hash = (SELECT key_hash FROM saved);
SELECT DISTINCT served_from, reason FROM clarify_cache.explain(u(1));
SELECT look_at(2);
SELECT clarify_cache.compact();
SELECT clarify_cache.detach('t6');
DELETE FROM clarify_cache.version WHERE key_hash = (SELECT key_hash FROM saved);
INSERT INTO clarify_cache.version SELECT * FROM saved;
SELECT count(*) > 1 AS rows, count(other) AS others FROM clarify_cache.version;
ALTER TABLE clarify_cache.version DROP COLUMN other;

-- Pages of another access method are not read: contexts are built, writers add rows.
SELECT look_at(2);
CREATE ACCESS METHOD other_heap TYPE TABLE HANDLER heap_tableam_handler;
ALTER TABLE clarify_cache.version SET ACCESS METHOD other_heap;
SELECT look_at(2);
SELECT count(*) AS rows_of_users FROM clarify_cache.version WHERE kind = 'u' \gset
INSERT INTO t1 VALUES (u(2), 'other heap');
SELECT count(*) - :rows_of_users AS added FROM clarify_cache.version WHERE kind = 'u';
SELECT look_at(2);
ALTER TABLE clarify_cache.version SET ACCESS METHOD heap;
DROP ACCESS METHOD other_heap;
SELECT look_at(2);
SELECT look_at(2);
ALTER TABLE clarify_cache.version ENABLE ALWAYS TRIGGER guard_row;
ALTER EXTENSION clarify_cache ADD TABLE clarify_cache.version;
SELECT clarify_cache.invalidate(u(1));
SELECT look_at(1);
SELECT look_at(1);

SELECT clear();
SELECT count(*) FROM rows_of_users();
\set ECHO none
SELECT format('DROP TABLE t%s', n) FROM generate_series(1, 70) n \gexec
\set ECHO all
DROP PROCEDURE change, change_two, put;
DROP FUNCTION plain_some, look_at, rows_of_users;
