--
-- What policies call may be inlined or evaluated while the query is planned, and
-- has names of its own that only the caller's search_path resolves: a call answers
-- where plain queries do, and with the same rows.  So does one whose own
-- search_path has another such function in it.
--
\pset format unaligned
\pset tuples_only
SET client_min_messages = warning;
CREATE ROLE regress_person;
CREATE SCHEMA regress_app;
CREATE SCHEMA regress_other;
GRANT USAGE ON SCHEMA regress_app, regress_other TO regress_person;
CREATE TABLE things (id int, user_id uuid);
INSERT INTO things SELECT n, u(14) FROM generate_series(1, 10) n;
CREATE TABLE parts (id int, user_id uuid) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (100);
INSERT INTO parts SELECT * FROM things;
GRANT SELECT ON things, parts TO regress_person;
SELECT clarify_cache.attach('things');
SELECT clarify_cache.attach('parts');
SELECT clarify_cache.add_section('things', 'SELECT id FROM things WHERE user_id = $1 ORDER BY id');
SELECT clarify_cache.add_section('parts', 'SELECT id FROM parts WHERE user_id = $1 ORDER BY id');
CREATE FUNCTION rows_of(person uuid) RETURNS text LANGUAGE sql STABLE
	RETURN (SELECT format('%s things, %s parts', json_array_length(c -> 'things'), json_array_length(c -> 'parts'))
			FROM (SELECT clarify_context(person) AS c) x);
\set plain 'SELECT format(''%s things, %s parts'', (SELECT count(*) FROM public.things), (SELECT count(*) FROM public.parts));'

SET search_path = public, regress_app;
CREATE FUNCTION regress_app.least_id() RETURNS int LANGUAGE sql STABLE AS 'SELECT 3';
CREATE FUNCTION regress_app.seen(int) RETURNS bool LANGUAGE sql STABLE AS 'SELECT $1 >= least_id()';
CREATE FUNCTION regress_other.least_id() RETURNS int LANGUAGE sql STABLE AS 'SELECT 5';
-- inlined
CREATE POLICY seen ON things USING (regress_app.seen(id));
CREATE POLICY seen ON parts USING (regress_app.seen(id));
ALTER TABLE things ENABLE ROW LEVEL SECURITY;
ALTER TABLE parts ENABLE ROW LEVEL SECURITY;
SET ROLE regress_person;
:plain
SELECT rows_of(u(14));
SELECT rows_of(u(14));
SET search_path = public, regress_other, regress_app;
:plain
SELECT rows_of(u(14));
SET search_path = public;
:plain
SELECT rows_of(u(14));
-- evaluated: an IMMUTABLE one of constants
RESET ROLE;
SET search_path = public, regress_app;
CREATE FUNCTION regress_app.limit_of(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 + least_id(); END';
ALTER POLICY seen ON things USING (id >= regress_app.limit_of(1));
ALTER POLICY seen ON parts USING (id >= regress_app.limit_of(1));
\c -
SET search_path = public, regress_app;
SET ROLE regress_person;
SELECT rows_of(u(14));
:plain
SET search_path = public, regress_other;
SELECT rows_of(u(14));
:plain
-- those whom policies do not hold are served from the cache
RESET ROLE;
SET search_path = public;
SELECT rows_of(u(14)), came_from(u(14));

SET client_min_messages = warning;
SELECT clear();
DROP FUNCTION rows_of;
DROP TABLE things, parts;
DROP SCHEMA regress_app, regress_other CASCADE;
DROP ROLE regress_person;
