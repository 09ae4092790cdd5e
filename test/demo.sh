#!/bin/bash
#
# See the cache at work: test/demo.sh
#
# Clarify's schema with 1,000 people, on a private PostgreSQL and Redis.

# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
enter "$@"

say "building with $("$PG_CONFIG" --version)"
build WERROR=0

say "starting a private PostgreSQL and Redis"
start_redis
start_postgres <<-CONF
	shared_preload_libraries = 'clarify_cache'
	clarify_cache.redis_url = '$(redis_url)'
	clarify_cache.breaker_recovery = '2s'	# the default of 15s makes a dull demo
CONF

say "loading Clarify's schema and 1,000 people"
psql -X -q -v ON_ERROR_STOP=1 -f test/clarify/schema.sql -f test/clarify/data.sql \
	-f test/clarify/plain.sql

# All in one session, so that the times are those of a warm backend.
cat >"$tmp/demo.sql" <<'SQL'
\set ON_ERROR_STOP 1
\pset footer off
\pset null '-'

-- Time one call, see where its sections came from, and compare its answer with
-- that of plain queries in the same snapshot.
CREATE FUNCTION show_call(person uuid, session uuid DEFAULT NULL)
RETURNS TABLE ("time" text, "from memory" bigint, "from Redis" bigint, built text, bytes int,
	"same as plain queries" text)
LANGUAGE plpgsql AS $$
DECLARE
	before jsonb := (SELECT jsonb_agg(s) FROM clarify_cache.stats s);
	start timestamptz := clock_timestamp();
	context json := clarify_context(person, session);
BEGIN
	"time" := round(extract(epoch FROM clock_timestamp() - start) * 1e6) || ' us';
	SELECT sum(s.local_hits - coalesce(b.local_hits, 0)),
		sum(s.redis_hits - coalesce(b.redis_hits, 0)),
		string_agg(s.section, ', ') FILTER (WHERE s.builds > coalesce(b.builds, 0))
		INTO "from memory", "from Redis", built
		FROM clarify_cache.stats s LEFT JOIN
			jsonb_populate_recordset(NULL::clarify_cache.stats, before) b USING (section);
	bytes := octet_length(context::text);
	"same as plain queries" := CASE WHEN context::text = plain_context(person, session)
		THEN 'yes' ELSE 'NO' END;
	RETURN NEXT;
END $$;

\echo
\echo '== CREATE EXTENSION clarify_cache; SELECT clarify_cache.setup();'
CREATE EXTENSION clarify_cache;
SELECT clarify_cache.setup();

SELECT md5('user 8')::uuid AS ada, md5('user 9')::uuid AS bjorn,
	md5('session 3 of 8')::uuid AS session \gset
\o /dev/null
-- Warm the session up with somebody else: catalogs, plans, the connection.
SELECT show_call(:'bjorn') FROM generate_series(1, 5);
\o

\echo
\echo '== The first call for Ada: built with five queries, and kept in PostgreSQL''s memory and in Redis'
SELECT * FROM show_call(:'ada');
\echo '== The same call again: from memory'
SELECT * FROM show_call(:'ada');

SELECT left(clarify_context(:'ada')::text, 90) || '...' AS "the context begins with";

\echo '== Ada edits a dream; the next call has it, no invalidation call anywhere'
SELECT id AS dream FROM dreams WHERE user_id = :'ada' AND status = 'active' LIMIT 1 \gset
UPDATE dreams SET title = 'Run two marathons', updated_at = '2026-06-01' WHERE id = :'dream';
\echo 'UPDATE dreams SET title = ''Run two marathons'' ...'
SELECT * FROM show_call(:'ada');
SELECT clarify_context(:'ada') -> 'dreams' -> 0 ->> 'title' AS "first dream in the context";

\echo '== A chat turn: Ada''s message is stored, then the context is made.'
\echo '== A trigger updated her session; one section is built, four are hits'
INSERT INTO clarify_messages (session_id, role, content, created_at)
VALUES (:'session', 'user', 'What did I say about running?', '2026-06-01 12:00');
\echo 'INSERT INTO clarify_messages ...'
SELECT * FROM show_call(:'ada', :'session');

\echo '== The context as a prompt of at most 120 tokens'
\pset format unaligned
SELECT clarify_prompt(:'ada', :'session', 120) AS " ";
\pset format aligned

\echo '== PostgreSQL is restarted: its memory is empty, but Redis has the entries'
\! pg_ctl -D "$PGHOST/pg" -l "$PGHOST/postgres.log" -w -s restart
\c
\o /dev/null
SELECT show_call(:'bjorn') FROM generate_series(1, 5);
\o
SELECT * FROM show_call(:'ada');
SELECT section, served_from, bytes, ttl_left FROM clarify_cache.explain(:'ada');

\echo '== Redis is stopped, and Ada edits another dream: as right as before'
\! bash -c '. test/lib.sh && stop_redis'
UPDATE dreams SET title = 'Run three marathons' WHERE id = :'dream';
SELECT * FROM show_call(:'ada');
\echo '== ... and while it is away the breaker leaves it alone'
\o /dev/null
SELECT show_call(md5('user ' || n)::uuid) FROM generate_series(20, 23) n;
\o
SELECT breaker, breaker_failures, breaker_probe_at - now() AS "tried again in" FROM clarify_cache.status;

\echo '== Redis is back, empty; once the breaker tries again, it is filled'
\! bash -c '. test/lib.sh && start_redis'
SELECT pg_sleep(2.2) \g /dev/null
SELECT count(*) AS "contexts at once" FROM clarify_contexts((SELECT array_agg(id) FROM users));
SELECT breaker, connected, local_entries, local_used FROM clarify_cache.status;

\echo '== The statistics of all that'
SELECT section, local_hits, redis_hits, builds, bypasses, fills FROM clarify_cache.stats;
SQL
run psql -X -q -f "$tmp/demo.sql"
