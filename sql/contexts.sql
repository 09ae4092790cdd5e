--
-- clarify_contexts() and warm(): many users at once are what each of them is
-- alone, in the order of the ids, however often they come; and are built, kept
-- and refused as one is.
--
\pset format unaligned
\pset tuples_only
-- of people whom the tests before have left as they were
SELECT attempt('SELECT count(*) FROM clarify_contexts(ARRAY[u(11)])');
SELECT clarify_cache.setup();

-- ids(n, m, …) are the users of these numbers, NULL for NULL
CREATE FUNCTION ids(VARIADIC n int[]) RETURNS uuid[] LANGUAGE sql STABLE AS
$$ SELECT array_agg(u(i) ORDER BY o) FROM unnest(n) WITH ORDINALITY AS t (i, o) $$;

-- Ask for these users: are all rows those of the ids, in their order, each with
-- what plain queries give?  And where did it come from?
CREATE FUNCTION look_at(people uuid[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before clarify_cache.stats;
	after clarify_cache.stats;
	exact text;
BEGIN
	SELECT * INTO before FROM clarify_cache.stats WHERE section = 'user';
	SELECT format('%s of %s exact', count(*) FILTER (WHERE c.user_id IS NOT DISTINCT FROM p.id
				AND c.context::text IS NOT DISTINCT FROM plain_context(p.id)), count(*))
		INTO exact
		FROM (SELECT id, row_number() OVER () AS n FROM unnest(people) id) p
			FULL JOIN (SELECT *, row_number() OVER () AS n FROM clarify_contexts(people)) c USING (n);
	SELECT * INTO after FROM clarify_cache.stats WHERE section = 'user';
	RETURN format('%s; of the first section %s hits, %s builds, %s bypasses, %s fills', exact,
		after.local_hits + after.redis_hits - before.local_hits - before.redis_hits,
		after.builds - before.builds, after.bypasses - before.bypasses, after.fills - before.fills);
END $$;

-- built, then hit; in another order; with some more
SELECT look_at(ids(11, 12, 13));
SELECT look_at(ids(11, 12, 13));
SELECT look_at(ids(13, 11, 12));
SELECT look_at(ids(15, 13, 14, 11));
SELECT n, look(u(n)) FROM generate_series(11, 15) n;
-- what clarify_context() has built, and nobody else
SELECT look(u(16));
SELECT look_at(ids(16, 11));
-- two columns
SELECT user_id = u(12), context ->> 'user' = clarify_context(u(12)) ->> 'user', json_typeof(context) FROM clarify_contexts(ids(12));
SELECT pg_typeof(user_id), pg_typeof(context) FROM clarify_contexts(ids(12));

-- the same ones again and again
SELECT look_at(ids(12, 12, 11, 12, 11, 11));
SELECT look_at(ids(17, 17));
SELECT look_at(ids(17, 17));
-- no array, no element, no id
SELECT count(*) FROM clarify_contexts(NULL);
SELECT count(*) FROM clarify_contexts('{}');
SELECT look_at(ids(NULL));
SELECT look_at(ids(11, NULL, 12, NULL, NULL, 18));
SELECT user_id IS NULL, context IS NULL FROM clarify_contexts(ids(NULL, 11));
-- unknown users
SELECT look_at(ids(0, 1001, 11));
SELECT look_at(ids(0, 1001, 11));
SELECT context FROM clarify_contexts(ids(0));
-- two dimensions, and a lower bound that is not 1
SELECT look_at(ARRAY[ids(11, 12, 13), ids(14, 15, 16)]);
SELECT look_at(('[5:6]=' || ids(11, 12)::text)::uuid[]);
-- not an array of uuids
SELECT attempt('SELECT count(*) FROM clarify_contexts(''{x}'')');
SELECT attempt('SELECT count(*) FROM clarify_contexts(''{1,2}''::int[])');

-- 250 ids, which are three batches; 100 and 101, which are one and two; and a
-- batch of nothing but NULLs in the middle
SELECT look_at((SELECT array_agg(u(2000 + n) ORDER BY n) FROM generate_series(1, 250) n));
SELECT look_at((SELECT array_agg(u(2000 + n) ORDER BY n) FROM generate_series(1, 250) n));
SELECT look_at((SELECT array_agg(u(1 + n % 20) ORDER BY n) FROM generate_series(1, 250) n));
SELECT look_at((SELECT array_agg(u(2000 + n) ORDER BY n) FROM generate_series(1, 100) n));
SELECT look_at((SELECT array_agg(u(2000 + n) ORDER BY n DESC) FROM generate_series(1, 101) n));
SELECT look_at((SELECT array_agg(CASE WHEN n <= 100 OR n > 200 THEN u(11 + n % 3) END ORDER BY n) FROM generate_series(1, 250) n));
-- the same as one by one
SELECT bool_and(context::text = clarify_context(user_id)::text) FROM clarify_contexts((SELECT array_agg(id) FROM users));

-- changes of one of them; of all
UPDATE users SET name = 'Changed' WHERE id = u(12);
SELECT look_at(ids(11, 12, 13));
SELECT look_at(ids(11, 12, 13));
SELECT clarify_cache.invalidate_all();
SELECT look_at(ids(11, 12, 13));

-- in a transaction that has written: bypassed, the section that reads the table
BEGIN;
UPDATE users SET name = 'Mine' WHERE id = u(12);
SELECT look_at(ids(11, 12, 13));
SELECT look_at(ids(11, 12, 13));
ROLLBACK;
SELECT look_at(ids(11, 12, 13));
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT look_at(ids(11, 12, 13));
COMMIT;
SET clarify_cache.enabled = off;
SELECT look_at(ids(11, 12, 13));
RESET clarify_cache.enabled;

-- in a query: LATERAL, a rescan, LIMIT, a cursor, twice in one statement
SELECT count(*), bool_and(c.context::text = plain_context(c.user_id)) FROM generate_series(11, 16) n, LATERAL clarify_contexts(ids(n, n + 1)) c;
SELECT count(*) FROM (SELECT c.context FROM users u, LATERAL clarify_contexts(ARRAY[u.id]) c ORDER BY u.id LIMIT 3) t;
SELECT count(*) = (SELECT count(*) FROM users) FROM users u JOIN clarify_contexts((SELECT array_agg(id) FROM users)) c ON c.user_id = u.id AND c.context ->> 'user' IS NOT NULL;
SELECT (clarify_contexts(ids(11, 12))).user_id IN (u(11), u(12));
BEGIN;
DECLARE c CURSOR FOR SELECT user_id = u(11), context ->> 'user' LIKE '%Later%' FROM clarify_contexts(ids(11, 12));
UPDATE users SET name = 'Later' WHERE id = u(11);
FETCH ALL c;
ROLLBACK;

-- warm(): how many entries it made
SELECT clarify_cache.invalidate_all();
SELECT clarify_cache.warm(ids(11, 12, 13));
SELECT clarify_cache.warm(ids(11, 12, 13));
SELECT n, look(u(n)) FROM generate_series(11, 13) n;
SELECT clarify_cache.warm(ids(13, 14));
UPDATE dreams SET title = 'Changed' WHERE user_id = u(14);
SELECT clarify_cache.warm(ids(11, 12, 13, 14));
SELECT look(u(14));
SELECT clarify_cache.warm((SELECT array_agg(u(3000 + n)) FROM generate_series(1, 250) n));
SELECT clarify_cache.warm((SELECT array_agg(u(3000 + n)) FROM generate_series(1, 251) n));
SELECT clarify_cache.warm(NULL) IS NULL, clarify_cache.warm('{}'), clarify_cache.warm(ids(NULL, NULL));
BEGIN;
UPDATE users SET name = 'Mine';
SELECT clarify_cache.warm(ids(20));
ROLLBACK;
SELECT clarify_cache.warm(ids(20));

-- Rights: who may not read a table gets what a plain query says, for hits as
-- well; warm() is not for everybody.
CREATE ROLE regress_nobody;
CREATE ROLE regress_reader;
GRANT SELECT ON users, dreams, clarify_sessions, clarify_patterns, reflections TO regress_reader;
GRANT USAGE ON SCHEMA auth TO regress_reader, regress_nobody;
SELECT look_at(ids(11, 12));
SET ROLE regress_nobody;
SELECT attempt('SELECT count(*) FROM clarify_contexts(ids(11, 12))');
SELECT attempt('SELECT clarify_context(u(11))');
SELECT attempt('SELECT clarify_cache.warm(ids(11))');
RESET ROLE;
GRANT EXECUTE ON FUNCTION clarify_cache.warm TO regress_nobody, regress_reader;
SET ROLE regress_nobody;
SELECT attempt('SELECT clarify_cache.warm(ids(11))');
SELECT attempt('SELECT clarify_cache.warm(ids(0))');
-- row-level security: the caller's own, and built
SET ROLE regress_reader;
SELECT set_config('request.jwt.claim.sub', u(11)::text, false) = u(11)::text;
SELECT user_id = u(11), context ->> 'user' IS NULL, json_array_length(context -> 'dreams') FROM clarify_contexts(ids(11, 12));
SELECT clarify_cache.warm(ids(11, 12, 15));
SELECT look_at(ids(11, 12));
RESET ROLE;
RESET request.jwt.claim.sub;
SELECT look_at(ids(11, 12));
REVOKE EXECUTE ON FUNCTION clarify_cache.warm FROM regress_nobody, regress_reader;
REVOKE USAGE ON SCHEMA auth FROM regress_reader, regress_nobody;
REVOKE SELECT ON users, dreams, clarify_sessions, clarify_patterns, reflections FROM regress_reader;
DROP ROLE regress_nobody;
DROP ROLE regress_reader;

DROP FUNCTION look_at, ids;
SELECT clear();
