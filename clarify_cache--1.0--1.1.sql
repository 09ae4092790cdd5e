/* clarify_cache--1.0--1.1.sql */

-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION clarify_cache UPDATE TO '1.1'" to load this file. \quit

CREATE TABLE clarify_cache.witness (
	table_id regclass NOT NULL,
	member_id oid NOT NULL,
	digest bigint NOT NULL
) USING heap WITH (vacuum_truncate = off);
ALTER TABLE clarify_cache.witness REPLICA IDENTITY FULL;
COMMENT ON TABLE clarify_cache.witness IS 'what each attached table and partition of it was made of when its changes were last known to be watched';
REVOKE ALL ON clarify_cache.witness FROM PUBLIC;

CREATE TRIGGER guard_row BEFORE INSERT OR UPDATE OR DELETE ON clarify_cache.witness
	FOR EACH ROW EXECUTE FUNCTION clarify_cache.guard_own_table();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON clarify_cache.witness
	FOR EACH STATEMENT EXECUTE FUNCTION clarify_cache.guard_own_table();
ALTER TABLE clarify_cache.witness ENABLE ALWAYS TRIGGER guard_row,
	ENABLE ALWAYS TRIGGER guard_truncate;

-- Last in every script: changes nothing, but has all sessions look again at which
-- version is installed.  No writer and no reader waits for it.
ALTER TABLE clarify_cache.version SET (vacuum_truncate = off);
