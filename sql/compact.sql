-- compact() folds rows and changes no version: what is cached stays reachable.
-- One session shows it, since the rows that meeting writers leave are the same
-- as those that a REPEATABLE READ writer leaves.

CREATE TABLE folded (id int PRIMARY KEY, user_id uuid, body text);
SELECT clarify_cache.attach('folded');
SELECT clarify_cache.add_section('folded', 'SELECT id, body FROM folded WHERE user_id = $1 ORDER BY id');
INSERT INTO folded SELECT n, '11111111-1111-1111-1111-111111111111', 'before' FROM generate_series(1, 5) n;

CREATE FUNCTION version_rows() RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM clarify_cache.version WHERE 'folded'::regclass = ANY (tables) AND kind = 'u'
$$;

-- One row each, above READ COMMITTED.
SET default_transaction_isolation = 'repeatable read';
UPDATE folded SET body = 'one' WHERE id = 1;
UPDATE folded SET body = 'two' WHERE id = 2;
UPDATE folded SET body = 'three' WHERE id = 3;
SELECT clarify_cache.compact();
RESET default_transaction_isolation;
SELECT version_rows();

-- Cached under the version of these rows,
SELECT clarify_context('11111111-1111-1111-1111-111111111111') -> 'folded' ->> 0 AS first;
SELECT local_hits + redis_hits AS hits, builds FROM clarify_cache.stats WHERE section = 'folded' \gset before_
SELECT clarify_cache.compact();
SELECT version_rows();

-- and still found under that of the one that is left.
SELECT clarify_context('11111111-1111-1111-1111-111111111111') -> 'folded' ->> 0 AS first;
SELECT local_hits + redis_hits - :before_hits AS hits, builds - :before_builds AS builds
FROM clarify_cache.stats WHERE section = 'folded';

-- The fold is undone by a rollback, and nothing is lost with it.
SET default_transaction_isolation = 'repeatable read';
UPDATE folded SET body = 'four' WHERE id = 4;
RESET default_transaction_isolation;
BEGIN;
SELECT clarify_cache.compact();
ROLLBACK;
SELECT version_rows();
SELECT clarify_context('11111111-1111-1111-1111-111111111111') -> 'folded' ->> 3 AS fourth;
SELECT local_hits + redis_hits - :before_hits AS hits, builds - :before_builds AS builds
FROM clarify_cache.stats WHERE section = 'folded';

-- Nothing to do; and not for everybody.
SELECT clarify_cache.compact() > 0 AS folded;
SELECT clarify_cache.compact();
SELECT has_function_privilege('public', 'clarify_cache.compact()', 'execute');

SELECT clarify_cache.drop_section('folded');
SELECT clarify_cache.detach('folded');
DROP TABLE folded;
DROP FUNCTION version_rows();
