/*
 * What clarify_context() must return, byte for byte, made with plain queries
 * and no extension: the tests' measure.  STABLE, so that it sees what the
 * query that calls it sees.
 */

CREATE FUNCTION plain_array(rows json[]) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT '[' || coalesce(array_to_string(rows::text[], ','), '') || ']' $$;

CREATE FUNCTION plain_context(person uuid, current_session uuid DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE SET TimeZone = 'UTC' AS $$
	SELECT '{"user":' || coalesce((
		SELECT row_to_json(t)::text FROM (
			SELECT name, tier, total_reflections, total_clarify_sessions
			FROM users WHERE id = person) t), 'null')
	|| ',"dreams":' || plain_array(ARRAY(
		SELECT row_to_json(t) FROM (
			SELECT id, title, description, status, category
			FROM dreams WHERE user_id = person AND status = 'active'
			ORDER BY updated_at DESC, id LIMIT 5) t))
	|| ',"patterns":' || plain_array(ARRAY(
		SELECT row_to_json(t) FROM (
			SELECT id, user_id, pattern_type, content, strength
			FROM clarify_patterns WHERE user_id = person AND strength >= 3
			ORDER BY strength DESC, id LIMIT 10) t))
	|| ',"sessions":' || plain_array(ARRAY(
		SELECT row_to_json(t) FROM (
			SELECT id, title, created_at, message_count
			FROM clarify_sessions WHERE user_id = person AND status = 'active'
				AND id IS DISTINCT FROM current_session
			ORDER BY last_message_at DESC, id LIMIT 3) t))
	|| ',"reflections":' || plain_array(ARRAY(
		SELECT row_to_json(t) FROM (
			SELECT id, tone, created_at
			FROM reflections WHERE user_id = person
			ORDER BY created_at DESC, id LIMIT 3) t))
	|| '}'
	WHERE person IS NOT NULL
$$;
