-- Looks that are functions; loaded when clarify_context() is there.

-- Everybody, several times under one snapshot, while others write, fill and evict:
-- BULK|how many answers|isolation|the first who differs
CREATE FUNCTION bulk(batch bool, times int, pause float) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
	who uuid[] := ARRAY(SELECT u(n) FROM generate_series(1, 40) n);
	expected text[] := ARRAY(SELECT p.context FROM unnest(who) WITH ORDINALITY w JOIN plain(who) p ON p.person = w.w ORDER BY w.ordinality);
	differs text;
BEGIN
	FOR i IN 1 .. times LOOP
		IF batch THEN
			SELECT min(concat_ws('|', e.person, c.context, e.context)) INTO differs
			FROM unnest(who, expected) AS e (person, context) LEFT JOIN clarify_contexts(who) c ON c.user_id = e.person
			WHERE c.context::text IS DISTINCT FROM e.context;
		ELSE
			SELECT min(concat_ws('|', e.person, c, e.context)) INTO differs
			FROM unnest(who, expected) AS e (person, context) CROSS JOIN LATERAL clarify_context(e.person) c
			WHERE c::text IS DISTINCT FROM e.context;
		END IF;
		EXIT WHEN differs IS NOT NULL;
		PERFORM pg_sleep(pause);
	END LOOP;
	-- The measure itself stays the same, or something is wrong with it.
	IF differs IS NULL AND EXISTS (SELECT FROM plain(who) p WHERE p.context <> ALL (expected)) THEN
		differs := 'plain queries';
	END IF;
	RETURN concat_ws('|', 'BULK', times * 40, current_setting('transaction_isolation'), differs);
END $$;

-- The same in a function that sees its own moment, and what a statement has done so far.
CREATE FUNCTION look_now(n int) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN (WITH look AS MATERIALIZED (SELECT clarify_context(u(n))::text AS c, plain(u(n)) AS p)
		SELECT line(n, NULL, c, p) FROM look);
END $$;
CREATE FUNCTION look_within(n int) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	c text;
	p text;
BEGIN
	RAISE INFO 'LOOKING';
	SELECT clarify_context(u(n))::text, plain(u(n)) INTO c, p;
	IF c IS DISTINCT FROM p THEN
		RAISE WARNING 'WITHIN|%|%', c, p;
	END IF;
	RETURN '';
END $$;

-- By somebody whose rights change: what one may not read is "denied".
-- GUEST|person|isolation|context|plain before|plain after|have no rights nor tables changed?
CREATE FUNCTION or_denied(n int, cached bool) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF cached THEN
		RETURN clarify_context(u(n));
	END IF;
	RETURN plain(u(n));
EXCEPTION WHEN insufficient_privilege THEN
	RETURN 'denied';
END $$;
CREATE FUNCTION epochs() RETURNS bigint[] LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN ARRAY[(SELECT last_value FROM ddl_started), (SELECT last_value FROM ddl_ended),
		(SELECT last_value FROM rights_started), (SELECT last_value FROM rights_ended)];
END $$;
CREATE FUNCTION look_as_guest(n int) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
	first bigint[] := epochs();
	before text := or_denied(n, false);
	context text := or_denied(n, true);
	after text := or_denied(n, false);
BEGIN
	RETURN concat_ws('|', 'GUEST', n, current_setting('transaction_isolation'), context, before, after,
		first[1] = first[2] AND first[3] = first[4] AND first = epochs());
END $$;
