--
-- The view clarify_cache.sections, which anybody may read, looks at the tables
-- of all sections.  It keeps no lock on them: one who may not read a table could
-- keep DDL from it for as long as a transaction stays open.
--
\pset format unaligned
\pset tuples_only
SELECT clarify_cache.setup();
CREATE ROLE regress_onlooker;
CREATE FUNCTION locked() RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(DISTINCT relation::regclass::text, ', '), 'nothing') FROM pg_locks
	WHERE pid = pg_backend_pid() AND relation IN (SELECT unnest(tables) FROM clarify_cache.section)
$$;

-- in a new session, which analyses all of them
\c -
BEGIN;
SET LOCAL ROLE regress_onlooker;
SELECT attempt('SELECT FROM users');
SELECT section, cacheable FROM clarify_cache.sections;
RESET ROLE;
SELECT locked();
-- ... and when it knows them
SET LOCAL ROLE regress_onlooker;
SELECT count(*) FROM clarify_cache.sections;
RESET ROLE;
SELECT locked();
-- what was locked before stays so, also by who looks in a subtransaction
SELECT count(*) FROM dreams WHERE user_id = u(0);
SAVEPOINT s;
SELECT count(*) FROM clarify_cache.sections;
ROLLBACK TO s;
SELECT count(*) FROM clarify_cache.sections;
SELECT locked();
COMMIT;

-- where a section no longer works, too
ALTER TABLE dreams RENAME COLUMN title TO heading;
BEGIN;
SELECT section, cacheable FROM clarify_cache.sections WHERE section = 'dreams';
SELECT locked();
ROLLBACK;
ALTER TABLE dreams RENAME COLUMN heading TO title;

-- The other way round: a hit holds what a plain query would.
SELECT look(u(19));
BEGIN;
SELECT came_from(u(19));
SELECT locked();
COMMIT;

SELECT clear();
DROP FUNCTION locked;
DROP ROLE regress_onlooker;
