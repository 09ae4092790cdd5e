--
-- Code that whoever owns one attached table has run while the table is planned:
-- functions in an index' predicate or expression, a CHECK constraint, statistics, a
-- partition key; and while it is read: a policy, a domain's constraint.  What it
-- changes may decide nothing of what the cache holds, nor what is built after it;
-- and the caller's session is left as plain queries would have left it.
--
-- The sections: "first" reads the owner's table, "second" one that the owner has
-- no rights on, with another person's row.
--
\pset format unaligned
\pset tuples_only
SET client_min_messages = warning;
CREATE ROLE regress_alice;
CREATE ROLE regress_bob IN ROLE regress_alice;
CREATE TABLE second (id int, user_id uuid, at timestamptz, size float8);
INSERT INTO second VALUES (1, u(14), '2026-01-02 00:00+00', 1.0 / 3), (2, u(15), '2026-01-02 00:00+00', 2);
CREATE SCHEMA regress_notes AUTHORIZATION regress_alice;
GRANT USAGE ON SCHEMA regress_notes TO regress_bob;
GRANT SELECT, UPDATE ON second TO regress_bob;
CREATE FUNCTION settings() RETURNS text LANGUAGE sql RETURN concat_ws('; ', 'path ' || current_setting('search_path'),
	current_setting('DateStyle'), current_setting('TimeZone'), current_setting('extra_float_digits'),
	'row_security ' || current_setting('row_security'), current_user, session_user);

