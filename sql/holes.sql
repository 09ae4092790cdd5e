--
-- One hole is as good as many: however much DDL an attached table sees while a
-- change of it may pass unseen, it has one row that says so.  They would pile
-- up, month by month, until reading them costs every section its cache.
--
\pset format unaligned
\pset tuples_only
CREATE TABLE flat (id int, user_id uuid, body text);
CREATE TABLE parts (id int, user_id uuid, body text) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE well (id int, user_id uuid, body text);
SELECT clarify_cache.attach('flat');
SELECT clarify_cache.attach('parts');
SELECT clarify_cache.attach('well');
SELECT clarify_cache.add_section('flat', 'SELECT id, body FROM flat WHERE user_id = $1 ORDER BY id');
SELECT clarify_cache.add_section('parts', 'SELECT id, body FROM parts WHERE user_id = $1 ORDER BY id');
SELECT clarify_cache.add_section('well', 'SELECT id, body FROM well WHERE user_id = $1 ORDER BY id');
CREATE FUNCTION plain_all(person uuid) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT '{' || string_agg(btrim(plain_rows(t, format('SELECT id, body FROM %s WHERE user_id = $1 ORDER BY id', t), person), '{}'), ',' ORDER BY n) || '}'
	FROM unnest('{flat,parts,well}'::text[]) WITH ORDINALITY u (t, n)
$$;
CREATE FUNCTION holes() RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(format('%s: %s', t, n), ', ' ORDER BY t), 'none')
	FROM (SELECT tables[1]::regclass::text AS t, count(*) AS n FROM clarify_cache.version WHERE kind = 'h' GROUP BY 1) h
$$;
INSERT INTO flat VALUES (1, u(17), 'one');
INSERT INTO parts VALUES (1, u(17), 'one');
INSERT INTO well VALUES (1, u(17), 'one');
SELECT look(u(17), plain => 'plain_all($1)');
SELECT look(u(17), plain => 'plain_all($1)');
SELECT holes();

-- a table without its triggers
ALTER TABLE flat DISABLE TRIGGER USER;
SELECT holes();
CREATE INDEX ON flat (user_id);
COMMENT ON TABLE flat IS 'unwell';
ALTER TABLE flat ALTER COLUMN id SET STATISTICS 10;
ALTER TABLE flat ADD COLUMN more int;
ALTER TABLE flat DISABLE TRIGGER USER;
CREATE TABLE flat_child () INHERITS (flat);
DROP TABLE flat_child;
SELECT holes();
UPDATE flat SET body = 'unseen';
SELECT look(u(17), plain => 'plain_all($1)');
SELECT look(u(17), plain => 'plain_all($1)');

-- partitions that come and go
CREATE FUNCTION come_and_go() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 1 .. 5 LOOP
		CREATE TABLE parts_new (LIKE parts);
		ALTER TABLE parts ATTACH PARTITION parts_new FOR VALUES FROM (10) TO (20);
		DROP TABLE parts_new;
	END LOOP;
END $$;
SELECT come_and_go();
SELECT holes();
CREATE TABLE parts_2 (LIKE parts);
INSERT INTO parts_2 VALUES (11, u(17), 'eleven');
ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES FROM (10) TO (20);
SELECT holes();
SELECT look(u(17), plain => 'plain_all($1)');

-- repair() closes it; the next one is a hole again
SELECT clarify_cache.repair();
SELECT holes();
SELECT look(u(17), plain => 'plain_all($1)');
SELECT look(u(17), plain => 'plain_all($1)');
ALTER TABLE flat DISABLE TRIGGER USER;
ALTER TABLE parts_2 DISABLE TRIGGER USER;
SELECT holes();

-- One that is rolled back is none: the next one counts.
SELECT clarify_cache.repair();
SELECT look(u(17), plain => 'plain_all($1)');
BEGIN;
SAVEPOINT s;
ALTER TABLE flat DISABLE TRIGGER USER;
COMMENT ON TABLE flat IS 'in a savepoint';
SELECT holes();
ROLLBACK TO s;
SELECT holes();
SAVEPOINT s;
ALTER TABLE flat DISABLE TRIGGER USER;
RELEASE s;
COMMENT ON TABLE flat IS 'after it';
SELECT holes();
COMMIT;
SELECT holes();
UPDATE flat SET body = 'unseen again';
SELECT look(u(17), plain => 'plain_all($1)');
-- The same in a snapshot from before
SELECT clarify_cache.repair();
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM flat;
ALTER TABLE flat DISABLE TRIGGER USER;
ALTER TABLE flat ENABLE TRIGGER USER;
ALTER TABLE flat SET (fillfactor = 90);
COMMIT;
SELECT holes();
-- repair() in between, in one transaction
BEGIN;
SELECT clarify_cache.repair();
SELECT holes();
ALTER TABLE flat DISABLE TRIGGER USER;
ALTER TABLE flat SET (fillfactor = 80);
SELECT holes();
COMMIT;
UPDATE flat SET body = 'unseen to the end';
SELECT look(u(17), plain => 'plain_all($1)');

SELECT clear();
DROP TABLE flat, parts, well;
DROP FUNCTION plain_all, holes, come_and_go;
