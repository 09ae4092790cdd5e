--
-- Who may not read a section asks no tier for it: neither an answer nor the time
-- until "permission denied", nor the table that it names, says whether somebody's
-- context is cached.  Shown by what the tiers count.
--
\pset format unaligned
\pset tuples_only
CREATE FUNCTION tiers() RETURNS text LANGUAGE sql AS $$
	SELECT format('%s hits, %s outdated, %s not authentic, %s built, %s filled, %s commands, %s waits',
		sum(local_hits + redis_hits), sum(version_mismatches), sum(corrupt_entries), sum(builds), sum(fills),
		(SELECT commands FROM clarify_cache.redis_stats), (SELECT waits FROM clarify_cache.call_stats))
	FROM clarify_cache.stats
$$;
-- A call of the role's, and what the tiers have counted then.
CREATE FUNCTION denied(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before text := tiers();
	how text;
BEGIN
	SET LOCAL ROLE regress_nobody;
	how := attempt(call);
	RESET ROLE;
	RETURN split_part(how, E'\n', 1) || CASE WHEN tiers() = before THEN '; no tier was asked' ELSE '; ' || before || ' -> ' || tiers() END;
END $$;
CREATE ROLE regress_nobody BYPASSRLS;
SELECT clarify_cache.setup();

-- User 17 is cached, what is cached of user 19 is outdated, of user 20 there is nothing.
SELECT look(u(17)), look(u(19));
SELECT look(u(17)), look(u(19));
SET clarify_cache.enabled = off;	-- nothing is removed from Redis
UPDATE users SET name = name || '!' WHERE id = u(19);
UPDATE dreams SET title = title || '!' WHERE user_id = u(19);
RESET clarify_cache.enabled;
SELECT n, denied(format('SELECT clarify_context(u(%s))', n)) FROM unnest(ARRAY[17, 19, 20]) n;
SELECT denied('SELECT * FROM clarify_contexts(ARRAY[u(17), u(19), u(20)])');
SELECT n, denied(format('SELECT clarify_prompt(u(%s))', n)) FROM unnest(ARRAY[17, 19, 20]) n;
SELECT n, denied(format('SELECT * FROM clarify_cache.explain(u(%s))', n)) FROM unnest(ARRAY[17, 19, 20]) n;

-- Of some sections: these alone are asked for, and the call fails all the same.
GRANT SELECT ON users TO regress_nobody;
CREATE FUNCTION outdated() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(section || ' ' || version_mismatches, ', ' ORDER BY section)
	FROM clarify_cache.stats WHERE version_mismatches > 0
$$;
SELECT clarify_cache.reset_stats();
SELECT split_part(denied('SELECT clarify_context(u(19))'), ';', 1), outdated();

-- Granted, and taken away again from one who was known to read.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO regress_nobody;
SET ROLE regress_nobody;
SELECT came_from(u(17));
RESET ROLE;
REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM regress_nobody;
SELECT n, denied(format('SELECT clarify_context(u(%s))', n)) FROM unnest(ARRAY[17, 19, 20]) n;

-- A column, a function, and row-level security
GRANT SELECT ON ALL TABLES IN SCHEMA public TO regress_nobody;
REVOKE SELECT ON users FROM regress_nobody;
GRANT SELECT (id, name) ON users TO regress_nobody;
SELECT clarify_cache.drop_section(name) FROM clarify_cache.section WHERE name <> 'user';
SELECT n, denied(format('SELECT clarify_context(u(%s))', n)) FROM unnest(ARRAY[17, 19, 20]) n;
GRANT SELECT ON users TO regress_nobody;
REVOKE EXECUTE ON FUNCTION row_to_json(record) FROM PUBLIC;
SELECT n, denied(format('SELECT clarify_context(u(%s))', n)) FROM unnest(ARRAY[17, 19, 20]) n;
GRANT EXECUTE ON FUNCTION row_to_json(record) TO PUBLIC;
-- others' rows are not there for it, cached or not
ALTER ROLE regress_nobody NOBYPASSRLS;
SELECT came_from(u(17)), came_from(u(17));
SET ROLE regress_nobody;
SELECT n, clarify_context(u(n)), served_from, reason FROM unnest(ARRAY[17, 19, 20]) n, clarify_cache.explain(u(n));
RESET ROLE;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM regress_nobody;
REVOKE ALL ON users FROM regress_nobody;
DROP ROLE regress_nobody;
DROP FUNCTION tiers, denied, outdated;
SELECT clear();
