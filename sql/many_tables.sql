--
-- One transaction that changes many tables, each of many users' or as a whole:
-- what it has changed is built until the commit, and outdated by it, and the rest
-- stays.
--
-- (Who writes has the cache off when it commits, so that nothing is taken from
-- Redis: what is outdated must be so by its version.)
--
\pset format unaligned
\pset tuples_only
CREATE FUNCTION plain_all(person uuid) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT '{' || string_agg(btrim(plain_rows('t' || n, format('SELECT body FROM t%s WHERE user_id = $1', n), person), '{}'), ',' ORDER BY n) || '}'
	FROM generate_series(1, 20) n
$$;
\set ECHO none
SELECT format('CREATE TABLE t%s AS SELECT u(p) AS user_id, ''person '' || p AS body FROM generate_series(1, 20) p', n)
FROM generate_series(1, 20) n \gexec
SELECT clarify_cache.attach(('t' || n)::regclass) FROM generate_series(1, 20) n \g /dev/null
SELECT clarify_cache.add_section('t' || n, format('SELECT body FROM t%s WHERE user_id = $1', n))
FROM generate_series(1, 20) n \g /dev/null
CREATE PROCEDURE change(what text, tables int[]) LANGUAGE plpgsql AS $$
DECLARE
	n int;
BEGIN
	FOREACH n IN ARRAY tables LOOP
		EXECUTE format(what, n);
	END LOOP;
END $$;
\set ECHO all
SELECT look(u(1), plain => 'plain_all($1)');
SELECT look(u(1), plain => 'plain_all($1)');
SELECT look(u(2), plain => 'plain_all($1)');

-- one user in all of them, in some of them, backwards and several times
SET clarify_cache.enabled = off;
CALL change('UPDATE t%s SET body = body || ''!'' WHERE user_id = u(1)', '{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20}');
RESET clarify_cache.enabled;
SELECT look(u(1), plain => 'plain_all($1)');
SELECT look(u(1), plain => 'plain_all($1)');
SELECT look(u(2), plain => 'plain_all($1)');
BEGIN;
CALL change('UPDATE t%s SET body = body || ''?'' WHERE user_id = u(1)', '{20,18,16,14,12,10,8,6,4,20,4,1,8}');
SELECT look(u(1), plain => 'plain_all($1)');
SELECT look(u(2), plain => 'plain_all($1)');
SET LOCAL clarify_cache.enabled = off;
COMMIT;
SELECT look(u(1), plain => 'plain_all($1)');
SELECT look(u(1), plain => 'plain_all($1)');
SELECT look(u(2), plain => 'plain_all($1)');

-- all users of some, one of others, some as a whole
BEGIN;
CALL change('UPDATE t%s SET body = body || ''.''', '{1,5,9}');
CALL change('UPDATE t%s SET body = body || '','' WHERE user_id = u(2)', '{1,2,3,13,14,15,16,17}');
CALL change('TRUNCATE t%s', '{3,4,20}');
CALL change('DELETE FROM t%s WHERE user_id = u(1)', '{19,20,9}');
CALL change('INSERT INTO t%s VALUES (u(1), ''new''), (u(2), ''new, too'')', '{3,11}');
SET LOCAL clarify_cache.enabled = off;
COMMIT;
SELECT look(u(1), plain => 'plain_all($1)');
SELECT look(u(2), plain => 'plain_all($1)');
SELECT look(u(1), plain => 'plain_all($1)');
SELECT look(u(2), plain => 'plain_all($1)');

-- A user's change after one of everybody adds nothing, and takes nothing away.
BEGIN;
SELECT clarify_cache.invalidate_all();
SELECT clarify_cache.invalidate(u(1));
UPDATE t7 SET body = body || '-' WHERE user_id = u(1);
SET LOCAL clarify_cache.enabled = off;
COMMIT;
SELECT look(u(1), plain => 'plain_all($1)');
SELECT look(u(2), plain => 'plain_all($1)');
SELECT look(u(2), plain => 'plain_all($1)');
BEGIN;
SELECT clarify_cache.invalidate(u(1));
SELECT clarify_cache.invalidate_all();
SET LOCAL clarify_cache.enabled = off;
COMMIT;
SELECT look(u(2), plain => 'plain_all($1)');

-- Rolled back, all of it is as it was.
SELECT look(u(1), plain => 'plain_all($1)');
BEGIN;
CALL change('TRUNCATE t%s', '{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20}');
SELECT look(u(1), plain => 'plain_all($1)');
ROLLBACK;
SELECT look(u(1), plain => 'plain_all($1)');

SELECT clear();
\set ECHO none
SELECT format('DROP TABLE t%s', n) FROM generate_series(1, 20) n \gexec
\set ECHO all
DROP PROCEDURE change;
DROP FUNCTION plain_all;
