--
-- clarify_cache.audit_rate: that share of the hits is built again in the same
-- snapshot and compared.  What nobody may do is done here by a superuser, who
-- turns the triggers off in the catalogs: then entries are wrong, and are found.
--
\pset format unaligned
\pset tuples_only
\set SHOW_CONTEXT never
CREATE TABLE items (id int, user_id uuid, body text, n int, at timestamptz);
CREATE TABLE others (id int, user_id uuid, body text);
INSERT INTO items SELECT 10 * i + j, u(i), 'item ' || j, j, '2026-01-01 00:00+00' FROM generate_series(1, 9) i, generate_series(1, 2) j;
INSERT INTO others SELECT i, u(i), 'other ' || i FROM generate_series(1, 9) i;
SELECT clarify_cache.attach('items');
SELECT clarify_cache.attach('others');
SELECT clarify_cache.add_section('audit_items', 'SELECT id, body, n, at FROM items WHERE user_id = $1 ORDER BY id');
SELECT clarify_cache.add_section('audit_others', 'SELECT id, body FROM others WHERE user_id = $1 ORDER BY id');

CREATE TABLE seen AS SELECT * FROM clarify_cache.stats;
GRANT ALL ON seen TO PUBLIC;
-- What was counted since the last time.
CREATE FUNCTION counted_since() RETURNS TABLE (line text) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT format('%s: %s hits, %s audited, %s mismatches, %s built, %s bypassed, %s filled', s.section,
		s.local_hits + s.redis_hits - coalesce(o.local_hits + o.redis_hits, 0), s.audited - coalesce(o.audited, 0),
		s.audit_mismatches - coalesce(o.audit_mismatches, 0), s.builds - coalesce(o.builds, 0),
		s.bypasses - coalesce(o.bypasses, 0), s.fills - coalesce(o.fills, 0))
	FROM clarify_cache.stats s LEFT JOIN seen o USING (section);
	DELETE FROM seen;
	INSERT INTO seen SELECT * FROM clarify_cache.stats;
END $$;

-- off by default
SHOW clarify_cache.audit_rate;
SELECT clarify_context(u(1)) IS NOT NULL, clarify_context(u(1)) IS NOT NULL;
SELECT counted_since();

-- every hit, and what is built is none
SET clarify_cache.audit_rate = 1;
SELECT clarify_context(u(1)) IS NOT NULL, clarify_context(u(2)) IS NOT NULL, clarify_context(u(2)) IS NOT NULL;
SELECT counted_since();
-- however it is asked for
SELECT count(context) FROM clarify_contexts(ARRAY[u(1), u(2), u(3), u(1), NULL]);
SELECT counted_since();
SELECT clarify_prompt(u(1)) IS NOT NULL;
SELECT counted_since();
SELECT clarify_cache.warm(ARRAY[u(1), u(2), u(3)]);
SELECT counted_since();
SELECT section, CASE WHEN served_from IN ('local', 'redis') THEN 'hit' ELSE served_from END AS served_from, bytes, age IS NOT NULL, ttl_left IS NOT NULL
FROM clarify_cache.explain(u(1));
SELECT counted_since();
-- a share of them
SET clarify_cache.audit_rate = 0.5;
DO $$ BEGIN FOR i IN 1 .. 200 LOOP PERFORM clarify_context(u(1)); END LOOP; END $$;
SELECT s.section, s.audited - o.audited BETWEEN 60 AND 140 AS about_half, s.audit_mismatches
FROM clarify_cache.stats s JOIN seen o USING (section);
SET clarify_cache.audit_rate = 1;
SELECT count(*) FROM counted_since();

-- in a transaction with an old snapshot, which sees the rows of then
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT clarify_context(u(1)) IS NOT NULL;
SAVEPOINT a;
SELECT clarify_context(u(1)) IS NOT NULL;
ROLLBACK TO a;
DO $$ BEGIN PERFORM clarify_context(u(1)); EXCEPTION WHEN division_by_zero THEN NULL; END $$;
COMMIT;
SELECT counted_since();
-- a transaction's own changes are bypassed, so not audited
BEGIN;
UPDATE items SET body = body || '!' WHERE user_id = u(1);
SELECT clarify_context(u(1)) IS NOT NULL;
ROLLBACK;
SELECT counted_since();
-- settings of the caller's: all are as they were
SET lock_timeout = '7s';
SET TimeZone = 'Asia/Tokyo';
SELECT clarify_context(u(1)) IS NOT NULL;
SHOW lock_timeout;
SHOW TimeZone;
RESET lock_timeout;
RESET TimeZone;
SELECT counted_since();

