--
-- Privileges: a caller gets from the cache only what the same caller could read
-- from the tables at that moment.  In each case the entry is there, filled by
-- somebody who may, and would be a hit.
--
\pset format unaligned
\pset tuples_only
CREATE ROLE regress_reader BYPASSRLS;
CREATE ROLE regress_stranger BYPASSRLS;
SELECT clarify_cache.setup();
SELECT look(u(9));
SELECT look(u(9));

-- no SELECT; then all of it
SET ROLE regress_reader;
SELECT attempt('SELECT clarify_context(u(9))');
SELECT attempt('SELECT plain_context(u(9))');
RESET ROLE;
GRANT SELECT ON users, dreams, clarify_patterns, clarify_sessions, reflections TO regress_reader;
SET ROLE regress_reader;
SELECT look(u(9));
SELECT look(u(9), s(u(9), 1));

-- REVOKE after the fill, of one table of five: an error, not four sections
RESET ROLE;
REVOKE SELECT ON reflections FROM regress_reader;
SET ROLE regress_reader;
SELECT attempt('SELECT clarify_context(u(9))');
SELECT attempt('SELECT clarify_context(u(0))');
RESET ROLE;
SELECT look(u(9));
GRANT SELECT ON reflections TO regress_reader;
SET ROLE regress_reader;
SELECT look(u(9));

-- in one transaction, and taken back
RESET ROLE;
BEGIN;
REVOKE SELECT ON dreams FROM regress_reader;
SET LOCAL ROLE regress_reader;
SELECT attempt('SELECT clarify_context(u(9))');
ROLLBACK;
SET ROLE regress_reader;
SELECT look(u(9));

-- by membership, and no longer
RESET ROLE;
GRANT regress_reader TO regress_stranger;
SET ROLE regress_stranger;
SELECT look(u(9));
RESET ROLE;
REVOKE regress_reader FROM regress_stranger;
SET ROLE regress_stranger;
SELECT attempt('SELECT clarify_context(u(9))');

-- column privileges: all columns that the query names, WHERE and ORDER BY too
RESET ROLE;
REVOKE SELECT ON users, dreams FROM regress_reader;
GRANT SELECT (name, tier, total_reflections, total_clarify_sessions) ON users TO regress_reader;
GRANT SELECT (id, user_id, title, description, status, category) ON dreams TO regress_reader;
SET ROLE regress_reader;
SELECT attempt('SELECT clarify_context(u(9))');
RESET ROLE;
GRANT SELECT (id) ON users TO regress_reader;
SET ROLE regress_reader;
SELECT attempt('SELECT clarify_context(u(9))');
RESET ROLE;
GRANT SELECT (updated_at) ON dreams TO regress_reader;
SET ROLE regress_reader;
SELECT look(u(9));
SELECT attempt('SELECT email FROM users');
RESET ROLE;
REVOKE SELECT (title) ON dreams FROM regress_reader;
SET ROLE regress_reader;
SELECT attempt('SELECT clarify_context(u(9))');
RESET ROLE;
GRANT SELECT ON users, dreams TO regress_reader;

-- one session, many roles: each call is judged anew, the remembered plan too
SET ROLE regress_reader;
SELECT look(u(9));
SET ROLE regress_stranger;
SELECT attempt('SELECT clarify_context(u(9))');
RESET ROLE;
UPDATE dreams SET title = 'Changed' WHERE user_id = u(9);
SET ROLE regress_stranger;
SELECT attempt('SELECT clarify_context(u(9))');
SET ROLE regress_reader;
SELECT look(u(9));
SET ROLE regress_stranger;
SELECT attempt('SELECT clarify_context(u(9))');
RESET ROLE;
SELECT look(u(9));

-- SECURITY DEFINER: the owner of the function is who asks
CREATE FUNCTION context_of(person uuid) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = public, pg_temp AS $$ SELECT clarify_context(person)::text $$;
CREATE FUNCTION look_by(person uuid) RETURNS text LANGUAGE sql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$ SELECT look(person) $$;
ALTER FUNCTION context_of OWNER TO regress_reader;
ALTER FUNCTION look_by OWNER TO regress_reader;
SET ROLE regress_stranger;
SELECT look_by(u(9));
SELECT context_of(u(9)) IS NOT NULL;
SELECT attempt('SELECT clarify_context(u(9))');
RESET ROLE;
ALTER FUNCTION look_by OWNER TO regress_stranger;
SELECT attempt('SELECT look_by(u(9))');
SELECT look(u(9));
DROP FUNCTION context_of, look_by;

