--
-- clarify_context(): the first call builds and fills, the second hits, and each
-- section is outdated by changes of its own tables and its own user alone.  The
-- current session is left out of an entry that is the same for all sessions.
--
-- look() says whether the answer is what plain queries give, and where it came
-- from; without the second, a cache that never hits would pass.
--

-- no section is defined
\pset format unaligned
\pset tuples_only
SELECT attempt('SELECT clarify_context(u(1))');

-- a first call, a second
SELECT clarify_cache.setup();
SELECT look(u(1));
SELECT look(u(1));
SELECT clarify_context(u(1))::text = plain_context(u(1));
SELECT json_object_keys(clarify_context(u(1)));

-- all people, then all of them again
SELECT n, look(u(n)) FROM generate_series(2, 5) n;
SELECT n, look(u(n)) FROM generate_series(1, 5) n;
SELECT count(*) FROM users WHERE clarify_context(id)::text = plain_context(id);

-- A NULL user: NULL, and nothing is read.
SELECT clarify_context(NULL) IS NULL, clarify_context(NULL, s(u(1), 1)) IS NULL;
SELECT look(NULL);

-- An unknown user: cached like any other.
SELECT clarify_context(u(0));
SELECT look(u(0));
INSERT INTO users (id, email, name) VALUES (u(0), 'new@example.org', 'New');
SELECT look(u(0));
SELECT look(u(0));
DELETE FROM users WHERE id = u(0);
SELECT look(u(0));

-- The current session is the first of those shown, in the middle, the last, the
-- one beyond, not there, not anybody's, of another person: the same entry.
SELECT count(*) >= 4 FROM clarify_sessions WHERE user_id = u(3) AND status = 'active';
SELECT n, look(u(3), s(u(3), n)) FROM generate_series(1, 4) n;
SELECT look(u(3), (SELECT id FROM clarify_sessions WHERE user_id = u(3) AND status = 'archived' LIMIT 1));
SELECT look(u(3), '00000000-0000-0000-0000-000000000000');
SELECT look(u(3), s(u(4), 1));
SELECT look(u(3), NULL);
SELECT look(u(3), upper(s(u(3), 2)::text)::uuid);
-- three are shown, whichever is left out
SELECT n, json_array_length(clarify_context(u(3), s(u(3), n)) -> 'sessions') FROM generate_series(1, 5) n;

-- Filled with a current session, taken without one, and with another.
SELECT clarify_cache.invalidate(u(3));
SELECT look(u(3), s(u(3), 1));
SELECT look(u(3));
SELECT look(u(3), s(u(3), 2));

-- Fewer sessions than are shown: two, one (the current one), none.
UPDATE clarify_sessions SET status = 'archived' WHERE user_id = u(4)
	AND id NOT IN (s(u(4), 1), s(u(4), 2));
SELECT look(u(4));
SELECT look(u(4), s(u(4), 1));
DELETE FROM clarify_sessions WHERE id = s(u(4), 2);
SELECT look(u(4));
SELECT look(u(4), s(u(4), 1));
SELECT clarify_context(u(4), s(u(4), 1)) -> 'sessions';

-- Titles that look like JSON, or like the current session.
UPDATE clarify_sessions SET title = CASE id
	WHEN s(u(3), 1) THEN '"},{"id":"' || s(u(3), 2) || '","title":"'
	WHEN s(u(3), 2) THEN E'\\"]}],\n\t\\\\'
	WHEN s(u(3), 3) THEN s(u(3), 1)::text
	ELSE E'{[,:"\\u0000 \u00fc\U0001F600' END
	WHERE user_id = u(3);
SELECT look(u(3));
SELECT n, look(u(3), s(u(3), n)) FROM generate_series(1, 4) n;

-- A chat turn: the trigger updates the session, which makes one section
-- outdated.  (An earlier cache forgot the others, or this one.)
INSERT INTO clarify_messages (session_id, role, content) VALUES (s(u(1), 2), 'user', 'Good morning');
SELECT look(u(1), s(u(1), 1));
SELECT look(u(1), s(u(1), 1));
INSERT INTO clarify_messages (session_id, role, content) VALUES (s(u(1), 1), 'assistant', 'Good morning!');
SELECT look(u(1), s(u(1), 1));
-- other people's were left alone
SELECT look(u(2));

-- Each section by its own table.
UPDATE users SET total_reflections = total_reflections + 1 WHERE id = u(1);
SELECT look(u(1));
UPDATE dreams SET title = 'Edited' WHERE user_id = u(1);
SELECT look(u(1));
INSERT INTO clarify_patterns (user_id, pattern_type, content, strength) VALUES (u(1), 'tension', 'new', 10);
SELECT look(u(1));
DELETE FROM clarify_sessions WHERE id = s(u(1), 1);
SELECT look(u(1));
INSERT INTO reflections (user_id, tone, dream, plan, relationship, offering, ai_response)
	VALUES (u(1), 'gentle', '', '', '', '', '');
SELECT look(u(1));
SELECT look(u(1));
-- a change that no section shows is none, nor is SET NULL of such a column (a
-- conversation's patterns, above)
UPDATE users SET email = 'other@example.org' WHERE id = u(1);
SELECT look(u(1));
-- an UPDATE of no row is none
UPDATE users SET name = 'x' WHERE id = u(0);
SELECT look(u(1));

-- Moved to another user: both are outdated, and a third is not.
UPDATE dreams SET user_id = u(2) WHERE user_id = u(1);
SELECT n, look(u(n)) FROM generate_series(1, 3) n;
SELECT n, look(u(n)) FROM generate_series(1, 3) n;

-- Cascades: everything of a person, and SET NULL of what pointed to it.
DELETE FROM dreams WHERE user_id = u(2);
SELECT look(u(2));
DELETE FROM users WHERE id = u(2);
SELECT look(u(2));
SELECT look(u(2));

-- invalidate() is of one user, invalidate_all() of all; both with the commit.
SELECT clarify_cache.invalidate(u(1));
SELECT look(u(1)), look(u(5));
BEGIN;
SELECT clarify_cache.invalidate(u(1));
SELECT look(u(1));
ROLLBACK;
SELECT look(u(1));
SELECT clarify_cache.invalidate_all();
SELECT look(u(1)), look(u(5));
SELECT look(u(1)), look(u(5));
SELECT clarify_cache.invalidate(NULL);
SELECT look(u(1));

-- Many calls in one statement, and one in the middle of a query.
SELECT count(*) FROM generate_series(1, 20) n, LATERAL (SELECT clarify_context(u(n))) c
	WHERE clarify_context(u(n))::text IS NOT DISTINCT FROM plain_context(u(n));
SELECT clear();
