--
-- Queries at random, by an author who wants to see other people's rows: what
-- add_section() accepts may depend on nothing but one's own.  Hundreds of queries
-- put "key = $1" here and there: in WHERE or in the ON of any kind of join,
-- under AND, OR and NOT, in subqueries, in WITH, in the arms of UNION and EXCEPT,
-- in HAVING and FILTER.  Each that is accepted is run over a few people's rows, and again
-- when the others' have changed, in many ways: the same, or it is a leak, since no
-- change of theirs would be noticed.
--
-- (section/check.h and section/key.c say why it is so; the cases one by one are in
-- section_rules.)
--
\pset format unaligned
\pset tuples_only
SET client_min_messages = warning;
-- many small queries, whose cost nobody knows
SET jit = off;
CREATE TABLE a (id int, user_id uuid, v int);
CREATE TABLE b (id int, user_id uuid, v int);
CREATE TABLE c (id int, user_id uuid, v int) PARTITION BY RANGE (id);
CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (0) TO (3);
CREATE TABLE c2 PARTITION OF c DEFAULT;
CREATE TABLE k (id int, v int);
SELECT clarify_cache.attach('a'), clarify_cache.attach('b'), clarify_cache.attach('c'), clarify_cache.attach('k', NULL);
INSERT INTO k VALUES (1, 1), (2, 5), (3, 3), (NULL, 2);

-- A generator that gives the same on every machine.
CREATE SEQUENCE drawn;
CREATE FUNCTION draw(below int) RETURNS int LANGUAGE sql AS
	$$ SELECT ('x0' || substr(md5('queries ' || nextval('drawn')), 1, 7))::bit(32)::int % below $$;
