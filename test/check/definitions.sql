-- What is attached, and the sections.
SELECT clarify_cache.attach('people', 'id'), clarify_cache.attach('notes'), clarify_cache.attach('events'),
	clarify_cache.attach('labels', NULL);
SELECT clarify_cache.add_section('person', 'SELECT name, seen FROM people WHERE id = $1
	ORDER BY name, seen LIMIT 1', single_row => true);
SELECT clarify_cache.add_section('notes', 'SELECT id, parent, body, made FROM notes WHERE user_id = $1 ORDER BY id');
SELECT clarify_cache.add_section('events', 'SELECT id, at, body FROM events WHERE user_id = $1 ORDER BY at, id');
SELECT clarify_cache.add_section('labelled', 'SELECT n.id, l.label FROM notes n JOIN labels l ON l.id = n.id % 3
	WHERE n.user_id = $1 ORDER BY n.id');
SELECT clarify_cache.add_section('joined', 'SELECT p.name, e.at, e.id FROM people p JOIN events e ON e.user_id = $1
	WHERE p.id = $1 ORDER BY p.name, e.at, e.id');
SELECT clarify_cache.add_section('variant', 'SELECT count(*) AS n FROM notes WHERE user_id = $1');
