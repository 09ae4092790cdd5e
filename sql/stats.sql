--
-- The views stats, call_stats and redis_stats after things that were done on
-- purpose: each counts what it says and nothing else.
--
-- Which tier an entry is in depends on the server: hits of both are added up.
--
\pset format unaligned
\pset tuples_only
SELECT clarify_cache.setup();
SELECT clarify_cache.reset_stats();

-- Somebody whom no test has asked for.
CREATE FUNCTION me() RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5('stats')::uuid $$;
INSERT INTO users (id, email, name) VALUES (me(), 'stats@example.org', 'Stats');
INSERT INTO dreams (user_id, title, description) VALUES (me(), 'Dream', repeat('x', 2000));

-- What was counted since the last reset; of each section, or of those named.
CREATE VIEW counts AS
	SELECT section, local_hits + redis_hits AS hits, builds, bypasses, bypass_reasons, fills, fill_failures,
		version_mismatches AS mismatches, corrupt_entries AS corrupt, build_time > 0 AS took_time
	FROM clarify_cache.stats;
CREATE FUNCTION start() RETURNS SETOF text LANGUAGE sql AS $$ SELECT NULL WHERE clarify_cache.reset_stats() IS NULL $$;
\pset tuples_only off

-- nothing
SELECT * FROM counts;
SELECT calls, call_time, waits, latency_counts FROM clarify_cache.call_stats;

-- a build, then a hit
DO $$ BEGIN PERFORM clarify_context(me()); END $$;
SELECT * FROM counts;
SELECT start();
DO $$ BEGIN PERFORM clarify_context(me()); END $$;
SELECT * FROM counts;

-- a change that Redis is not told of: the entry is there, of other data
SELECT start();
BEGIN;
SET LOCAL clarify_cache.enabled = off;
UPDATE dreams SET title = 'Changed' WHERE user_id = me();
COMMIT;
DO $$ BEGIN PERFORM clarify_context(me()); END $$;
SELECT * FROM counts;
-- once: it has been replaced
DO $$ BEGIN PERFORM clarify_context(me()); END $$;
SELECT section, hits, builds, mismatches FROM counts WHERE section = 'dreams';
-- another definition is no mismatch
SELECT start();
BEGIN;
SELECT clarify_cache.drop_section('reflections');
SELECT clarify_cache.add_section('reflections', 'SELECT id, tone FROM reflections WHERE user_id = $1 ORDER BY id');
COMMIT;
DO $$ BEGIN PERFORM clarify_context(me()); END $$;
SELECT section, hits, builds, mismatches, corrupt FROM counts;

-- bypasses, by their reasons
SELECT start();
SET clarify_cache.enabled = off;
DO $$ BEGIN PERFORM clarify_context(me()); PERFORM clarify_context(u(2)); END $$;
RESET clarify_cache.enabled;
BEGIN;
UPDATE users SET name = 'Mine' WHERE id = me();
DO $$ BEGIN PERFORM clarify_context(me()); PERFORM clarify_context(me()); PERFORM clarify_context(me()); END $$;
ROLLBACK;
ALTER TABLE dreams DISABLE TRIGGER USER;
DO $$ BEGIN PERFORM clarify_context(me()); END $$;
ALTER TABLE dreams ENABLE TRIGGER USER;
SELECT clarify_cache.repair();
SELECT section, builds, bypasses, bypass_reasons, jsonb_typeof(bypass_reasons) FROM counts;
SELECT bypass_reasons -> 'disabled' AS disabled, bypass_reasons ->> 'hole' AS hole FROM clarify_cache.stats WHERE section = 'dreams';
SELECT bool_and(bypasses = (SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(bypass_reasons))) AS sum FROM clarify_cache.stats;

-- what is too large: served, and no tier took it
SELECT start();
SET clarify_cache.max_entry_size = '1kB';
SELECT clarify_cache.invalidate(me());
DO $$ BEGIN PERFORM clarify_context(me()); END $$;
RESET clarify_cache.max_entry_size;
SELECT section, builds, fills, fill_failures FROM counts WHERE section IN ('user', 'dreams');

