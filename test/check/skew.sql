-- Write skew: everybody has three duties, of which one has to be on at any
-- time.  A transaction turns one off if it has seen two; SERIALIZABLE, only one
-- of two that do so at once may commit.  "duty" is read through the cache,
-- "duty_plain" by plain queries, for comparison.

CREATE TABLE duty (id serial PRIMARY KEY, user_id uuid NOT NULL, is_on bool NOT NULL)
	WITH (fillfactor = 20);	-- updates are HOT, so that both indexes stay alike
CREATE TABLE duty_plain (LIKE duty INCLUDING ALL) WITH (fillfactor = 20);
INSERT INTO duty (user_id, is_on) SELECT u(n), true FROM generate_series(1, 300) n, generate_series(1, 3);
INSERT INTO duty_plain SELECT * FROM duty;
CREATE INDEX ON duty (user_id);
CREATE INDEX ON duty_plain (user_id);
ANALYZE duty, duty_plain;

-- How many are on, as read through clarify_context(), or by a query.
CREATE FUNCTION duties(cached bool, n int) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF cached THEN
		RETURN (SELECT count(*) FROM json_array_elements(clarify_context(u(n)) -> 'duty') d
			WHERE (d ->> 'is_on')::bool);
	END IF;
	RETURN (SELECT count(*) FROM json_array_elements(
		(SELECT json_agg(row_to_json(t)) FROM (SELECT id, is_on FROM duty_plain WHERE user_id = u(n) ORDER BY id) t)) d
		WHERE (d ->> 'is_on')::bool);
END $$;

CREATE FUNCTION take_turns(cached bool, n int, pause float) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	seen bigint := duties(cached, n);
BEGIN
	PERFORM pg_sleep(pause);
	EXECUTE format('UPDATE %I SET is_on = NOT is_on WHERE id =
		(SELECT id FROM %1$I WHERE user_id = u($1) AND is_on = $2 ORDER BY random() LIMIT 1)',
		CASE WHEN cached THEN 'duty' ELSE 'duty_plain' END) USING n, seen >= 2;
END $$;
