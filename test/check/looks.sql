-- Looks that are functions; loaded when clarify_context() is there.

-- Everybody: BULK|how many|isolation|the first who differs
CREATE FUNCTION bulk(batch bool) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
	who uuid[] := ARRAY(SELECT u(n) FROM generate_series(1, 40) n);
	result text;
BEGIN
	IF batch THEN
		SELECT concat_ws('|', 'BULK', count(*), current_setting('transaction_isolation'),
			min(concat_ws('|', p.person, c.context, p.context)) FILTER (WHERE c.context::text IS DISTINCT FROM p.context))
		INTO result FROM plain(who) p LEFT JOIN clarify_contexts(who) c ON c.user_id = p.person;
	ELSE
		SELECT concat_ws('|', 'BULK', count(*), current_setting('transaction_isolation'),
			min(concat_ws('|', p.person, c, p.context)) FILTER (WHERE c::text IS DISTINCT FROM p.context))
		INTO result FROM plain(who) p CROSS JOIN LATERAL clarify_context(p.person) c;
	END IF;
	RETURN result;
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
