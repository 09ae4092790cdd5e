--
-- Every setting that a caller may change, a superuser too: none of them changes
-- what is filled for others, or what is served.  One section, in which all types
-- that a section may show appear in each way that they may, and every function
-- that is allowed although it is not IMMUTABLE; for each setting, and each of its
-- values (the extreme ones, of numbers), it is filled under the setting and read
-- without, filled without and read under it, and built under it.
--
-- Which settings the plain query depends on is shown first, since a section that
-- depends on nothing would prove nothing.  (caller_settings has these one by one,
-- and gin_fuzzy_search_limit.)
--
\pset format unaligned
\pset tuples_only
SET client_min_messages = warning;
CREATE TABLE wide (user_id uuid, b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, m money, o oid, t text, vc varchar(20),
	bc char(5), nm name, c "char", bin bytea, bits bit(4), vbits varbit, d date, ti time, tz timetz, ts timestamp, tstz timestamptz, iv interval,
	js json, jb jsonb, jp jsonpath, vec tsvector, tq tsquery, po point, ls lseg, pa path, bo box, pg polygon, li line, ci circle, ip inet, ne cidr,
	ma macaddr, ma8 macaddr8, r4 int4range, r8 int8range, rn numrange, rts tsrange, rtz tstzrange, rd daterange, mr4 int4multirange,
	mrz tstzmultirange, mrd datemultirange, lsn pg_lsn, ta text[], tza timestamptz[], iva interval[], fa float8[], ba bytea[], da date[]);
INSERT INTO wide SELECT u(1000 + person), true, 1, -2, 3, 1 / 3.0, 2 / 3.0, 1234.50, 1234.5, 99, E'it''s "a" \\ t\u00e9xt', 'plain', 'ab', 'nam"e', 'x',
	'\x00ff5c27', '1010', '11', '2026-02-03', '04:05:06.789', '04:05:06+05:30', '2026-02-03 04:05:06.789', '2026-03-29 00:30:00.25+00',
	'1 year 2 mons -3 days 04:05:06.7', '{"a": [1, null]}', '{"b": "2026-02-03 04:05:06+00", "a": 1.50}', '$.b', 'cat:1 dog:2', 'cat & !dog',
	'(0.1,0.2)', '[(0.1,0.2),(3,4)]', '((0.1,0.2),(3,4))', '(3,4),(0.1,0.2)', '((0.1,0.2),(3,4),(5,6))', '{0.1,0.2,3}', '<(0.1,0.2),3>',
	'10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '[1,3)', '[1,3)', '[1.5,2.50]', '[2026-01-01,2026-02-03)',
	'[2026-01-01 00:00+00,2026-02-03 00:00+00)', '[2026-01-02,2026-02-03)', '{[1,3)}', '{[2026-01-02 00:00+00,2026-02-03 00:00+00)}', '{[2026-01-02,2026-02-03)}',
	'0/1A', ARRAY['a', NULL, 'NULL', 'b"c'], ARRAY['2026-03-29 00:30+00'::timestamptz], ARRAY['1 day 2:03'::interval], ARRAY[1 / 3.0::float8],
	ARRAY['\xff5c'::bytea], ARRAY['2026-02-03'::date]
	FROM generate_series(1, 1200) person;
CREATE INDEX ON wide (user_id);
ANALYZE wide;

