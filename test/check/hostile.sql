-- For the profile "hostile": two owners of tables that are attached, whose code runs when
-- somebody plans a query of theirs.  Whose setting hostile.planning is on, to him they do
-- what they can.

-- (Roles outlive the database.)
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY '{mallory, trudy, app, clerk}'::text[] LOOP
		BEGIN
			EXECUTE format('CREATE ROLE %I LOGIN', name);
		EXCEPTION WHEN duplicate_object THEN
		END;
	END LOOP;
END $$;
-- Everything; and all but the notes.
GRANT SELECT ON people, events, labels, variant TO app, clerk;
GRANT SELECT ON notes TO app;

-- What judges is never planned under a path of theirs.
ALTER FUNCTION u(int) SET search_path = public, pg_temp;
ALTER FUNCTION plain(uuid) SET search_path = public, pg_temp;
ALTER FUNCTION plain(uuid[]) SET search_path = public, pg_temp SET transform_null_equals = off;
ALTER FUNCTION line(int, text, text, text) SET search_path = public, pg_temp;

-- Of a context, what is nobody's but the innocent tables'.  What an owner's own table shows
-- is hers to forge, but not another's, and nobody is shown a row of somebody else.
CREATE FUNCTION shown(who uuid, context json) RETURNS json LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	stranger text;
BEGIN
	SELECT s.key || ': ' || r.value INTO stranger
	FROM (VALUES ('mallory', 'mallory'), ('named', 'mallory'), ('trudy', 'trudy')) AS o (section, owner)
		JOIN json_each(context) s ON s.key = o.section, json_array_elements(s.value) r
	WHERE (r.value ->> 'user_id')::uuid <> who OR r.value ->> 'forged' <> o.owner LIMIT 1;
	IF FOUND THEN
		RETURN json_build_object('of somebody else', stranger);
	END IF;
	RETURN '{' || string_agg(format('%s:%s', to_json(name), context -> name), ',' ORDER BY n) || '}'
		FROM unnest('{person, notes, events, labelled, joined, variant}'::text[]) WITH ORDINALITY AS s (name, n);
END $$;

-- "clarify_context" is what of the cache's is judged.
CREATE SCHEMA cache;
GRANT USAGE ON SCHEMA cache TO PUBLIC;
CREATE FUNCTION clarify_context(person uuid) RETURNS json LANGUAGE plpgsql STABLE AS $$
DECLARE
	context pg_catalog.json := cache.clarify_context(person);
BEGIN
	RETURN public.shown(person, context);
END $$;
CREATE FUNCTION clarify_contexts(people uuid[]) RETURNS TABLE (user_id uuid, context json) LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN QUERY SELECT c.user_id, public.shown(c.user_id, c.context) FROM cache.clarify_contexts(people) c;
END $$;

DO $do$
DECLARE
	owner text;