-- Rights: as the caller.  Who may not read is told so by the build, and what is
-- held to policies is built without the cache.
CREATE ROLE regress_reader;
CREATE ROLE regress_held;
GRANT SELECT ON items, others TO regress_reader;
SET ROLE regress_reader;
SELECT clarify_context(u(1)) IS NOT NULL;
SELECT attempt('SET clarify_cache.audit_rate = 0');
RESET ROLE;
SELECT counted_since();
REVOKE SELECT ON others FROM regress_reader;
SET ROLE regress_reader;
SELECT attempt('SELECT clarify_context(u(1))');
RESET ROLE;
-- A policy's function that changes the role, in what is bypassed: that is built
-- after the audit.
GRANT SELECT ON others TO regress_reader;
GRANT SELECT ON items, others TO regress_held;
GRANT regress_held TO regress_reader;
CREATE FUNCTION becomes_held() RETURNS bool LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM set_config('role', 'regress_held', true);
	RETURN true;
END $$;
CREATE POLICY held ON items USING (becomes_held());
ALTER TABLE items ENABLE ROW LEVEL SECURITY;
SELECT clarify_context(u(1)) IS NOT NULL;
SELECT count(*) FROM counted_since();
SET SESSION AUTHORIZATION regress_reader;
BEGIN;
SELECT clarify_context(u(1)) IS NOT NULL;
SELECT current_user;
ROLLBACK;
RESET SESSION AUTHORIZATION;
SELECT counted_since();
DROP POLICY held ON items;
ALTER TABLE items DISABLE ROW LEVEL SECURITY;
DROP FUNCTION becomes_held;
SELECT clarify_context(u(n)) IS NOT NULL FROM generate_series(1, 3) n;
SELECT count(*) FROM counted_since();

-- Wrong entries: the trigger functions are replaced by some that note nothing.
-- (This goes on in a new session, as the old one may call the old functions.)
SELECT clarify_cache.invalidate_all();
CREATE OR REPLACE FUNCTION clarify_cache.track_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE OR REPLACE FUNCTION clarify_cache.mark_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
\c -
\set SHOW_CONTEXT never
SELECT count(clarify_context(u(n))) FROM generate_series(1, 6) n;
UPDATE items SET body = 'changed' WHERE id % 10 = 1;
SELECT clarify_context(u(1))::text LIKE '%changed%' AS seen;
SELECT count(*) FROM counted_since();
SET clarify_cache.audit_rate = 1;
-- found: the answer is the one that was built, and so is the next
SELECT clarify_context(u(1))::text LIKE '%changed%' AS seen;
SELECT counted_since();
RESET clarify_cache.audit_rate;
SELECT clarify_context(u(1))::text LIKE '%changed%' AS seen;
SELECT counted_since();
SET clarify_cache.audit_rate = 1;
SELECT clarify_context(u(1))::text LIKE '%changed%' AS seen;
SELECT counted_since();
-- in a batch
SELECT count(*) FROM clarify_contexts(ARRAY[u(1), u(2), u(3)]) WHERE context::text LIKE '%changed%';
SELECT counted_since();
-- explain() says what was done, and that it is kept
SELECT section, CASE WHEN served_from IN ('local', 'redis') THEN 'hit' ELSE served_from END AS served_from, age < '1 min' AS age, ttl_left > '4 min' AS ttl_left
FROM clarify_cache.explain(u(4));
SELECT counted_since();
-- by a longer one, a shorter one, an empty one
UPDATE items SET body = 'changed' || repeat('x', 3000) WHERE id = 51;
SELECT length(clarify_context(u(5))::text) > 3000 AS seen;
UPDATE items SET body = '' WHERE id = 51;
SELECT length(clarify_context(u(5))::text) < 300 AS seen;
DELETE FROM items WHERE user_id = u(5);
SELECT clarify_context(u(5)) -> 'audit_items';
SELECT counted_since();