-- Each column as it is, as text, in an array, in a record and in JSON.
SELECT string_agg(replace('X, X::text AS X_text, ARRAY[X] AS X_array, ROW(X)::text AS X_record, to_jsonb(X) AS X_jsonb, concat(X, '':'', X) AS X_concat, format(''%s'', X) AS X_format',
	'X', attname), ', ' ORDER BY attnum) || $q$,
	array_to_string(tza, ';') AS e1, array_to_json(tza) AS e2, json_build_object(tstz, d, 'iv', iv, bin, m) AS e3, json_build_array(tstz, f8, bin, m) AS e4,
	jsonb_build_object('tstz', tstz, tstz, iv) AS e5, jsonb_build_array(iv, d, m, bin) AS e6, quote_literal(tstz) AS e7, quote_nullable(iv) AS e8,
	t || tstz AS e9, m || t AS e10, format('%I %L', vc, tstz) AS e11, quote_ident(vc) AS e12, concat_ws('|', d, iv, bin, f4) AS e13,
	tstz + iv AS a1, tstz - iv AS a2, iv + tstz AS a3, age(tstz, '2020-02-29 12:00+00') AS a4, age('2020-02-29'::timestamp, ts) AS a5,
	date_trunc('day', tstz) AS a6, date_trunc('week', tstz, 'Asia/Tokyo') AS a7, date_part('hour', tstz) AS a8, extract(day FROM tstz) AS a9,
	(tstz, iv) OVERLAPS (tstz - '1 day'::interval, '23:00'::interval) AS a10, (tstz, tstz) OVERLAPS (tstz, iv) AS a11, (tstz, iv) OVERLAPS (tstz, tstz) AS a12,
	make_timestamptz(2026, 3, 29, 2, 30, 0) AS a13, make_timestamptz(2026, 3, 29, 2, 30, 0, 'Europe/Vienna') AS a14,
	tz AT TIME ZONE 'Europe/Vienna' AS a15, tstz AT TIME ZONE 'Asia/Kolkata' AS a16, ts AT TIME ZONE 'IST' AS a17,
	d < tstz AS c1, d <= tstz AS c2, d = tstz AS c3, d > tstz AS c4, d >= tstz AS c5, d <> tstz AS c6, tstz < d AS c7, tstz >= d AS c8,
	'2026-03-29'::date > tstz AS c9, '2026-03-29 00:45'::timestamp > tstz AS c10, tstz < '2026-03-29 01:00'::timestamp AS c11, ts = tstz AS c12,
	tstz::date AS k1, tstz::time AS k2, tstz::timestamp AS k3, d::timestamptz AS k4, ts::timestamptz AS k5, tstz::timetz AS k6, ti::timetz AS k7,
	timestamptz(d, ti) AS k8, i4::money AS k9, i8::money AS k10, n::money AS k11, m::numeric AS k12,
	to_char(iv, 'HH24 DD') AS o1, to_char(tstz, 'TMMonth TMDay HH24 TZ OF') AS o2, to_char(ts, 'TMMon HH') AS o3, to_char(n, 'L9G999D99') AS o4,
	to_char(i4, '9G999PR') AS o5, to_char(i8, 'FML999') AS o6, to_char(f4, '9D99') AS o7, to_char(f8, '9D99L') AS o8,
	to_date('03 Feb 2026', 'DD TMMon YYYY') AS o9, to_number('1,234.5', '9G999D9') AS o10, to_timestamp('2026 2 3', 'YYYY MM DD') AS o11, to_timestamp(0) AS o12,
	replace(t, t, '1/2/2026')::date AS p1, replace(t, t, '4:05 IST')::timetz AS p2, replace(t, t, '1/2/2026 4:05')::timestamp AS p3,
	replace(t, t, '1/2/2026 4:05 IST')::timestamptz AS p4, replace(t, t, '1-2 -3 4:05:06')::interval AS p5, replace(t, t, '-1 2:03')::interval AS p6,
	replace(t, t, '1,234.5')::money AS p7, replace(t, t, '{NULL,1/2/2026}')::date[] AS p8, replace(t, t, '{NULL}')::text[] AS p9,
	replace(t, t, '[1/2/2026,2/2/2026)')::daterange AS p10, replace(t, t, '{[1/2/2026 4:05,2/2/2026)}')::tstzmultirange AS p11,
	replace(t, t, '\x41')::bytea AS p12, (SELECT string_agg(g::text, ',' ORDER BY g) FROM generate_series(tstz, tstz + '3 days'::interval, '1 day') g) AS s1,
	(SELECT string_agg(r::text, ',') FROM json_to_record('{"a": "1/2/2026", "b": "4:05 IST", "c": "-1 2:03"}') r(a date, b timetz, c interval)) AS s2,
	(SELECT string_agg(r::text, ',') FROM jsonb_to_recordset('[{"a": "1/2/2026 4:05"}, {"a": "2/1/2026"}]') r(a timestamptz)) AS s3,
	(SELECT sum(1) OVER (ORDER BY tstz RANGE BETWEEN '1 day' PRECEDING AND CURRENT ROW)) AS s4, (SELECT json_agg(x) FROM (SELECT tstz, iv, bin) x) AS s5,
	(SELECT jsonb_agg(x) FROM (SELECT tstz) y (x)) AS s6, (SELECT json_object_agg(x, z) FROM (SELECT tstz, iv) y (x, z)) AS s7,
	(SELECT jsonb_object_agg(x, z) FROM (SELECT iv, f8) y (x, z)) AS s8,
	jsonb_path_query_first_tz(jb, '$.b.datetime() < "2026-02-03 04:30".datetime()') AS j1, jsonb_path_exists_tz(jb, '$.b.datetime() ? (@ > "2026-02-03 03:00".datetime())') AS j2,
	'1/2/2026'::date AS l1, '1/2/2026 4:05 IST'::timestamptz AS l2, '-1 2:03'::interval AS l3, '{NULL}'::text[] AS l4, 'a\b' AS l5, E'it\'s' AS l6,
	0.1::float8 + 0.2::float8 AS l7, vc = NULL AS l8, 'cat:1'::tsvector @@ 'cat'::tsquery AS l9, upper(t) AS l10, '2026-01-01'::timestamptz AS l11
	FROM wide WHERE user_id = $1$q$ AS query
