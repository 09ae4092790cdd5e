--
-- A cast or an operator class between PostgreSQL's own types, which comes and goes
-- while a session knows the section: no table changes, and a plain query means
-- something else from then on.  What the session has found out about the section
-- must not outlive it.
--
\pset format unaligned
\pset tuples_only
CREATE TABLE things (id int, user_id uuid, at point);
INSERT INTO things VALUES (5, u(18), '(1,2)'), (6, u(18), '(3,4)');
SELECT clarify_cache.attach('things');
SELECT clarify_cache.add_section('things', 'SELECT id, at::text AS at FROM things WHERE user_id = $1 ORDER BY id');
\set plain '$$plain_rows(''things'', ''SELECT id, at::text AS at FROM things WHERE user_id = $1 ORDER BY id'', $1)$$'
SELECT look(u(18), plain => :plain);
SELECT look(u(18), plain => :plain);
SELECT cacheable, reason FROM clarify_cache.sections;
CREATE FUNCTION text_of(point) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT format('%s north, %s east', $1[0], $1[1]) $$;

CREATE CAST (point AS text) WITH FUNCTION text_of(point);
SELECT look(u(18), plain => :plain);
SELECT clarify_context(u(18));
SELECT cacheable, reason FROM clarify_cache.sections;
-- a session that knows the section with the cast
\c -
SELECT look(u(18), plain => :plain);
DROP CAST (point AS text);
SELECT look(u(18), plain => :plain);
SELECT clarify_context(u(18));
SELECT look(u(18), plain => :plain);
-- SERIALIZABLE, where each call builds
SET default_transaction_isolation = 'serializable';
SELECT look(u(18), plain => :plain);
CREATE CAST (point AS text) WITH FUNCTION text_of(point);
SELECT look(u(18), plain => :plain);
DROP CAST (point AS text);
SELECT look(u(18), plain => :plain);
RESET default_transaction_isolation;
-- in a transaction, rolled back as a whole, and to a savepoint
BEGIN;
CREATE CAST (point AS text) WITH FUNCTION text_of(point);
SELECT look(u(18), plain => :plain);
ROLLBACK;
SELECT look(u(18), plain => :plain);
SELECT clarify_context(u(18));
BEGIN;
CREATE CAST (point AS text) WITH FUNCTION text_of(point);
SAVEPOINT s;
DROP CAST (point AS text);
SELECT look(u(18), plain => :plain);
ROLLBACK TO s;
SELECT look(u(18), plain => :plain);
COMMIT;
SELECT look(u(18), plain => :plain);
DROP CAST (point AS text);
SELECT look(u(18), plain => :plain);

-- A default operator class for a type that has none: what it is sorted and
-- compared by.
SELECT clear();
SELECT clarify_cache.attach('things');
SELECT clarify_cache.add_section('things', 'SELECT id, at FROM things WHERE user_id = $1 ORDER BY id');
SELECT came_from(u(18));
SELECT came_from(u(18));
CREATE FUNCTION point_cmp(point, point) RETURNS int LANGUAGE sql IMMUTABLE AS
	$$ SELECT sign($1[0] - $2[0])::int $$;
CREATE OPERATOR CLASS point_ops DEFAULT FOR TYPE point USING btree AS
	OPERATOR 1 <<, OPERATOR 3 ~=, OPERATOR 5 >>, FUNCTION 1 point_cmp(point, point);
SELECT cacheable, reason FROM clarify_cache.sections;
SELECT came_from(u(18));
DROP OPERATOR FAMILY point_ops USING btree;
SELECT cacheable, reason FROM clarify_cache.sections;
SELECT came_from(u(18));

SELECT clear();
DROP TABLE things;
DROP FUNCTION text_of, point_cmp;