-- Calls: each of clarify_context(), explain(), and each hundred users of
-- clarify_contexts() and warm(); none that fails, nor of a NULL user.
SELECT start();
DO $$ BEGIN PERFORM clarify_context(u(n)) FROM generate_series(5001, 5010) n; END $$;
SELECT calls FROM clarify_cache.call_stats;
DO $$ BEGIN PERFORM clarify_context(NULL); PERFORM * FROM clarify_contexts('{}'); END $$;
SELECT calls FROM clarify_cache.call_stats;
DO $$ BEGIN PERFORM clarify_cache.explain(me()); END $$;
SELECT calls FROM clarify_cache.call_stats;
DO $$ BEGIN PERFORM * FROM clarify_contexts((SELECT array_agg(u(n)) FROM generate_series(5001, 5201) n)); END $$;
SELECT calls FROM clarify_cache.call_stats;
DO $$ BEGIN PERFORM clarify_cache.warm((SELECT array_agg(u(n)) FROM generate_series(5001, 5100) n)); END $$;
SELECT calls FROM clarify_cache.call_stats;
SELECT section, hits, builds, fills FROM counts WHERE section = 'user';
CREATE ROLE regress_nobody;
SET ROLE regress_nobody;
SELECT attempt('SELECT clarify_context(me())');
RESET ROLE;
SELECT calls, waits FROM clarify_cache.call_stats;
-- the histogram: cumulative, with a count for each bound
SELECT cardinality(latency_bounds) AS bounds, cardinality(latency_counts) AS counts,
	latency_counts[13] <= calls AS last_is_no_more, latency_counts[13] > 0 AS some, call_time > 0 AS took_time
FROM clarify_cache.call_stats;
SELECT bool_and(bound > previous_bound) AS bounds_grow, bool_and(count >= previous_count) AS counts_do_not_shrink
FROM (SELECT bound, count, lag(bound, 1, 0) OVER (ORDER BY n) AS previous_bound, lag(count, 1, 0) OVER (ORDER BY n) AS previous_count
	FROM clarify_cache.call_stats, unnest(latency_bounds, latency_counts) WITH ORDINALITY AS b (bound, count, n)) t;
SELECT latency_bounds FROM clarify_cache.call_stats;
-- a call that takes more than 50 ms is counted above that, and its time in all
SELECT clarify_cache.add_section('slow', 'SELECT (SELECT count(sqrt(g)) FROM generate_series(1, 2000000) g) FROM users WHERE id = $1');
SELECT start();
DO $$ BEGIN PERFORM clarify_context(me()); END $$;
SELECT calls, latency_counts[11] AS below_50_ms, call_time > 50 AS took_more FROM clarify_cache.call_stats;
SELECT section, build_time > 50 AS took_more, build_time <= call_time AS within_the_call
FROM clarify_cache.stats, clarify_cache.call_stats WHERE section = 'slow';
SELECT clarify_cache.drop_section('slow');

-- redis_stats
SELECT attname, atttypid::regtype FROM pg_attribute WHERE attrelid = 'clarify_cache.redis_stats'::regclass AND attnum > 0 ORDER BY attnum;
SELECT commands >= 0 AS commands, errors, timeouts, connects >= 0 AS connects, reconnects, breaker_openings FROM clarify_cache.redis_stats;

-- reset_stats(): this database alone, at once, and not for everybody
CREATE DATABASE regress_stats;
\set this :DBNAME
\c regress_stats
CREATE EXTENSION clarify_cache;
CREATE TABLE t (user_id uuid, n int);
SELECT clarify_cache.attach('t');
SELECT clarify_cache.add_section('user', 'SELECT n FROM t WHERE user_id = $1');
SELECT clarify_context('00000000-0000-0000-0000-000000000001');
SELECT builds, (SELECT calls FROM clarify_cache.call_stats) AS calls FROM clarify_cache.stats;
SELECT stats_reset AS reset_there FROM clarify_cache.call_stats \gset
\c :this
DO $$ BEGIN PERFORM clarify_context(me()); END $$;
SELECT sum(hits + builds) > 0 AS counted FROM counts;
SELECT stats_reset AS reset_here FROM clarify_cache.call_stats \gset
BEGIN;
SELECT clarify_cache.reset_stats();
ROLLBACK;
SELECT sum(hits + builds + bypasses + fills + fill_failures + mismatches + corrupt) AS all_counters FROM counts;
SELECT calls, call_time, waits, stats_reset > :'reset_here' AS later, stats_reset <= clock_timestamp() AS past FROM clarify_cache.call_stats;
\c regress_stats
SELECT builds, (SELECT calls FROM clarify_cache.call_stats) AS calls FROM clarify_cache.stats;
SELECT stats_reset = :'reset_there' AS since_the_same_time FROM clarify_cache.call_stats;
\c :this
DROP DATABASE regress_stats;
SET ROLE regress_nobody;
SELECT attempt('SELECT clarify_cache.reset_stats()');
SELECT count(*) FROM clarify_cache.stats;
SELECT calls FROM clarify_cache.call_stats;
SELECT errors FROM clarify_cache.redis_stats;
RESET ROLE;
DROP ROLE regress_nobody;
DROP VIEW counts;
DELETE FROM users WHERE id = me();
DROP FUNCTION start, me;
SELECT clear();
