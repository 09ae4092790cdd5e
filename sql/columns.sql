--
-- Which columns of the attached tables are watched: what the sections read, no
-- more.  Where that is kept, what add_section(), drop_section() and repair() do
-- to it, and who may.  (What it does to entries beside other sessions is in the
-- isolation tests write_columns and ddl_watched_columns.)
--
\pset format unaligned
\pset tuples_only

CREATE FUNCTION watched(relation regclass) RETURNS name[] LANGUAGE sql AS
$$ SELECT columns FROM clarify_cache.attached_table WHERE table_id = relation $$;

-- Clarify's tables: signing in, and looking at a reflection, outdate nothing
SELECT clarify_cache.setup();
SELECT table_id, key_column, columns FROM clarify_cache.attached_table ORDER BY table_id::text;
SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid IN ('users'::regclass, 'reflections'::regclass)
	AND tgname = 'clarify_cache_track' ORDER BY tgrelid::regclass::text;
SELECT look(u(1));
UPDATE users SET last_sign_in_at = now(), email = email || '.org' WHERE id = u(1);
UPDATE reflections SET view_count = view_count + 1 WHERE user_id = u(1);
UPDATE dreams SET reflection_count = reflection_count + 1 WHERE user_id = u(1);
SELECT look(u(1));
UPDATE users SET last_sign_in_at = now(), total_reflections = 1000 WHERE id = u(1);
SELECT look(u(1));
SELECT clear();

