-- What the controls keep answers in: a store outside of the transactions (another
-- database, reached through dblink, with autocommit, as Redis would be).  Whoever asks,
-- and with whatever search_path, the store itself is not what is wrong with them.

CREATE EXTENSION dblink;
CREATE SCHEMA clarify_cache;
GRANT USAGE ON SCHEMA clarify_cache TO PUBLIC;

-- The primary's, also for a standby.
CREATE TABLE clarify_cache.place AS
	SELECT format('host=%s dbname=store user=postgres', current_setting('unix_socket_directories')) AS store;

CREATE FUNCTION clarify_cache.store(command text) RETURNS text LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	answer text;
BEGIN
	IF 'store' <> ALL (coalesce(dblink_get_connections(), '{}')) THEN
		PERFORM dblink_connect('store', p.store) FROM clarify_cache.place p;
	END IF;
	SELECT reply INTO answer FROM dblink('store', command) AS t (reply text);
	RETURN answer;
END $$;
CREATE FUNCTION clarify_cache.stored(key text) RETURNS text LANGUAGE sql SET search_path = public, pg_temp AS
	$$ SELECT clarify_cache.store(format('SELECT value FROM entries WHERE key = %L', key)) $$;
CREATE FUNCTION clarify_cache.put(key text, value text) RETURNS void LANGUAGE sql SET search_path = public, pg_temp AS
	$$ SELECT clarify_cache.store(format('INSERT INTO entries VALUES (%L, %L)
		ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value RETURNING key', key, value)) $$;
