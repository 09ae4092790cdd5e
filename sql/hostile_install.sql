--
-- Somebody who may create functions in a schema that is searched has put traps
-- there: for each of PostgreSQL's own functions and operators one of the same
-- name that fits as well or better, and types of the same names.  The
-- extension is created, and each of its functions called, with that schema in
-- front, by a superuser.  A trap that is sprung runs with the superuser's rights.
--
\pset format unaligned
\pset tuples_only
SET client_min_messages = warning;
CREATE ROLE regress_trapper;
CREATE SCHEMA trap AUTHORIZATION regress_trapper;
SET ROLE regress_trapper;
-- not undone by a rollback, so no error can hide it
CREATE SEQUENCE trap.sprung;
CREATE FUNCTION trap.lay(command text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN true;
EXCEPTION WHEN duplicate_function OR invalid_function_definition THEN
	RETURN false;
END $$;
CREATE FUNCTION trap.lay(name text, arguments text, result text) RETURNS bool LANGUAGE sql AS $$
	SELECT trap.lay(format('CREATE FUNCTION trap.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', name, arguments, result,
		format('BEGIN PERFORM pg_catalog.nextval(''trap.sprung''); RAISE EXCEPTION ''sprung: %s''; END',
			   replace(name, '%', '%%'))))
$$;
-- Where PostgreSQL's own takes any type, one that takes text fits better; where
-- it takes any number of arguments, one that takes a few.
SELECT count(*) FILTER (WHERE laid) > 2000 AS thousands_of_functions
FROM (SELECT DISTINCT p.proname, args.list, CASE WHEN r.typtype = 'p' THEN 'text' ELSE format_type(r.oid, NULL) END AS result
	FROM pg_proc p JOIN pg_type r ON r.oid = p.prorettype, generate_series(0, CASE WHEN provariadic = 0 THEN 0 ELSE 2 END) more,
		LATERAL (SELECT array_to_string(array_agg(CASE WHEN t.typtype = 'p' THEN 'text'
					WHEN provariadic <> 0 AND a.n = pronargs THEN format_type(t.typelem, NULL)
					ELSE format_type(t.oid, NULL) END ORDER BY a.n) || array_fill('text'::text, ARRAY[more]), ', ') AS list
			FROM unnest(p.proargtypes) WITH ORDINALITY a (type, n) JOIN pg_type t ON t.oid = a.type) args
	WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f'
		AND NOT 'internal'::regtype = ANY (p.proargtypes)) f, LATERAL (SELECT trap.lay(proname, list, result) AS laid) l;
SELECT count(*) FILTER (WHERE laid) > 600 AS hundreds_of_operators
FROM (SELECT o.oprname, 'sprung_' || o.oid AS function, format_type(t.oid, NULL) AS result,
		CASE WHEN l.typtype = 'p' THEN 'text' ELSE format_type(nullif(oprleft, 0), NULL) END AS a,
		CASE WHEN r.typtype = 'p' THEN 'text' ELSE format_type(oprright, NULL) END AS b
	FROM pg_operator o JOIN pg_type t ON t.oid = o.oprresult JOIN pg_type r ON r.oid = o.oprright
		LEFT JOIN pg_type l ON l.oid = o.oprleft
	WHERE t.typtype <> 'p' AND o.oprnamespace = 'pg_catalog'::regnamespace) o,
	LATERAL (SELECT trap.lay(function, concat_ws(', ', a, b), result)
		AND trap.lay(format('CREATE OPERATOR trap.%s (%s RIGHTARG = %s, FUNCTION = trap.%I)', oprname,
			'LEFTARG = ' || a || ',', b, function)) AS laid) l;
SELECT bool_and(trap.lay(format('CREATE DOMAIN trap.%I AS varchar(3)', typname))) AS types
FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typelem = 0;
RESET ROLE;
GRANT USAGE ON SCHEMA trap TO PUBLIC;

-- Run a command with that path; what it gives, as text.
CREATE FUNCTION trapped(path text, command text) RETURNS text LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
	person uuid := public.u(9);
	is_query bool := starts_with(command, 'SELECT');
	result text;
BEGIN
	PERFORM pg_catalog.set_config('search_path', path, true);
	IF is_query THEN
		EXECUTE command INTO result USING person;
	ELSE
		EXECUTE command;
	END IF;
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog, public, pg_temp', true);
	RETURN CASE WHEN result IS NULL OR result = '' THEN 'done'
		WHEN length(result) > 100 THEN 'md5 ' || md5(result) ELSE result END;
EXCEPTION WHEN OTHERS THEN
	RETURN sqlerrm;
END $$;
CREATE FUNCTION sprung() RETURNS bool LANGUAGE sql SET search_path = pg_catalog AS 'SELECT is_called FROM trap.sprung';

-- the traps work
SELECT trapped('trap', $$SELECT format('%s', 'x'::pg_catalog.text)$$);
SELECT trapped('trap, pg_catalog', 'SELECT 1 + 1');
SELECT trapped('trap, pg_catalog', $$SELECT 'longer than three'::text$$);
SELECT sprung();
ALTER SEQUENCE trap.sprung RESTART;
SELECT sprung();

-- CREATE EXTENSION, in the trapped schema, with each path
BEGIN;
DROP EXTENSION clarify_cache;
SELECT path, trapped(path, 'CREATE EXTENSION clarify_cache SCHEMA trap'),
	trapped('', 'SELECT count(*) FROM clarify_cache.stats') AS sections,
	trapped('', 'DROP EXTENSION clarify_cache')
FROM unnest(ARRAY['public', 'trap', 'trap, pg_catalog', 'pg_temp, trap, pg_catalog']) path;
SELECT sprung();
ROLLBACK;

-- each function of the extension
\set path '''trap, pg_catalog, public'''
SELECT trapped(:path, $$SELECT clarify_cache.setup('public'::pg_catalog.regnamespace)$$);
SELECT installed();
SELECT split_part(look(u(9)), ';', 1);
SELECT trapped(:path, $$SELECT clarify_cache.detach('public.dreams'::pg_catalog.regclass)$$);
SELECT trapped(:path, $$SELECT clarify_cache.attach('public.dreams'::pg_catalog.regclass)$$);
SELECT trapped(:path, $$SELECT clarify_cache.drop_section('dreams'::pg_catalog.text)$$);
SELECT trapped(:path, $$SELECT clarify_cache.add_section('dreams'::pg_catalog.text, 'SELECT id, title, description, status, category
	FROM public.dreams WHERE user_id OPERATOR(pg_catalog.=) $1 AND status OPERATOR(pg_catalog.=) ''active''::pg_catalog.text
	ORDER BY updated_at DESC, id LIMIT 5'::pg_catalog.text, '2 min'::pg_catalog.interval)$$);
-- (who adds a section with a trap in it is told so)
SELECT trapped(:path, $$SELECT clarify_cache.add_section('more'::pg_catalog.text,
	'SELECT id FROM public.dreams WHERE user_id = $1'::pg_catalog.text)$$);
SELECT trapped(:path, 'SELECT clarify_cache.repair()');
SELECT trapped(:path, 'SELECT clarify_cache.invalidate($1)');
SELECT trapped(:path, 'SELECT clarify_cache.invalidate_all()');
SELECT trapped(:path, 'SELECT clarify_cache.compact()') ~ '^[0-9]+$';
SELECT 'md5 ' || md5(clarify_context(u(9))::text) AS context, 'md5 ' || md5(clarify_prompt(u(9))) AS prompt \gset
SELECT trapped(:path, 'SELECT public.clarify_context($1)') = :'context';
SELECT trapped(:path, 'SELECT public.clarify_context($1, $1)') = :'context';
SELECT trapped(:path, 'SELECT context FROM public.clarify_contexts(ARRAY[$1, $1, NULL])') = :'context';
SELECT trapped(:path, 'SELECT clarify_cache.warm(ARRAY[$1])');
SELECT trapped(:path, 'SELECT public.clarify_prompt($1)') = :'prompt';
SELECT trapped(:path, 'SELECT section FROM clarify_cache.explain($1)');
SELECT v, trapped(:path, 'SELECT ''read'' FROM clarify_cache.' || v || ' LIMIT 1')
FROM unnest(ARRAY['sections', 'stats', 'call_stats', 'redis_stats', 'status']) v;
SELECT trapped(:path, 'SELECT clarify_cache.reset_stats()');
-- a build, a hit, a write, and DDL
SELECT trapped(:path, 'UPDATE public.dreams SET title = description WHERE false');
SELECT trapped(:path, 'UPDATE public.dreams SET priority = NULL');
SELECT trapped(:path, 'CREATE INDEX hostile ON public.dreams (title)');
SELECT trapped(:path, 'ALTER TABLE public.dreams ALTER status SET STATISTICS 10');
SELECT trapped(:path, 'DROP INDEX public.hostile');
SELECT clarify_context(u(9))::jsonb = plain_context(u(9))::jsonb AS exact;
SELECT sprung();

SELECT clear();
DROP FUNCTION trapped, sprung;
DROP SCHEMA trap CASCADE;
DROP ROLE regress_trapper;
