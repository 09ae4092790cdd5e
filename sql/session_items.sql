--
-- Leaving the current session out of a section "sessions" of the author's own:
-- its items have their ids behind other members, which look like ids, hold ids,
-- and are written as a json column holds them, white space and all; or have no
-- id at all.
--
\pset format unaligned
\pset tuples_only
CREATE TABLE talks (n int, user_id uuid, note text, doc json, docs json[], more jsonb, id uuid);
CREATE FUNCTION talk(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5('talk ' || n)::uuid $$;
INSERT INTO talks (n, user_id, note, doc, docs, more, id)
SELECT n, u(14), note, format(doc, talk(1))::json, ARRAY[doc_2::json], format('{"id": "%s"}', talk(2))::jsonb, talk(n)
FROM (VALUES
	(1, 'plain', NULL, '1'),
	(2, 'a quote " and a backslash \', E' \n\t{ "id" : "%s" , "a" : [ { "id" : "%1$s" } ] }\r\n ', ' [ ] '),
	(3, '"id":"' || talk(1) || '"', '  [ "%s", { } ]  ', ' { } '),
	(4, '}],[{', ' -1.5e3 ', ' "a \" ] }" '),
	(5, '', ' "%s" ', ' null '),
	(6, E'two\nlines', E'\n true', '{"id":[{"id":{}}]}'),
	(7, NULL, 'false ', '""')) v (n, note, doc, doc_2);

-- What look() is to compare with, and what it says, for each session left out.
\set query 'SELECT n, note, doc, docs, more, id FROM talks WHERE user_id = $1'
CREATE FUNCTION look_without(query text, left_out uuid, shown text) RETURNS text LANGUAGE sql AS $$
	SELECT look(u(14), left_out, format('plain_rows(''sessions'', %L, $1)',
		format('%s AND id IS DISTINCT FROM %L::uuid ORDER BY n LIMIT %s', query, left_out, shown)))
$$;
SELECT clarify_cache.attach('talks');
SELECT clarify_cache.add_section('sessions', :'query' || ' ORDER BY n');
SELECT look_without(:'query', NULL, 'ALL');
SELECT n, look_without(:'query', talk(n), 'ALL') FROM generate_series(0, 8) n;
SELECT clarify_context(u(14), talk(4))::text ~ talk(4)::text, clarify_context(u(14), talk(1))::text ~ talk(1)::text;

-- as many as are to be shown, whichever is left out
SELECT clarify_cache.drop_section('sessions');
SELECT clarify_cache.add_section('sessions', :'query' || ' ORDER BY n', max_items => 3);
SELECT look_without(:'query', NULL, '3');
SELECT n, look_without(:'query', talk(n), '3') FROM generate_series(0, 8) n;

-- An id that is no string, or null, is no session's; nor is one of an inner object.
SELECT clarify_cache.drop_section('sessions');
SELECT clarify_cache.add_section('sessions', 'SELECT note, n AS id, doc FROM talks WHERE user_id = $1 ORDER BY n');
SELECT json_array_length(clarify_context(u(14), talk(n)) -> 'sessions') FROM generate_series(1, 3) n;
SELECT clarify_cache.drop_section('sessions');
SELECT clarify_cache.add_section('sessions', 'SELECT n, doc, NULL::uuid AS id FROM talks WHERE user_id = $1 ORDER BY n');
SELECT json_array_length(clarify_context(u(14), talk(n)) -> 'sessions') FROM generate_series(1, 3) n;
-- no member of that name, no member, no item
SELECT clarify_cache.drop_section('sessions');
SELECT clarify_cache.add_section('sessions', 'SELECT n, note, doc FROM talks WHERE user_id = $1 ORDER BY n');
SELECT json_array_length(clarify_context(u(14), talk(n)) -> 'sessions') FROM generate_series(1, 3) n;
SELECT clarify_cache.drop_section('sessions');
SELECT clarify_cache.add_section('sessions', 'SELECT FROM talks WHERE user_id = $1');
SELECT clarify_context(u(14), talk(1));
SELECT clarify_context(u(0), talk(1));
-- one object is not an array of items
SELECT clarify_cache.drop_section('sessions');
SELECT clarify_cache.add_section('sessions', 'SELECT n, id FROM talks WHERE user_id = $1 ORDER BY n', single_row => true);
SELECT clarify_context(u(14), talk(1)) -> 'sessions' ->> 'n';

SELECT clear();
DROP TABLE talks;
DROP FUNCTION talk, look_without;