CREATE FUNCTION one_of(VARIADIC words text[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN words[1 + draw(cardinality(words))];
END $$;

-- A condition on these aliases, each of a keyed table: mostly of the form that
-- counts, sometimes nearly.
CREATE FUNCTION condition(aliases text[], depth int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	one text := one_of(VARIADIC aliases);
	other text := one_of(VARIADIC aliases);
BEGIN
	CASE draw(CASE WHEN depth > 0 THEN 22 ELSE 14 END)
		WHEN 0, 1, 2, 3 THEN RETURN one || '.user_id = $1';
		WHEN 4 THEN RETURN '$1 = ' || one || '.user_id';
		WHEN 5 THEN RETURN one || '.user_id = ' || other || '.user_id';
		WHEN 6 THEN RETURN one || '.id = ' || other || '.id';
		WHEN 7 THEN RETURN one || '.v >= ' || draw(4);
		WHEN 8 THEN RETURN one_of(one || '.user_id IS NULL', one || '.user_id IS NOT DISTINCT FROM $1', one || '.user_id <> $1',
			one || '.user_id IN ($1)', one || '.user_id IN ($1, ' || other || '.user_id)', one || '.user_id = ANY (ARRAY[$1])',
			'(' || one || '.user_id, ' || one || '.v) = ($1, ' || other || '.v)', '(' || one || '.user_id = $1) IS TRUE',
			'(' || one || '.user_id = $1) IS NOT FALSE', 'coalesce(' || one || '.user_id, $1) = $1', one || '.user_id >= $1');
		WHEN 9 THEN RETURN 'true';
		WHEN 10 THEN RETURN one || '.v < ' || other || '.v';
		WHEN 11 THEN RETURN format('EXISTS (SELECT FROM %s x WHERE x.id = %s.id AND %s)', one_of('a', 'b', 'c'), one, one_of('x.user_id = $1', one || '.user_id = $1', 'x.user_id = ' || one || '.user_id'));
		WHEN 12 THEN RETURN format('%s.v %s (SELECT x.v FROM %s x WHERE %s)', one, one_of('IN', 'NOT IN'), one_of('a', 'b'), one_of('x.user_id = $1', 'x.user_id = $1', one || '.user_id = $1'));
		WHEN 13 THEN RETURN format('%s.v = (SELECT count(*) FROM k WHERE k.id = %s.id)', one, other);
		WHEN 14, 15, 16, 17, 18 THEN RETURN format('(%s AND %s)', condition(aliases, depth - 1), condition(aliases, depth - 1));
		WHEN 19 THEN RETURN format('(%s OR %s)', condition(aliases, depth - 1), condition(aliases, depth - 1));
		WHEN 20 THEN RETURN format('NOT (%s)', condition(aliases, depth - 1));
		ELSE RETURN format('CASE WHEN %s THEN %s ELSE %s END', condition(aliases, depth - 1), condition(aliases, depth - 1), condition(aliases, 0));
	END CASE;
END $$;

-- All of them keyed, or nearly all.
CREATE FUNCTION keyed(aliases text[]) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(a || '.user_id = $1', ' AND '), 'true') FROM unnest(aliases) a WHERE draw(6) > 0
$$;

-- Something in FROM; adds its aliases.  What is in it is of one of the people, or not.
CREATE FUNCTION source(depth int, INOUT aliases text[], OUT source text) LANGUAGE plpgsql AS $$
DECLARE
	alias text := 't' || draw(1000000);
	left_side record;
	right_side record;
	kind text;
BEGIN
	IF depth = 0 OR draw(3) = 0 THEN
		source := CASE draw(8)
			WHEN 0 THEN format('(SELECT id, user_id, v FROM %s x WHERE %s) %s', one_of('a', 'b', 'c'), condition('{x}', 1), alias)
			WHEN 1 THEN format('(SELECT id, $1 AS user_id, v FROM k) %s', alias)
			WHEN 2 THEN format('(SELECT x.id, x.user_id, count(*)::int AS v FROM %s x WHERE %s GROUP BY 1, 2 %s) %s',
				one_of('a', 'b'), condition('{x}', 1), one_of('', 'HAVING x.user_id = $1'), alias)
			ELSE one_of('a ', 'b ', 'c ') || alias END;
		aliases := aliases || alias;
		RETURN;
	END IF;
	SELECT * INTO left_side FROM source(depth - 1, '{}');
	SELECT * INTO right_side FROM source(depth - 1, '{}');
	aliases := aliases || left_side.aliases || right_side.aliases;
	kind := one_of('JOIN', 'JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN', 'CROSS JOIN', 'JOIN LATERAL', 'LEFT JOIN LATERAL', 'NATURAL JOIN', 'USING');
	IF kind LIKE '%LATERAL' THEN
		alias := 't' || draw(1000000);
		source := format('(%s %s (SELECT x.id, x.user_id, x.v FROM %s x WHERE %s) %s ON %s)', left_side.source, kind, one_of('a', 'b', 'c'),
			condition('x'::text || left_side.aliases, 1), alias, condition(left_side.aliases || alias, 1));
		aliases := left_side.aliases || alias;
	ELSIF kind = 'USING' THEN
		source := format('(%s %s %s USING (%s))', left_side.source, one_of('JOIN', 'LEFT JOIN', 'FULL JOIN'), right_side.source, one_of('user_id', 'id'));
		-- no column named twice below
		IF cardinality(left_side.aliases) > 1 OR cardinality(right_side.aliases) > 1 THEN
			source := format('(%s JOIN %s ON %s)', left_side.source, right_side.source, condition(aliases, 1));
		END IF;
	ELSIF kind IN ('CROSS JOIN', 'NATURAL JOIN') THEN
		source := format('(%s %s %s)', left_side.source, CASE WHEN cardinality(aliases) > 2 THEN 'CROSS JOIN' ELSE kind END, right_side.source);
	ELSE
		source := format('(%s %s %s ON %s)', left_side.source, kind, right_side.source,
			CASE WHEN kind = 'FULL JOIN' THEN left_side.aliases[1] || '.id = ' || right_side.aliases[1] || '.id'
				WHEN draw(2) = 0 THEN keyed(aliases) || ' AND ' || condition(aliases, 0) ELSE condition(aliases, 2) END);
	END IF;
END $$;

-- A level of a query, of one column x.
CREATE FUNCTION level(depth int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	s record;
	wheres text;
	columns text := '';
BEGIN
	SELECT * INTO s FROM source(depth, '{}');
	wheres := condition(s.aliases, 2);
	-- mostly all are keyed here, else it is up to the joins what becomes of them
	IF draw(3) > 0 THEN
		wheres := keyed(s.aliases) || ' AND ' || wheres;
	END IF;
	SELECT string_agg(format('%s.id::text, %s.v::text', a, a), ', ') INTO columns FROM unnest(s.aliases) a;
	RETURN CASE draw(7)
		WHEN 0 THEN format('SELECT concat_ws('','', count(*), count(*) FILTER (WHERE %s), sum(%s.v)) AS x FROM %s WHERE %s',
			condition(s.aliases, 1), s.aliases[1], s.source, wheres)
		WHEN 1 THEN format('SELECT concat_ws('','', %s.v, count(*), grouping(%s.v)) AS x FROM %s WHERE %s GROUP BY ROLLUP (%s.v)',
			s.aliases[1], s.aliases[1], s.source, wheres, s.aliases[1])
		WHEN 2 THEN format('SELECT concat_ws('','', %s, rank() OVER (ORDER BY %s.v), (SELECT max(y.v) FROM %s y WHERE %s)) AS x FROM %s WHERE %s',
			columns, s.aliases[1], one_of('a', 'b'), one_of('y.user_id = $1', 'y.user_id = $1', s.aliases[1] || '.user_id = $1', 'y.user_id = ' || s.aliases[1] || '.user_id'),
			s.source, wheres)
		ELSE format('SELECT concat_ws('','', %s) AS x FROM %s WHERE %s', columns, s.source, wheres) END;
END $$;
CREATE FUNCTION query() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	q text := CASE draw(8)
		WHEN 0 THEN format('%s %s %s', level(1), one_of('UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT'), level(0))
		WHEN 1 THEN format('WITH w AS %s (%s) SELECT w.x || o.x AS x FROM w, (%s) o', one_of('', 'MATERIALIZED', 'NOT MATERIALIZED'), level(0), level(0))
		WHEN 2 THEN format('SELECT l.x FROM (%s) l WHERE l.x NOT IN (%s)', level(1), level(0))
		ELSE level(1) END;
BEGIN
	RETURN format('SELECT x FROM (%s) q ORDER BY x COLLATE "C"', q);
END $$;

-- Rows of people at random; the first one's are always the same.
CREATE PROCEDURE rows_of_others() LANGUAGE plpgsql AS $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['a', 'b', 'c'] LOOP
		EXECUTE format('DELETE FROM %I WHERE user_id IS DISTINCT FROM u(1)', t);
		EXECUTE format('INSERT INTO %I SELECT draw(5), CASE draw(5) WHEN 0 THEN NULL ELSE u(2 + draw(2)) END, draw(5) FROM generate_series(1, draw(4))', t);
	END LOOP;
END $$;
INSERT INTO a VALUES (1, u(1), 1), (2, u(1), 3), (4, u(1), NULL);
INSERT INTO b VALUES (1, u(1), 2), (3, u(1), 3);
INSERT INTO c VALUES (2, u(1), 1), (3, u(1), 0), (3, u(1), 3);
CALL rows_of_others();
ANALYZE a, b, c, k;

-- Does the result depend on the others' rows?  Built plainly; an error is one, too.
CREATE FUNCTION given(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT md5(string_agg(x, '';'' ORDER BY x COLLATE "C")) FROM (%s) q', query) INTO result USING u(1);
	RETURN result;
EXCEPTION WHEN cardinality_violation OR feature_not_supported THEN
	RETURN sqlstate;
END $$;
CREATE FUNCTION depends(query text, tries int) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	first text;
	n int;
BEGIN
	FOR n IN 0 .. tries LOOP
		CALL rows_of_others();
		IF n = 0 THEN
			first := given(query);
		ELSIF given(query) IS DISTINCT FROM first THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END $$;
CREATE FUNCTION verdict(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM clarify_cache.add_section('q', query);
	RAISE SQLSTATE 'RULES';
EXCEPTION
	WHEN SQLSTATE 'RULES' THEN
		RETURN 'accepted';
	WHEN invalid_object_definition THEN
		RETURN 'refused';
	WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
		RETURN CASE WHEN sqlerrm LIKE 'invalid query for section%' THEN 'refused: ' || detail ELSE 'not a query: ' || sqlerrm END;
END $$;

CREATE TABLE tried (n int, query text, verdict text, depends bool);
CREATE PROCEDURE try(tries int) LANGUAGE plpgsql AS $$
DECLARE
	q text;
	v text;
BEGIN
	FOR n IN 1 .. tries LOOP
		q := query();
		v := verdict(q);
		-- of those refused, some, to see that the rows could show it
		INSERT INTO tried VALUES (n, q, v, CASE WHEN v = 'accepted' THEN depends(q, 4) WHEN v = 'refused' AND n % 4 = 0 THEN depends(q, 4) END);
	END LOOP;
END $$;
CALL try(700);
-- accepted, and yet dependent on others: none
SELECT query FROM tried WHERE verdict = 'accepted' AND depends ORDER BY length(query) LIMIT 5;
-- enough of both kinds, and the rows show what a query depends on
SELECT count(*) FILTER (WHERE verdict = 'accepted') > 100 AS many_accepted, count(*) FILTER (WHERE verdict = 'refused') > 300 AS many_refused,
	count(*) FILTER (WHERE verdict = 'refused' AND depends) > 30 AS of_which_many_depend FROM tried;
SELECT clear();
DROP PROCEDURE try, rows_of_others;
DROP FUNCTION draw, one_of, condition, keyed, source(int, text[]), level, query, given, depends, verdict;
DROP TABLE a, b, c, k, tried;
DROP SEQUENCE drawn;