-- USAGE on the schema of the tables
SELECT clear();
CREATE SCHEMA app;
CREATE TABLE app.things (user_id uuid, n int, name text);
INSERT INTO app.things VALUES (u(9), 1, 'one'), (u(9), 2, 'two');
GRANT SELECT ON app.things TO regress_reader;
SELECT clarify_cache.attach('app.things');
SELECT clarify_cache.add_section('things', 'SELECT n, upper(name) AS name FROM app.things WHERE user_id = $1 ORDER BY n');
CREATE FUNCTION look_things(person uuid) RETURNS text LANGUAGE sql AS
$$ SELECT look(person, plain => $p$plain_rows('things', 'SELECT n, upper(name) AS name FROM app.things WHERE user_id = $1 ORDER BY n', $1)$p$) $$;
SELECT look_things(u(9));
SELECT look_things(u(9));
SET ROLE regress_reader;
SELECT attempt('SELECT clarify_context(u(9))');
SELECT attempt('SELECT * FROM app.things');
RESET ROLE;
GRANT USAGE ON SCHEMA app TO regress_reader;
SET ROLE regress_reader;
SELECT look_things(u(9));
RESET ROLE;
REVOKE USAGE ON SCHEMA app FROM regress_reader;
SET ROLE regress_reader;
SELECT attempt('SELECT clarify_context(u(9))');
SELECT attempt('SELECT clarify_context(u(0))');
RESET ROLE;
GRANT USAGE ON SCHEMA app TO regress_reader;

-- EXECUTE on a function of the query, as on any of PostgreSQL's own
REVOKE EXECUTE ON FUNCTION pg_catalog.upper(text) FROM PUBLIC;
SET ROLE regress_reader;
SELECT attempt('SELECT clarify_context(u(9))');
SELECT attempt('SELECT upper(''x'')');
RESET ROLE;
SELECT look_things(u(9));
GRANT EXECUTE ON FUNCTION pg_catalog.upper(text) TO PUBLIC;
SET ROLE regress_reader;
SELECT look_things(u(9));
RESET ROLE;

-- ... of an aggregate, of a window function, of an operator, of a cast
SELECT clarify_cache.drop_section('things');
SELECT clarify_cache.add_section('things', 'SELECT max(n) AS most, count(*) FILTER (WHERE name ~~ ''t%'') AS t,
	sum(n::numeric) AS total FROM app.things WHERE user_id = $1');
SELECT clarify_context(u(9));
SET ROLE regress_reader;
SELECT clarify_context(u(9));
RESET ROLE;
CREATE FUNCTION look_without(function regprocedure) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
	SET LOCAL ROLE regress_reader;
	result := attempt('SELECT clarify_context(u(9))');
	RESET ROLE;
	EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', function);
	RETURN result;
END $$;
-- (in the same transaction, this is about the build)
SELECT f, look_without(f::regprocedure) FROM unnest(ARRAY['max(int)', 'sum(numeric)', 'textlike(text, text)', 'numeric(int)']) f;
-- (and this about the hit)
REVOKE EXECUTE ON FUNCTION pg_catalog.max(int) FROM PUBLIC;
SET ROLE regress_reader;
SELECT attempt('SELECT clarify_context(u(9))');
RESET ROLE;
GRANT EXECUTE ON FUNCTION pg_catalog.max(int) TO PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.textlike(text, text) FROM PUBLIC;
SET ROLE regress_reader;
SELECT attempt('SELECT clarify_context(u(9))');
RESET ROLE;
GRANT EXECUTE ON FUNCTION pg_catalog.textlike(text, text) TO PUBLIC;
-- ... of what one of PostgreSQL's own functions in SQL calls in its turn
CREATE FUNCTION refused_without(query text, function regprocedure) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	was text;
BEGIN
	PERFORM clarify_cache.drop_section(name) FROM clarify_cache.section;
	PERFORM clarify_cache.add_section('calls', query);
	SET LOCAL ROLE regress_reader;
	was := attempt('SELECT clarify_context(u(9))');
	RESET ROLE;
	RETURN was || ', ' || look_without(function);
END $$;
SELECT refused_without('SELECT quote_nullable(n) AS q FROM app.things WHERE user_id = $1 ORDER BY n', 'quote_nullable(text)');
SELECT refused_without('SELECT quote_literal(n) AS q FROM app.things WHERE user_id = $1 ORDER BY n', 'quote_literal(text)');
-- (and about the hit)
SELECT clarify_cache.drop_section('calls');
SELECT clarify_cache.add_section('calls', 'SELECT quote_nullable(n) AS q FROM app.things WHERE user_id = $1 ORDER BY n');
SELECT came_from(u(9));
REVOKE EXECUTE ON FUNCTION pg_catalog.quote_nullable(text) FROM PUBLIC;
SELECT came_from(u(9));
SET ROLE regress_reader;
SELECT attempt('SELECT clarify_context(u(9))');
SELECT attempt('SELECT quote_nullable(1)');
RESET ROLE;
GRANT EXECUTE ON FUNCTION pg_catalog.quote_nullable(text) TO PUBLIC;
SET ROLE regress_reader;
SELECT came_from(u(9));
RESET ROLE;
SELECT clear();
DROP FUNCTION refused_without, look_without, look_things;
SET client_min_messages = warning;
DROP SCHEMA app CASCADE;
DROP OWNED BY regress_reader, regress_stranger;
DROP ROLE regress_reader, regress_stranger;
