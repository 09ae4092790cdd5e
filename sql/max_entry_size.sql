--
-- An entry larger than clarify_cache.max_entry_size is served and not cached;
-- the other sections of the same user are.  The limit is the caller's at the
-- time of the fill.
--
\pset format unaligned
\pset tuples_only
CREATE TABLE texts (user_id uuid, body text);
INSERT INTO texts VALUES (u(1), repeat('x', 3000)), (u(2), repeat('ü', 600)), (u(3), 'small');
SELECT clarify_cache.attach('texts');
SELECT clarify_cache.add_section('small', 'SELECT count(*) FROM texts WHERE user_id = $1');
SELECT clarify_cache.add_section('large', 'SELECT body FROM texts WHERE user_id = $1');
\set plain '$$format(\'{"small":[{"count":1}],"large":[{"body":"%s"}]}\', (SELECT body FROM texts WHERE user_id = $1))$$'
SET clarify_cache.max_entry_size = '1kB';
SELECT look(u(1), plain => :plain);
SELECT look(u(1), plain => :plain);
-- bytes count, not characters
SELECT look(u(2), plain => :plain);
SELECT look(u(2), plain => :plain);
SELECT look(u(3), plain => :plain);
SELECT look(u(3), plain => :plain);
RESET clarify_cache.max_entry_size;
SELECT look(u(1), plain => :plain);
SELECT look(u(1), plain => :plain);
-- what is there already may be larger than a later limit
SET clarify_cache.max_entry_size = '1kB';
SELECT look(u(1), plain => :plain);
RESET clarify_cache.max_entry_size;
-- at the limit itself: [{"body":"..."}] is 13 bytes around the text
UPDATE texts SET body = repeat('x', 1024 - 13) WHERE user_id = u(1);
UPDATE texts SET body = repeat('x', 1025 - 13) WHERE user_id = u(2);
SET clarify_cache.max_entry_size = '1kB';
SELECT look(u(1), plain => :plain), look(u(2), plain => :plain);
SELECT look(u(1), plain => :plain), look(u(2), plain => :plain);
RESET clarify_cache.max_entry_size;
-- of megabytes
UPDATE texts SET body = repeat(md5(user_id::text), 100000) WHERE user_id = u(1);
SELECT look(u(1), plain => :plain);
SELECT look(u(1), plain => :plain);
SET clarify_cache.max_entry_size = '8MB';
SELECT look(u(1), plain => :plain) ~ '^exact; (filled|built): ';
SELECT look(u(1), plain => :plain) ~ '^exact; ';
RESET clarify_cache.max_entry_size;
SELECT breaker FROM clarify_cache.status;
SELECT clear();
DROP TABLE texts;
