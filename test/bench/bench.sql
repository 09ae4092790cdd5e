/*
 * What the measurements call.  Needs Clarify's tables.
 */

-- The same five queries, as one would write them by hand.
CREATE FUNCTION by_hand(person uuid, current_session uuid DEFAULT NULL) RETURNS json
LANGUAGE plpgsql STABLE AS $$
DECLARE
	u json;
	d json;
	p json;
	s json;
	r json;
BEGIN
	SELECT row_to_json(t) INTO u FROM (
		SELECT name, tier, total_reflections, total_clarify_sessions
		FROM users WHERE id = person) t;
	SELECT coalesce(json_agg(t), '[]') INTO d FROM (
		SELECT id, title, description, status, category
		FROM dreams WHERE user_id = person AND status = 'active'
		ORDER BY updated_at DESC, id LIMIT 5) t;
	SELECT coalesce(json_agg(t), '[]') INTO p FROM (
		SELECT id, user_id, pattern_type, content, strength
		FROM clarify_patterns WHERE user_id = person AND strength >= 3
		ORDER BY strength DESC, id LIMIT 10) t;
	SELECT coalesce(json_agg(t), '[]') INTO s FROM (
		SELECT id, title, created_at, message_count
		FROM clarify_sessions WHERE user_id = person AND status = 'active'
			AND id IS DISTINCT FROM current_session
		ORDER BY last_message_at DESC, id LIMIT 3) t;
	SELECT coalesce(json_agg(t), '[]') INTO r FROM (
		SELECT id, tone, created_at
		FROM reflections WHERE user_id = person
		ORDER BY created_at DESC, id LIMIT 3) t;
	RETURN json_build_object('user', u, 'dreams', d, 'patterns', p, 'sessions', s, 'reflections', r);
END $$;

-- The same as one statement, and as a view, with all that a view lets a caller
-- restrict.
CREATE VIEW contexts AS
	SELECT users.id AS user_id, json_build_object(
		'user', (SELECT row_to_json(t) FROM (
			SELECT name, tier, total_reflections, total_clarify_sessions) t),
		'dreams', (SELECT coalesce(json_agg(t), '[]') FROM (
			SELECT id, title, description, status, category
			FROM dreams WHERE user_id = users.id AND status = 'active'
			ORDER BY updated_at DESC, id LIMIT 5) t),
		'patterns', (SELECT coalesce(json_agg(t), '[]') FROM (
			SELECT id, user_id, pattern_type, content, strength
			FROM clarify_patterns WHERE user_id = users.id AND strength >= 3
			ORDER BY strength DESC, id LIMIT 10) t),
		'sessions', (SELECT coalesce(json_agg(t), '[]') FROM (
			SELECT id, title, created_at, message_count
			FROM clarify_sessions WHERE user_id = users.id AND status = 'active'
			ORDER BY last_message_at DESC, id LIMIT 3) t),
		'reflections', (SELECT coalesce(json_agg(t), '[]') FROM (
			SELECT id, tone, created_at
			FROM reflections WHERE user_id = users.id
			ORDER BY created_at DESC, id LIMIT 3) t)) AS context
	FROM users;

CREATE FUNCTION by_sql(person uuid) RETURNS json LANGUAGE sql STABLE AS
$$ SELECT context FROM contexts WHERE user_id = person $$;

-- Mean time of a call for the first people, several times over, each call a
-- statement with a snapshot of its own.
CREATE FUNCTION mean_us(call text, people int, rounds int) RETURNS numeric
LANGUAGE plpgsql AS $$
DECLARE
	ids uuid[] := (SELECT array_agg(md5('user ' || n)::uuid) FROM generate_series(1, people) n);
	person uuid;
	start timestamptz;
BEGIN
	CASE call
	WHEN 'context' THEN
		FOREACH person IN ARRAY ids LOOP PERFORM clarify_context(person); END LOOP;
		start := clock_timestamp();
		FOR i IN 1..rounds LOOP
			FOREACH person IN ARRAY ids LOOP PERFORM clarify_context(person); END LOOP;
		END LOOP;
	WHEN 'by hand' THEN
		FOREACH person IN ARRAY ids LOOP PERFORM by_hand(person); END LOOP;
		start := clock_timestamp();
		FOR i IN 1..rounds LOOP
			FOREACH person IN ARRAY ids LOOP PERFORM by_hand(person); END LOOP;
		END LOOP;
	END CASE;
	RETURN round(extract(epoch FROM clock_timestamp() - start) * 1e6 / (rounds * people), 2);
END $$;

-- Mean time of a call that finds entries of another version, builds and fills.
CREATE PROCEDURE mean_miss_us(people int, rounds int, INOUT us numeric)
LANGUAGE plpgsql AS $$
DECLARE
	ids uuid[] := (SELECT array_agg(md5('user ' || n)::uuid) FROM generate_series(1, people) n);
	person uuid;
	start timestamptz;
BEGIN
	us := 0;
	FOR i IN 1..rounds LOOP
		PERFORM clarify_cache.invalidate_all();
		COMMIT;
		start := clock_timestamp();
		FOREACH person IN ARRAY ids LOOP PERFORM clarify_context(person); END LOOP;
		us := us + extract(epoch FROM clock_timestamp() - start) * 1e6;
	END LOOP;
	us := round(us / (rounds * people), 2);
END $$;

-- Mean time of the call after a message was added, which changes one section.
CREATE PROCEDURE mean_turn_us(call text, people int, rounds int, INOUT us numeric)
LANGUAGE plpgsql AS $$
DECLARE
	ids uuid[] := (SELECT array_agg(md5('user ' || n)::uuid) FROM generate_series(1, people) n);
	person uuid;
	start timestamptz;
BEGIN
	-- The first round is not counted: plans are made, functions compiled.
	FOR i IN 0..rounds LOOP
		IF i <= 1 THEN us := 0; END IF;
		FOREACH person IN ARRAY ids LOOP
			INSERT INTO clarify_messages (session_id, role, content)
				SELECT id, 'user', 'A message.' FROM clarify_sessions WHERE user_id = person LIMIT 1;
			COMMIT;
			start := clock_timestamp();
			CASE call
			WHEN 'context' THEN PERFORM clarify_context(person);
			WHEN 'by hand' THEN PERFORM by_hand(person);
			END CASE;
			us := us + extract(epoch FROM clock_timestamp() - start) * 1e6;
		END LOOP;
	END LOOP;
	us := round(us / (rounds * people), 2);
END $$;

-- How long one call takes, in ms.
CREATE FUNCTION call_ms(person uuid) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz := clock_timestamp();
BEGIN
	PERFORM clarify_context(person);
	RETURN round(extract(epoch FROM clock_timestamp() - start) * 1e3, 2);
END $$;
