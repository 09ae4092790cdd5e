--
-- What a policy calls, in the middle of a build, changes settings or the role:
-- sections built after it may not be kept for others.
--
\pset format unaligned
\pset tuples_only
SET client_min_messages = warning;
CREATE ROLE regress_person;
CREATE ROLE regress_owner;
CREATE SCHEMA regress_app;
CREATE TABLE regress_app.first (id int, user_id uuid);
CREATE TABLE regress_app.second (id int, user_id uuid, at timestamptz);
INSERT INTO regress_app.first VALUES (1, u(14));
INSERT INTO regress_app.second VALUES (1, u(14), '2026-01-01 00:00+00'), (2, u(14), '2026-01-01 00:00+00');
SELECT clarify_cache.attach('regress_app.first');
SELECT clarify_cache.attach('regress_app.second');
SELECT clarify_cache.add_section('first', 'SELECT id FROM regress_app.first WHERE user_id = $1');
SELECT clarify_cache.add_section('second', 'SELECT id, at FROM regress_app.second WHERE user_id = $1 ORDER BY id');
CREATE FUNCTION meddle() RETURNS bool LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM set_config(current_setting('test.name'), current_setting('test.value'), false);
	RETURN true;
END $$;
CREATE POLICY meddles ON regress_app.first USING (meddle());
ALTER TABLE regress_app.first ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON regress_app.second USING (id = 1);
ALTER TABLE regress_app.second ENABLE ROW LEVEL SECURITY;
ALTER TABLE regress_app.second OWNER TO regress_owner;
GRANT USAGE ON SCHEMA regress_app TO regress_owner, regress_person;
GRANT SELECT ON regress_app.first, regress_app.second TO regress_owner, regress_person;
GRANT regress_person TO regress_owner;

-- a setting that a text depends on
SELECT clarify_cache.invalidate_all();
SET test.name = 'timezone';
SET test.value = 'Asia/Tokyo';
SET SESSION AUTHORIZATION regress_owner;
SELECT clarify_context(u(14)) IS NOT NULL;
RESET SESSION AUTHORIZATION;
RESET timezone;
SELECT clarify_context(u(14))::jsonb -> 'second';

-- the role: the owner, whom the policy does not hold, becomes one whom it does
SELECT clarify_cache.invalidate_all();
SET test.name = 'role';
SET test.value = 'regress_person';
SET SESSION AUTHORIZATION regress_owner;
SELECT clarify_context(u(14)) IS NOT NULL;
RESET ROLE;
RESET SESSION AUTHORIZATION;
SELECT clarify_context(u(14))::jsonb -> 'second';

-- A call that is bypassed as a whole, in a session that knows nothing yet: no
-- USAGE on the schema, which somebody else before had.
DROP POLICY meddles ON regress_app.first;
DROP POLICY one ON regress_app.second;
ALTER TABLE regress_app.first DISABLE ROW LEVEL SECURITY;
ALTER TABLE regress_app.second DISABLE ROW LEVEL SECURITY;
CREATE ROLE regress_stranger;
GRANT SELECT ON regress_app.first, regress_app.second TO regress_stranger;
\c -
SET client_min_messages = warning;
SET clarify_cache.enabled = off;
SET ROLE regress_owner;
SELECT clarify_context('00000000-0000-0000-0000-000000000014') IS NOT NULL;
SET ROLE regress_stranger;
\set VERBOSITY terse
SELECT clarify_context('00000000-0000-0000-0000-000000000014') IS NOT NULL;
SELECT count(*) FROM regress_app.second;
RESET ROLE;
RESET clarify_cache.enabled;

SELECT clear();
DROP SCHEMA regress_app CASCADE;
DROP FUNCTION meddle;
DROP ROLE regress_person, regress_owner, regress_stranger;
