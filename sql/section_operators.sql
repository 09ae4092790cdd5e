--
-- What a section's query means without naming it: the operators and functions
-- that an operator class of somebody else's brings into ORDER BY, a window or a
-- comparison of rows, and the types and collations of columns that nobody
-- selects.  Refused, as what they mean may change unnoticed.
--
\pset format unaligned
\pset tuples_only
CREATE TABLE things (id int, user_id uuid, body text, doc jsonb);
SELECT clarify_cache.attach('things');

CREATE SCHEMA backwards;
CREATE FUNCTION backwards.lt(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT $1 > $2 $$;
CREATE FUNCTION backwards.le(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT $1 >= $2 $$;
CREATE FUNCTION backwards.eq(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT $1 = $2 $$;
CREATE FUNCTION backwards.cmp(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT btint4cmp($2, $1) $$;
CREATE FUNCTION backwards.within(int, int, int, bool, bool) RETURNS bool LANGUAGE sql IMMUTABLE AS
	$$ SELECT in_range($1, $2, $3, NOT $4, NOT $5) $$;
CREATE OPERATOR backwards.<<< (leftarg = int, rightarg = int, function = backwards.lt);
CREATE OPERATOR backwards.<<= (leftarg = int, rightarg = int, function = backwards.le);
CREATE OPERATOR backwards.=== (leftarg = int, rightarg = int, function = backwards.eq);
CREATE OPERATOR CLASS backwards.all_of_mine FOR TYPE int USING btree AS
	OPERATOR 1 backwards.<<<, OPERATOR 2 backwards.<<=, OPERATOR 3 backwards.===, OPERATOR 4 <=, OPERATOR 5 <,
	FUNCTION 1 backwards.cmp(int, int), FUNCTION 3 backwards.within(int, int, int, bool, bool);
CREATE OPERATOR FAMILY backwards.own_range USING btree;
CREATE OPERATOR backwards.>>>> (leftarg = int, rightarg = int, function = int4gt);
CREATE OPERATOR CLASS backwards.own_range FOR TYPE int USING btree FAMILY backwards.own_range AS
	OPERATOR 1 backwards.>>>>, OPERATOR 3 =, FUNCTION 1 backwards.cmp(int, int),
	FUNCTION 3 backwards.within(int, int, int, bool, bool);
CREATE COLLATION backwards.mine (locale = 'C');

-- The first line of the reason; what a section that is fine says.
CREATE FUNCTION tried(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	how text := attempt(format('SELECT clarify_cache.add_section(''thing'', %L)', query));
BEGIN
	IF how = 'done' THEN
		PERFORM clarify_cache.drop_section('thing');
	END IF;
	RETURN coalesce(substring(how FROM 'detail: ([^\n]*)'), how);
END $$;
SELECT tried($$SELECT id FROM things WHERE user_id = $1 ORDER BY id USING <$$);

-- ORDER BY: the equality that comes with the order
SELECT tried($$SELECT id FROM things WHERE user_id = $1 ORDER BY id USING OPERATOR(backwards.<<<)$$);
-- ... and the order itself, where the equality is PostgreSQL's own
SELECT tried($$SELECT id FROM things WHERE user_id = $1 ORDER BY id USING OPERATOR(backwards.>>>>)$$);
SELECT tried($$SELECT array_agg(id ORDER BY id USING OPERATOR(backwards.>>>>)) FROM things WHERE user_id = $1$$);
SELECT tried($$SELECT DISTINCT ON (id) id FROM things WHERE user_id = $1 ORDER BY id USING OPERATOR(backwards.>>>>)$$);
-- a window's frame: what is in range of a row
SELECT tried($$SELECT sum(id) OVER (ORDER BY id RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM things WHERE user_id = $1$$);
SELECT tried($$SELECT sum(id) OVER (ORDER BY id USING OPERATOR(backwards.>>>>) RANGE 1 PRECEDING) FROM things WHERE user_id = $1$$);
SELECT tried($$SELECT sum(id) OVER (ORDER BY id USING OPERATOR(backwards.>>>>) RANGE BETWEEN CURRENT ROW AND 1 FOLLOWING) FROM things WHERE user_id = $1$$);
SELECT tried($$SELECT sum(id) OVER (ORDER BY id USING OPERATOR(backwards.>>>>)) FROM things WHERE user_id = $1$$);
-- rows, which are compared column by column
SELECT tried($$SELECT id FROM things WHERE user_id = $1 AND (id, id) < (1, 2)$$);
SELECT tried($$SELECT id FROM things WHERE user_id = $1 AND (id, id) OPERATOR(backwards.<<<) (1, 2)$$);
SELECT tried($$SELECT id FROM things WHERE user_id = $1 AND (body COLLATE backwards.mine, id) < ('a', 2)$$);

-- A function's columns, of which none is selected: they are made all the same.
SELECT tried($$SELECT id FROM things, jsonb_to_record(doc) AS r (a text, b int) WHERE user_id = $1$$);
SELECT tried($$SELECT id FROM things, jsonb_to_record(doc) AS r (a text, b regclass) WHERE user_id = $1$$);
SELECT tried($$SELECT id FROM things, jsonb_to_recordset(doc) AS r (a regrole[]) WHERE user_id = $1$$);
SELECT tried($$SELECT id FROM things, jsonb_to_record(doc) AS r (a text COLLATE backwards.mine) WHERE user_id = $1$$);
SELECT tried($$SELECT id FROM things, ROWS FROM (generate_series(1, 2), jsonb_to_record(doc) AS (a regclass)) WHERE user_id = $1$$);
-- UNION, which compares what it selects
SELECT tried($$SELECT body FROM things WHERE user_id = $1 UNION SELECT 'x' COLLATE "C"$$);
SELECT tried($$SELECT body COLLATE backwards.mine FROM things WHERE user_id = $1 UNION SELECT 'x'$$);

-- A collation that came with the database is part of what an entry is made of.
SELECT clarify_cache.add_section('things', 'SELECT body FROM things WHERE user_id = $1 ORDER BY body COLLATE "POSIX", upper(body COLLATE "C")');
\set plain '$$plain_rows(''things'', ''SELECT body FROM things WHERE user_id = $1 ORDER BY body COLLATE "POSIX"'', $1)$$'
INSERT INTO things VALUES (1, u(16), 'b'), (2, u(16), 'C'), (3, u(16), 'a'), (4, u(16), 'ä');
SELECT look(u(16), plain => :plain);
SELECT look(u(16), plain => :plain);
INSERT INTO things VALUES (5, u(16), 'B');
SELECT look(u(16), plain => :plain);
SELECT look(u(16), plain => :plain);

-- Definitions that a restore into a database with sections puts beside them, of
-- the same number: everybody has the members in the same order.
INSERT INTO clarify_cache.section (name, ordinal, query, ttl, single_row, tables)
	SELECT n, ordinal, query, ttl, single_row, tables FROM clarify_cache.section, unnest('{b,z,a}'::text[]) n;
SELECT section, ordinal FROM clarify_cache.sections ORDER BY ordinal, section COLLATE "C";
SELECT array_agg(k) FROM json_object_keys(clarify_context(u(16))) k;
DELETE FROM clarify_cache.section WHERE name = 'z';
INSERT INTO clarify_cache.section (name, ordinal, query, ttl, single_row, tables)
	SELECT 'aa', ordinal, query, ttl, single_row, tables FROM clarify_cache.section WHERE name = 'b';
SELECT array_agg(k) FROM json_object_keys(clarify_context(u(16))) k;

SELECT clear();
SET client_min_messages = warning;
DROP SCHEMA backwards CASCADE;
DROP TABLE things;
DROP FUNCTION tried;
