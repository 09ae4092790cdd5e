--
-- Triggers with the extension's functions on tables that are not attached:
-- anybody may make them, and nobody reads what they would announce.  So they
-- leave no row in clarify_cache.version; enough of those would make every call
-- give up and build.
--
\pset format unaligned
\pset tuples_only
SELECT clarify_cache.setup();
CREATE FUNCTION version_rows(OUT of_these bigint, OUT of_dreams bigint) LANGUAGE sql SECURITY DEFINER AS $$
	SELECT count(*) FILTER (WHERE table_id NOT IN (SELECT table_id FROM clarify_cache.attached_table)
							AND table_id <> 'clarify_cache.section'::regclass),
		count(*) FILTER (WHERE table_id = 'dreams'::regclass AND kind = 'u')
	FROM clarify_cache.version, unnest(tables) table_id
$$;
SELECT look(u(15));
SELECT of_dreams AS before FROM version_rows() \gset

CREATE ROLE regress_somebody;
CREATE SCHEMA AUTHORIZATION regress_somebody;
SET ROLE regress_somebody;
SET search_path = regress_somebody, public;
CREATE TABLE mine (user_id uuid, other int);
CREATE TRIGGER mark BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON mine
	FOR EACH STATEMENT EXECUTE FUNCTION clarify_cache.mark_change();
CREATE TRIGGER track AFTER INSERT OR UPDATE OR DELETE ON mine
	FOR EACH ROW EXECUTE FUNCTION clarify_cache.track_change('user_id');
-- for everybody
CREATE TRIGGER whole AFTER UPDATE ON mine
	FOR EACH ROW EXECUTE FUNCTION clarify_cache.track_change();
-- while it commits
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON mine DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION clarify_cache.track_change('user_id');
CREATE TEMP TABLE passing (user_id uuid);
CREATE TRIGGER track AFTER INSERT ON passing FOR EACH ROW EXECUTE FUNCTION clarify_cache.track_change();

INSERT INTO mine SELECT u(15), n FROM generate_series(1, 10) n;
UPDATE mine SET other = 0;
TRUNCATE mine;
INSERT INTO passing VALUES (u(15));
-- above READ COMMITTED each would be a row of its own
SET default_transaction_isolation = 'repeatable read';
INSERT INTO mine VALUES (u(15)), (u(1));
INSERT INTO mine VALUES (u(15)), (u(1));
UPDATE mine SET other = 0;
RESET default_transaction_isolation;
BEGIN;
INSERT INTO mine VALUES (u(15));
PREPARE TRANSACTION 'somebody';
COMMIT PREPARED 'somebody';
RESET ROLE;
-- past what is tracked
BEGIN;
SET LOCAL clarify_cache.max_tracked_keys = 1;
INSERT INTO mine SELECT u(n) FROM generate_series(1, 10) n;
COMMIT;
SELECT of_these, of_dreams - :before AS of_dreams FROM version_rows();
SELECT look(u(15));

-- In one transaction with a change that counts, that one is announced.
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO mine VALUES (u(15));
UPDATE public.dreams SET title = title || '!' WHERE user_id = u(15);
INSERT INTO mine VALUES (u(15));
COMMIT;
SELECT of_these, of_dreams - :before AS of_dreams FROM version_rows();
SELECT look(u(15));
-- ... also as a whole
BEGIN;
TRUNCATE mine;
UPDATE mine SET other = 1;
SET LOCAL clarify_cache.max_tracked_keys = 1;
UPDATE public.dreams SET title = title || '!' WHERE user_id IN (u(15), u(16));
COMMIT;
SELECT of_these FROM version_rows();
SELECT look(u(15));

-- Attached by and by: from then on its changes count; detached: not any more.
DROP TRIGGER whole ON mine;
SELECT clarify_cache.attach('mine');
SELECT clarify_cache.add_section('mine', 'SELECT other FROM regress_somebody.mine WHERE user_id = $1 ORDER BY other');
INSERT INTO mine VALUES (u(15), 7);
SELECT clarify_context(u(15)) -> 'mine';
SELECT came_from(u(15));
UPDATE mine SET other = 8;
SELECT clarify_context(u(15)) -> 'mine';
BEGIN;
SELECT clarify_cache.detach('mine');
CREATE TRIGGER track AFTER INSERT OR UPDATE OR DELETE ON mine
	FOR EACH ROW EXECUTE FUNCTION clarify_cache.track_change('user_id');
UPDATE mine SET other = 9;
COMMIT;
UPDATE mine SET other = 10;
SELECT of_these FROM version_rows();
SELECT came_from(u(15));
SELECT clarify_context(u(15)) -> 'mine';
-- In the transaction that attaches it, too.
BEGIN;
UPDATE mine SET other = 11;
SELECT clarify_cache.attach('mine');
UPDATE mine SET other = 12;
COMMIT;
SELECT clarify_context(u(15)) -> 'mine';
SELECT came_from(u(15));
UPDATE mine SET other = 13;
SELECT clarify_context(u(15)) -> 'mine';
RESET search_path;
SELECT clear();
DROP FUNCTION version_rows;
SET client_min_messages = warning;
DROP SCHEMA regress_somebody CASCADE;
DROP OWNED BY regress_somebody;
DROP ROLE regress_somebody;
