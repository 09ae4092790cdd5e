--
-- explain(): where each section comes from and why, as the same call by
-- clarify_context() then finds; and the size, age and remaining time of its
-- entry.  It takes the rights that the call takes.
--
-- Which tier an entry is in depends on the server: it is called "tier" here.
--
\pset format unaligned
\pset tuples_only
SELECT attempt('SELECT * FROM clarify_cache.explain(u(11))');
SELECT clarify_cache.setup();

CREATE FUNCTION tier(served_from text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN served_from IN ('local', 'redis') THEN 'tier' ELSE served_from END $$;

-- The sections by where they come from and why; are the sizes those of the
-- sections in the context, and are age and ttl_left those of an entry?
CREATE FUNCTION explained(person uuid) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT concat_ws(' ', tier(e.served_from), e.reason, string_agg(e.section, ', ' ORDER BY e.o),
			CASE WHEN bool_and(e.age IS NULL AND e.ttl_left IS NULL) THEN 'no entry'
				WHEN bool_and(e.age >= '0' AND e.ttl_left > '0' AND e.age < s.ttl
					AND e.age + e.ttl_left BETWEEN s.ttl * 0.9 AND s.ttl) THEN 'an entry'
				ELSE 'WRONG times' END)
		FROM clarify_cache.explain(person) WITH ORDINALITY AS e (section, served_from, reason, bytes, age, ttl_left, o)
			JOIN clarify_cache.sections s USING (section)
		GROUP BY tier(e.served_from), e.reason ORDER BY min(e.o);
END $$;

-- built and kept; from a tier
SELECT explained(u(11));
SELECT explained(u(11));
SELECT look(u(11));
-- what clarify_context() has built
SELECT look(u(12));
SELECT explained(u(12));
-- and the other way round: explain() fills as a call does
SELECT explained(u(13));
SELECT look(u(13));
-- in the order of the sections
SELECT section, tier(served_from), reason FROM clarify_cache.explain(u(11));
-- the sizes are those of the JSON in the context
SELECT section, bytes = octet_length((clarify_context(u(11)) -> section)::text) FROM clarify_cache.explain(u(11)) WHERE section <> 'sessions';
UPDATE users SET name = 'Zoë 😀' WHERE id = u(11);
SELECT section, tier(served_from), bytes = octet_length((clarify_context(u(11)) -> section)::text),
	bytes - length((clarify_context(u(11)) -> section)::text) AS more_than_characters
FROM clarify_cache.explain(u(11)) WHERE section = 'user';
-- of "sessions" a call shows three; the entry has four
SELECT bytes = octet_length(plain) FROM clarify_cache.explain(u(11)), LATERAL (
	SELECT plain_array(ARRAY(SELECT row_to_json(t) FROM (SELECT id, title, created_at, message_count FROM clarify_sessions
		WHERE user_id = u(11) AND status = 'active' ORDER BY last_message_at DESC, id LIMIT 4) t)) AS plain) p WHERE section = 'sessions';
-- unknown, and NULL
SELECT explained(u(0));
SELECT explained(u(0));
SELECT section, bytes FROM clarify_cache.explain(u(0));
SELECT count(*) FROM clarify_cache.explain(NULL);

-- a change: of one section
UPDATE dreams SET title = 'Changed' WHERE user_id = u(11);
SELECT explained(u(11));
SELECT explained(u(11));
-- an entry gets older
SELECT bool_and(b.age > a.age AND b.ttl_left < a.ttl_left AND b.age + b.ttl_left = a.age + a.ttl_left)
FROM clarify_cache.explain(u(11)) a JOIN LATERAL (SELECT pg_sleep(0.01)) s ON true JOIN LATERAL clarify_cache.explain(u(11)) b USING (section);
-- what is too large for a tier
SET clarify_cache.max_entry_size = '1kB';
SELECT clarify_cache.invalidate(u(11));
SELECT section, tier(served_from), reason, bytes > 1024, age IS NULL, ttl_left IS NULL FROM clarify_cache.explain(u(11)) WHERE section IN ('user', 'dreams');
SELECT section, tier(served_from), reason, bytes > 1024, age IS NULL, ttl_left IS NULL FROM clarify_cache.explain(u(11)) WHERE section IN ('user', 'dreams');
RESET clarify_cache.max_entry_size;
SELECT explained(u(11));
SELECT explained(u(11));

-- The reasons

-- disabled
SET clarify_cache.enabled = off;
SELECT explained(u(11));
RESET clarify_cache.enabled;
-- serializable
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT explained(u(11));
COMMIT;
-- changed: a table, of anybody; then all
BEGIN;
UPDATE dreams SET title = 'Mine' WHERE user_id = u(15);
SELECT explained(u(11));
CREATE TABLE new_table ();
SELECT explained(u(11));
ROLLBACK;
-- hole, until repair()
ALTER TABLE dreams DISABLE TRIGGER USER;
SELECT explained(u(11));
ALTER TABLE dreams ENABLE TRIGGER USER;
SELECT explained(u(11));
SELECT clarify_cache.repair();
SELECT explained(u(11));
SELECT explained(u(11));
-- not_covered
CREATE TABLE notes (user_id uuid, body text);
SELECT clarify_cache.attach('notes');
SELECT clarify_cache.add_section('notes', 'SELECT body FROM notes WHERE user_id = $1');
SELECT explained(u(11));
SELECT clarify_cache.detach('notes');
SELECT explained(u(11));
-- uncacheable: its table is attached by another key
SELECT clarify_cache.attach('notes', NULL);
SELECT explained(u(11));
SELECT clarify_cache.detach('notes');
ALTER TABLE notes ADD other_id uuid;
SELECT clarify_cache.attach('notes', 'other_id');
SELECT explained(u(11));
SELECT section, reason IS NOT NULL FROM clarify_cache.sections WHERE NOT cacheable;
SELECT clarify_cache.drop_section('notes');
SELECT clarify_cache.detach('notes');
DROP TABLE notes;
-- worker: what a parallel worker calls
CREATE FUNCTION explain_in_worker(person uuid) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT string_agg(DISTINCT served_from || ' ' || reason, ', ') FROM clarify_cache.explain(person) $$;
BEGIN;
SET LOCAL force_parallel_mode = on;
SELECT explain_in_worker(md5('user 11')::uuid);
COMMIT;
DROP FUNCTION explain_in_worker;

-- row_security, and rights: what a call takes
CREATE ROLE regress_nobody;
CREATE ROLE regress_reader;
GRANT SELECT ON users, dreams, clarify_sessions, clarify_patterns, reflections TO regress_reader;
GRANT USAGE ON SCHEMA auth TO regress_reader;
SELECT explained(u(11));
SET ROLE regress_nobody;
SELECT attempt('SELECT * FROM clarify_cache.explain(u(11))');
SELECT attempt('SELECT clarify_context(u(11))');
RESET ROLE;
SET ROLE regress_reader;
SELECT section, served_from, reason, age IS NULL, ttl_left IS NULL FROM clarify_cache.explain(u(11));
RESET ROLE;
GRANT SELECT ON users, dreams, clarify_sessions, clarify_patterns TO regress_nobody;
ALTER ROLE regress_nobody BYPASSRLS;
SET ROLE regress_nobody;
SELECT attempt('SELECT * FROM clarify_cache.explain(u(11))');
RESET ROLE;
GRANT SELECT ON reflections TO regress_nobody;
SET ROLE regress_nobody;
SELECT section, tier(served_from), reason FROM clarify_cache.explain(u(11));
RESET ROLE;
DROP OWNED BY regress_nobody, regress_reader;
DROP ROLE regress_nobody;
DROP ROLE regress_reader;

DROP FUNCTION explained, tier;
SELECT clear();
