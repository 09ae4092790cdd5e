/*
 * Contexts of 1 kB: of each kind one row is left.
 */
DELETE FROM clarify_messages;
DELETE FROM reflections r WHERE id <> (SELECT min(id::text)::uuid FROM reflections WHERE user_id = r.user_id);
DELETE FROM clarify_patterns;
DELETE FROM dreams d WHERE id <> (
	SELECT min(id::text)::uuid FROM dreams WHERE user_id = d.user_id AND status = 'active');
DELETE FROM clarify_sessions s WHERE id <> (
	SELECT min(id::text)::uuid FROM clarify_sessions WHERE user_id = s.user_id AND status = 'active');
INSERT INTO clarify_patterns (user_id, pattern_type, content)
	SELECT id, 'tension', 'Comes back to it: freedom, and what it costs.' FROM users;
UPDATE dreams SET description = (SELECT left(string_agg(md5(id::text || n), ' '), 300) FROM generate_series(1, 10) n);
