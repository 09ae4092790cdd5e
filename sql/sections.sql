--
-- add_section() and drop_section(): what they refuse (section_rules has the
-- queries), with nothing changed; and sections of all accepted kinds at work:
-- built, hit, and built anew after just the changes that concern them.
--
\pset format unaligned
\pset tuples_only
CREATE TABLE notes (id int PRIMARY KEY, user_id uuid, parent int, kind text, body text);
CREATE TABLE kinds (kind text PRIMARY KEY, label text);
CREATE TABLE loose (id int, user_id uuid);
INSERT INTO notes SELECT n, u(1 + n % 2), CASE WHEN n > 2 THEN n - 2 END, CASE WHEN n % 4 < 2 THEN 'a' ELSE 'b' END,
	'note ' || n FROM generate_series(1, 8) n;
INSERT INTO kinds VALUES ('a', 'A'), ('b', 'B');
SELECT clarify_cache.attach('notes');
SELECT clarify_cache.attach('kinds', NULL);
SELECT installed();

CREATE FUNCTION refused(query text, name text DEFAULT 'x', ttl interval DEFAULT '5 min',
	single_row bool DEFAULT false, max_items int DEFAULT NULL) RETURNS text LANGUAGE sql AS
$$ SELECT attempt(format('SELECT clarify_cache.add_section(%L, %L, %L, %L, %L)', name, query, ttl, single_row, max_items)) $$;

-- not one plain SELECT
SELECT refused('SELEKT 1');
SELECT refused('SELECT 1 FROM');
SELECT refused('SELECT ''unfinished');
SELECT refused('');
SELECT refused(';');
SELECT refused('-- SELECT 1');
SELECT refused('SELECT 1; SELECT 2');
SELECT refused('SELECT 1; DROP TABLE notes');
SELECT refused('SELECT 1) s; DROP TABLE notes; SELECT (1');
SELECT refused('INSERT INTO notes VALUES (9)');
SELECT refused('UPDATE notes SET body = ''x'' WHERE user_id = $1 RETURNING id');
SELECT refused('DELETE FROM notes WHERE user_id = $1 RETURNING id');
SELECT refused('MERGE INTO notes USING kinds ON false WHEN MATCHED THEN DELETE');
SELECT refused('WITH gone AS (DELETE FROM notes WHERE user_id = $1 RETURNING id) SELECT id FROM gone');
SELECT refused('SELECT id INTO other FROM notes WHERE user_id = $1');
SELECT refused('CREATE TABLE other AS SELECT id FROM notes WHERE user_id = $1');
SELECT refused('EXPLAIN SELECT id FROM notes WHERE user_id = $1');
SELECT refused('SHOW clarify_cache.redis_url');
SELECT refused('COPY notes TO STDOUT');
SELECT refused('DECLARE c CURSOR FOR SELECT 1');
SELECT refused('SELECT id FROM notes WHERE user_id = $1 FOR UPDATE');
SELECT refused('SELECT id FROM notes WHERE user_id = $1 FOR KEY SHARE');
SELECT refused('SELECT id FROM (SELECT id FROM notes WHERE user_id = $1 FOR SHARE) q');
SELECT refused('SELECT id FROM notes TABLESAMPLE bernoulli(50) WHERE user_id = $1');
SELECT count(*) FROM notes;

-- names that are not there, the parameter
SELECT refused('SELECT id FROM no_such_table WHERE user_id = $1');
SELECT refused('SELECT no_such_column FROM notes WHERE user_id = $1');
SELECT refused('SELECT no_such_function(id) FROM notes WHERE user_id = $1');
SELECT refused('SELECT id FROM notes WHERE user_id = $2');
SELECT refused('SELECT id FROM notes WHERE user_id = $1 AND id = $1');
SELECT refused('SELECT id FROM notes WHERE user_id = ?');

-- what the promise does not cover, each with its reason; the rest: section_rules
SELECT refused('SELECT id FROM loose WHERE user_id = $1');
SELECT refused('SELECT id FROM notes');
SELECT refused('SELECT relname FROM pg_class');
SELECT refused('SELECT current_user, id FROM notes WHERE user_id = $1');
SELECT refused('SELECT random() FROM notes WHERE user_id = $1');
SELECT refused('SELECT xmin FROM notes WHERE user_id = $1');
SELECT refused('SELECT u(1), id FROM notes WHERE user_id = $1');

