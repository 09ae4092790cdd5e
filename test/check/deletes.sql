-- A control: the cache that is usually built.  Answers are kept in a store
-- outside of the transactions, and triggers on the tables delete a user's key.
-- It returns outdated answers: who reads between a delete and its commit
-- puts the old answer back, and who has an older snapshot puts in what it sees.
-- The checker must find that.

\ir store.sql

-- Whoever asks is given what is there.
CREATE FUNCTION clarify_context(person uuid) RETURNS json LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
	answer text := clarify_cache.stored(person::text);
BEGIN
	IF answer IS NULL THEN
		answer := plain(person);
		PERFORM clarify_cache.put(person::text, answer);
	END IF;
	RETURN answer;
END $$;
CREATE FUNCTION clarify_contexts(people uuid[]) RETURNS TABLE (user_id uuid, context json) LANGUAGE sql STABLE AS
	$$ SELECT person, clarify_context(person) FROM unnest(people) AS person $$;

CREATE FUNCTION clarify_cache.invalidate(person uuid) RETURNS void LANGUAGE sql AS
	$$ SELECT clarify_cache.store(format('DELETE FROM entries WHERE key = %L RETURNING key', person)) $$;
CREATE FUNCTION clarify_cache.invalidate_all() RETURNS void LANGUAGE sql AS
	$$ SELECT clarify_cache.store('WITH gone AS (DELETE FROM entries RETURNING key) SELECT count(*) FROM gone') $$;

CREATE FUNCTION clarify_cache.delete_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_TABLE_NAME = 'labels' THEN
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
CREATE TRIGGER delete_keys AFTER INSERT OR UPDATE OR DELETE ON people
	FOR EACH ROW EXECUTE FUNCTION clarify_cache.delete_keys('id');
CREATE TRIGGER delete_keys AFTER INSERT OR UPDATE OR DELETE ON notes
	FOR EACH ROW EXECUTE FUNCTION clarify_cache.delete_keys('user_id');
CREATE TRIGGER delete_keys AFTER INSERT OR UPDATE OR DELETE ON events
	FOR EACH ROW EXECUTE FUNCTION clarify_cache.delete_keys('user_id');
CREATE TRIGGER delete_keys AFTER INSERT OR UPDATE OR DELETE ON labels
	FOR EACH ROW EXECUTE FUNCTION clarify_cache.delete_keys();