-- What raises an error when it is built, and did not: a mismatch, but none that
-- makes the call fail.
SELECT clarify_cache.add_section('audit_raises', 'SELECT 10 / n AS n FROM items WHERE user_id = $1 ORDER BY id');
\c -
\set SHOW_CONTEXT never
SELECT clarify_context(u(6)) -> 'audit_raises';
UPDATE items SET n = 0 WHERE id = 61;
SELECT count(*) FROM counted_since();
SET clarify_cache.audit_rate = 1;
SELECT clarify_context(u(6)) -> 'audit_raises';
SELECT counted_since();
SELECT attempt('SELECT 10 / n FROM items WHERE user_id = u(6)');
-- the end of that
CREATE OR REPLACE FUNCTION clarify_cache.track_change() RETURNS trigger LANGUAGE C AS '$libdir/clarify_cache', 'clarify_track_change';
CREATE OR REPLACE FUNCTION clarify_cache.mark_change() RETURNS trigger LANGUAGE C AS '$libdir/clarify_cache', 'clarify_mark_change';
UPDATE items SET n = 1;
SELECT clarify_cache.invalidate_all();
SELECT clarify_cache.drop_section('audit_raises');

-- Sections that depend on the time differ from build to build, and are not
-- audited; those that only show times are.
CREATE FUNCTION ask(OUT audited bigint, OUT mismatches bigint) LANGUAGE plpgsql AS $$
DECLARE
	was record;
BEGIN
	SELECT * INTO was FROM clarify_cache.stats s WHERE section = 'audit_one';
	PERFORM clarify_context(u(7));
	SELECT s.audited - was.audited, audit_mismatches - was.audit_mismatches INTO audited, mismatches
	FROM clarify_cache.stats s WHERE section = 'audit_one';
END $$;
CREATE TABLE expressions (place int GENERATED ALWAYS AS IDENTITY, expression text);
INSERT INTO expressions (expression) VALUES
	('now()'), ('transaction_timestamp()'), ('statement_timestamp()'), ('CURRENT_DATE'), ('CURRENT_TIMESTAMP(0)'),
	('LOCALTIME'), ('age(at)'), ('age(at::timestamp)'), ('(SELECT max(at) FROM items WHERE user_id = $1 AND at < now())'),
	('left(body, 0)::date'), ('(''{'' || left(body, 0) || ''}'')::timestamptz[]'), ('ARRAY[NULL, left(body, 0)]::time[]'),
	('(''['' || left(body, 0) || '',)'')::tstzrange'), ('at::timetz AT TIME ZONE (''UTC'' || left(body, 0))'),
	('(SELECT d FROM json_to_record(''{}'') AS r (d date))'), ('(SELECT d FROM jsonb_to_recordset(''[]'') AS r (n int, d timestamptz[]))'),
	-- and these are:
	('at'), ('at::date'), ('at + interval ''1 day'''), ('date_trunc(''day'', at)'), ('age(at, at)'), ('to_char(at, ''YYYY'')'),
	('extract(epoch FROM at)'), ('at AT TIME ZONE ''Europe/Vienna'''), ('at::text'), ('''2026-01-01''::date'), ('at > ''2026-01-01'''),
	('n::text::int'), ('to_date(''2026'', ''YYYY'')'), ('row_to_json(ROW(at, n))'), ('(SELECT json_agg(x.at ORDER BY x.id) FROM items x WHERE x.user_id = $1)'),
	('(SELECT n FROM json_to_record(''{"n": 1}'') AS r (n int))'), ('jsonb_build_object(''at'', at)'), ('(''{'' || n || ''}'')::int[]');
\set ECHO none
SELECT unnest(ARRAY[
	format('DO $x$ BEGIN PERFORM clarify_cache.add_section(''audit_one'', %L); END $x$',
		CASE WHEN expression LIKE 'left%' OR expression LIKE 'ARRAY%' OR expression LIKE '(''[''%' THEN
			format('SELECT id, CASE WHEN n < 0 THEN %s END AS x FROM items WHERE user_id = $1 ORDER BY id', expression)
		ELSE format('SELECT id, %s AS x FROM items WHERE user_id = $1 ORDER BY id', expression) END),
	'DO $x$ BEGIN PERFORM ask(); END $x$',
	format('SELECT %L, (SELECT audited || '' audited, '' || mismatches || '' mismatches'' FROM ask())', expression),
	'DO $x$ BEGIN PERFORM clarify_cache.drop_section(''audit_one''); END $x$'])
FROM expressions ORDER BY place \gexec
\set ECHO all

SELECT clear();
DROP TABLE items, others, seen, expressions;
DROP FUNCTION counted_since, ask;
DROP ROLE regress_reader, regress_held;