-- names, ttl, max_items, single_row, NULLs
SELECT n, refused('SELECT 1', n) FROM unnest(ARRAY['', '1st', 'Upper', 'with space', 'dash-ed', 'brace}', 'quote"', 'colon:',
	'umläut', repeat('n', 64)]) n;
SELECT refused('SELECT 1', ttl => '0'), refused('SELECT 1', ttl => '999 ms');
SELECT refused('SELECT 1', ttl => '-1 min'), refused('SELECT 1', ttl => '31 days');
SELECT refused('SELECT 1', ttl => '100000000 years');
-- (2^64 microseconds, and a minute)
SELECT refused('SELECT 1', ttl => '213503982 days 08:02:49.551616'), refused('SELECT 1', ttl => '-213503982 days -08:00:49.551616');
SELECT refused('SELECT 1', max_items => 0);
SELECT refused('SELECT 1', max_items => -1);
SELECT refused('SELECT 1', single_row => true, max_items => 1);
SELECT attempt('SELECT clarify_cache.add_section(NULL, ''SELECT 1'')');
SELECT attempt('SELECT clarify_cache.add_section(''x'', NULL)');
SELECT attempt('SELECT clarify_cache.add_section(''x'', ''SELECT 1'', NULL)');
SELECT attempt('SELECT clarify_cache.add_section(''x'', ''SELECT 1'', single_row => NULL)');
BEGIN READ ONLY;
SELECT refused('SELECT 1');
SELECT attempt('SELECT clarify_cache.drop_section(''x'')');
ROLLBACK;

-- nothing has changed; the longest and the shortest of everything are fine
SELECT installed();
SELECT refused('SELECT 1', repeat('n', 63)), refused('SELECT 1', '_'), refused('SELECT 1', 'y', '1 s'),
	refused('SELECT 1', 'z', '30 days', max_items => 1);
SELECT clarify_context(u(1));
-- twice; dropped twice
SELECT refused('SELECT 2', 'y');
SELECT attempt('SELECT clarify_cache.drop_section(''no_such_section'')');
SELECT clarify_cache.drop_section(NULL);
SELECT clarify_cache.drop_section(name) FROM clarify_cache.section;
SELECT attempt('SELECT clarify_cache.drop_section(''y'')');