BEGIN
	FOREACH owner IN ARRAY '{mallory, trudy}'::text[] LOOP
		EXECUTE format($f$
CREATE SCHEMA %1$I AUTHORIZATION %1$I;
SET LOCAL ROLE %1$I;
GRANT USAGE ON SCHEMA %1$I TO PUBLIC;
CREATE TABLE %1$I.diary (id serial PRIMARY KEY, user_id uuid, body text);
GRANT SELECT, INSERT ON %1$I.diary TO PUBLIC;
GRANT USAGE ON SEQUENCE %1$I.diary_id_seq TO PUBLIC;

-- What a query would mean with her schema in front.
CREATE FUNCTION %1$I.yes(uuid, uuid) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR %1$I.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = %1$I.yes);
CREATE FUNCTION %1$I.nothing(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 0';
CREATE OPERATOR %1$I.%% (LEFTARG = int, RIGHTARG = int, FUNCTION = %1$I.nothing);
CREATE FUNCTION %1$I.row_to_json(record) RETURNS json LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN '{"forged": "%1$I"}'::pg_catalog.json; END $$;
CREATE FUNCTION %1$I.forge(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 4711::bigint';
CREATE AGGREGATE %1$I.count(*) (SFUNC = %1$I.forge, STYPE = bigint, INITCOND = '0');
CREATE TABLE %1$I.people AS SELECT public.u(n) AS id, 'forged' AS name, 0::bigint AS seen FROM generate_series(1, 40) n;
CREATE TABLE %1$I.notes AS SELECT -n AS id, public.u(n) AS user_id, NULL::int AS parent, 'forged' AS body, now() AS made, 1 AS mark FROM generate_series(1, 40) n;
CREATE TABLE %1$I.events AS SELECT -n AS id, public.u(n) AS user_id, 1 AS at, 'forged' AS body FROM generate_series(1, 40) n;
CREATE TABLE %1$I.labels AS SELECT n AS id, 'forged' AS label FROM generate_series(0, 2) n;
GRANT SELECT ON ALL TABLES IN SCHEMA %1$I TO PUBLIC;

-- One of the things that she can do to who plans her query.
CREATE FUNCTION %1$I.act() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	before text := pg_catalog.current_setting('search_path');
	here bool := pg_catalog.random() < 0.5;
	setting text[];
BEGIN
	IF pg_catalog.current_setting('hostile.planning', true) IS DISTINCT FROM 'on' THEN
		RETURN;
	END IF;
	PERFORM pg_catalog.set_config('hostile.planning', 'off', true);
	CASE pg_catalog.floor(pg_catalog.random() * 16)::int
		WHEN 0, 1, 2 THEN
			PERFORM pg_catalog.set_config('search_path', '%1$I, pg_catalog, public', here);
		WHEN 3, 4 THEN
			setting := (pg_catalog.array_agg(s ORDER BY pg_catalog.random()))[1:1] FROM (VALUES
				('DateStyle=German'), ('TimeZone=Asia/Tokyo'), ('IntervalStyle=sql_standard'),
				('extra_float_digits=-10'), ('bytea_output=escape'), ('row_security=off'),
				('plan_cache_mode=force_generic_plan'), ('enable_seqscan=off'), ('enable_indexscan=off'),
				('enable_partition_pruning=off'), ('quote_all_identifiers=on'), ('transform_null_equals=on'),
				('array_nulls=off'), ('default_transaction_isolation=serializable'), ('clarify_cache.enabled=off')) AS v (s);
			setting := pg_catalog.string_to_array(setting[1], '=');
			PERFORM pg_catalog.set_config(setting[1], setting[2], here);
		WHEN 5 THEN
			-- A superuser, or herself.
			IF pg_catalog.pg_has_role(session_user, '%1$I', 'MEMBER') THEN
				PERFORM pg_catalog.set_config('role', '%1$I', here);
			END IF;
		WHEN 6 THEN
			INSERT INTO %1$I.diary (user_id, body) VALUES (public.u((pg_catalog.random() * 5)::int), 'planned');
		WHEN 7 THEN
			CREATE TEMP TABLE IF NOT EXISTS notes AS SELECT * FROM %1$I.notes;
		WHEN 8 THEN
			CREATE TEMP TABLE IF NOT EXISTS gone ON COMMIT DROP AS SELECT 1;
		WHEN 9 THEN
			PERFORM pg_catalog.pg_notify('%1$I', 'somebody plans');
		WHEN 10 THEN
			PERFORM cache.clarify_context(public.u((1 + pg_catalog.random() * 39)::int));
		WHEN 11 THEN
			RAISE EXCEPTION 'not to you';
		WHEN 12 THEN
			PERFORM pg_catalog.set_config('search_path', '%1$I, pg_catalog, public', here);
			PERFORM cache.clarify_context(public.u((1 + pg_catalog.random() * 39)::int));
			PERFORM pg_catalog.set_config('search_path', before, here);
		WHEN 13 THEN
			BEGIN
				PERFORM pg_catalog.set_config('search_path', '%1$I, pg_catalog, public', here);
				INSERT INTO %1$I.diary (user_id, body) VALUES (public.u(1), 'undone');
				RAISE EXCEPTION 'undone';
			EXCEPTION WHEN raise_exception THEN
			END;
		WHEN 14 THEN
			BEGIN
				CREATE INDEX ON %1$I.diary (body);	-- in use, or not his
			EXCEPTION WHEN object_in_use OR insufficient_privilege OR lock_not_available THEN
			END;
		ELSE
	END CASE;
	PERFORM pg_catalog.set_config('hostile.planning', 'on', true);
END $$;

-- Where the planner asks: with constants, it is to know the result; with columns, the executor.
CREATE FUNCTION %1$I.f(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM %1$I.act(); RETURN true; END $$;
CREATE FUNCTION %1$I.g(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM %1$I.act(); RETURN 1; END $$;
CREATE FUNCTION %1$I.h(uuid) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM %1$I.act(); RETURN true; END $$;
INSERT INTO %1$I.diary (user_id, body) SELECT public.u(n), 'dear diary' FROM generate_series(1, 40) n;
CREATE INDEX trap ON %1$I.diary (body) WHERE %1$I.f(1);
RESET ROLE;
$f$, owner);
	END LOOP;
END $do$;
