--
-- Privileges at random: in a thousand states of grants, memberships, role
-- attributes, ownership, row-level security and settings, each role gets from
-- clarify_context() what it gets from plain queries, rows or error, in its own
-- name and through functions that belong to others.  Before each look a
-- superuser has filled the cache, so a check that is missing is an answer too many.
--
-- (The cases one by one are in privileges, row_security and hostile_roles.  This
-- is for their combinations, in one session, which remembers.)
--
\pset format unaligned
\pset tuples_only
SET client_min_messages = error;
CREATE ROLE regress_p1;
CREATE ROLE regress_p2;
CREATE ROLE regress_p3;
CREATE SCHEMA vault;
CREATE TABLE vault.people (id uuid, name text, born date);
CREATE TABLE vault.notes (id int, user_id uuid, kind text, body text);
CREATE TABLE vault.kinds (kind text, label text);
INSERT INTO vault.people VALUES (u(1), 'Ada', '1815-12-10'), (u(2), 'Björn', '1920-01-01');
INSERT INTO vault.notes VALUES (1, u(1), 'a', 'apple'), (2, u(1), 'b', 'pear'), (3, u(2), 'a', 'another''s');
INSERT INTO vault.kinds VALUES ('a', 'A'), ('b', 'B');
SELECT clarify_cache.attach('vault.people', 'id'), clarify_cache.attach('vault.notes'), clarify_cache.attach('vault.kinds', NULL);
CREATE TABLE section (n int, name text, query text);
INSERT INTO section VALUES
	(1, 'person', 'SELECT upper(name) AS name FROM vault.people WHERE id = $1'),
	(2, 'notes', 'SELECT n.id, n.body, k.label FROM vault.notes n JOIN vault.kinds k USING (kind) WHERE n.user_id = $1 ORDER BY n.id'),
	(3, 'apples', 'SELECT max(id) AS last, count(*) AS n FROM vault.notes WHERE user_id = $1 AND body ~~ ''a%''');
SELECT clarify_cache.add_section(name, query) FROM section ORDER BY n;

