--
-- What a caller may set changes neither the text, nor what is served to others:
-- settings that change how values print, how queries are parsed or what an index
-- finds; a search_path with better-matching functions and operators in front;
-- and objects in pg_temp.
--
-- For each, both ways: filled under the setting and read without, and filled
-- without and read under it; a build that is not cached, too.
--
\pset format unaligned
\pset tuples_only

-- The same facts about many, so that each case has somebody of its own.
CREATE TABLE facts (id int, user_id uuid, at timestamptz, day date, span interval, real_value float8,
	small_value real, bytes bytea, price money, label text, tags text[], vec tsvector);
INSERT INTO facts SELECT n, u(person), '2026-03-01 23:30:00.25+00'::timestamptz + n * interval '1 month', '2026-02-03',
	interval '1 year 2 months -3 days 4:05:06.7', n / 3.0, n / 3.0, decode('00ff27', 'hex'), 1234.5,
	'select', ARRAY['a', NULL, 'NULL'], 'cat dog'::tsvector FROM generate_series(1, 2) n, generate_series(100, 200) person;
SELECT clarify_cache.attach('facts');
SELECT clarify_cache.add_section('facts', $$SELECT id, at, day, span, real_value, small_value, bytes, price, tags,
	at::text AS at_text, day::text AS day_text, span::text AS span_text, real_value::text AS real_text, bytes::text AS bytes_text,
	price::text AS price_text, at::date AS at_day, date_trunc('day', at) AS midnight, extract(hour FROM at) AS hour,
	to_char(at, 'TMMonth TMDay HH24 TZ') AS month, to_char(1234.5, 'L9G999D9') AS number, format('%I', label) AS quoted,
	at + interval '1 day' AS next, '1/2/2026'::date AS ambiguous, '{NULL}'::text[] AS nulls, tags::text AS tags_text,
	(at, span)::text AS record, label = NULL AS is_null
	FROM facts WHERE user_id = $1 ORDER BY id$$);
-- what it gives with nothing set, for reference
SELECT jsonb_pretty(clarify_context(u(100))::jsonb -> 'facts' -> 0);
SELECT clarify_context(u(100))::text AS reference \gset
SELECT set_config('regress.reference', :'reference', false) = :'reference';
CREATE SEQUENCE anybody START 101;

-- One call under a setting; "same", or what else it gave, and from where.
-- (Only the call is made under it: with a hostile search_path, nothing else
-- would work.)
CREATE FUNCTION given(person uuid, setting text, value text) RETURNS text LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
	before jsonb := counted();
	old_value text := current_setting(setting);
	result text;
BEGIN
	PERFORM set_config(setting, value, true);
	result := public.clarify_context(person);
	PERFORM pg_catalog.set_config(setting, old_value, true);
	RETURN format('%s, %s', CASE WHEN result = current_setting('regress.reference') THEN 'same' ELSE result END,
				  sources(before, counted()));
END $$;

-- Filled under the setting and read without it; filled without and read under
-- it; bypassed under it.
CREATE FUNCTION tried(setting text, value text) RETURNS text LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
	first uuid := u(nextval('anybody')::int);
	second uuid := u(nextval('anybody')::int);
	no_value text := current_setting(setting);
	results text[];
BEGIN
	results := ARRAY[given(first, setting, value), given(first, setting, no_value),
		given(second, setting, no_value), given(second, setting, value)];
	SET LOCAL clarify_cache.enabled = off;
	results := results || given(first, setting, value);
	SET LOCAL clarify_cache.enabled = on;
	RETURN format('%s: %s', setting, CASE WHEN results = ARRAY['same, filled: facts', 'same, hit: facts',
		'same, filled: facts', 'same, hit: facts', 'same, bypassed: facts'] THEN 'same' ELSE array_to_string(results, '; ') END);
END $$;