-- what a query reads of a keyed and of an unkeyed table
CREATE TABLE notes (id int PRIMARY KEY, user_id uuid, kind text, body text, unread text);
CREATE TABLE kinds (kind text PRIMARY KEY, label text, unread text);
INSERT INTO notes SELECT n, u(n % 3), 'a', 'note ' || n, 'x' FROM generate_series(1, 9) n;
INSERT INTO kinds VALUES ('a', 'A', 'x');
SELECT clarify_cache.attach('notes');
SELECT clarify_cache.attach('kinds', NULL);
SELECT table_id, key_column, columns FROM clarify_cache.attached_table ORDER BY table_id::text;
SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'clarify_cache_track' ORDER BY tgrelid::regclass::text;
CREATE FUNCTION reads(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM clarify_cache.add_section('x', query);
	result := format('notes %s, kinds %s', watched('notes'), watched('kinds'));
	PERFORM clarify_cache.drop_section('x');
	PERFORM clarify_cache.repair();
	RETURN result;
END $$;
SELECT reads('SELECT 1 AS one');
SELECT reads('SELECT count(*) FROM notes WHERE user_id = $1');
SELECT reads('SELECT user_id FROM notes WHERE user_id = $1');
SELECT reads('SELECT body FROM notes WHERE user_id = $1');
SELECT reads('SELECT 1 AS one FROM notes WHERE user_id = $1 AND body > ''a'' ORDER BY id');
SELECT reads('SELECT * FROM notes WHERE user_id = $1');
SELECT reads('SELECT n.* FROM notes n WHERE user_id = $1');
SELECT reads('SELECT kind, count(*) FROM notes WHERE user_id = $1 GROUP BY kind HAVING max(body) > ''a''');
SELECT reads('SELECT id, body FROM notes WHERE user_id = $1 GROUP BY id');
SELECT reads('SELECT DISTINCT ON (kind) id FROM notes WHERE user_id = $1');
SELECT reads('SELECT rank() OVER (PARTITION BY kind ORDER BY id) FROM notes WHERE user_id = $1');
SELECT reads('SELECT count(*) FILTER (WHERE body > ''a'') FROM notes WHERE user_id = $1');
-- joins, whose merged columns are of both sides
SELECT reads('SELECT id, label FROM notes JOIN kinds USING (kind) WHERE user_id = $1');
SELECT reads('SELECT id, label FROM notes LEFT JOIN kinds k ON k.kind = notes.kind AND k.unread IS NULL WHERE user_id = $1');
SELECT reads('SELECT kind FROM (SELECT kind FROM notes WHERE user_id = $1) n FULL JOIN kinds USING (kind)');
SELECT reads('SELECT label FROM (SELECT kind FROM notes WHERE user_id = $1) n NATURAL JOIN kinds');
SELECT reads('SELECT label FROM kinds NATURAL JOIN (SELECT kind, body FROM notes WHERE user_id = $1) n');
SELECT reads('SELECT j.label FROM (notes JOIN kinds USING (kind)) AS j WHERE j.user_id = $1');
-- one table twice
SELECT reads('SELECT a.body, b.kind FROM notes a JOIN notes b ON a.id = b.id WHERE a.user_id = $1 AND b.user_id = $1');
-- further down
SELECT reads('SELECT x.l FROM notes n, LATERAL (SELECT k.label AS l FROM kinds k WHERE k.kind = n.kind) x WHERE n.user_id = $1');
SELECT reads('SELECT (SELECT label FROM kinds LIMIT 1) FROM notes WHERE user_id = $1');
SELECT reads('SELECT id FROM notes WHERE user_id = $1 AND EXISTS (SELECT FROM kinds k WHERE k.kind = notes.kind)');
SELECT reads('SELECT id FROM notes WHERE user_id = $1 AND kind IN (SELECT kind FROM kinds)');
SELECT reads('WITH k AS (SELECT label, unread FROM kinds) SELECT label FROM k');
SELECT reads('SELECT body FROM notes WHERE user_id = $1 UNION SELECT label FROM kinds');
SELECT reads('SELECT row_to_json(s) FROM (SELECT id, kind FROM notes WHERE user_id = $1) s');
SELECT reads('SELECT to_jsonb(s) FROM (SELECT * FROM kinds) s');
SELECT watched('notes'), watched('kinds');

-- sections add up; drop_section() leaves it, repair() takes back what is not read
SELECT clarify_cache.add_section('one', 'SELECT body FROM notes WHERE user_id = $1');
SELECT clarify_cache.add_section('two', 'SELECT id, kind FROM notes WHERE user_id = $1');
SELECT clarify_cache.add_section('three', 'SELECT id, body FROM notes WHERE user_id = $1');
SELECT watched('notes'), watched('kinds');
SELECT clarify_cache.drop_section('two');
SELECT watched('notes'), watched('kinds');
SELECT clarify_cache.repair();
SELECT watched('notes'), watched('kinds');
-- a table whose columns stay keeps its entries, the other does not
SELECT clarify_cache.drop_section('one');
SELECT clarify_cache.add_section('kinds', 'SELECT label FROM kinds');
SELECT clarify_cache.add_section('unread', 'SELECT unread FROM notes WHERE user_id = $1');
CREATE FUNCTION come_from(person uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	was jsonb := counted();
BEGIN
	PERFORM clarify_context(person);
	RETURN (SELECT string_agg(section || ' ' || source(was -> section, counted() -> section), ', ' ORDER BY ordinal)
			FROM clarify_cache.sections);
END $$;
SELECT come_from(u(1));
SELECT clarify_cache.drop_section('unread');
SELECT come_from(u(1));
SELECT clarify_cache.repair();
SELECT come_from(u(1));
SELECT come_from(u(1));
SELECT clarify_cache.repair();
SELECT come_from(u(1));
-- a section whose column is gone reads nothing
ALTER TABLE kinds RENAME label TO name;
SELECT clarify_cache.repair();
SELECT watched('notes'), watched('kinds');
ALTER TABLE kinds RENAME name TO label;
SELECT section, cacheable, reason FROM clarify_cache.sections;
SELECT come_from(u(1));
SELECT clarify_cache.repair();
SELECT watched('notes'), watched('kinds');
SELECT come_from(u(1));

-- whoever may call add_section() need not own the table, nor gets rights on it
CREATE ROLE regress_author;
GRANT USAGE ON SCHEMA clarify_cache TO regress_author;
GRANT EXECUTE ON FUNCTION clarify_cache.add_section(text, text, interval, bool, int),
	clarify_cache.drop_section(text), clarify_cache.repair() TO regress_author;
SET ROLE regress_author;
SELECT clarify_cache.add_section('author', 'SELECT unread FROM notes WHERE user_id = $1');
SELECT current_user;
SELECT attempt('CREATE TRIGGER mine AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION clarify_cache.track_change()');
SELECT attempt('SELECT clarify_context(u(1))');
SELECT attempt('SELECT clarify_cache.repair()');
RESET ROLE;
SELECT watched('notes');
SELECT come_from(u(1));
UPDATE notes SET unread = 'read now' WHERE user_id = u(1);
SELECT come_from(u(1));
-- an error while acting as the owner gives the caller's role back
ALTER TABLE kinds DISABLE TRIGGER clarify_cache_track;
ALTER TRIGGER clarify_cache_track ON kinds RENAME TO another;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER clarify_cache_track AFTER INSERT ON kinds FOR EACH ROW EXECUTE FUNCTION nothing();
SET ROLE regress_author;
SELECT attempt($$SELECT clarify_cache.add_section('fails', 'SELECT unread FROM kinds')$$);
SELECT current_user;
RESET ROLE;
DROP TRIGGER clarify_cache_track ON kinds;
DROP TRIGGER another ON kinds;
SELECT clarify_cache.repair();
REVOKE ALL ON FUNCTION clarify_cache.add_section(text, text, interval, bool, int),
	clarify_cache.drop_section(text), clarify_cache.repair() FROM regress_author;
REVOKE USAGE ON SCHEMA clarify_cache FROM regress_author;
DROP ROLE regress_author;

-- a table that can't be covered: the section is there, and built
CREATE TABLE notes_child () INHERITS (notes);
SELECT clarify_cache.drop_section('author');
SELECT clarify_cache.repair();
SELECT clarify_cache.add_section('author', 'SELECT unread, kind FROM notes WHERE user_id = $1');
SELECT watched('notes');
SELECT section, cacheable, reason FROM clarify_cache.sections;
DROP TABLE notes_child;
SELECT clarify_cache.repair();
SELECT watched('notes');
SELECT section, cacheable, reason FROM clarify_cache.sections;

-- nobody changes the columns by SQL; what a restore brings is not trusted
SELECT attempt('UPDATE clarify_cache.attached_table SET columns = ''{}''');
CREATE TABLE restored (id int, user_id uuid, body text, unread text);
INSERT INTO restored VALUES (1, u(1), 'one', 'x');
INSERT INTO clarify_cache.attached_table VALUES ('restored', 'user_id', '{zzz,NULL,body,aaa}');
INSERT INTO clarify_cache.section VALUES ('restored', 100, 'SELECT id, body FROM public.restored WHERE user_id = $1',
	'5 min', false, NULL, '{restored}');
SELECT cacheable, reason FROM clarify_cache.sections WHERE section = 'restored';
SELECT clarify_cache.repair();
SELECT watched('restored');
SELECT cacheable, reason FROM clarify_cache.sections WHERE section = 'restored';
-- a section that came by SQL reads what nobody watches
UPDATE clarify_cache.section SET query = 'SELECT id, unread FROM public.restored WHERE user_id = $1' WHERE name = 'restored';
SELECT cacheable, reason FROM clarify_cache.sections WHERE section = 'restored';
SELECT come_from(u(1));
SELECT clarify_cache.repair();
SELECT watched('restored');
SELECT come_from(u(1));

-- names that need quotes, here and there
CREATE TABLE "Odd" ("User" uuid, "a,b" text, "it's" text, "ba\ck" text, "select" text, "{}" text, " " text, "quo""te" text);
SELECT clarify_cache.attach('"Odd"', 'User');
SELECT clarify_cache.add_section('odd', 'SELECT "a,b", "it''s", "ba\ck", "select", "{}", " ", "quo""te" FROM "Odd" WHERE "User" = $1');
INSERT INTO "Odd" VALUES (u(1), '1', '2', '3', '4', '5', '6', '7');
SELECT watched('"Odd"');
SELECT cacheable, reason FROM clarify_cache.sections WHERE section = 'odd';
SELECT clarify_context(u(1)) -> 'odd';
UPDATE "Odd" SET "ba\ck" = 'three', " " = 'six';
SELECT clarify_context(u(1)) -> 'odd';
SELECT clarify_cache.repair();
SELECT come_from(u(1));

-- in the middle of an UPDATE, which goes on with the trigger as it was
CREATE FUNCTION watch_unread() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM clarify_cache.section WHERE name = 'middle') THEN
		PERFORM clarify_cache.add_section('middle', 'SELECT unread FROM kinds ORDER BY kind');
	END IF;
	RETURN 'changed meanwhile';
END $$;
SELECT clarify_cache.add_section('middle', 'SELECT unread FROM kinds ORDER BY kind');
SELECT clarify_context(u(1)) -> 'middle';
SELECT clarify_cache.drop_section('middle');
SELECT clarify_cache.repair();
SELECT watched('kinds');
UPDATE kinds SET unread = watch_unread();
SELECT clarify_context(u(1)) -> 'middle';
UPDATE kinds SET unread = 'changed later';
SELECT clarify_context(u(1)) -> 'middle';

SELECT clear();
SELECT installed();
DROP FUNCTION watched, reads, come_from, watch_unread;
DROP TABLE notes, kinds, restored, "Odd";
DROP FUNCTION nothing;