FROM pg_attribute WHERE attrelid = 'wide'::regclass AND attnum > 0 AND attname <> 'user_id' \gset
SELECT set_config('regress.query', 'SELECT ' || :'query', false) IS NOT NULL;
SELECT clarify_cache.attach('wide');
SELECT clarify_cache.add_section('wide', current_setting('regress.query'), single_row => true);
SELECT cacheable, reason FROM clarify_cache.sections;
SELECT set_config('regress.reference', clarify_context(u(1001))::text, false) <> '';

-- One call under a setting: "same", or something else, and from where.
CREATE FUNCTION given(person int, setting text, value text) RETURNS text LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
	before jsonb := counted();
	old_value text := current_setting(setting);
	result text;
BEGIN
	PERFORM set_config(setting, value, true);
	result := public.clarify_context(public.u(1000 + person));
	PERFORM pg_catalog.set_config(setting, old_value, true);
	RETURN format('%s, %s', CASE WHEN result = current_setting('regress.reference') THEN 'same' ELSE 'WRONG' END,
				  sources(before, counted()));
END $$;
-- ... in each order, with two people of whom nothing is cached.
CREATE FUNCTION tried(n int, setting text, value text) RETURNS text LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
	no_value text := current_setting(setting);
	results text[];
BEGIN
	results := ARRAY[given(2 * n, setting, value), given(2 * n, setting, no_value),
		given(2 * n + 1, setting, no_value), given(2 * n + 1, setting, value)];
	SET LOCAL clarify_cache.enabled = off;
	results := results || given(2 * n, setting, value);
	SET LOCAL clarify_cache.enabled = on;
	RETURN CASE WHEN results = ARRAY['same, filled: wide', 'same, hit: wide', 'same, filled: wide', 'same, hit: wide',
		'same, bypassed: wide'] THEN 'same' ELSE array_to_string(results, '; ') END;