SELECT tried('TimeZone', 'Asia/Kolkata');
SELECT tried('timezone_abbreviations', 'Australia');
SELECT tried('DateStyle', 'SQL, DMY');
SELECT tried('DateStyle', 'German');
SELECT tried('DateStyle', 'Postgres, YMD');
SELECT tried('IntervalStyle', 'iso_8601');
SELECT tried('IntervalStyle', 'sql_standard');
SELECT tried('extra_float_digits', '-15');
SELECT tried('extra_float_digits', '3');
SELECT tried('bytea_output', 'escape');
SELECT tried('array_nulls', 'off');
SELECT tried('transform_null_equals', 'on');
SELECT tried('quote_all_identifiers', 'on');
SELECT tried('standard_conforming_strings', 'off');
SELECT tried('backslash_quote', 'on');
SELECT tried('xmlbinary', 'hex');
SELECT tried('xmloption', 'document');
SELECT tried('default_text_search_config', 'pg_catalog.german');
SELECT tried('gin_fuzzy_search_limit', '1');
SELECT tried('client_encoding', 'LATIN1');
SELECT tried('default_transaction_isolation', 'serializable');
SELECT tried('default_table_access_method', 'heap');
SELECT tried('client_min_messages', 'debug5') IS NOT NULL;
SELECT tried('plan_cache_mode', 'force_generic_plan');
SELECT tried('enable_seqscan', 'off');
SELECT tried('search_path', 'pg_temp, public');
SELECT tried('row_security', 'off');
SELECT tried('check_function_bodies', 'off');
SELECT tried('work_mem', '64kB');

