--
-- Users whose ids have the same hash, which is all that a version says about a
-- user.  (The hash is no secret, and whoever may choose ids can make as many of
-- them.)  Each gets their own context; a change of one outdates the other's
-- entries, too, and no more than that.  And one whose hash is the number that
-- stands for a table as a whole.
--
\pset format unaligned
\pset tuples_only
\set one '50780cb5-45ac-e514-738f-92f501000000'
\set two '78a437a9-f5b1-483e-5a72-bc7602000000'
\set zero 'cd29ae78-0b8d-eb68-638a-79f601000000'
\set next 'b5f9e788-4011-3207-3e22-d79a02000000'
CREATE TABLE things (id int, user_id uuid, body text);
SELECT clarify_cache.attach('things');
SELECT clarify_cache.add_section('things', 'SELECT id, body FROM things WHERE user_id = $1 ORDER BY id');
\set plain '$$plain_rows(''things'', ''SELECT id, body FROM things WHERE user_id = $1 ORDER BY id'', $1)$$'
INSERT INTO things VALUES (1, :'one', 'of one'), (2, :'two', 'of two');
-- one row stands for both
SELECT count(*), to_hex(min(key_hash)) FROM clarify_cache.version WHERE 'things'::regclass = ANY (tables) AND kind = 'u';

-- Both are kept at once, and neither gets what is the other's.
SELECT look(:'one', plain => :plain), look(:'two', plain => :plain);
SELECT look(:'one', plain => :plain), look(:'two', plain => :plain);
SELECT clarify_context(:'one');
SELECT clarify_context(:'two');
SELECT c.context FROM clarify_contexts(ARRAY[:'two', :'one', NULL, :'two']::uuid[]) c;

-- A change of one
UPDATE things SET body = 'of one, changed' WHERE user_id = :'one';
SELECT look(:'one', plain => :plain), look(:'two', plain => :plain);
SELECT look(:'one', plain => :plain), look(:'two', plain => :plain);
-- of both in a transaction, one after the other
BEGIN;
UPDATE things SET body = 'of one, with two' WHERE user_id = :'one';
UPDATE things SET body = 'of two, with one' WHERE user_id = :'two';
SELECT look(:'one', plain => :plain), look(:'two', plain => :plain);
COMMIT;
SELECT look(:'one', plain => :plain), look(:'two', plain => :plain);
SELECT look(:'one', plain => :plain), look(:'two', plain => :plain);
-- of the other, after one that is rolled back
BEGIN;
SAVEPOINT s;
UPDATE things SET body = 'never' WHERE user_id = :'one';
ROLLBACK TO s;
UPDATE things SET body = 'of two, alone' WHERE user_id = :'two';
COMMIT;
SELECT look(:'one', plain => :plain), look(:'two', plain => :plain);
SELECT look(:'one', plain => :plain), look(:'two', plain => :plain);
-- a row that moves from one to the other, which no hash tells from one that stays
UPDATE things SET user_id = :'two' WHERE id = 1;
SELECT look(:'one', plain => :plain), look(:'two', plain => :plain);
SELECT look(:'one', plain => :plain), look(:'two', plain => :plain);
-- the same by word
SELECT clarify_cache.invalidate(:'one');
SELECT look(:'one', plain => :plain), look(:'two', plain => :plain);
SELECT look(:'one', plain => :plain), look(:'two', plain => :plain);

-- 0 stands for the table, so that user has the next number.
INSERT INTO things VALUES (3, :'zero', 'of zero'), (4, :'next', 'of the next');
SELECT kind, key_hash FROM clarify_cache.version WHERE 'things'::regclass = ANY (tables) AND key_hash IN (0, 1) ORDER BY 1, 2;
SELECT look(:'zero', plain => :plain), look(:'next', plain => :plain);
SELECT look(:'zero', plain => :plain), look(:'next', plain => :plain);
SELECT look(:'one', plain => :plain);
UPDATE things SET body = 'of zero, changed' WHERE user_id = :'zero';
SELECT look(:'zero', plain => :plain), look(:'next', plain => :plain), look(:'one', plain => :plain);
SELECT look(:'zero', plain => :plain), look(:'next', plain => :plain), look(:'one', plain => :plain);
TRUNCATE things;
SELECT look(:'zero', plain => :plain), look(:'next', plain => :plain), look(:'one', plain => :plain);
SELECT look(:'zero', plain => :plain), look(:'next', plain => :plain), look(:'one', plain => :plain);

SELECT clear();
DROP TABLE things;
