--
-- The extension's own tables: nobody changes "version" and "instance" by SQL,
-- not even under session_replication_role = replica; what somebody changes in
-- the other two is announced like any other change.
--
\pset format unaligned
\pset tuples_only
SELECT clarify_cache.setup();
SELECT look(u(6)), look(u(6));

SELECT attempt('INSERT INTO clarify_cache.version VALUES (1, ''u'', ''{1}'', ''{1}'')');
SELECT attempt('UPDATE clarify_cache.version SET tokens = tokens');
SELECT attempt('DELETE FROM clarify_cache.version');
SELECT attempt('TRUNCATE clarify_cache.version');
SELECT attempt('INSERT INTO clarify_cache.instance VALUES (''x'', ''x'')');
SELECT attempt('UPDATE clarify_cache.instance SET secret = ''known''');
SELECT attempt('DELETE FROM clarify_cache.instance');
SELECT attempt('TRUNCATE clarify_cache.instance');
SELECT attempt('MERGE INTO clarify_cache.version USING (SELECT 1) x ON true WHEN MATCHED THEN DELETE');
COPY clarify_cache.version FROM STDIN;
1	u	{1}	{1}
\.
SET session_replication_role = replica;
SELECT attempt('INSERT INTO clarify_cache.version VALUES (1, ''u'', ''{1}'', ''{1}'')');
SELECT attempt('UPDATE clarify_cache.version SET tokens = tokens');
SELECT attempt('DELETE FROM clarify_cache.version');
SELECT attempt('TRUNCATE clarify_cache.version');
SELECT attempt('UPDATE clarify_cache.instance SET id = ''other''');
SELECT attempt('TRUNCATE clarify_cache.instance');
RESET session_replication_role;
SELECT look(u(6));

-- a definition changed by hand
UPDATE clarify_cache.section SET max_items = 1 WHERE name = 'sessions';
SELECT json_array_length(clarify_context(u(6)) -> 'sessions');
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE clarify_cache.section SET max_items = 2 WHERE name = 'sessions';
SELECT json_array_length(clarify_context(u(6)) -> 'sessions');
ROLLBACK;
SELECT json_array_length(clarify_context(u(6)) -> 'sessions');
SET session_replication_role = replica;
UPDATE clarify_cache.section SET max_items = 3 WHERE name = 'sessions';
RESET session_replication_role;
SELECT look(u(6));
UPDATE clarify_cache.section SET query = replace(query, 'strength DESC', 'strength') WHERE name = 'patterns';
SELECT clarify_context(u(6))::text = plain_context(u(6)) AS with_the_patterns_upside_down;
UPDATE clarify_cache.section SET query = replace(query, 'strength', 'strength DESC') WHERE name = 'patterns';
DELETE FROM clarify_cache.section WHERE name = 'patterns';
SELECT json_object_keys(clarify_context(u(6)));
SELECT attempt('TRUNCATE clarify_cache.section');
DELETE FROM clarify_cache.section;
SELECT attempt('SELECT clarify_context(u(6))');
-- setup() puts the sections back; their old entries are still right
SELECT clarify_cache.setup();
SELECT look(u(6));
SELECT look(u(6));

-- An attachment changed or taken away by hand, and then DDL that nobody can
-- connect to it: refused, or exact.
CREATE FUNCTION tampered(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM attempt(command);
	RETURN split_part(look(u(6)), ';', 1);
END $$;
SELECT tampered('UPDATE clarify_cache.attached_table SET key_column = ''id'' WHERE table_id = ''dreams''::regclass');
UPDATE dreams SET title = 'one' WHERE user_id = u(6);
SELECT split_part(look(u(6)), ';', 1);
SELECT tampered('DELETE FROM clarify_cache.attached_table WHERE table_id = ''dreams''::regclass');
UPDATE dreams SET title = 'two' WHERE user_id = u(6);
SELECT split_part(look(u(6)), ';', 1);
ALTER TABLE dreams DISABLE TRIGGER clarify_cache_track;
UPDATE dreams SET title = 'three' WHERE user_id = u(6);
SELECT split_part(look(u(6)), ';', 1);
SELECT tampered('TRUNCATE clarify_cache.attached_table');
ALTER TABLE reflections DISABLE TRIGGER clarify_cache_track;
DELETE FROM reflections WHERE user_id = u(6);
SELECT split_part(look(u(6)), ';', 1);
-- and well again
ALTER TABLE dreams ENABLE ALWAYS TRIGGER clarify_cache_track;
ALTER TABLE reflections ENABLE ALWAYS TRIGGER clarify_cache_track;
SELECT clarify_cache.setup();
SELECT clarify_cache.repair();
SELECT look(u(6));
SELECT look(u(6));
DROP FUNCTION tampered;
SELECT clear();