SET ROLE regress_alice;
-- An IMMUTABLE function that has a VOLATILE one do it, by the session's settings.
CREATE FUNCTION regress_notes.run(command text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF command <> '' THEN
		EXECUTE command;
	END IF;
END $$;
CREATE FUNCTION regress_notes.meddle(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM regress_notes.run(current_setting('test.command' || n, true));
	RETURN n;
END $$;
CREATE FUNCTION regress_notes.same(uuid, uuid) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR regress_notes.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = regress_notes.same);
CREATE TABLE regress_notes.notes (id int, user_id uuid, body text);
INSERT INTO regress_notes.notes VALUES (1, u(14), 'one');
CREATE TABLE regress_notes.parts (id int, user_id uuid, body text) PARTITION BY RANGE ((id + regress_notes.meddle(1)));
CREATE TABLE regress_notes.part PARTITION OF regress_notes.parts FOR VALUES FROM (0) TO (10);
INSERT INTO regress_notes.parts VALUES (1, u(14), 'one');
CREATE DOMAIN regress_notes.checked AS int CHECK (regress_notes.meddle(VALUE) = VALUE);
GRANT SELECT ON ALL TABLES IN SCHEMA regress_notes TO regress_bob;
RESET ROLE;

SELECT clarify_cache.attach('second');
SELECT clarify_cache.attach('regress_notes.notes');
SELECT clarify_cache.attach('regress_notes.parts');
\set right '''{"first":[{"body":"one"}],"second":[{"id":1,"at":"2026-01-02T00:00:00+00:00","size":0.3333333333333333}]}'''

-- A trial: what a plain query of bob's leaves in the session, in their transaction
-- and after it; then a call of his, which is to leave the same; then everybody
-- else asks, twice, of what has been kept.  "remake" makes sure that what is to run
-- the command is planned anew, and define() that nobody knows a section.  The command decides about the search_path of
-- what comes after it, so names are qualified there.
CREATE FUNCTION plain() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT body FROM %s WHERE user_id = %L', current_setting('test.table'), public.u(14));
END $$;
CREATE FUNCTION judged(answer text) RETURNS text LANGUAGE sql
	RETURN CASE WHEN answer = current_setting('test.right') THEN 'right' ELSE 'WRONG ' || answer END;
CREATE PROCEDURE back() LANGUAGE plpgsql AS $$
BEGIN
	RESET SESSION AUTHORIZATION;
	RESET ROLE;
	RESET search_path;
	RESET DateStyle;
	RESET TimeZone;
	RESET extra_float_digits;
	RESET row_security;
END $$;
CREATE SEQUENCE ttl START 1000;
CREATE PROCEDURE define() LANGUAGE plpgsql AS $$
DECLARE
	ttl interval := make_interval(secs => nextval('ttl'));
BEGIN
	PERFORM clarify_cache.drop_section(name) FROM clarify_cache.section;
	PERFORM clarify_cache.add_section('first', format('SELECT body FROM %s WHERE user_id = $1', current_setting('test.table')), ttl);
	PERFORM clarify_cache.add_section('second', 'SELECT id, at, size FROM second WHERE user_id = $1 ORDER BY id', ttl);
END $$;
CREATE PROCEDURE trial(remake text, command1 text, command2 text DEFAULT '', keep bool DEFAULT true) LANGUAGE plpgsql AS $$
DECLARE
	left_by text[] := '{}';
	answer text;
	before jsonb;
BEGIN
	FOR turn IN 1..2 LOOP
		PERFORM set_config('test.command1', '', false), set_config('test.command2', '', false);
		EXECUTE remake;
		CALL define();
		PERFORM clarify_cache.invalidate_all();
		COMMIT;
		PERFORM set_config('test.command1', command1, false), set_config('test.command2', command2, false);
		SET ROLE regress_bob;
		COMMIT;
		IF turn = 1 THEN
			PERFORM public.plain();
		ELSE
			answer := public.clarify_context(public.u(14));
		END IF;
		left_by := pg_catalog.array_append(left_by, public.settings());
		IF keep THEN
			COMMIT;
		ELSE
			ROLLBACK;
		END IF;
		left_by := pg_catalog.array_append(left_by, public.settings());
		CALL public.back();
		COMMIT;
	END LOOP;
	PERFORM set_config('test.command1', '', false), set_config('test.command2', '', false);
	COMMIT;
	before := counted();
	RAISE INFO '%: %; settings: %; others: %, %; %', concat_ws(' + ', command1, nullif(command2, '')), judged(answer),
		CASE WHEN left_by[1:2] = left_by[3:4] THEN 'same' ELSE left_by::text END,
		judged(clarify_context(u(14))::text), judged(clarify_context(u(14))::text), sources(before, counted());
	COMMIT;
END $$;
SELECT set_config('test.table', 'regress_notes.notes', false), set_config('test.right', :right, false) = :right;

-- an index' predicate; one that folds to "true" is evaluated whenever the table is planned
\set remake '''DROP INDEX IF EXISTS regress_notes.trial; CREATE INDEX trial ON regress_notes.notes (body) WHERE regress_notes.meddle(1) = 1'''
CALL trial(:remake, '');
CALL trial(:remake, 'SET LOCAL search_path = regress_notes, pg_catalog');
CALL trial(:remake, 'SET search_path = regress_notes, pg_catalog');
CALL trial(:remake, 'SET LOCAL DateStyle = German');
CALL trial(:remake, 'SET DateStyle = German');
CALL trial(:remake, 'SET LOCAL TimeZone = "Asia/Tokyo"');
CALL trial(:remake, 'SET TimeZone = "Asia/Tokyo"; SET LOCAL TimeZone = "Asia/Kolkata"');
CALL trial(:remake, 'SET LOCAL extra_float_digits = -10');
CALL trial(:remake, 'SET extra_float_digits = -10');
CALL trial(:remake, 'SET LOCAL ROLE regress_alice');
CALL trial(:remake, 'SET ROLE regress_alice');
CALL trial(:remake, 'SET LOCAL SESSION AUTHORIZATION regress_alice');
CALL trial(:remake, 'SET LOCAL row_security = off');
CALL trial(:remake, 'SET row_security = off');
CALL trial(:remake, 'UPDATE public.second SET size = 9', keep => false);
CALL trial(:remake, 'CREATE TEMP TABLE IF NOT EXISTS second (id int, user_id uuid)', keep => false);
CALL trial(:remake, 'SET LOCAL test.command1 = ''''; SELECT public.clarify_context(public.u(14))');
CALL trial(:remake, 'SET LOCAL search_path = regress_notes, pg_catalog; SET LOCAL test.command1 = ''''; SELECT public.clarify_context(public.u(14))');
-- a predicate that is evaluated once
\set remake '''DROP INDEX IF EXISTS regress_notes.trial; CREATE INDEX trial ON regress_notes.notes (body) WHERE regress_notes.meddle(1) = 1 AND id > 0'''
CALL trial(:remake, '');
CALL trial(:remake, 'SET LOCAL search_path = regress_notes, pg_catalog');
CALL trial(:remake, 'SET search_path = regress_notes, pg_catalog');
CALL trial(:remake, 'SET LOCAL ROLE regress_alice');
CALL trial(:remake, 'SET DateStyle = German; SET LOCAL search_path = regress_notes, pg_catalog');
-- changed by one index, and changed back by another
\set remake '''DROP INDEX IF EXISTS regress_notes.trial, regress_notes.trial2; CREATE INDEX trial ON regress_notes.notes (body) WHERE regress_notes.meddle(1) = 1 AND id > 0; CREATE INDEX trial2 ON regress_notes.notes (id) WHERE regress_notes.meddle(2) = 2 AND id > 0'''
CALL trial(:remake, 'SET LOCAL search_path = regress_notes, pg_catalog', 'SET LOCAL search_path = pg_catalog, pg_temp');
CALL trial(:remake, 'SET LOCAL search_path = regress_notes, pg_catalog', 'SET LOCAL search_path = "$user", public');
DROP INDEX regress_notes.trial2;
-- an expression
\set remake '''DROP INDEX IF EXISTS regress_notes.trial; CREATE INDEX trial ON regress_notes.notes ((id + regress_notes.meddle(1)))'''
CALL trial(:remake, 'SET LOCAL search_path = regress_notes, pg_catalog');
CALL trial(:remake, 'SET TimeZone = "Asia/Tokyo"');
DROP INDEX regress_notes.trial;
-- a CHECK constraint, of a caller who has constraints looked at (by a build they are
-- not, so what this one sets is not set either)
SET constraint_exclusion = on;
ALTER TABLE regress_notes.notes ADD CONSTRAINT trial CHECK (id < 10 + regress_notes.meddle(1));
SELECT clarify_cache.invalidate_all();
BEGIN;
SET LOCAL test.command1 = 'SET LOCAL search_path = regress_notes, pg_catalog';
SET LOCAL ROLE regress_bob;
SELECT public.judged(public.clarify_context(public.u(14))::text), public.settings();
COMMIT;
SELECT judged(clarify_context(u(14))::text);
ALTER TABLE regress_notes.notes DROP CONSTRAINT trial;
RESET constraint_exclusion;
-- statistics
\set remake '''DROP STATISTICS IF EXISTS regress_notes.trial; CREATE STATISTICS regress_notes.trial ON (id + regress_notes.meddle(1)), body FROM regress_notes.notes; ANALYZE regress_notes.notes'''
CALL trial(:remake, '');
CALL trial(:remake, 'SET LOCAL search_path = regress_notes, pg_catalog');
CALL trial(:remake, 'SET DateStyle = German');
DROP STATISTICS regress_notes.trial;
-- a policy, and a domain's constraint in one
\set remake '''DROP POLICY IF EXISTS trial ON regress_notes.notes; CREATE POLICY trial ON regress_notes.notes USING (regress_notes.meddle(id) = id); ALTER TABLE regress_notes.notes ENABLE ROW LEVEL SECURITY; ALTER TABLE regress_notes.notes FORCE ROW LEVEL SECURITY'''
CALL trial(:remake, '');
CALL trial(:remake, 'SET LOCAL search_path = regress_notes, pg_catalog');
CALL trial(:remake, 'SET search_path = regress_notes, pg_catalog');
CALL trial(:remake, 'SET LOCAL DateStyle = German');
CALL trial(:remake, 'SET DateStyle = German');
CALL trial(:remake, 'SET LOCAL ROLE regress_alice');
CALL trial(:remake, 'UPDATE public.second SET size = 9', keep => false);
\set remake '''DROP POLICY IF EXISTS trial ON regress_notes.notes; CREATE POLICY trial ON regress_notes.notes USING (id::regress_notes.checked = id)'''
CALL trial(:remake, 'SET LOCAL search_path = regress_notes, pg_catalog');
CALL trial(:remake, 'SET TimeZone = "Asia/Tokyo"');
-- ... which does it by functions of the server's alone
\set remake '''DROP POLICY IF EXISTS trial ON regress_notes.notes; CREATE POLICY trial ON regress_notes.notes USING (set_config(''''search_path'''', ''''regress_notes, pg_catalog'''', true) <> '''''''')'''
CALL trial(:remake, '');
DROP POLICY trial ON regress_notes.notes;
ALTER TABLE regress_notes.notes DISABLE ROW LEVEL SECURITY;
ALTER TABLE regress_notes.notes NO FORCE ROW LEVEL SECURITY;
-- a partition key
SELECT set_config('test.table', 'regress_notes.parts', false);
\set remake '''ALTER TABLE regress_notes.parts ALTER body SET STATISTICS 7'''
CALL trial(:remake, '');
CALL trial(:remake, 'SET LOCAL search_path = regress_notes, pg_catalog');
CALL trial(:remake, 'SET DateStyle = German');

-- What everybody is served after all that, in a new session.
\c -
SELECT clarify_context(u(14));

-- Harmless functions do not keep a section from the cache, though a session runs
-- them when it meets the index: here an expression that is inlined, and a predicate
-- that is evaluated.  Nor does it matter that they find what they call by the
-- caller's search_path alone.
SET client_min_messages = warning;
SELECT clarify_cache.drop_section('first'), clarify_cache.drop_section('second');
SELECT clarify_cache.add_section('first', 'SELECT body FROM regress_notes.notes WHERE user_id = $1');
SET search_path = public, regress_notes;
CREATE FUNCTION regress_notes.own_lower(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN lower($1); END';
CREATE FUNCTION regress_notes.folded(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT own_lower($1)';
CREATE FUNCTION regress_notes.own_ten() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 10';
CREATE FUNCTION regress_notes.ten() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN own_ten(); END';
CREATE INDEX ON regress_notes.notes (regress_notes.folded(body)) WHERE id < regress_notes.ten();
\c -
SET search_path = public, regress_notes;
SELECT came_from(u(14)), clarify_context(u(14));
SELECT came_from(u(14));
SELECT clarify_cache.invalidate(u(14));
SELECT came_from(u(14)), came_from(u(14));
-- ... of statistics, which are looked at each time
CREATE STATISTICS regress_notes.trial ON (regress_notes.folded(body)), id FROM regress_notes.notes;
ANALYZE regress_notes.notes;
SELECT clarify_cache.invalidate(u(14));
SELECT came_from(u(14)), clarify_context(u(14));
SELECT came_from(u(14)), came_from(u(14));

RESET search_path;
SET client_min_messages = warning;
SELECT clear();
DROP PROCEDURE trial, define, back;
DROP SEQUENCE ttl;
DROP FUNCTION plain, judged, settings;
DROP TABLE second;
DROP SCHEMA regress_notes CASCADE;
DROP ROLE regress_bob, regress_alice;
