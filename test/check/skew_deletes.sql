-- A control for skew.sql: the duties kept by deletes.sql's cache.  A read of it
-- takes no predicate lock, so nobody always has a duty on.
CREATE OR REPLACE FUNCTION plain(who uuid[]) RETURNS TABLE (person uuid, context text) LANGUAGE sql STABLE AS $$
	SELECT w.person, json_build_object('duty', (SELECT json_agg(row_to_json(t)) FROM (
		SELECT id, is_on FROM duty WHERE user_id = w.person ORDER BY id) t))::text
	FROM unnest(who) AS w (person)
$$;
CREATE TRIGGER delete_keys AFTER INSERT OR UPDATE OR DELETE ON duty
	FOR EACH ROW EXECUTE FUNCTION clarify_cache.delete_keys('user_id');
