-- A control for the profile "fleet": a cache with versions that commit with the data, as
-- the extension's do, but that takes the rows of "version" for what its snapshot sees.
-- After a rewrite of "version", an older snapshot on a standby sees the version of now,
-- and files the data of then under it.  Nothing else is wrong with it, but for changes
-- that are not MVCC-safe.

\ir store.sql

CREATE TABLE clarify_cache.version (person uuid, token bigint NOT NULL) WITH (autovacuum_enabled = off);
CREATE INDEX version_key ON clarify_cache.version (person);

CREATE FUNCTION clarify_context(person uuid) RETURNS json LANGUAGE plpgsql STABLE AS $$
DECLARE
	key text;
	answer text;
BEGIN
	-- Who has written sees what nobody else does.
	IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
		RETURN plain(person);
	END IF;
	SELECT concat_ws(':', clarify_context.person, bit_xor(v.token)) INTO key FROM clarify_cache.version v
		WHERE v.person = clarify_context.person OR v.person IS NULL;
	answer := clarify_cache.stored(key);
	IF answer IS NULL THEN
		answer := plain(person);
		PERFORM clarify_cache.put(key, answer);
	END IF;
	RETURN answer;
END $$;
CREATE FUNCTION clarify_contexts(people uuid[]) RETURNS TABLE (user_id uuid, context json) LANGUAGE sql STABLE AS
	$$ SELECT person, clarify_context(person) FROM unnest(people) AS person $$;

CREATE FUNCTION clarify_cache.invalidate(person uuid) RETURNS void LANGUAGE sql AS
	$$ INSERT INTO clarify_cache.version VALUES (person, (random() * 1e18)::bigint) $$;
CREATE FUNCTION clarify_cache.invalidate_all() RETURNS void LANGUAGE sql AS
	$$ SELECT clarify_cache.invalidate(NULL) $$;

-- Argument: the column with the person; none: any change concerns all.
CREATE FUNCTION clarify_cache.change_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_NARGS = 0 THEN
		PERFORM clarify_cache.invalidate_all();
		RETURN NULL;
	END IF;
	IF TG_OP <> 'INSERT' THEN
		PERFORM clarify_cache.invalidate((to_jsonb(OLD) ->> TG_ARGV[0])::uuid);
	END IF;
	IF TG_OP <> 'DELETE' THEN
		PERFORM clarify_cache.invalidate((to_jsonb(NEW) ->> TG_ARGV[0])::uuid);
	END IF;
	RETURN NULL;
END $$;
SELECT format('CREATE TRIGGER change_version AFTER INSERT OR UPDATE OR DELETE ON %1$s
	FOR EACH ROW EXECUTE FUNCTION clarify_cache.change_version(%2$s);
	ALTER TABLE %1$s ENABLE ALWAYS TRIGGER change_version;
	CREATE TRIGGER truncate_version AFTER TRUNCATE ON %1$s
	FOR EACH STATEMENT EXECUTE FUNCTION clarify_cache.change_version()', name, key)
FROM (VALUES ('people', 'id'), ('notes', 'user_id'), ('events', 'user_id'), ('labels', '')) AS t (name, key) \gexec
SELECT format('CREATE TRIGGER truncate_version AFTER TRUNCATE ON %s
	FOR EACH STATEMENT EXECUTE FUNCTION clarify_cache.change_version()', name)
FROM unnest('{events_1, events_2, events_2a, events_2b}'::text[]) AS name \gexec
