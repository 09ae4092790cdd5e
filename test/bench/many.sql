/*
 * As many people as the psql variable "people" says, with a few rows each: two of
 * three dreams and two of three patterns are shown, two conversations, two
 * reflections.
 *
 * With the extension's triggers on, so that each has a version in each table.
 * Indexes and foreign keys come after the rows.
 */
CREATE TEMP TABLE later AS
	SELECT 1 AS ordinal, format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS command,
		conrelid::regclass AS relation, conname AS name, contype
	FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f')
	UNION ALL
	SELECT 2, pg_get_indexdef(indexrelid), indrelid::regclass, indexrelid::regclass::text, 'i'
	FROM pg_index WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
		AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'));
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', relation, name) FROM later WHERE contype = 'f' \gexec
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', relation, name) FROM later WHERE contype IN ('p', 'u') \gexec
SELECT format('DROP INDEX %s', name) FROM later WHERE contype = 'i' \gexec

SET clarify_cache.max_tracked_keys = 10000000;
SET maintenance_work_mem = '512MB';

INSERT INTO users (id, email, name, tier, total_reflections, total_clarify_sessions)
SELECT md5('user ' || p)::uuid, format('person%s@example.org', p), 'Ada ' || p,
	(ARRAY['free', 'plus', 'pro'])[1 + p % 3], 2, 2
FROM generate_series(1, :people) p;

INSERT INTO dreams (user_id, title, description, status, category, updated_at)
SELECT md5('user ' || p)::uuid, 'Run a marathon ' || i,
	repeat(format('Dream %s of person %s. ', i, p), 8), (ARRAY['active', 'active', 'achieved'])[i],
	'health', '2026-01-01'::timestamptz + interval '1 hour' * (p % 500 + i)
FROM generate_series(1, :people) p, generate_series(1, 3) i;

INSERT INTO clarify_sessions (user_id, title, last_message_at)
SELECT md5('user ' || p)::uuid, 'Conversation ' || i, '2026-01-01'::timestamptz + interval '1 hour' * (p % 500 + i)
FROM generate_series(1, :people) p, generate_series(1, 2) i;

INSERT INTO clarify_patterns (user_id, pattern_type, content, strength)
SELECT md5('user ' || p)::uuid, 'tension', format('Comes back to it %s times: freedom, and what it costs.', i), 1 + i * 2
FROM generate_series(1, :people) p, generate_series(0, 2) i;

INSERT INTO reflections (user_id, tone, dream, plan, relationship, offering, ai_response, created_at)
SELECT md5('user ' || p)::uuid, 'gentle', 'A dream.', 'A plan.', 'Close.', 'Time.', 'An answer.',
	'2026-01-01'::timestamptz + interval '1 hour' * (p % 500 + i)
FROM generate_series(1, :people) p, generate_series(1, 2) i;

-- Foreign keys after the keys that they refer to.
SELECT command FROM later ORDER BY ordinal, contype = 'f', contype <> 'p' \gexec
