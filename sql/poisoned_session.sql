--
-- A caller's search_path decides what the functions in an index' predicate or
-- expression mean to that caller's session, if they call others by names that are
-- not qualified.  Plain queries of the session are then wrong; what it fills the
-- cache with, for everybody, is not.
--
\pset format unaligned
\pset tuples_only
SET client_min_messages = warning;
CREATE ROLE regress_caller;
CREATE SCHEMA regress_own AUTHORIZATION regress_caller;
CREATE TABLE notes (id int, user_id uuid, status text, body text);
INSERT INTO notes SELECT n, u(2), 'open', 'other' FROM generate_series(1, 1000) n;
INSERT INTO notes VALUES (1, u(14), 'closed', 'One');
CREATE FUNCTION open_state() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''open''::text';
CREATE FUNCTION is_open(text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 = open_state()';
CREATE FUNCTION plain(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
CREATE FUNCTION folded(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT plain($1)';
CREATE INDEX ON notes (user_id) WHERE is_open(status);
CREATE INDEX ON notes (folded(body));
CREATE FUNCTION own_abs(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT abs($1)';
CREATE FUNCTION size(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT own_abs($1)';
CREATE TABLE parts (id int, user_id uuid) PARTITION BY RANGE (size(id));
CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE part_2 PARTITION OF parts FOR VALUES FROM (10) TO (100);
INSERT INTO parts VALUES (5, u(14)), (-20, u(14));
ANALYZE notes, parts;
GRANT SELECT ON notes, parts TO regress_caller;
SELECT clarify_cache.attach('notes');
SELECT clarify_cache.attach('parts');
SELECT clarify_cache.add_section('closed', 'SELECT body FROM notes WHERE user_id = $1 AND status = ''closed''');
SELECT clarify_cache.add_section('upper', 'SELECT id FROM notes WHERE user_id = $1 AND upper(body) = ''ONE''');
SELECT clarify_cache.add_section('size', 'SELECT id FROM parts WHERE user_id = $1 AND (0 - id) = -5');

SET ROLE regress_caller;
CREATE FUNCTION regress_own.open_state() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''closed''::text';
CREATE FUNCTION regress_own.plain(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
CREATE FUNCTION regress_own.own_abs(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 0 - $1';
RESET ROLE;
\c -
SET ROLE regress_caller;
SET search_path = regress_own, public;
SET enable_seqscan = off;
-- the session has its own idea of them
SELECT body FROM notes WHERE user_id = u(14) AND status = 'closed';
SELECT id FROM notes WHERE user_id = u(14) AND upper(body) = 'ONE';
SELECT id FROM parts WHERE (0 - id) = -5;
SELECT count(*) FROM clarify_context(u(14));
SET search_path = public;
SELECT count(*) FROM clarify_context(u(14));
RESET ROLE;
-- everybody
\c -
SELECT clarify_context(u(14));
-- one that plans under it from the start
SELECT clarify_cache.invalidate_all();
\c -
SET ROLE regress_caller;
SET search_path = regress_own, public;
SET enable_seqscan = off;
SELECT count(*) FROM clarify_context(u(14));
SELECT count(*) FROM clarify_context(u(14));
\c -
SELECT came_from(u(14)), clarify_context(u(14));

SELECT clear();
DROP TABLE notes, parts;
DROP FUNCTION folded, plain, is_open, open_state, size, own_abs;
SET client_min_messages = warning;
DROP SCHEMA regress_own CASCADE;
DROP ROLE regress_caller;
