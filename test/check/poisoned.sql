-- A control for the profile "hostile": a cache that builds a context section by section with
-- the caller's settings as they are, and keeps it in a store for all.  Who plans an owner's
-- query gets the next sections by names and operators of hers, and then so does everybody.

\ir store.sql

CREATE TABLE clarify_cache.section (name text PRIMARY KEY, ordinal serial, query text, single_row bool);
GRANT SELECT ON clarify_cache.section TO PUBLIC;
CREATE FUNCTION clarify_cache.attach(relation regclass, key_column name DEFAULT NULL) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION clarify_cache.add_section(name text, query text, single_row bool DEFAULT false) RETURNS void LANGUAGE sql AS
	$$ INSERT INTO clarify_cache.section (name, query, single_row) VALUES ($1, $2, $3) $$;
CREATE FUNCTION clarify_cache.drop_section(name text) RETURNS void LANGUAGE sql AS
	$$ DELETE FROM clarify_cache.section s WHERE s.name = $1 $$;

CREATE FUNCTION cache.clarify_context(person uuid) RETURNS json LANGUAGE plpgsql STABLE AS $$
DECLARE
	answer text := clarify_cache.stored(person::text);
	part text;
	s record;
BEGIN
	IF answer IS NULL THEN
		FOR s IN SELECT * FROM clarify_cache.section ORDER BY ordinal LOOP
			EXECUTE CASE WHEN s.single_row THEN format('SELECT row_to_json(t)::text FROM (%s) t', s.query)
				ELSE format($q$SELECT '[' || string_agg(row_to_json(t)::text, ',') || ']' FROM (%s) t$q$, s.query) END
				INTO part USING person;
			answer := concat_ws(',', answer, format('%s:%s', to_json(s.name),
				coalesce(part, CASE WHEN s.single_row THEN 'null' ELSE '[]' END)));
		END LOOP;
		answer := '{' || answer || '}';
		PERFORM clarify_cache.put(person::text, answer);
	END IF;
	RETURN answer;
END $$;
CREATE FUNCTION cache.clarify_contexts(people uuid[]) RETURNS TABLE (user_id uuid, context json) LANGUAGE sql STABLE AS
	$$ SELECT person, cache.clarify_context(person) FROM unnest(people) AS person $$;

\ir hostile_definitions.sql
