--
-- Row-level security: where it applies to the caller, sections are built for
-- that caller and neither read nor filled; where it does not (a role that
-- bypasses it, a superuser, the owner), they are cached.
--
\pset format unaligned
\pset tuples_only
CREATE ROLE regress_person;
CREATE ROLE regress_server BYPASSRLS;
GRANT SELECT ON users, dreams, clarify_patterns, clarify_sessions, reflections TO regress_person, regress_server;
GRANT USAGE ON SCHEMA auth TO regress_person;
SELECT clarify_cache.setup();

-- The policies ask a setting who is there: it is not cached, neither what one
-- sees nor what one does not see.
SET ROLE regress_person;
SELECT look(u(10));
SELECT clarify_context(u(10));
SET request.jwt.claim.sub TO '';
SELECT set_config('request.jwt.claim.sub', u(10)::text, false) = u(10)::text;
SELECT look(u(10)), look(u(11));
SELECT clarify_context(u(10)) ->> 'user' IS NOT NULL AS own, clarify_context(u(11)) ->> 'user' IS NOT NULL AS another;
-- the server's role, with the same setting
SET ROLE regress_server;
SELECT look(u(10));
SELECT look(u(10));
SELECT look(u(11));
RESET ROLE;
SELECT look(u(10)), look(u(11));
-- entries of all are there now; they are not for this caller
SET ROLE regress_person;
SELECT look(u(10)), look(u(11));
SELECT clarify_context(u(11));
SELECT set_config('request.jwt.claim.sub', u(11)::text, false) = u(11)::text;
SELECT look(u(10)), look(u(11));
SELECT clarify_context(u(10));
-- back and forth in one session
SET ROLE regress_server;
SELECT look(u(10)), look(u(11));
SET ROLE regress_person;
SELECT look(u(10)), look(u(11));
RESET ROLE;

-- row_security = off turns what would be filtered into an error, also here
SET row_security = off;
SELECT look(u(10));
SET ROLE regress_person;
SELECT attempt('SELECT clarify_context(u(11))');
SET ROLE regress_server;
SELECT look(u(10));
RESET ROLE;
RESET row_security;

-- SECURITY DEFINER by the server's role, and a definer with policies
CREATE FUNCTION look_by(person uuid) RETURNS text LANGUAGE sql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$ SELECT look(person) $$;
ALTER FUNCTION look_by OWNER TO regress_server;
SET ROLE regress_person;
SELECT look_by(u(10));
RESET ROLE;
ALTER FUNCTION look_by OWNER TO regress_person;
SELECT look_by(u(10));
DROP FUNCTION look_by;

-- of one table only: the others hit
ALTER TABLE users DISABLE ROW LEVEL SECURITY;
ALTER TABLE dreams DISABLE ROW LEVEL SECURITY;
ALTER TABLE clarify_sessions DISABLE ROW LEVEL SECURITY;
ALTER TABLE reflections DISABLE ROW LEVEL SECURITY;
SELECT look(u(10));
SET ROLE regress_person;
SELECT look(u(10));
RESET ROLE;
-- policies come and go; without any, nothing is seen
ALTER TABLE clarify_patterns DISABLE ROW LEVEL SECURITY;
SELECT look(u(10));
SET ROLE regress_person;
SELECT look(u(10));
RESET ROLE;
ALTER TABLE dreams ENABLE ROW LEVEL SECURITY;
DROP POLICY own ON dreams;
SET ROLE regress_person;
SELECT look(u(10));
SELECT clarify_context(u(10)) -> 'dreams';
RESET ROLE;
CREATE POLICY own ON dreams USING (user_id = auth.uid());
SELECT look(u(10));
SELECT look(u(10));
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE clarify_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE clarify_patterns ENABLE ROW LEVEL SECURITY;
ALTER TABLE reflections ENABLE ROW LEVEL SECURITY;
SELECT clear();

-- the owner: not subject to it, until it is forced; a restrictive policy
CREATE TABLE things (user_id uuid, name text);
INSERT INTO things VALUES (u(10), 'seen'), (u(10), 'hidden');
ALTER TABLE things OWNER TO regress_person;
ALTER TABLE things ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON things USING (name = 'seen');
GRANT SELECT ON things TO regress_server;
SELECT clarify_cache.attach('things');
SELECT clarify_cache.add_section('things', 'SELECT name FROM things WHERE user_id = $1 ORDER BY name');
\set plain '$$plain_rows(''things'', ''SELECT name FROM things WHERE user_id = $1 ORDER BY name'', $1)$$'
SET ROLE regress_person;
SELECT look(u(10), plain => :plain);
SELECT look(u(10), plain => :plain);
RESET ROLE;
ALTER TABLE things FORCE ROW LEVEL SECURITY;
SET ROLE regress_person;
SELECT look(u(10), plain => :plain);
SELECT clarify_context(u(10));
SET ROLE regress_server;
SELECT look(u(10), plain => :plain);
SELECT look(u(10), plain => :plain);
RESET ROLE;
-- a role that loses BYPASSRLS
ALTER ROLE regress_server NOBYPASSRLS;
SET ROLE regress_server;
SELECT look(u(10), plain => :plain);
SELECT clarify_context(u(10));
RESET ROLE;
ALTER ROLE regress_server BYPASSRLS;
SET ROLE regress_server;
SELECT look(u(10), plain => :plain);
RESET ROLE;
-- what a policy calls runs under the caller's search_path, as in a plain query
CREATE SCHEMA helpers;
CREATE TABLE helpers.members (user_id uuid);
INSERT INTO helpers.members VALUES (u(10));
CREATE FUNCTION helpers.is_member(x uuid) RETURNS bool LANGUAGE plpgsql STABLE AS
	'BEGIN RETURN EXISTS (SELECT FROM members m WHERE m.user_id = x); END';
GRANT USAGE ON SCHEMA helpers TO regress_person;
GRANT SELECT ON helpers.members TO regress_person;
ALTER POLICY seen ON things USING (helpers.is_member(user_id));
SET ROLE regress_person;
SET search_path = public, helpers;
SELECT look(u(10), plain => :plain);
SELECT clarify_context(u(10));
RESET search_path;
SELECT clarify_context(u(10));
RESET ROLE;
SELECT clear();
DROP TABLE things;
DROP SCHEMA helpers CASCADE;
DROP OWNED BY regress_person, regress_server;
DROP ROLE regress_person, regress_server;