-- add_section() under such settings defines the same section as without.
CREATE FUNCTION defined(setting text, value text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	old_value text := current_setting(setting);
	result text;
BEGIN
	PERFORM set_config(setting, value, true);
	PERFORM clarify_cache.add_section('another', query);
	SELECT s.query INTO result FROM clarify_cache.section s WHERE name = 'another';
	PERFORM clarify_cache.drop_section('another');
	PERFORM set_config(setting, old_value, true);
	RETURN result;
END $$;
SET escape_string_warning = off;
SELECT s, bool_and(defined(s, v, q) = defined(s, current_setting(s), q)) AS same
FROM (VALUES ('TimeZone', 'Asia/Kolkata', $$SELECT '2026-01-01 12:00'::timestamptz AS at, at = '2026-02-01' AS that FROM facts WHERE user_id = $1$$),
		('DateStyle', 'SQL, DMY', $$SELECT '1/2/2026'::date AS d, day = '1/2/2026' AS that FROM facts WHERE user_id = $1$$),
		('IntervalStyle', 'sql_standard', $$SELECT '-1 2:03:04'::interval AS i FROM facts WHERE user_id = $1$$),
		('extra_float_digits', '-15', $$SELECT 0.1::float8 + 0.2 AS f, 1e300::float8 AS g, '0.123456789012345678'::float8 AS h$$),
		('bytea_output', 'escape', $$SELECT '\x00ff27'::bytea AS b$$),
		('array_nulls', 'off', $$SELECT '{NULL,"NULL"}'::text[] AS a$$),
		('transform_null_equals', 'on', $$SELECT id FROM facts WHERE user_id = $1 AND label = NULL$$),
		('quote_all_identifiers', 'on', $$SELECT id FROM facts WHERE user_id = $1$$),
		('standard_conforming_strings', 'off', $$SELECT E'\\d\'' AS a, label ~ '[0-9]' AS b FROM facts WHERE user_id = $1$$)) q (s, v, q)
GROUP BY s ORDER BY s COLLATE "C";

-- gin_fuzzy_search_limit makes index scans leave out rows at random
SELECT clarify_cache.drop_section('facts');
INSERT INTO facts (id, user_id, vec) SELECT n, u(1), 'cat' FROM generate_series(1, 3000) n;
CREATE INDEX ON facts USING gin (vec);
ANALYZE facts;
SELECT clarify_cache.add_section('facts', $$SELECT count(*) AS cats FROM facts WHERE user_id = $1 AND vec @@ 'cat'::tsquery$$);
SET enable_seqscan = off;
SET gin_fuzzy_search_limit = 10;
SELECT count(*) < 3000 AS left_out FROM facts WHERE vec @@ 'cat'::tsquery;
SET clarify_cache.enabled = off;
SELECT clarify_context(u(1));
RESET clarify_cache.enabled;
SELECT clarify_context(u(1));
RESET gin_fuzzy_search_limit;
RESET enable_seqscan;
SELECT clarify_context(u(1));
DELETE FROM facts WHERE user_id = u(1);

-- A hostile search_path, and pg_temp: at the definition they are the author's
-- business (see section_rules); at the call they change nothing.
SELECT clarify_cache.drop_section('facts');
SELECT clarify_cache.add_section('facts', $$SELECT id, upper(label) AS label, day + 1 AS next, real_value > 0.5 AS more,
	coalesce(tags[1] || '!', 'none') AS tag, '2026-01-01'::date AS literal FROM facts WHERE user_id = $1 ORDER BY id$$);
SELECT clarify_context(u(100))::text AS reference \gset
SELECT set_config('regress.reference', :'reference', false) = :'reference';
CREATE SCHEMA evil;
CREATE TABLE evil.facts AS SELECT id, user_id, at, day, span, real_value, 'EVIL' AS label, tags FROM facts;
CREATE FUNCTION evil.upper(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'EVIL' $$;
CREATE FUNCTION evil.add(date, int) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'EVIL' $$;
CREATE OPERATOR evil.+ (LEFTARG = date, RIGHTARG = int, FUNCTION = evil.add);
CREATE FUNCTION evil.never(uuid, uuid) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT true $$;
CREATE OPERATOR evil.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = evil.never);
CREATE FUNCTION evil.row_to_json(anyelement) RETURNS json LANGUAGE sql IMMUTABLE AS $$ SELECT '"EVIL"'::json $$;
CREATE FUNCTION evil.string_agg(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'EVIL' $$;
CREATE FUNCTION evil.textcat(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'EVIL' $$;
CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.textcat);
CREATE DOMAIN evil.date AS text;
CREATE DOMAIN evil.text AS varchar(3);
SELECT tried('search_path', 'evil, pg_catalog, public');
SELECT tried('search_path', 'evil, public');
CREATE TEMP TABLE facts AS SELECT * FROM evil.facts;
CREATE DOMAIN pg_temp.date AS varchar(2);
CREATE DOMAIN pg_temp.text AS varchar(2);
CREATE DOMAIN pg_temp.uuid AS varchar(2);
CREATE FUNCTION pg_temp.upper(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'EVIL'::text $$;
CREATE FUNCTION pg_temp.never(pg_catalog.uuid, pg_catalog.uuid) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT true $$;
CREATE OPERATOR pg_temp.= (LEFTARG = pg_catalog.uuid, RIGHTARG = pg_catalog.uuid, FUNCTION = pg_temp.never);
SELECT tried('search_path', 'pg_temp, pg_catalog, public');
SELECT tried('search_path', 'pg_catalog, public, pg_temp');
SELECT tried('search_path', 'pg_temp, evil, pg_catalog, public');
-- in a new session, which has neither plan nor analysis
\c -
SELECT set_config('regress.reference', :'reference', false) = :'reference';
SET search_path = public;
CREATE TEMP TABLE facts AS SELECT * FROM evil.facts;
CREATE DOMAIN pg_temp.date AS varchar(2);
CREATE DOMAIN pg_temp.text AS varchar(2);
SELECT tried('search_path', 'pg_temp, evil, pg_catalog, public');
SET search_path = evil, pg_catalog, public;
SELECT section, cacheable, reason FROM clarify_cache.sections;
SELECT public.given(public.u(200), 'search_path', 'evil, pg_temp, public');
RESET search_path;
DROP TABLE pg_temp.facts;

SELECT clear();
DROP FUNCTION given, tried, defined;
DROP SEQUENCE anybody;
DROP TABLE facts;
SET client_min_messages = warning;
DROP SCHEMA evil CASCADE;
