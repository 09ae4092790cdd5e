-- The sections of hostile.sql: the owners' stand between the others.
\ir definitions.sql
SELECT clarify_cache.attach('mallory.diary'), clarify_cache.attach('trudy.diary');
DO $$
DECLARE
	s record;
BEGIN
	PERFORM clarify_cache.add_section('mallory', 'SELECT user_id, body FROM mallory.diary WHERE user_id = $1 ORDER BY id');
	FOR s IN SELECT * FROM clarify_cache.section WHERE name <> 'mallory' ORDER BY ordinal LOOP
		PERFORM clarify_cache.drop_section(s.name);
		PERFORM clarify_cache.add_section(s.name, s.query, single_row => s.single_row);
		CASE s.name
			WHEN 'notes' THEN
				PERFORM clarify_cache.add_section('trudy', 'SELECT user_id, body FROM trudy.diary WHERE user_id = $1 ORDER BY id');
			WHEN 'labelled' THEN
				PERFORM clarify_cache.add_section('named', 'SELECT d.user_id, p.name, d.body FROM people p
					JOIN mallory.diary d ON d.user_id = $1 WHERE p.id = $1 ORDER BY d.id');
			ELSE
		END CASE;
	END LOOP;
END $$;
