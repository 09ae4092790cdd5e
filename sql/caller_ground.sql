--
-- What a session keeps of other people's functions (in its relation cache of an
-- index, of a domain's constraint, of an expression in PL/pgSQL) is made under the
-- caller's settings, never under those that a section is built under: else later
-- plain queries of the session would go by it, and indexes for good.  And what
-- policies show is what they show in a plain query.
--
\pset format unaligned
\pset tuples_only
CREATE TABLE ground (id int PRIMARY KEY, user_id uuid, at timestamptz);
SET TimeZone = 'America/New_York';
-- by New York's time, item 2 is of 2025; by UTC it is not
INSERT INTO ground VALUES (1, u(1), '2026-02-01'), (2, u(1), '2025-12-31 22:00'), (3, u(1), '2026-02-01');
INSERT INTO ground SELECT n, u(2), '2020-01-01' FROM generate_series(100, 4000) n;
CREATE FUNCTION this_year(timestamptz) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT $1 >= '2026-01-01' $$;
CREATE INDEX ground_this_year ON ground (user_id) WHERE this_year(at);
ANALYZE ground;
SELECT clarify_cache.attach('ground');
SELECT clarify_cache.add_section('ground', 'SELECT id FROM ground WHERE user_id = $1 AND at >= ''2026-01-01 00:00+00'' ORDER BY id');
CREATE FUNCTION plain_query() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(id::text, ' ' ORDER BY id) FROM ground WHERE user_id = u(1) AND at >= '2026-01-01 00:00+00'
$$;

-- An index' predicate
\c -
SET TimeZone = 'America/New_York';
SELECT plain_query();
\c -
SET TimeZone = 'America/New_York';
SELECT clarify_context(u(1));
SELECT plain_query();
-- what is written then is in the index
INSERT INTO ground VALUES (4, u(1), '2026-01-01 03:00');
DELETE FROM ground WHERE id = 4;
DROP INDEX ground_this_year;
\c -
SET TimeZone = 'Asia/Tokyo';
CREATE INDEX ground_this_year ON ground (user_id) WHERE this_year(at);
\c -
SET TimeZone = 'Asia/Tokyo';
SELECT clarify_cache.invalidate_all();
SELECT clarify_context(u(1));
INSERT INTO ground VALUES (5, u(1), '2026-01-01 03:00');	-- by Tokyo's time
SET clarify_cache.enabled = off;
SELECT clarify_context(u(1));
INSERT INTO ground VALUES (6, u(1), '2026-01-01 04:00');
\c -
SET TimeZone = 'Asia/Tokyo';
SET enable_seqscan = off;
SELECT string_agg(id::text, ' ' ORDER BY id) FROM ground WHERE user_id = u(1) AND this_year(at);
RESET enable_seqscan;

-- A policy, and what PL/pgSQL keeps of an expression
CREATE ROLE regress_ground;
GRANT SELECT ON ground TO regress_ground;
CREATE FUNCTION shown(at timestamptz) RETURNS bool LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN at >= '2026-01-01'; END $$;
CREATE POLICY shown ON ground USING (shown(at));
ALTER TABLE ground ENABLE ROW LEVEL SECURITY;
\c -
SET TimeZone = 'America/New_York';
SET ROLE regress_ground;
SELECT plain_query();
\c -
SET TimeZone = 'America/New_York';
SET ROLE regress_ground;
SELECT clarify_context(u(1));
SELECT plain_query();
\c -
SET TimeZone = 'America/New_York';
SET clarify_cache.enabled = off;
SET ROLE regress_ground;
SELECT clarify_context(u(1));
SELECT plain_query();
RESET ROLE;
-- one without a function of anybody's
ALTER POLICY shown ON ground USING (at::date >= '2026-01-01');
\c -
SET TimeZone = 'America/New_York';
SET ROLE regress_ground;
SELECT clarify_context(u(1));
SELECT plain_query();
RESET ROLE;

-- A domain's constraint
CREATE DOMAIN year_2026 AS timestamptz CHECK (this_year(value));
CREATE TABLE of_this_year (at year_2026);
ALTER POLICY shown ON ground USING (id = 5 OR (at + interval '1 year')::year_2026 IS NOT NULL);
\c -
SET TimeZone = 'America/New_York';
SET ROLE regress_ground;
SELECT clarify_context(u(1)) IS NOT NULL;
RESET ROLE;
SELECT attempt('INSERT INTO of_this_year VALUES (''2025-12-31 22:00'')');

-- Statistics are evaluated each time, so their table's sections are not cached: but
-- under the settings of the caller.
DROP POLICY shown ON ground;
ALTER TABLE ground DISABLE ROW LEVEL SECURITY;
DROP INDEX ground_this_year;
CREATE SCHEMA regress_own;
CREATE FUNCTION regress_own.inner_one(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
SET search_path = regress_own, public;
CREATE FUNCTION regress_own.outer_one(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT inner_one($1)';
CREATE STATISTICS ground_statistics ON (regress_own.outer_one(id)), user_id FROM ground;
ANALYZE ground;
SELECT section, served_from, reason FROM clarify_cache.explain(u(1));
SELECT reason FROM clarify_cache.sections;
DROP STATISTICS ground_statistics;
-- and an index with such a function, whose definition changes under a session
CREATE INDEX ground_outer ON ground (user_id) WHERE regress_own.outer_one(id) > 0;
SELECT CASE WHEN served_from IN ('local', 'redis') THEN 'hit' ELSE served_from END, reason FROM clarify_cache.explain(u(1));
SELECT CASE WHEN served_from IN ('local', 'redis') THEN 'hit' ELSE served_from END, reason FROM clarify_cache.explain(u(1));
ALTER INDEX ground_outer SET (fillfactor = 60);
SELECT clarify_cache.invalidate_all();
SELECT CASE WHEN served_from IN ('local', 'redis') THEN 'hit' ELSE served_from END, reason FROM clarify_cache.explain(u(1));
SELECT CASE WHEN served_from IN ('local', 'redis') THEN 'hit' ELSE served_from END, reason FROM clarify_cache.explain(u(1));
RESET search_path;

-- DDL that would keep changes from being recorded, for a moment even, is refused.
SELECT attempt('ALTER TABLE clarify_cache.instance ALTER secret DROP NOT NULL');
SELECT attempt('ALTER TABLE clarify_cache.version RENAME COLUMN tokens TO other');
SELECT attempt('ALTER TABLE clarify_cache.section ALTER ttl TYPE text');
SELECT attempt('ALTER TABLE clarify_cache.version ADD COLUMN other int');
ALTER TABLE clarify_cache.version DROP COLUMN other;
SELECT CASE WHEN served_from IN ('local', 'redis') THEN 'hit' ELSE served_from END, reason FROM clarify_cache.explain(u(1));

SELECT clear();
DROP TABLE ground, of_this_year;
DROP DOMAIN year_2026;
DROP FUNCTION plain_query, this_year, shown;
DROP SCHEMA regress_own CASCADE;
DROP OWNED BY regress_ground;
DROP ROLE regress_ground;
