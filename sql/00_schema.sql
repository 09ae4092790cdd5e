--
-- What the other tests share; it runs first, since tests run in the order of
-- their names, and is the only one that leaves something behind: the extension,
-- Clarify's tables with 20 people in them, plain_context(), and the functions
-- below.  No section is defined and no table attached; each test does that for
-- itself, and calls clear() at its end.  The server has a Redis.
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set clarify_schema :abs_srcdir '/test/clarify/schema.sql'
\set clarify_data :abs_srcdir '/test/clarify/data.sql'
\set clarify_plain :abs_srcdir '/test/clarify/plain.sql'
\set people 20
-- A busy machine is no reason to build.  (In force from the next session on.)
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET clarify_cache.command_timeout = ''2s''', current_database()); END $$;
CREATE EXTENSION clarify_cache;
\set ECHO none
\i :clarify_schema
\i :clarify_data
\i :clarify_plain
\set ECHO all

-- The n-th person's id; n = 0 is nobody.
CREATE FUNCTION u(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT md5('user ' || n)::uuid $$;

-- The n-th of a person's active conversations, in the order of the section.
CREATE FUNCTION s(person uuid, n int) RETURNS uuid LANGUAGE sql STABLE AS
$$ SELECT id FROM clarify_sessions WHERE user_id = person AND status = 'active'
   ORDER BY last_message_at DESC, id OFFSET n - 1 LIMIT 1 $$;

-- A section by plain queries, for look()'s "plain".
CREATE FUNCTION plain_rows(section text, query text, person uuid) RETURNS text
LANGUAGE plpgsql STABLE SET TimeZone = 'UTC' SET DateStyle = 'ISO, MDY'
SET IntervalStyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex' AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT ''{"%s":['' || coalesce(string_agg(row_to_json(t.*)::text, '',''), '''') || '']}'' FROM (%s
) t',
				   section, query) INTO result USING person;
	RETURN result;
END $$;

-- Each section's counters.
CREATE FUNCTION counted() RETURNS jsonb LANGUAGE sql
SET search_path = pg_catalog, public, pg_temp AS $$
	SELECT coalesce(jsonb_object_agg(section, to_jsonb(s)), '{}') FROM clarify_cache.stats s
$$;

-- What one section did between two counted().
CREATE FUNCTION source(before jsonb, after jsonb) RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp AS $$
	SELECT CASE
		WHEN bypasses > 0 AND builds = bypasses AND hits = 0 AND fills = 0 THEN 'bypassed'
		WHEN builds = 1 AND fills = 1 AND hits = 0 THEN 'filled'
		WHEN builds = 1 AND fills = 0 AND hits = 0 THEN 'built'
		WHEN builds = 0 AND fills = 0 AND hits = 1 THEN 'hit'
		WHEN builds = 0 AND fills = 0 AND hits = 0 THEN 'untouched'
		ELSE format('%s hits, %s builds, %s bypasses, %s fills', hits, builds, bypasses, fills) END
	FROM (SELECT sum(n) FILTER (WHERE counter IN ('local_hits', 'redis_hits')) AS hits,
			sum(n) FILTER (WHERE counter = 'builds') AS builds,
			sum(n) FILTER (WHERE counter = 'bypasses') AS bypasses,
			sum(n) FILTER (WHERE counter = 'fills') AS fills
		FROM (SELECT key AS counter, value::bigint - coalesce(before ->> key, '0')::bigint AS n
			FROM jsonb_each_text(after)
			WHERE key IN ('local_hits', 'redis_hits', 'builds', 'bypasses', 'fills')) d) t
$$;

-- The sections by where they came from.
CREATE FUNCTION sources(before jsonb, after jsonb) RETURNS text LANGUAGE sql
SET search_path = pg_catalog, public, pg_temp AS $$
	SELECT CASE WHEN count(*) = 1 AND sum(n) > 1 THEN min(came_from) || ': all'
		ELSE string_agg(came_from || ': ' || sections, '; ' ORDER BY came_from) END
	FROM (SELECT came_from, count(*) AS n, string_agg(section, ', ' ORDER BY position) AS sections
		FROM (SELECT section, row_number() OVER () AS position,
				source(before -> section, after -> section) AS came_from
			FROM clarify_cache.stats) d
		GROUP BY came_from) g
$$;

-- Call clarify_context() and plain queries in one statement, and say whether
-- they agree and where each section came from:
--	hit			from the cache
--	filled		built, and offered to the cache
--	built		built, but not offered
--	bypassed	built without a look at the cache
CREATE FUNCTION look(person uuid, current_session uuid DEFAULT NULL,
					 plain text DEFAULT 'plain_context($1, $2)')
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before jsonb := counted();
	exact bool;
BEGIN
	EXECUTE format('SELECT clarify_context($1, $2)::text IS NOT DISTINCT FROM %s', plain)
		INTO exact USING person, current_session;
	RETURN CASE WHEN exact THEN 'exact; ' ELSE 'WRONG; ' END || sources(before, counted());
END $$;

-- Only where the sections came from.
CREATE FUNCTION came_from(person uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before jsonb := counted();
BEGIN
	PERFORM clarify_context(person);
	RETURN sources(before, counted());
END $$;

-- Run a command that is to fail; say how it does.
CREATE FUNCTION attempt(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE command;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', state || ': ' || message, 'detail: ' || nullif(detail, ''),
					 'hint: ' || nullif(hint, ''));
END $$;

-- For \gexec, after pg_reload_conf(): commands that wait until this session has
-- another Redis.  It takes a setting between two commands, so one won't do.
CREATE FUNCTION waits(address text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('DO %L', format('BEGIN IF (SELECT redis_address IS DISTINCT FROM %L FROM clarify_cache.status) '
								  'THEN PERFORM pg_sleep(0.05); END IF; END', address))
	FROM generate_series(1, 200)
$$;

-- How much of the extension there is, to show that nothing changed.
CREATE FUNCTION installed() RETURNS text LANGUAGE sql AS $$
	SELECT format('%s attached, %s sections, %s triggers, %s covered, %s holes',
		(SELECT count(*) FROM clarify_cache.attached_table),
		(SELECT count(*) FROM clarify_cache.section),
		(SELECT count(*) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
		 WHERE p.proname IN ('mark_change', 'track_change')
			AND p.pronamespace = 'clarify_cache'::regnamespace),
		count(*) FILTER (WHERE kind = 'c'), count(*) FILTER (WHERE kind = 'h'))
	FROM clarify_cache.version
	WHERE tables[1] NOT IN (SELECT oid FROM pg_class WHERE relnamespace = 'clarify_cache'::regnamespace)
$$;

-- Drop all sections, detach all tables.
CREATE FUNCTION clear() RETURNS void LANGUAGE sql AS $$
	SELECT clarify_cache.drop_section(name) FROM clarify_cache.section;
	SELECT clarify_cache.detach(table_id) FROM clarify_cache.attached_table;
$$;

SELECT installed();
SELECT count(*) AS people FROM users;
