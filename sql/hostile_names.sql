--
-- Names and ids that are long or odd: what is refused, and that what is not is
-- kept apart from all others, in the document, in Redis and in the local tier.
--
\pset format unaligned
\pset tuples_only
SET client_min_messages = warning;
CREATE TABLE odd (user_id uuid, "a ""b"" \ {c}: %s
d" text, "ü" text);
SELECT clarify_cache.attach('odd');
\set query '''SELECT "ü" FROM odd WHERE user_id = $1'''

-- a section's name is a member of the document, and the end of a key
SELECT quote_literal(name), split_part(attempt(format('SELECT clarify_cache.add_section(%L, %L)', name, :query)), E'\n', 1)
FROM (VALUES (1, ''), (2, ' '), (3, 'a b'), (4, 'a"b'), (5, 'a\b'), (6, 'a\u0062'), (7, 'a{b'), (8, 'a}b'), (9, 'a:b'), (10, '%s'), (11, E'a\nb'),
	(12, E'a\r\nSET x y'), (13, E'\ta'), (14, 'A'), (15, 'ä'), (16, '日本'), (17, '1a'), (18, '-a'), (19, 'a-b'), (20, 'a.b'), (21, 'a/b'), (22, '*'),
	(23, 'a''b'), (24, repeat('a', 64)), (25, repeat('a', 1000)), (26, repeat('ä', 40)), (27, E'a\u00a0'), (28, E'a\u200b'), (29, E'\ufeffa')) v (n, name) ORDER BY n;
SELECT attempt('SELECT clarify_cache.add_section(NULL, ''SELECT 1'')');
-- the longest ones, which differ at their ends only; and names that mean something elsewhere
SELECT name, left(attempt(format('SELECT clarify_cache.add_section(%L, %L)', name, replace(:query, '"ü"', quote_nullable(right(name, 3)) || ' AS x, "ü"'))), 200)
FROM unnest(ARRAY[repeat('a', 62) || 'b', repeat('a', 62) || 'c', repeat('a', 61) || '_b', repeat('a', 62), '_', '__proto__', 'null', 'true', 'select',
	'sessions', 'section', 'u003c', 'a_1', 'a1', 'a__1']) name;
INSERT INTO odd VALUES (u(1), 'x', 'one'), (u(2), 'y', 'two'), ('00000000-0000-0000-0000-000000000000', 'z', 'zeros'),
	('ffffffff-ffff-ffff-ffff-ffffffffffff', 'w', 'ones'), (NULL, 'v', 'nobody');
SELECT came_from(u(1)), came_from(u(2));
SELECT came_from(u(1));
SELECT key, value FROM json_each(clarify_context(u(1)));
SELECT bool_and(value ->> 0 = format('{"x":"%s","ü":"two"}', right(key, 3))) AS each_its_own, count(*) FROM json_each(clarify_context(u(2)));
-- one of them changes its definition, and takes nothing from its neighbours
BEGIN;
SELECT clarify_cache.drop_section('a1');
SELECT clarify_cache.add_section('a1', 'SELECT 1 AS another FROM odd WHERE user_id = $1');
COMMIT;
SELECT came_from(u(1));
SELECT key, value FROM json_each(clarify_context(u(1))) WHERE key LIKE 'a%1';

-- people with odd ids; nobody
SELECT clarify_cache.drop_section(name) FROM clarify_cache.section;
SELECT clarify_cache.add_section('odd', 'SELECT * FROM odd WHERE user_id = $1');
SELECT clarify_context(id), came_from(id), came_from(id)
FROM unnest(ARRAY['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '{FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF}',
	'00000000-0000-0000-0000-000000000001', '80000000-0000-0000-0000-000000000000']::uuid[]) id;
SELECT clarify_context(NULL) IS NULL, clarify_prompt(NULL) IS NULL;
SELECT * FROM clarify_contexts(ARRAY[NULL, '00000000-0000-0000-0000-000000000000', NULL]::uuid[]);
-- a change of one is not one of the others
UPDATE odd SET "ü" = 'changed' WHERE user_id = '00000000-0000-0000-0000-000000000000';
SELECT came_from('00000000-0000-0000-0000-000000000000'), came_from('ffffffff-ffff-ffff-ffff-ffffffffffff'), came_from('00000000-0000-0000-0000-000000000001');
UPDATE odd SET "ü" = 'nobody''s' WHERE user_id IS NULL;
SELECT came_from('00000000-0000-0000-0000-000000000000'), came_from('ffffffff-ffff-ffff-ffff-ffffffffffff');
SELECT clarify_context('00000000-0000-0000-0000-000000000000');

-- key_prefix: nothing that could end it, or mean something to Redis
SELECT quote_literal(p), left(attempt(format('SET clarify_cache.key_prefix = %L', p)), 75)
FROM unnest(ARRAY['', ' ', 'a b', 'a:b', 'a{b', 'a}b', 'a*', E'a\nb', E'a\r\nFLUSHALL', 'a"b', 'a\b', 'ä', '%s', 'a''b', repeat('a', 65), 'a/b', '.', '-', repeat('Z', 64)]) WITH ORDINALITY x (p, n) ORDER BY n;
SHOW clarify_cache.key_prefix;
SELECT came_from('00000000-0000-0000-0000-000000000001') IN ('filled: odd', 'hit: odd');
SELECT clarify_context('ffffffff-ffff-ffff-ffff-ffffffffffff');
RESET clarify_cache.key_prefix;
SELECT came_from('ffffffff-ffff-ffff-ffff-ffffffffffff');
SELECT clear();
DROP TABLE odd;