-- What the caller is given: by the extension, or by plain queries.
CREATE FUNCTION given(by_cache bool, person uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE CASE WHEN by_cache THEN 'SELECT public.clarify_context($1)::text' ELSE current_setting('regress.plain') END
		INTO result USING person;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;
SELECT set_config('regress.plain', 'SELECT ''{' || string_agg(format('"%s":['' || coalesce((SELECT string_agg(row_to_json(t)::text, '','') FROM (%s) t), '''') || '']',
	name, query), ',' ORDER BY n) || '}''', false) IS NOT NULL FROM section;
SELECT given(true, u(1)) = given(false, u(1)), given(true, u(1));
-- ... in the name of others
CREATE FUNCTION given_by_1(by_cache bool, person uuid) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT given(by_cache, person)';
CREATE FUNCTION given_by_2(by_cache bool, person uuid) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT given(by_cache, person)';
ALTER FUNCTION given_by_1 OWNER TO regress_p1;
ALTER FUNCTION given_by_2 OWNER TO regress_p2;

-- What may happen, each with what takes it back.
CREATE TABLE event (n int GENERATED ALWAYS AS IDENTITY, does text, undoes text);
INSERT INTO event (does, undoes)
	SELECT format('GRANT SELECT ON vault.%s TO %s', t, r), format('REVOKE SELECT ON vault.%s FROM %s', t, r)
	FROM unnest(ARRAY['people', 'notes', 'kinds']) t, unnest(ARRAY['regress_p1', 'regress_p2', 'regress_p3']) r
	UNION ALL
	SELECT format('GRANT SELECT (%s) ON vault.%s TO %s', c, t, r), format('REVOKE SELECT (%s) ON vault.%s FROM %s', c, t, r)
	FROM (VALUES ('people', 'id, name'), ('people', 'born'), ('notes', 'id, user_id, kind, body'), ('notes', 'body'),
			('kinds', 'kind, label'), ('kinds', 'label')) v (t, c), unnest(ARRAY['regress_p1', 'regress_p3']) r
	UNION ALL
	SELECT format('GRANT USAGE ON SCHEMA vault TO %s', r), format('REVOKE USAGE ON SCHEMA vault FROM %s', r)
	FROM unnest(ARRAY['regress_p1', 'regress_p2', 'regress_p3', 'PUBLIC']) r
	UNION ALL
	SELECT format('GRANT %s TO %s', a, b), format('REVOKE %s FROM %s', a, b)
	FROM (VALUES ('regress_p1', 'regress_p3'), ('regress_p1', 'regress_p2'), ('regress_p2', 'regress_p3'), ('pg_read_all_data', 'regress_p2'),
			('pg_read_all_data', 'regress_p3')) v (a, b)
	UNION ALL
	SELECT format('ALTER ROLE %s %s', r, a), format('ALTER ROLE %s NO%s', r, a)
	FROM unnest(ARRAY['regress_p1', 'regress_p2', 'regress_p3']) r, unnest(ARRAY['BYPASSRLS', 'INHERIT', 'SUPERUSER']) a
	UNION ALL
	SELECT format('ALTER TABLE vault.%s OWNER TO %s', t, r), format('ALTER TABLE vault.%s OWNER TO CURRENT_USER', t)
	FROM (VALUES ('people', 'regress_p1'), ('notes', 'regress_p2'), ('notes', 'regress_p3'), ('kinds', 'regress_p1')) v (t, r)
	UNION ALL
	SELECT format('ALTER TABLE vault.%s ENABLE ROW LEVEL SECURITY', t), format('ALTER TABLE vault.%s DISABLE ROW LEVEL SECURITY', t)
	FROM unnest(ARRAY['people', 'notes', 'kinds']) t
	UNION ALL
	SELECT format('ALTER TABLE vault.%s FORCE ROW LEVEL SECURITY', t), format('ALTER TABLE vault.%s NO FORCE ROW LEVEL SECURITY', t)
	FROM unnest(ARRAY['people', 'notes']) t
	UNION ALL
	SELECT format('CREATE POLICY %s ON vault.notes TO %s USING (%s)', p, r, q), format('DROP POLICY %s ON vault.notes', p)
	FROM (VALUES ('odd', 'PUBLIC', 'id % 2 = 1'), ('asked', 'regress_p1', 'id = current_setting(''vault.shown'', true)::int'),
		('mine', 'regress_p3', 'user_id = u(1)')) v (p, r, q)
	UNION ALL
	SELECT format('REVOKE EXECUTE ON FUNCTION pg_catalog.%s FROM PUBLIC', f), format('GRANT EXECUTE ON FUNCTION pg_catalog.%s TO PUBLIC', f)
	FROM unnest(ARRAY['upper(text)', 'max(int)', 'textlike(text, text)']) f
	UNION ALL
	SELECT format('GRANT EXECUTE ON FUNCTION pg_catalog.%s TO %s', f, r), format('REVOKE EXECUTE ON FUNCTION pg_catalog.%s FROM %s', f, r)
	FROM unnest(ARRAY['upper(text)', 'max(int)']) f, unnest(ARRAY['regress_p1', 'regress_p3']) r
	UNION ALL
	SELECT format('SET vault.shown = %s', n), 'SET vault.shown = 0' FROM generate_series(1, 2) n
	UNION ALL
	VALUES ('SET row_security = off', 'SET row_security = on');

-- What is of roles alone has no event trigger, and is seen by other means.
ALTER TABLE event ADD weight int DEFAULT 1;
UPDATE event SET weight = 6 WHERE does ~ '^GRANT (regress|pg_)';
UPDATE event SET weight = 2 WHERE does ~ '^ALTER ROLE';

CREATE TABLE tally (role text, by_whom text, looks int DEFAULT 0, rows int DEFAULT 0, refused int DEFAULT 0, hits int DEFAULT 0, wrong int DEFAULT 0);
INSERT INTO tally (role, by_whom) SELECT r, f FROM unnest(ARRAY['regress_p1', 'regress_p2', 'regress_p3']) r, unnest(ARRAY['given', 'given_by_1', 'given_by_2']) f;

-- Ask in that role and that name, both ways.
CREATE PROCEDURE look_as(t tally, moment text) LANGUAGE plpgsql AS $$
DECLARE
	before bigint;
	after bigint;
	mine text;
	plain text;
BEGIN
	SELECT sum(local_hits + redis_hits) INTO before FROM clarify_cache.stats;
	EXECUTE format('SET LOCAL ROLE %I', t.role);
	EXECUTE format('SELECT %s(true, u(1))', t.by_whom) INTO mine;
	EXECUTE format('SELECT %s(false, u(1))', t.by_whom) INTO plain;
	RESET ROLE;
	SELECT sum(local_hits + redis_hits) INTO after FROM clarify_cache.stats;
	IF mine IS DISTINCT FROM plain THEN
		RAISE INFO 'WRONG: %, % by %: % instead of %', moment, t.role, t.by_whom, mine, plain;
	END IF;
	UPDATE tally SET looks = looks + 1, rows = rows + (plain LIKE '{%')::int, refused = refused + (plain NOT LIKE '{%')::int,
		hits = hits + (after > before)::int, wrong = wrong + (mine IS DISTINCT FROM plain)::int
		WHERE role = t.role AND by_whom = t.by_whom;
END $$;
CREATE PROCEDURE happen(steps int, seed text) LANGUAGE plpgsql AS $$
DECLARE
	nevents int := (SELECT sum(weight) FROM event);
	done bool[] := array_fill(false, ARRAY[(SELECT max(n) FROM event)]);
	draw bigint;
	what text;
	e record;
	t tally;
	regular tally;
BEGIN
	-- a start from which something can be had
	EXECUTE 'GRANT USAGE ON SCHEMA vault TO PUBLIC';
	EXECUTE 'GRANT SELECT ON ALL TABLES IN SCHEMA vault TO regress_p1';
	COMMIT;
	FOR step IN 1 .. steps LOOP
		draw := ('x0' || substr(md5(seed || step), 1, 15))::bit(64)::bigint;
		SELECT event.* INTO e FROM event, generate_series(1, weight) ORDER BY n OFFSET draw % nevents LIMIT 1;
		-- What is found out about one who calls again and again is remembered:
		-- mostly the one whom it concerns.
		SELECT * INTO regular FROM tally
			ORDER BY CASE WHEN draw / 8000 % 4 > 0 AND by_whom = 'given' AND role = substring(e.does FROM 'regress_p[0-9]$') THEN '' ELSE
				md5(seed || 'regular' || step || role || by_whom) END LIMIT 1;
		CALL look_as(regular, format('before step %s', step));
		COMMIT;
		what := CASE WHEN done[e.n] THEN e.undoes ELSE e.does END;
		BEGIN
			EXECUTE what;
			-- some of it is taken back
			IF draw / 1000 % 8 = 0 THEN
				RAISE SQLSTATE 'TAKEN';
			END IF;
			done[e.n] := NOT done[e.n];
		EXCEPTION WHEN SQLSTATE 'TAKEN' OR duplicate_object OR undefined_object OR invalid_grant_operation THEN
			what := 'nothing';
		END;
		COMMIT;
		CALL look_as(regular, format('right after step %s, %s', step, what));
		COMMIT;
		SET LOCAL row_security = on;
		PERFORM clarify_context(u(1));
		COMMIT;
		FOR t IN SELECT * FROM tally ORDER BY role, by_whom LOOP
			CALL look_as(t, format('after step %s, %s', step, what));
		END LOOP;
		COMMIT;
	END LOOP;
END $$;
CALL happen(1000, 'first');
SELECT sum(looks) AS looks, sum(wrong) AS wrong, sum(rows) > 1000 AS many_answered, sum(refused) > 1000 AS many_refused,
	sum(hits) > 500 AS many_hits FROM tally;
-- each role in each name was answered, refused, and served
SELECT role, by_whom, rows > 20 AS answered, refused > 20 AS refused, hits > 20 AS served FROM tally ORDER BY role, by_whom;

SELECT count(*) FROM (SELECT attempt(undoes) FROM event WHERE undoes ~ 'pg_catalog|POLICY') x;
GRANT EXECUTE ON FUNCTION pg_catalog.upper(text), pg_catalog.max(int), pg_catalog.textlike(text, text) TO PUBLIC;
RESET row_security;
SELECT clear();
DROP PROCEDURE happen, look_as;
DROP FUNCTION given, given_by_1, given_by_2;
DROP TABLE section, event, tally;
DROP SCHEMA vault CASCADE;
DROP OWNED BY regress_p1, regress_p2, regress_p3;
DROP ROLE regress_p1, regress_p2, regress_p3;
