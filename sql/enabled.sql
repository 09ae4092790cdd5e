--
-- clarify_cache.enabled = off: everything is built and nothing filled, while
-- writes still outdate entries, for those who have it on, and for later.
--
\pset format unaligned
\pset tuples_only
SELECT clarify_cache.setup();
SELECT look(u(8));
SELECT look(u(8));
SET clarify_cache.enabled = off;
SELECT look(u(8));
SELECT look(u(9));
UPDATE dreams SET title = 'Changed while it was off' WHERE user_id = u(8);
TRUNCATE clarify_patterns;
SELECT look(u(8));
SELECT look(NULL), look(u(0)), look(u(8), s(u(8), 1));
RESET clarify_cache.enabled;
-- what was built while it was off was not filled; what was changed is outdated
SELECT look(u(8));
SELECT look(u(8));
SELECT look(u(9));
-- of one transaction, of one function
BEGIN;
SET LOCAL clarify_cache.enabled = off;
SELECT look(u(8));
COMMIT;
SELECT look(u(8));
CREATE FUNCTION look_off(person uuid) RETURNS text LANGUAGE sql SET clarify_cache.enabled = off
	AS $$ SELECT look(person) $$;
SELECT look(u(8)), look_off(u(8)), look(u(8));
-- the rest works while it is off
SET clarify_cache.enabled = off;
SELECT enabled FROM clarify_cache.status;
SELECT section, cacheable, reason FROM clarify_cache.sections;
SELECT clarify_cache.invalidate(u(8));
SELECT clarify_cache.drop_section('patterns');
SELECT clarify_cache.setup();
SELECT clarify_cache.detach('dreams');
SELECT clarify_cache.attach('dreams');
SELECT clarify_cache.repair();
RESET clarify_cache.enabled;
SELECT clarify_cache.drop_section(section) FROM clarify_cache.sections WHERE section IN ('reflections', 'sessions', 'patterns');
SELECT clarify_cache.setup();
SELECT count(*) FROM (SELECT look(u(8))) l WHERE look ~ 'filled: all';
SELECT look(u(8)) ~ '; hit: all$';
DROP FUNCTION look_off;
SELECT clear();