END $$;
-- Is there such a value, on this machine, in this version?
CREATE FUNCTION is_there(setting text, value text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	old_value text := current_setting(setting);
BEGIN
	PERFORM set_config(setting, value, true);
	PERFORM pg_catalog.set_config(setting, old_value, true);
	RETURN true;
EXCEPTION WHEN OTHERS THEN
	RETURN false;
END $$;
-- The plain query, as it is written; "same", or not, or an error.
CREATE FUNCTION plain(setting text, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	old_value text := current_setting(setting);
	plain text;
	under text;
BEGIN
	EXECUTE format('SELECT row_to_json(r)::text FROM (%s) r', current_setting('regress.query')) INTO plain USING u(1001);
	PERFORM set_config(setting, value, true);
	EXECUTE format('SELECT pg_catalog.row_to_json(r)::pg_catalog.text FROM (%s) r', replace(current_setting('regress.query'), 'wide', 'public.wide'))
		INTO under USING public.u(1001);
	PERFORM pg_catalog.set_config(setting, old_value, true);
	RETURN CASE WHEN plain = under THEN 'same' ELSE 'another' END;
EXCEPTION WHEN OTHERS THEN
	RETURN 'another';
END $$;

-- All but those that only say how a transaction, a log or a connection is run, and
-- ours.  Of times in milliseconds 1, too: nothing waits for so long here.
CREATE TABLE value AS SELECT row_number() OVER (ORDER BY s.name COLLATE "C", v) AS n, s.name, v AS value
FROM pg_settings s, LATERAL (
	SELECT unnest(s.enumvals) AS v
	UNION SELECT unnest(CASE s.vartype WHEN 'bool' THEN ARRAY['on', 'off'] WHEN 'string' THEN '{}' WHEN 'enum' THEN '{}' ELSE
		ARRAY[s.min_val, s.max_val, CASE WHEN s.unit = 'ms' THEN '1' WHEN s.vartype = 'integer' THEN '0' END] END)
	UNION SELECT v FROM (VALUES ('TimeZone', 'Asia/Kolkata'), ('TimeZone', 'America/St_Johns'), ('TimeZone', 'posixrules'), ('TimeZone', 'UTC-14'),
		('TimeZone', '<UTC>+3'), ('timezone_abbreviations', 'Australia'), ('timezone_abbreviations', 'India'),
		('DateStyle', 'SQL, DMY'), ('DateStyle', 'German'), ('DateStyle', 'Postgres, YMD'), ('DateStyle', 'ISO, DMY'),
		('default_text_search_config', 'pg_catalog.german'), ('client_encoding', 'LATIN1'), ('client_encoding', 'SQL_ASCII'),
		('client_encoding', 'EUC_JP'), ('client_encoding', 'GB18030'), ('lc_monetary', 'C.UTF-8'), ('lc_monetary', 'de_DE.UTF-8'),
		('lc_numeric', 'de_DE.UTF-8'), ('lc_time', 'de_DE.UTF-8'), ('lc_messages', 'POSIX'), ('application_name', E'a''b"c\\d'),
		('search_path', ''), ('search_path', 'pg_temp'), ('search_path', 'pg_temp, public'), ('search_path', 'no_such'),
		('restrict_nonsystem_relation_kind', 'view, foreign-table'), ('default_tablespace', 'pg_default'),
		('dynamic_library_path', '/nowhere')) v (name, v) WHERE v.name = s.name) v
WHERE s.context IN ('user', 'superuser') AND v IS NOT NULL
	AND s.name !~ '^(clarify_cache\.|transaction_|log_|debug_|trace_|client_min_messages|exit_on_error|idle_|max_stack_depth|temp_buffers)';
DELETE FROM value WHERE NOT is_there(name, value);
SELECT count(DISTINCT name) > 120 AS many_settings, count(*) > 250 AS many_values FROM value;

SET client_min_messages = error;
-- what the plain query depends on
SELECT name FROM value WHERE plain(name, value) = 'another' AND name !~ '^lc_|restrict_nonsystem'
GROUP BY name ORDER BY name COLLATE "C";
-- what a cached one depends on
SELECT name, value, tried FROM (SELECT name, value, tried(n::int, name, value) AS tried FROM value) t
WHERE tried <> 'same' ORDER BY name COLLATE "C", value;

-- all of them at once, in a session that knows nothing: the first values of all,
-- then the last ones
CREATE FUNCTION at_once(last bool) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM (SELECT attempt(format('SET %s = %s', CASE WHEN v.name ~ '[.]' THEN v.name ELSE quote_ident(v.name) END,
			CASE WHEN v.name IN ('DateStyle', 'search_path') THEN v.value ELSE quote_literal(v.value) END))
		FROM (SELECT DISTINCT ON (name) name, value FROM value
			WHERE name !~ '^(search_path|role|default_t|session_replication|restrict|local_preload|session_preload|client_encoding|statement_timeout|lock_timeout|.*_timeout)'
			ORDER BY name, CASE WHEN last THEN -n ELSE n END) v) x
$$;
\c -
SELECT set_config('regress.reference', (SELECT clarify_context(u(1001)))::text, false) <> '';
SELECT at_once(false) > 100;
SET search_path = pg_catalog;
SELECT public.clarify_context(public.u(2100))::text = current_setting('regress.reference') AS filled;
\c -
SELECT set_config('regress.reference', (SELECT clarify_context(u(1001)))::text, false) <> '';
SELECT clarify_context(u(2100))::text = current_setting('regress.reference') AS filled_under_all;
SELECT came_from(u(2100));
SELECT at_once(true) > 100;
SELECT public.clarify_context(public.u(2100))::text = current_setting('regress.reference') AS hit;
SELECT public.clarify_context(public.u(2101))::text = current_setting('regress.reference') AS filled;
\c -
SELECT clarify_context(u(2101))::text = clarify_context(u(1001))::text AS filled_under_all;

SET client_min_messages = warning;
SELECT clear();
DROP FUNCTION given, tried, is_there, plain, at_once;
DROP TABLE wide, value;
