/*
 * People with dreams, conversations, patterns and reflections: the psql
 * variable "people" says how many (1000 if it is not set).
 *
 * The same on every run: ids come from md5 of what they name, so person n is
 * md5('user n')::uuid.  Times tie now and then, so an order without a
 * tie-breaker shows.
 */

\if :{?people}
\else
\set people 1000
\endif

BEGIN;

-- Between 5 and 10 of each kind, different from person to person.
CREATE TEMP TABLE one ON COMMIT DROP AS
SELECT p AS person, kind, i, md5(format('user %s', p))::uuid AS user_id,
	md5(format('%s %s of %s', kind, i, p))::uuid AS id,
	'2026-01-01 12:00:00+00'::timestamptz + interval '1 hour' * (p % 500)
		+ interval '1 day' * (i / 2) AS at
FROM generate_series(1, :people) p,
	unnest(ARRAY['dream', 'session', 'message', 'pattern', 'reflection']) kind,
	generate_series(1, 5 + ('x' || left(md5(kind || p), 7))::bit(28)::int % 6) i;

INSERT INTO users (id, email, name, tier, total_reflections, total_clarify_sessions,
	last_sign_in_at, created_at, updated_at)
SELECT user_id, format('person%s@example.org', person),
	(ARRAY['Ada', 'Björn', 'Chloé', 'Dara', 'Emre', 'Fumiko', 'Gül', 'Hana'])[1 + person % 8]
		|| ' ' || person,
	(ARRAY['free', 'plus', 'pro'])[1 + person % 3],
	count(*) FILTER (WHERE kind = 'reflection'),
	nullif(count(*) FILTER (WHERE kind = 'session'), 7),
	max(at), min(at), min(at)
FROM one GROUP BY person, user_id;

INSERT INTO dreams (id, user_id, title, description, status, category, priority,
	created_at, updated_at)
SELECT id, user_id,
	(ARRAY['Run a marathon', 'Learn to paint', 'Write "the book"', 'Live by the sea',
		'Start a bakery', 'Play the cello'])[1 + i % 6] || ' ' || i,
	CASE WHEN i % 5 > 0
		THEN repeat(format('Dream %s of person %s, told at length. ', i, person), 1 + i % 4 * 8) END,
	(ARRAY['active', 'active', 'active', 'achieved', 'active', 'archived', 'released'])[1 + i % 7],
	CASE WHEN i % 4 > 0 THEN (ARRAY['health', 'creative', 'career', 'relationships'])[i % 4] END,
	1 + i % 10, at, at
FROM one WHERE kind = 'dream' ORDER BY person, i;

INSERT INTO clarify_sessions (id, user_id, title, status, last_message_at, created_at, updated_at)
SELECT id, user_id, CASE WHEN i % 6 > 0 THEN format('Conversation %s', i) END,
	CASE WHEN i % 5 = 0 THEN 'archived' ELSE 'active' END, at, at, at
FROM one WHERE kind = 'session' ORDER BY person, i;

-- Message i belongs to a conversation that exists: there are at least five.
INSERT INTO clarify_messages (id, session_id, role, content, created_at)
SELECT id, md5(format('session %s of %s', 1 + i % 5, person))::uuid,
	CASE WHEN i % 2 = 1 THEN 'user' ELSE 'assistant' END,
	repeat(format('What message %s says. ', i), 5 + i % 20), at
FROM one WHERE kind = 'message' ORDER BY person, i;

INSERT INTO clarify_patterns (id, user_id, session_id, pattern_type, content, strength, extracted_at)
SELECT id, user_id, md5(format('session %s of %s', 1 + i % 5, person))::uuid,
	(ARRAY['recurring_theme', 'tension', 'potential_dream', 'identity_signal'])[1 + i % 4],
	format('Comes back to it %s times: freedom, and what it costs.', i), 1 + (i * 3 + person) % 10, at
FROM one WHERE kind = 'pattern' ORDER BY person, i;

INSERT INTO reflections (id, user_id, dream_id, tone, dream, plan, relationship, offering,
	ai_response, view_count, created_at)
SELECT id, user_id, md5(format('dream %s of %s', 1 + i % 5, person))::uuid,
	(ARRAY['gentle', 'intense', 'fusion'])[1 + (i + person) % 3],
	repeat('What is your dream? ', 20), repeat('What is your plan? ', 20),
	repeat('What is your relationship with this dream? ', 10),
	repeat('What are you willing to give? ', 15),
	repeat(format('An answer to person %s. ', person), 150), i, at
FROM one WHERE kind = 'reflection' ORDER BY person, i;

COMMIT;

ANALYZE users, dreams, clarify_sessions, clarify_messages, clarify_patterns, reflections;
