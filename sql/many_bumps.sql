--
-- More rows about a table as a whole than a reader looks at: every call builds,
-- DDL assumes the worst, and compact() puts it right.  (Writers above READ
-- COMMITTED leave a row each.)  And no index on clarify_cache.version at all,
-- which comes to the same.
--
\pset format unaligned
\pset tuples_only
CREATE TABLE things (id int, user_id uuid, body text);
CREATE TABLE others (id int, user_id uuid);
INSERT INTO things VALUES (1, u(15), 'one');
SELECT clarify_cache.attach('things');
SELECT clarify_cache.attach('others');
SELECT clarify_cache.add_section('things', 'SELECT id, body FROM things WHERE user_id = $1 ORDER BY id');
\set plain '$$plain_rows(''things'', ''SELECT id, body FROM things WHERE user_id = $1 ORDER BY id'', $1)$$'
SELECT look(u(15), plain => :plain);
SELECT look(u(15), plain => :plain);
CREATE FUNCTION rows_of(OUT kind "char", OUT n bigint) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT kind, count(*) FROM clarify_cache.version WHERE 'things'::regclass = ANY (tables) AND key_hash = 0
	GROUP BY kind ORDER BY kind
$$;

CREATE PROCEDURE bump_often(n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. n LOOP
		PERFORM clarify_cache.invalidate_all();
		COMMIT;
	END LOOP;
END $$;
SET default_transaction_isolation = 'repeatable read';
CALL bump_often(2050);
RESET default_transaction_isolation;
SELECT * FROM rows_of();

-- Nobody looks through them.
SELECT look(u(15), plain => :plain);
SELECT served_from, reason FROM clarify_cache.explain(u(15));
SELECT cacheable, reason FROM clarify_cache.sections;
-- A change that passes unseen leaves its hole all the same.
ALTER TABLE things DISABLE TRIGGER USER;
UPDATE things SET body = 'unseen';
SELECT * FROM rows_of();
SELECT look(u(15), plain => :plain);

-- compact() folds a thousand rows into one at a time.  (The dead ones count until
-- they are removed.)
SELECT clarify_cache.compact() >= 2047;
VACUUM clarify_cache.version;
SELECT * FROM rows_of();
SELECT look(u(15), plain => :plain);
SELECT served_from, reason FROM clarify_cache.explain(u(15));
SELECT cacheable, reason FROM clarify_cache.sections;
SELECT clarify_cache.compact() > 0;
SELECT clarify_cache.compact();
SELECT * FROM rows_of();
SELECT clarify_cache.repair();
SELECT look(u(15), plain => :plain);
SELECT look(u(15), plain => :plain);

-- Without the index: readers build, writers add rows, nobody fails.
SELECT pg_get_indexdef('clarify_cache.version_key'::regclass) AS index \gset
DROP INDEX clarify_cache.version_key;
SELECT look(u(15), plain => :plain);
UPDATE things SET body = 'without an index';
UPDATE things SET body = 'without an index, again';
SELECT look(u(15), plain => :plain);
SELECT cacheable, reason FROM clarify_cache.sections;
SELECT clarify_cache.compact();
ALTER TABLE others DISABLE TRIGGER USER;
SELECT clarify_cache.repair();
SELECT kind, count(*) FROM clarify_cache.version WHERE 'others'::regclass = ANY (tables) AND kind IN ('c', 'h') GROUP BY kind;
SELECT clarify_cache.detach('others');
SELECT count(*) FROM clarify_cache.version WHERE 'others'::regclass = ANY (tables);
:index;
SELECT look(u(15), plain => :plain);
SELECT look(u(15), plain => :plain);
SELECT cacheable, reason FROM clarify_cache.sections;

SELECT clear();
DROP TABLE things, others;
DROP PROCEDURE bump_often;
DROP FUNCTION rows_of;
