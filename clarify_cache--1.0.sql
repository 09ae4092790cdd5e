/* clarify_cache--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION clarify_cache" to load this file. \quit

CREATE SCHEMA clarify_cache;
GRANT USAGE ON SCHEMA clarify_cache TO PUBLIC;
COMMENT ON SCHEMA clarify_cache IS 'clarify_cache: administration, counters and internal tables';

--
-- Tables
--

-- Tokens, one for each of the tables, of a user (kind u), or of tables as a whole:
-- coverage (c), hole (h), bump (b).  Only the library writes them.
-- The fill factor leaves room for HOT updates, and truncation by vacuum would
-- take a lock that writers wait for.  Arrays are PLAIN to be read where they lie.
CREATE TABLE clarify_cache.version (
	key_hash bigint NOT NULL,
	kind "char" NOT NULL,
	tables oid[] NOT NULL,
	tokens bigint[] NOT NULL
) USING heap WITH (fillfactor = 50, vacuum_truncate = off);
CREATE INDEX version_key ON clarify_cache.version (key_hash, kind);
ALTER TABLE clarify_cache.version ALTER tables SET STORAGE PLAIN, ALTER tokens SET STORAGE PLAIN;
ALTER TABLE clarify_cache.version REPLICA IDENTITY FULL;
COMMENT ON TABLE clarify_cache.version IS 'the tokens whose XOR is the version of the data that a section reads';

CREATE TABLE clarify_cache.instance (
	id text NOT NULL,
	secret bytea NOT NULL
) USING heap;
ALTER TABLE clarify_cache.instance REPLICA IDENTITY FULL;
COMMENT ON TABLE clarify_cache.instance IS 'this database''s name in Redis, and the secret that authenticates its entries';

CREATE TABLE clarify_cache.attached_table (
	table_id regclass PRIMARY KEY,
	key_column name,
	columns name[] NOT NULL DEFAULT '{}'
) USING heap;
COMMENT ON TABLE clarify_cache.attached_table IS 'tables whose changes make cached sections outdated';
COMMENT ON COLUMN clarify_cache.attached_table.key_column IS 'the column with the user''s id; NULL: any change concerns every user';
COMMENT ON COLUMN clarify_cache.attached_table.columns IS 'the columns besides the key that sections read; an UPDATE that changes none of them makes nothing outdated';

CREATE TABLE clarify_cache.section (
	name text PRIMARY KEY,
	ordinal int NOT NULL,
	query text NOT NULL,
	ttl interval NOT NULL,
	single_row bool NOT NULL,
	max_items int,
	tables regclass[] NOT NULL
) USING heap;
COMMENT ON TABLE clarify_cache.section IS 'the sections that a context is made of';

REVOKE ALL ON clarify_cache.version, clarify_cache.instance,
	clarify_cache.attached_table, clarify_cache.section FROM PUBLIC;

-- Members of pg_read_all_data need no grant.  Whoever knows the secret, and may
-- write to Redis, could give others what they like; so without a policy nobody
-- sees a row but the owner, and who bypasses row-level security.  (The tokens in
-- "version" are no secret, and row-level security on a table ends replication into it
-- for some.)
ALTER TABLE clarify_cache.instance ENABLE ROW LEVEL SECURITY;

SELECT pg_catalog.pg_extension_config_dump('clarify_cache.attached_table', '');
SELECT pg_catalog.pg_extension_config_dump('clarify_cache.section', '');

--
-- Trigger functions
--

CREATE FUNCTION clarify_cache.mark_change() RETURNS trigger
AS 'MODULE_PATHNAME', 'clarify_mark_change' LANGUAGE C;
COMMENT ON FUNCTION clarify_cache.mark_change() IS 'BEFORE STATEMENT trigger of attached tables: this transaction no longer reads the cache for them';

CREATE FUNCTION clarify_cache.track_change() RETURNS trigger
AS 'MODULE_PATHNAME', 'clarify_track_change' LANGUAGE C;
COMMENT ON FUNCTION clarify_cache.track_change() IS 'AFTER ROW trigger of attached tables: remembers whose version the commit changes';

CREATE FUNCTION clarify_cache.guard_own_table() RETURNS trigger
AS 'MODULE_PATHNAME', 'clarify_guard_own_table' LANGUAGE C;
COMMENT ON FUNCTION clarify_cache.guard_own_table() IS 'keeps out of the extension''s tables what logical replication brings, and what others than their owner write';

CREATE FUNCTION clarify_cache.on_ddl_command_start() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'clarify_on_ddl_command_start' LANGUAGE C;
COMMENT ON FUNCTION clarify_cache.on_ddl_command_start() IS 'a transaction with DDL does not read the cache';

CREATE FUNCTION clarify_cache.on_ddl_command_end() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'clarify_on_ddl_command_end' LANGUAGE C;
COMMENT ON FUNCTION clarify_cache.on_ddl_command_end() IS 'makes entries of attached tables unreachable after DDL';

-- mark_change and track_change stay executable by everybody: whoever creates a
-- partition of an attached table needs that, and triggers can't be called.
REVOKE EXECUTE ON FUNCTION clarify_cache.guard_own_table(),
	clarify_cache.on_ddl_command_start(), clarify_cache.on_ddl_command_end() FROM PUBLIC;

-- All names are qualified: where others may create functions in the schema of the
-- extension, one of them could fit better than PostgreSQL's own.
DO $$
DECLARE
	rel text;
BEGIN
	FOREACH rel IN ARRAY ARRAY['version', 'instance', 'attached_table', 'section'] LOOP
		EXECUTE pg_catalog.format('CREATE TRIGGER guard_row BEFORE INSERT OR UPDATE OR DELETE
			ON clarify_cache.%I FOR EACH ROW EXECUTE FUNCTION clarify_cache.guard_own_table()', rel);
		EXECUTE pg_catalog.format('CREATE TRIGGER guard_truncate BEFORE TRUNCATE
			ON clarify_cache.%I FOR EACH STATEMENT EXECUTE FUNCTION clarify_cache.guard_own_table()', rel);
		EXECUTE pg_catalog.format('ALTER TABLE clarify_cache.%I ENABLE ALWAYS TRIGGER guard_row,
			ENABLE ALWAYS TRIGGER guard_truncate', rel);
	END LOOP;
END
$$;

CREATE EVENT TRIGGER clarify_cache_ddl_start ON ddl_command_start
	EXECUTE FUNCTION clarify_cache.on_ddl_command_start();
ALTER EVENT TRIGGER clarify_cache_ddl_start ENABLE ALWAYS;
CREATE EVENT TRIGGER clarify_cache_ddl_end ON ddl_command_end
	EXECUTE FUNCTION clarify_cache.on_ddl_command_end();
ALTER EVENT TRIGGER clarify_cache_ddl_end ENABLE ALWAYS;

COMMENT ON EVENT TRIGGER clarify_cache_ddl_start IS 'clarify_cache: a transaction with DDL does not read the cache';
COMMENT ON EVENT TRIGGER clarify_cache_ddl_end IS 'clarify_cache: makes entries of attached tables unreachable after DDL';

-- Drawn once, by C code that hides it from logical decoding.
CREATE FUNCTION clarify_cache.create_instance() RETURNS void
AS 'MODULE_PATHNAME', 'clarify_create_instance' LANGUAGE C;
SELECT clarify_cache.create_instance();
DROP FUNCTION clarify_cache.create_instance();

--
-- Attachment
--

CREATE FUNCTION clarify_cache.attach(relation regclass, key_column name DEFAULT 'user_id')
RETURNS void
AS 'MODULE_PATHNAME', 'clarify_attach' LANGUAGE C;
COMMENT ON FUNCTION clarify_cache.attach(regclass, name) IS 'watch a table for changes; the key column holds the user''s id (NULL: any change concerns every user)';

CREATE FUNCTION clarify_cache.detach(relation regclass)
RETURNS void
AS 'MODULE_PATHNAME', 'clarify_detach' LANGUAGE C STRICT;
COMMENT ON FUNCTION clarify_cache.detach(regclass) IS 'stop watching a table, under ACCESS EXCLUSIVE; sections that read it are no longer cached';

CREATE FUNCTION clarify_cache.repair()
RETURNS void
AS 'MODULE_PATHNAME', 'clarify_repair' LANGUAGE C STRICT;
COMMENT ON FUNCTION clarify_cache.repair() IS 'put the triggers of all attached tables right, so that sections which schema changes or a restore made uncacheable are cached again';

--
-- Sections
--

CREATE FUNCTION clarify_cache.add_section(
	name text,
	query text,
	ttl interval DEFAULT '5 min',
	single_row bool DEFAULT false,
	max_items int DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'clarify_add_section' LANGUAGE C;
COMMENT ON FUNCTION clarify_cache.add_section(text, text, interval, bool, int) IS 'define a section of the context: a SELECT with $1 = the user''s id';

CREATE FUNCTION clarify_cache.drop_section(name text)
RETURNS void
AS 'MODULE_PATHNAME', 'clarify_drop_section' LANGUAGE C STRICT;
COMMENT ON FUNCTION clarify_cache.drop_section(text) IS 'remove a section from the context';

--
-- Clarify's own tables and sections
--

CREATE FUNCTION clarify_cache.setup(schema regnamespace DEFAULT 'public'::text::regnamespace)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted record;
	relid regclass;
	column_name text;
	missing text[] := '{}';
	names jsonb := '{}';
	section record;
BEGIN
	IF schema IS NULL THEN
		RAISE EXCEPTION 'schema must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;

	-- Find each table under one of its names, and what it lacks.
	FOR wanted IN
		SELECT * FROM (VALUES
			('users', ARRAY['users'], 'id',
			 ARRAY['id', 'name', 'tier', 'total_reflections', 'total_clarify_sessions']),
			('dreams', ARRAY['dreams'], 'user_id',
			 ARRAY['id', 'user_id', 'title', 'description', 'status', 'category', 'updated_at']),
			('patterns', ARRAY['clarify_patterns', 'patterns'], 'user_id',
			 ARRAY['id', 'user_id', 'pattern_type', 'content', 'strength']),
			('sessions', ARRAY['clarify_sessions', 'sessions'], 'user_id',
			 ARRAY['id', 'user_id', 'title', 'message_count', 'status', 'last_message_at', 'created_at']),
			('reflections', ARRAY['reflections'], 'user_id',
			 ARRAY['id', 'user_id', 'tone', 'created_at'])
		) AS v (role, candidates, key_column, columns)
	LOOP
		SELECT c.oid::regclass INTO relid
		FROM unnest(wanted.candidates) WITH ORDINALITY AS u (candidate, position)
			JOIN pg_class c ON c.relname = u.candidate AND c.relnamespace = schema::oid
		WHERE c.relkind IN ('r', 'p')
		ORDER BY u.position LIMIT 1;
		IF relid IS NULL THEN
			missing := missing || format('table %s.%s', schema, array_to_string(wanted.candidates, ' or '));
			CONTINUE;
		END IF;
		FOREACH column_name IN ARRAY wanted.columns LOOP
			IF NOT EXISTS (SELECT FROM pg_attribute a
						   WHERE a.attrelid = relid AND a.attname = column_name
							 AND a.attnum > 0 AND NOT a.attisdropped) THEN
				missing := missing || format('column %s of table %s', column_name, relid);
			END IF;
		END LOOP;
		names := names || jsonb_build_object(wanted.role,
			jsonb_build_object('table', relid::text, 'id', relid::oid::bigint, 'key', wanted.key_column));
	END LOOP;
	IF missing <> '{}' THEN
		RAISE EXCEPTION 'schema "%" does not hold Clarify''s tables', schema
			USING ERRCODE = 'undefined_object',
				  DETAIL = format('Missing: %s.', array_to_string(missing, ', ')),
				  HINT = 'Name the schema, as in setup(''app''), or define sections of your own with clarify_cache.attach() and add_section().';
	END IF;

	FOR wanted IN SELECT value ->> 'key' AS key_column, (value ->> 'id')::oid::regclass AS relid
				  FROM jsonb_each(names) LOOP
		IF NOT EXISTS (SELECT FROM clarify_cache.attached_table t WHERE t.table_id = wanted.relid) THEN
			PERFORM clarify_cache.attach(wanted.relid, wanted.key_column::name);
		END IF;
	END LOOP;

	-- One session more than is shown, since the current one may be among them.
	FOR section IN
		SELECT * FROM (VALUES
			('user', 'users', '5 min'::interval, true, NULL::int,
			 'SELECT name, tier, total_reflections, total_clarify_sessions
			  FROM %s WHERE id = $1'),
			('dreams', 'dreams', '2 min', false, NULL,
			 'SELECT id, title, description, status, category
			  FROM %s WHERE user_id = $1 AND status = ''active''
			  ORDER BY updated_at DESC, id LIMIT 5'),
			('patterns', 'patterns', '10 min', false, NULL,
			 'SELECT id, user_id, pattern_type, content, strength
			  FROM %s WHERE user_id = $1 AND strength >= 3
			  ORDER BY strength DESC, id LIMIT 10'),
			('sessions', 'sessions', '1 min', false, 3,
			 'SELECT id, title, created_at, message_count
			  FROM %s WHERE user_id = $1 AND status = ''active''
			  ORDER BY last_message_at DESC, id LIMIT 4'),
			('reflections', 'reflections', '5 min', false, NULL,
			 'SELECT id, tone, created_at
			  FROM %s WHERE user_id = $1
			  ORDER BY created_at DESC, id LIMIT 3')
		) AS v (name, role, ttl, single_row, max_items, query)
	LOOP
		IF NOT EXISTS (SELECT FROM clarify_cache.section s WHERE s.name = section.name) THEN
			PERFORM clarify_cache.add_section(section.name,
				format(section.query, names -> section.role ->> 'table'),
				section.ttl, section.single_row, section.max_items);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION clarify_cache.setup(regnamespace) IS 'attach Clarify''s tables in a schema and define its five sections, leaving alone what is there';

--
-- Invalidation
--

CREATE FUNCTION clarify_cache.invalidate(user_id uuid)
RETURNS void
AS 'MODULE_PATHNAME', 'clarify_invalidate' LANGUAGE C STRICT;
COMMENT ON FUNCTION clarify_cache.invalidate(uuid) IS 'make everything cached about a user outdated, when this transaction commits';

CREATE FUNCTION clarify_cache.invalidate_all()
RETURNS void
AS 'MODULE_PATHNAME', 'clarify_invalidate_all' LANGUAGE C STRICT;
COMMENT ON FUNCTION clarify_cache.invalidate_all() IS 'make everything cached outdated, when this transaction commits';

CREATE FUNCTION clarify_cache.compact()
RETURNS bigint
AS 'MODULE_PATHNAME', 'clarify_compact' LANGUAGE C STRICT;
COMMENT ON FUNCTION clarify_cache.compact() IS 'fold the rows of clarify_cache.version; changes no version, waits for nobody; returns how many rows there are less';

--
-- The context
--

CREATE FUNCTION clarify_context(user_id uuid, current_session_id uuid DEFAULT NULL)
RETURNS json
AS 'MODULE_PATHNAME', 'clarify_context' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION clarify_context(uuid, uuid) IS 'a user''s context, one member for each section; the current session is left out of "sessions"';

CREATE FUNCTION clarify_contexts(user_ids uuid[])
RETURNS TABLE (user_id uuid, context json)
AS 'MODULE_PATHNAME', 'clarify_contexts' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 100;
COMMENT ON FUNCTION clarify_contexts(uuid[]) IS 'the contexts of many users, a row for each id in their order, with one round trip to Redis for a hundred of them';

CREATE FUNCTION clarify_cache.warm(user_ids uuid[])
RETURNS bigint
AS 'MODULE_PATHNAME', 'clarify_warm' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION clarify_cache.warm(uuid[]) IS 'build what is not cached of these users, ahead of need; returns how many entries were made';

CREATE FUNCTION clarify_prompt(user_id uuid, current_session_id uuid DEFAULT NULL, max_tokens int DEFAULT 8000)
RETURNS text
AS 'MODULE_PATHNAME', 'clarify_prompt' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION clarify_prompt(uuid, uuid, int) IS 'a user''s context as text to put before a system prompt, within a budget of tokens; nothing to say gives the empty string';

--
-- Seeing
--

CREATE FUNCTION clarify_cache.explain(
	user_id uuid,
	OUT section text,
	OUT served_from text,
	OUT reason text,
	OUT bytes bigint,
	OUT age interval,
	OUT ttl_left interval)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'clarify_explain' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION clarify_cache.explain(uuid) IS 'call clarify_context() and say for each section where it came from (local, redis, build, or bypass and its reason), its size, and the age and remaining time of its entry';

CREATE FUNCTION clarify_cache.section_state(
	OUT section text,
	OUT ordinal int,
	OUT query text,
	OUT ttl interval,
	OUT single_row bool,
	OUT max_items int,
	OUT tables regclass[],
	OUT cacheable bool,
	OUT reason text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'clarify_section_state' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION clarify_cache.section_state() IS 'see the view clarify_cache.sections';

CREATE VIEW clarify_cache.sections AS
	SELECT * FROM clarify_cache.section_state() ORDER BY ordinal;
COMMENT ON VIEW clarify_cache.sections IS 'definition of each section, the tables it reads, and whether it can be cached now or why not';
COMMENT ON COLUMN clarify_cache.sections.ordinal IS 'its place in the context';
COMMENT ON COLUMN clarify_cache.sections.query IS 'with every name qualified; $1 is the user''s id';
COMMENT ON COLUMN clarify_cache.sections.tables IS 'the tables it read when it was defined';
COMMENT ON COLUMN clarify_cache.sections.cacheable IS 'could a call now be served from the cache, or fill it, as far as definitions and tables go?';
COMMENT ON COLUMN clarify_cache.sections.reason IS 'why not; NULL if it could';

CREATE FUNCTION clarify_cache.section_stats(
	OUT section text,
	OUT local_hits bigint,
	OUT redis_hits bigint,
	OUT builds bigint,
	OUT build_time double precision,
	OUT bypasses bigint,
	OUT bypass_reasons jsonb,
	OUT fills bigint,
	OUT fill_failures bigint,
	OUT version_mismatches bigint,
	OUT corrupt_entries bigint,
	OUT audited bigint,
	OUT audit_mismatches bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'clarify_section_stats' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION clarify_cache.section_stats() IS 'see the view clarify_cache.stats';

CREATE VIEW clarify_cache.stats AS
	SELECT * FROM clarify_cache.section_stats();
COMMENT ON VIEW clarify_cache.stats IS 'counters of each section since reset_stats() or the start of the server (or, when the library is not preloaded, since this backend first used it)';
COMMENT ON COLUMN clarify_cache.stats.local_hits IS 'answers from the local tier';
COMMENT ON COLUMN clarify_cache.stats.redis_hits IS 'answers from Redis';
COMMENT ON COLUMN clarify_cache.stats.builds IS 'answers built from the tables, bypasses included';
COMMENT ON COLUMN clarify_cache.stats.build_time IS 'milliseconds spent on building';
COMMENT ON COLUMN clarify_cache.stats.bypasses IS 'answers built without looking at the cache';
COMMENT ON COLUMN clarify_cache.stats.bypass_reasons IS 'the same by reason';
COMMENT ON COLUMN clarify_cache.stats.fills IS 'entries built and stored, in whichever tier';
COMMENT ON COLUMN clarify_cache.stats.fill_failures IS 'entries built that Redis, or without one the local tier, did not take';
COMMENT ON COLUMN clarify_cache.stats.version_mismatches IS 'entries found that were of other data';
COMMENT ON COLUMN clarify_cache.stats.corrupt_entries IS 'entries found that this database did not write';
COMMENT ON COLUMN clarify_cache.stats.audited IS 'hits that were built again in the same snapshot and compared, as clarify_cache.audit_rate says; stays 0 for a section that depends on the time';
COMMENT ON COLUMN clarify_cache.stats.audit_mismatches IS 'those of them that were not the same; each has a WARNING in the log';

CREATE FUNCTION clarify_cache.calls(
	OUT calls bigint,
	OUT call_time double precision,
	OUT waits bigint,
	OUT latency_bounds double precision[],
	OUT latency_counts bigint[],
	OUT stats_reset timestamptz)
RETURNS record
AS 'MODULE_PATHNAME', 'clarify_calls' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION clarify_cache.calls() IS 'see the view clarify_cache.call_stats';

CREATE VIEW clarify_cache.call_stats AS
	SELECT * FROM clarify_cache.calls();
COMMENT ON VIEW clarify_cache.call_stats IS 'counters of the calls in this database: a call is one context, or up to a hundred of clarify_contexts() and warm()';
COMMENT ON COLUMN clarify_cache.call_stats.calls IS 'calls that returned';
COMMENT ON COLUMN clarify_cache.call_stats.call_time IS 'milliseconds spent on them';
COMMENT ON COLUMN clarify_cache.call_stats.waits IS 'calls that waited for another backend to build what they missed, and took its answer';
COMMENT ON COLUMN clarify_cache.call_stats.latency_bounds IS 'milliseconds: upper bounds of a histogram';
COMMENT ON COLUMN clarify_cache.call_stats.latency_counts IS 'calls that took at most so long, one for each bound';
COMMENT ON COLUMN clarify_cache.call_stats.stats_reset IS 'when the counters began';

CREATE FUNCTION clarify_cache.redis(
	OUT commands bigint,
	OUT errors bigint,
	OUT timeouts bigint,
	OUT connects bigint,
	OUT reconnects bigint,
	OUT breaker_openings bigint)
RETURNS record
AS 'MODULE_PATHNAME', 'clarify_redis' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION clarify_cache.redis() IS 'see the view clarify_cache.redis_stats';

CREATE VIEW clarify_cache.redis_stats AS
	SELECT * FROM clarify_cache.redis();
COMMENT ON VIEW clarify_cache.redis_stats IS 'counters of what went on between all backends, of all databases, and Redis';
COMMENT ON COLUMN clarify_cache.redis_stats.commands IS 'commands sent: MGET for reads, SET for each fill, UNLINK for commits';
COMMENT ON COLUMN clarify_cache.redis_stats.errors IS 'failures of any kind, time-outs included, as the circuit breaker counts them';
COMMENT ON COLUMN clarify_cache.redis_stats.timeouts IS 'waits that connect_timeout or command_timeout ended';
COMMENT ON COLUMN clarify_cache.redis_stats.connects IS 'connections opened';
COMMENT ON COLUMN clarify_cache.redis_stats.reconnects IS 'those of them that took the place of a lost one';
COMMENT ON COLUMN clarify_cache.redis_stats.breaker_openings IS 'how often the circuit breaker opened';

CREATE FUNCTION clarify_cache.reset_stats()
RETURNS void
AS 'MODULE_PATHNAME', 'clarify_reset_stats' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION clarify_cache.reset_stats() IS 'start counting from zero: the sections and calls of this database, and Redis; not undone by a rollback';

CREATE FUNCTION clarify_cache.cache_status(
	OUT enabled bool,
	OUT preloaded bool,
	OUT redis_address text,
	OUT connected bool,
	OUT breaker text,
	OUT breaker_failures int,
	OUT breaker_openings bigint,
	OUT breaker_probe_at timestamptz,
	OUT local_size bigint,
	OUT local_used bigint,
	OUT local_entries bigint,
	OUT local_evictions bigint)
RETURNS record
AS 'MODULE_PATHNAME', 'clarify_cache_status' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION clarify_cache.cache_status() IS 'see the view clarify_cache.status';

CREATE VIEW clarify_cache.status AS
	SELECT * FROM clarify_cache.cache_status();
COMMENT ON VIEW clarify_cache.status IS 'state of the cache as this backend sees it';
COMMENT ON COLUMN clarify_cache.status.enabled IS 'clarify_cache.enabled, in this session';
COMMENT ON COLUMN clarify_cache.status.preloaded IS 'are local tier, breaker and counters shared by all backends?';
COMMENT ON COLUMN clarify_cache.status.redis_address IS 'where Redis is, without user and password; NULL: none';
COMMENT ON COLUMN clarify_cache.status.connected IS 'has this backend an open connection?';
COMMENT ON COLUMN clarify_cache.status.breaker IS 'closed: Redis is used; open: it is left alone; half-open: the next caller tries it';
COMMENT ON COLUMN clarify_cache.status.breaker_failures IS 'failures in a row so far';
COMMENT ON COLUMN clarify_cache.status.breaker_openings IS 'how often it has opened since the counters began';
COMMENT ON COLUMN clarify_cache.status.breaker_probe_at IS 'when an open breaker lets a caller try Redis again';
COMMENT ON COLUMN clarify_cache.status.local_size IS 'bytes that the local tier has; 0: it is off';
COMMENT ON COLUMN clarify_cache.status.local_used IS 'bytes of them in entries, outdated ones included';
COMMENT ON COLUMN clarify_cache.status.local_entries IS 'entries in it, of all databases';
COMMENT ON COLUMN clarify_cache.status.local_evictions IS 'entries that had to make room for others since the server started';

GRANT SELECT ON clarify_cache.sections, clarify_cache.stats, clarify_cache.call_stats,
	clarify_cache.redis_stats, clarify_cache.status TO PUBLIC;

REVOKE EXECUTE ON FUNCTION clarify_cache.attach(regclass, name),
	clarify_cache.detach(regclass), clarify_cache.repair(),
	clarify_cache.add_section(text, text, interval, bool, int),
	clarify_cache.drop_section(text), clarify_cache.invalidate(uuid),
	clarify_cache.invalidate_all(), clarify_cache.compact(),
	clarify_cache.warm(uuid[]), clarify_cache.reset_stats(),
	clarify_cache.setup(regnamespace) FROM PUBLIC;
