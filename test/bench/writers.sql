/*
 * What the part "writers" adds to bulk.sql: rows to load, and a copy of them in
 * a file (the psql variable "file").
 */
ALTER TABLE bulk ADD unread int NOT NULL DEFAULT 0;
CREATE TABLE loaded (LIKE bulk INCLUDING ALL);
SELECT format('COPY bulk TO %L', :'file') \gexec

-- Processor time of this backend so far, in ms.
CREATE FUNCTION cpu_ms() RETURNS numeric LANGUAGE sql AS $$
	SELECT (field[14]::numeric + field[15]::numeric) * 10
	FROM string_to_array(pg_read_file('/proc/self/stat'), ' ') field
$$;

GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO app;