-- as many as can be, and no more (not called: each name would take one of the
-- server's counters)
SELECT count(clarify_cache.add_section('s' || n, 'SELECT ' || n || ' AS n')) FROM generate_series(1, 64) n;
SELECT refused('SELECT 1', 'one_more');
SELECT count(clarify_cache.drop_section(name)) FROM clarify_cache.section;

-- Each accepted kind, looked at: anew, again, after an UPDATE of the person's
-- notes, an INSERT, a DELETE, after a change of another's, and of the kinds.
CREATE TABLE author (query text);
CREATE FUNCTION looked(person uuid DEFAULT u(1)) RETURNS text LANGUAGE sql AS $$
	SELECT look(person, plain => (SELECT format('plain_rows(''x'', %L, $1)', query) FROM author))
$$;
CREATE PROCEDURE tour(query text) LANGUAGE plpgsql AS $$
DECLARE
	results text[];
BEGIN
	DELETE FROM author;
	INSERT INTO author VALUES (query);
	PERFORM clarify_cache.add_section('x', query);
	COMMIT;
	results := ARRAY[looked(), looked()];
	UPDATE notes SET body = body || '!' WHERE user_id = u(1);
	COMMIT;
	results := results || looked();
	INSERT INTO notes VALUES (9, u(1), 8, 'b', 'a new one');
	COMMIT;
	results := results || looked();
	DELETE FROM notes WHERE id = 9;
	COMMIT;
	results := results || looked();
	UPDATE notes SET body = body || '?' WHERE user_id = u(2);
	COMMIT;
	results := results || looked();
	UPDATE kinds SET label = label || '!';
	COMMIT;
	results := results || looked();
	RAISE NOTICE '%', replace(replace(replace(array_to_string(results, ', '), 'exact; ', ''), 'filled: x', 'filled'), 'hit: x', 'hit');
	PERFORM clarify_cache.drop_section('x');
END $$;
-- a plain one
CALL tour('SELECT id, body FROM notes WHERE user_id = $1 ORDER BY id');
-- a self-join: its table's tokens count once, and do not cancel each other
CALL tour('SELECT a.id, b.body FROM notes a JOIN notes b ON b.id = a.parent WHERE a.user_id = $1 AND b.user_id = $1 ORDER BY a.id');
CALL tour('SELECT a.id, b.body FROM notes a, notes b, notes c, notes d WHERE a.user_id = $1 AND b.user_id = $1
	AND c.user_id = $1 AND d.user_id = $1 AND b.id = a.parent AND c.id = b.id AND d.id = c.id ORDER BY a.id');
CALL tour('SELECT body FROM notes WHERE user_id = $1 UNION SELECT body || ''.'' FROM notes WHERE user_id = $1 ORDER BY 1');
CALL tour('SELECT id, (SELECT count(*) FROM notes n WHERE n.user_id = $1 AND n.parent = notes.id) AS children
	FROM notes WHERE user_id = $1 ORDER BY id');
-- an aggregate: one row, without any
CALL tour('SELECT count(*), max(body), string_agg(body, '', '' ORDER BY id) AS list FROM notes WHERE user_id = $1');
CALL tour('SELECT kind, count(*) FROM notes WHERE user_id = $1 GROUP BY ROLLUP (kind) HAVING count(*) > 0 ORDER BY kind');
-- a table attached without key: by all of its changes; alone, too
CALL tour('SELECT id, label FROM notes LEFT JOIN kinds USING (kind) WHERE user_id = $1 ORDER BY id');
CALL tour('SELECT label FROM kinds ORDER BY label');
CALL tour('SELECT a.label, b.label AS other FROM kinds a, kinds b ORDER BY 1, 2');
-- an outer join of two keyed levels, WITH, window functions, LATERAL
CALL tour('SELECT n.id, p.body FROM notes n LEFT JOIN (SELECT id, body FROM notes WHERE user_id = $1) p ON p.id = n.parent
	WHERE n.user_id = $1 ORDER BY n.id');
CALL tour('WITH RECURSIVE tree AS (SELECT id, 1 AS depth FROM notes WHERE user_id = $1 AND parent IS NULL
		UNION ALL SELECT n.id, depth + 1 FROM notes n JOIN tree ON tree.id = n.parent WHERE n.user_id = $1)
	SELECT id, depth FROM tree ORDER BY id');
CALL tour('SELECT id, body, row_number() OVER (PARTITION BY kind ORDER BY id), lag(body) OVER (ORDER BY id) AS before
	FROM notes WHERE user_id = $1 ORDER BY id');
CALL tour('SELECT k.label, first.body FROM kinds k, LATERAL (SELECT body FROM notes n WHERE n.user_id = $1 AND n.kind = k.kind
	ORDER BY id LIMIT 1) first ORDER BY k.kind');
CALL tour('SELECT id, CASE WHEN EXISTS (SELECT FROM notes c WHERE c.user_id = $1 AND c.parent = n.id) THEN body END AS body
	FROM notes n WHERE $1 = user_id ORDER BY id');
-- no table at all
CALL tour('SELECT $1 AS id, 1 + 1 AS two');
DROP PROCEDURE tour;

-- single_row: the first of several rows, null where there is none
SELECT clarify_cache.add_section('one', 'SELECT id, body FROM notes WHERE user_id = $1 ORDER BY id DESC', single_row => true);
SELECT clarify_context(u(1)), clarify_context(u(0));
SELECT look(u(1), plain => $$format('{"one":%s}', (SELECT row_to_json(n) FROM (SELECT id, body FROM notes WHERE user_id = $1 ORDER BY id DESC LIMIT 1) n))$$);
SELECT look(u(0), plain => $$'{"one":null}'$$);
SELECT clarify_cache.drop_section('one');

-- max_items: as many are shown; of any JSON
SELECT clarify_cache.add_section('some', 'SELECT id, ARRAY[id, 0] AS a, json_build_object(''k'', ''],{"'') AS o FROM notes WHERE user_id = $1 ORDER BY id', max_items => 2);
SELECT clarify_cache.add_section('all_of_it', 'SELECT id FROM notes WHERE user_id = $1 ORDER BY id', max_items => 1000000);
SELECT clarify_context(u(1));
SELECT clarify_context(u(0));
SELECT look(u(1), plain => $$'{"some":[{"id":2,"a":[2,0],"o":{"k" : "],{\""}},{"id":4,"a":[4,0],"o":{"k" : "],{\""}}],"all_of_it":[{"id":2},{"id":4},{"id":6},{"id":8}]}'$$);
SELECT clarify_cache.drop_section(name) FROM clarify_cache.section;

-- Only a section called "sessions" leaves the current session out, by "id",
-- wherever it stands, whatever else looks like it; none with single_row.
SELECT clarify_cache.add_section('other', $$SELECT md5('s1')::uuid AS id$$);
SELECT clarify_cache.add_section('sessions', $$SELECT json_build_object('id', md5('s2')::uuid) AS inner, body, md5('s' || id)::uuid AS id,
	md5('s4')::uuid AS session_id FROM notes WHERE user_id = $1 ORDER BY notes.id$$);
SELECT n, json_array_length(clarify_context(u(1), md5('s' || n)::uuid) -> 'sessions') AS sessions,
	json_array_length(clarify_context(u(1), md5('s' || n)::uuid) -> 'other') AS other FROM generate_series(1, 4) n;
SELECT clarify_cache.drop_section('sessions');
SELECT clarify_cache.add_section('sessions', $$SELECT md5('s1')::uuid AS id$$, single_row => true);
SELECT json_typeof(clarify_context(u(1), md5('s1')::uuid) -> 'sessions');
SELECT clarify_cache.drop_section('sessions');
SELECT clarify_cache.add_section('sessions', $$SELECT id FROM notes WHERE user_id = $1$$);
SELECT json_array_length(clarify_context(u(1), md5('s1')::uuid) -> 'sessions');
SELECT clarify_cache.drop_section(name) FROM clarify_cache.section;

-- Redefined: under the same name, another query is another entry, and the old
-- query's entry is right again when it comes back.
SELECT clarify_cache.add_section('x', 'SELECT id FROM notes WHERE user_id = $1 ORDER BY id');
UPDATE author SET query = 'SELECT id FROM notes WHERE user_id = $1 ORDER BY id';
SELECT looked(), looked();
SELECT clarify_cache.drop_section('x');
SELECT clarify_cache.add_section('x', 'SELECT id FROM notes WHERE user_id = $1 ORDER BY id DESC');
UPDATE author SET query = 'SELECT id FROM notes WHERE user_id = $1 ORDER BY id DESC';
SELECT looked(), looked();
BEGIN;
SELECT clarify_cache.drop_section('x');
SELECT clarify_cache.add_section('x', 'SELECT body FROM notes WHERE user_id = $1 ORDER BY id');
SELECT clarify_context(u(1));
ROLLBACK;
SELECT looked();
-- in the definition's own transaction it is built
BEGIN;
SELECT clarify_cache.add_section('y', 'SELECT 1 AS one');
SELECT came_from(u(1));
ROLLBACK;

-- the view: why a section is not cached
SELECT clarify_cache.add_section('kinds', 'SELECT label FROM kinds ORDER BY kind');
SELECT section, ordinal, regexp_replace(query, '\s+', ' ', 'g'), ttl, single_row, max_items, tables, cacheable, reason
	FROM clarify_cache.sections;
ALTER TABLE notes DISABLE TRIGGER USER;
SELECT section, cacheable, reason FROM clarify_cache.sections;
ALTER TABLE notes ENABLE TRIGGER USER;
SELECT section, cacheable, reason FROM clarify_cache.sections;
SELECT clarify_cache.repair();
SELECT clarify_cache.detach('kinds');
SELECT section, cacheable, reason FROM clarify_cache.sections;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT section, cacheable, reason FROM clarify_cache.sections;
COMMIT;
DROP TABLE kinds;
SELECT section, cacheable, reason FROM clarify_cache.sections;
SELECT attempt('SELECT clarify_context(u(1))');
SELECT clarify_cache.drop_section('kinds');
ALTER TABLE notes RENAME TO renamed;
SELECT section, tables, cacheable, reason FROM clarify_cache.sections;
SELECT attempt('SELECT clarify_context(u(1))');
ALTER TABLE renamed RENAME TO notes;
SELECT looked(), looked();
ALTER TABLE notes DROP COLUMN id;
SELECT section, tables, cacheable, reason FROM clarify_cache.sections;
SELECT attempt('SELECT clarify_context(u(1))');

SELECT clear();
DROP TABLE notes, loose, author;
DROP FUNCTION refused, looked;
