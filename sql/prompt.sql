--
-- clarify_prompt(): the text to the byte, what stands in place of what is not
-- there, lengths in UTF-16 code units, and each rule of the budget.  At last all
-- people at many budgets against a prompt made in another way, in SQL.
--
-- The people are its own, in a schema of its own: other tests change theirs.
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set clarify_schema :abs_srcdir '/test/clarify/schema.sql'
\set clarify_data :abs_srcdir '/test/clarify/data.sql'
\set people 20
CREATE SCHEMA prompt_people;
SET search_path = prompt_people, public;
SET client_min_messages = warning;
\set ECHO none
\i :clarify_schema
\i :clarify_data
\set ECHO all
RESET client_min_messages;
\pset format unaligned
\pset tuples_only

-- no section is defined: what clarify_context() says
SELECT attempt('SELECT clarify_prompt(u(1))');
SELECT clarify_cache.setup('prompt_people');

--
-- Clarify's tables
--

-- all of a person's prompt; the same with every byte to be seen
SELECT clarify_prompt(u(1));
SELECT to_json(clarify_prompt(u(1)));
-- a NULL user, whatever the rest is; an unknown one; one of whom there is no more than the row
SELECT clarify_prompt(NULL) IS NULL, clarify_prompt(NULL, s(u(1), 1), 5) IS NULL, clarify_prompt(NULL, NULL, NULL) IS NULL;
SELECT clarify_prompt(u(0)) = '';
INSERT INTO users (id, email, name, total_reflections, total_clarify_sessions)
	VALUES (u(0), 'new@example.org', 'New', NULL, NULL);
SELECT clarify_prompt(u(0));
DELETE FROM users WHERE id = u(0);

-- the current session is left out, and the fourth takes its place
SELECT split_part(clarify_prompt(u(3)), '[Recent Conversations]', 2);
SELECT split_part(clarify_prompt(u(3), s(u(3), 2)), '[Recent Conversations]', 2);

-- It comes from the cache, as the context does; a change is seen at once, by its
-- own transaction, too.
CREATE FUNCTION prompt_came_from(person uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before jsonb := counted();
BEGIN
	PERFORM clarify_prompt(person);
	RETURN sources(before, counted());
END $$;
SELECT look(u(7));
SELECT prompt_came_from(u(7));
UPDATE users SET name = 'Hanna' WHERE id = u(7);
SELECT prompt_came_from(u(7)), prompt_came_from(u(7)), clarify_prompt(u(7)) ~ '\nName: Hanna\n';
BEGIN;
UPDATE users SET name = 'Johanna' WHERE id = u(7);
SELECT clarify_prompt(u(7)) ~ '\nName: Johanna\n';
ROLLBACK;
SELECT clarify_prompt(u(7)) ~ '\nName: Hanna\n';

-- Who may not read a table gets the error that the context gives; where
-- row-level security applies, a prompt of what is to be seen.
CREATE ROLE regress_prompt BYPASSRLS;
GRANT USAGE ON SCHEMA prompt_people TO regress_prompt;
GRANT SELECT ON users, dreams, clarify_patterns, clarify_sessions TO regress_prompt;
SELECT look(u(9));
SET ROLE regress_prompt;
SELECT attempt('SELECT clarify_prompt(u(9))');
SELECT attempt('SELECT clarify_prompt(u(9))') = attempt('SELECT clarify_context(u(9))');
SELECT attempt('SELECT clarify_prompt(u(9), NULL, 0)');
RESET ROLE;
GRANT SELECT ON reflections TO regress_prompt;
SET ROLE regress_prompt;
SELECT length(clarify_prompt(u(9))) > 100;
RESET ROLE;
ALTER ROLE regress_prompt NOBYPASSRLS;
GRANT USAGE ON SCHEMA auth TO regress_prompt;
SET ROLE regress_prompt;
SELECT clarify_prompt(u(9)) = '';
SET request.jwt.claim.sub = 'd4b5a0ab-0a3b-4a3c-8f8e-000000000000';
SELECT clarify_prompt(u(9)) = '';
SELECT set_config('request.jwt.claim.sub', u(9)::text, false) = u(9)::text;
SELECT length(clarify_prompt(u(9))) > 100;
RESET request.jwt.claim.sub;
RESET ROLE;
DROP OWNED BY regress_prompt;
DROP ROLE regress_prompt;

-- bad budgets
SELECT attempt('SELECT clarify_prompt(u(1), NULL, NULL)');
SELECT attempt('SELECT clarify_prompt(u(1), NULL, -1)');
SELECT attempt('SELECT clarify_prompt(u(1), NULL, -2147483648)');
SELECT clarify_prompt(u(1), NULL, 2147483647) = clarify_prompt(u(1));
SELECT clear();

--
-- Sections of one's own, whose members may be any JSON
--
CREATE TABLE piece (user_id uuid, section text, n serial, a json, b json, c json);
SELECT clarify_cache.attach('piece');
SELECT clarify_cache.add_section('user', $$SELECT a AS name, b AS total_reflections, c AS total_clarify_sessions
	FROM piece WHERE user_id = $1 AND section = 'user' ORDER BY n$$, single_row => true);
SELECT clarify_cache.add_section('weather', $$SELECT a, b, c
	FROM piece WHERE user_id = $1 AND section = 'weather' ORDER BY n$$);
SELECT clarify_cache.add_section('reflections', $$SELECT a AS tone
	FROM piece WHERE user_id = $1 AND section = 'reflections' ORDER BY n$$);
SELECT clarify_cache.add_section('sessions', $$SELECT a AS title, b AS message_count, c
	FROM piece WHERE user_id = $1 AND section = 'sessions' ORDER BY n$$);
SELECT clarify_cache.add_section('patterns', $$SELECT a AS pattern_type, b AS content
	FROM piece WHERE user_id = $1 AND section = 'patterns' ORDER BY n$$);
SELECT clarify_cache.add_section('dreams', $$SELECT a AS title, b AS category, c AS description
	FROM piece WHERE user_id = $1 AND section = 'dreams' ORDER BY n$$);

-- A user with these pieces of one section, and of others.
CREATE FUNCTION put(section text, VARIADIC members text[]) RETURNS void LANGUAGE sql AS $$
	INSERT INTO piece (user_id, section, a, b, c)
	VALUES (u(1), section, members[1]::json, members[2]::json, members[3]::json)
$$;
-- The prompt without its frame.
CREATE FUNCTION body(max_tokens int DEFAULT 8000) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(clarify_prompt(u(1), NULL, max_tokens),
		'^\n---\nCONTEXT ABOUT THIS USER \(use naturally, don''t mention explicitly\):\n', ''), '\n---\n\n$', '')
$$;

-- nothing at all, and only what no prompt shows
SELECT clarify_prompt(u(1)) = '';
SELECT put('weather', '"fine"', '[1]', '{}');
SELECT clarify_prompt(u(1)) = '';

-- One block alone is framed like all; blocks stand in their own order, not in
-- that of the sections.
SELECT put('reflections', '"gentle"');
SELECT clarify_prompt(u(1));
SELECT put('sessions', '"Morning"', '3');
SELECT put('patterns', '"tension"', '"rest or work"');
SELECT put('dreams', '"Sail"', '"sea"', '"Far"');
SELECT put('user', '"Ada"', '12', '3');
SELECT clarify_prompt(u(1));
TRUNCATE piece;

-- The user: without a name, without counters, without any; counts of one.
SELECT put('user', 'null', '5', '6'); SELECT body(); TRUNCATE piece;
SELECT put('user', '""', '5', '6'); SELECT body(); TRUNCATE piece;
SELECT put('user', '"Ada"', 'null', NULL); SELECT body(); TRUNCATE piece;
SELECT put('user', NULL); SELECT body(); TRUNCATE piece;
SELECT put('user', '"Ada"', '1', '1'); SELECT body(); TRUNCATE piece;

-- Dreams: category and description NULL, or empty.
SELECT put('dreams', '"both"', '"health"', '"told"');
SELECT put('dreams', '"no category"', 'null', '"told"');
SELECT put('dreams', '"empty category"', '""', '"told"');
SELECT put('dreams', '"no description"', '"health"', 'null');
SELECT put('dreams', '"empty description"', '"health"', '""');
SELECT put('dreams', NULL, NULL, NULL);
SELECT body();
TRUNCATE piece;

-- Descriptions of 99, 100 and 101 units are shown, shown, and cut.
CREATE FUNCTION described(description text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	shown text;
BEGIN
	DELETE FROM piece;
	PERFORM put('dreams', '"t"', '"c"', to_json(description)::text);
	shown := replace(body(), E'[Active Dreams]\n- "t" (c): ', '');
	RETURN format('%s of %s characters, %s', length(rtrim(shown, '.')), length(description),
		CASE WHEN shown = description THEN 'whole'
			WHEN shown = rtrim(shown, '.') || '...' AND starts_with(description, rtrim(shown, '.')) THEN 'then dots'
			ELSE shown END);
END $$;
SELECT described(repeat('x', 99));
SELECT described(repeat('x', 100));
SELECT described(repeat('x', 101));
-- characters of two and three bytes are one unit, of four bytes two
SELECT described(repeat('é', 100)), described(repeat('é', 101));
SELECT described(repeat('€', 100)), described(repeat('€', 101));
SELECT described(repeat('😀', 50)), described(repeat('😀', 51));
-- the hundredth unit would be the first half of a pair; is the second one
SELECT described(repeat('x', 99) || '😀'), described(repeat('x', 99) || '😀y');
SELECT described(repeat('x', 98) || '😀'), described(repeat('x', 98) || '😀y');
SELECT described('x' || repeat('😀', 49)), described('x' || repeat('😀', 50));
-- the last character of the plane that takes one unit, the first that takes two
SELECT described(repeat(E'\uffff', 100)), described(repeat(E'\U00010000', 51)), described(repeat(E'\U0010ffff', 51));
TRUNCATE piece;

-- Patterns: the four types, one that is unknown, one that looks like a known one, none.
SELECT put('patterns', '"recurring_theme"', '"a"');
SELECT put('patterns', '"tension"', '"b"');
SELECT put('patterns', '"potential_dream"', '"c"');
SELECT put('patterns', '"identity_signal"', '"d"');
SELECT put('patterns', '"shadow_%s_work"', '"e"');
SELECT put('patterns', '"Tension"', '"f"');
SELECT put('patterns', '"tension "', '"g"');
SELECT put('patterns', NULL, NULL);
SELECT body();
TRUNCATE piece;

-- Conversations: no title, an empty one, no counter, counts of none and one.
SELECT put('sessions', NULL, '7');
SELECT put('sessions', '""', '0');
SELECT put('sessions', '"Evening"', NULL);
SELECT put('sessions', '"Night"', '1');
SELECT body();
TRUNCATE piece;

-- Reflections: one, two; tones once each, in the order of the first of each.
SELECT put('reflections', '"gentle"');
SELECT body();
SELECT put('reflections', '"gentle"');
SELECT body();
SELECT put('reflections', '"fusion"');
SELECT put('reflections', NULL);
SELECT put('reflections', '"gentle"');
SELECT put('reflections', '""');
SELECT put('reflections', '"a"');
SELECT put('reflections', '"fusion"');
SELECT body();
DELETE FROM piece WHERE a::text <> '""';
SELECT body();
SELECT put('reflections', NULL);
SELECT body();
TRUNCATE piece;
-- many of them: in no more time than it takes to sort them
INSERT INTO piece (user_id, section, a)
SELECT u(1), 'reflections', to_json(md5((n % 40000)::text)) FROM generate_series(1, 80000) n;
SET statement_timeout = '20s';
SELECT body(2000000) = '[Recent Reflections]' || E'\n80000 reflections in the last period, using tones: '
	|| (SELECT string_agg(md5((n % 40000)::text), ', ' ORDER BY n) FROM generate_series(1, 40000) n);
RESET statement_timeout;
TRUNCATE piece;

-- Scalars that are no strings print as they are written; what is none is not there.
SELECT put('user', '7', '1.50', '1e2');
SELECT put('dreams', 'true', '-0', '12345678901234567890123');
SELECT put('dreams', 'false', '1e400', '1e999999');
SELECT put('dreams', '{"a": 1}', '[1, 2]', '[]');
SELECT body();
TRUNCATE piece;

-- What a text may hold comes out as it is: quotes, backslashes, line ends,
-- control characters, what looks like JSON, a format or a frame.
SELECT put('user', to_json(value)::text), put('dreams', to_json(value)::text, to_json(value)::text, to_json(value)::text),
	put('patterns', to_json(value)::text, to_json(value)::text), put('sessions', to_json(value)::text),
	put('reflections', to_json(value)::text)
FROM (SELECT E'"q" \\b \\\\ \\u0041 \b\f\n\r\t\x01\x1f\x7f {"a":[1, %s%n$1 \n---\n\n}],' AS value) v;
SELECT body() = format($$[User Context]
Name: %1$s
Experience: 0 reflections, 0 Clarify sessions

[Active Dreams]
- "%1$s" (%1$s): %1$s

[Patterns Observed]
- %1$s: %1$s

[Recent Conversations]
- "%1$s" (0 messages)

[Recent Reflections]
1 reflection in the last period, using tones: %1$s$$,
	E'"q" \\b \\\\ \\u0041 \b\f\n\r\t\x01\x1f\x7f {"a":[1, %s%n$1 \n---\n\n}],');
TRUNCATE piece;

-- Escapes as a json column may have them: of any character, of \u0000 and of
-- halves of pairs, which no text can hold.
SELECT put('dreams', '"\u0041\u00e9\u20AC\ud83d\uDE00\"\\\/\n\u005c\u0022"', '"\\u0000"', '"a\u0000b"');
SELECT put('dreams', '"\ud83d"', '"\ude00\ud83d"', '"\ud83d\ud83d\ude00 \ud83dx\ud83d\n"');
SELECT body();
TRUNCATE piece;

-- Nor does it raise for what it does not show, or only looks through: escapes,
-- numbers, nesting, names.
SELECT put('sessions', '"Deep"', '[[[[{"a":"\u0000]"}]]]]', '{"\u0000":[{"}":"]\ud800"}, 1e999999]}');
SELECT put('weather', '"\u0000 \ud83d"', '1e999999', (repeat('[', 3000) || repeat(']', 3000)));
SELECT put('sessions', '"Flat"', '2', '[]');
SELECT body();
-- (what comes from the cache is not parsed by anybody else)
SET max_stack_depth = '100kB';
SELECT body();
RESET max_stack_depth;
TRUNCATE piece;

--
-- The budget.  shape() says which blocks are there, and their units.
--
CREATE FUNCTION units(value text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(sum(CASE WHEN ascii(c) > 65535 THEN 2 ELSE 1 END), 0) FROM regexp_split_to_table(value, '') c
	WHERE c <> ''
$$;
CREATE FUNCTION shape(max_tokens int) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(CASE WHEN block LIKE '%...' THEN format('%s: %s, cut', substring(block, '\[(.*?)\]'), units(block) - 3)
		ELSE format('%s: %s', substring(block, '\[(.*?)\]'), units(block)) END, '; ' ORDER BY n), 'nothing')
	FROM regexp_split_to_table(body(max_tokens), '\n\n') WITH ORDINALITY AS b (block, n) WHERE block <> ''
$$;
-- A block of just so many units, heading and all.
CREATE FUNCTION fill(section text, units int) RETURNS void LANGUAGE sql AS $$
	SELECT put(section, CASE section WHEN 'patterns' THEN '"t"' ELSE value END, CASE section WHEN 'patterns' THEN value END)
	FROM (SELECT to_json(repeat('x', units - CASE section WHEN 'user' THEN 67 WHEN 'dreams' THEN 46
		WHEN 'patterns' THEN 25 WHEN 'sessions' THEN 40 WHEN 'reflections' THEN 67 END))::text AS value) t
$$;

-- A block of 72 units takes 18 tokens, one of 73 takes 19.
SELECT fill('user', 72);
SELECT shape(19), shape(18), shape(17);
TRUNCATE piece;
SELECT fill('user', 73);
SELECT shape(19), shape(18);
TRUNCATE piece;
-- A cut leaves more than 50 units, or is not made: 13 tokens, 12; and none.
SELECT fill('user', 500);
SELECT shape(125), shape(124), shape(14), shape(13), shape(12), shape(1), shape(0);
SELECT clarify_prompt(u(1), NULL, 13);
SELECT clarify_prompt(u(1), NULL, 12) = '', clarify_prompt(u(1), NULL, 0) = '';
TRUNCATE piece;

-- Headings count, the frame and what separates blocks do not.
SELECT fill('user', 80), fill('dreams', 80), fill('patterns', 80), fill('sessions', 80), fill('reflections', 80);
SELECT shape(100);
SELECT shape(99);
SELECT shape(79);
TRUNCATE piece;

-- Priorities 1 and 2 are cut: the user, the dreams, the patterns.
SELECT fill('user', 80), fill('dreams', 400), fill('patterns', 400);
SELECT shape(19);
SELECT shape(20 + 13), shape(20 + 12);
SELECT shape(20 + 100 + 20);
TRUNCATE piece;
-- What is cut fills the budget: nothing comes after it, however small.
SELECT fill('user', 80), fill('dreams', 400), fill('patterns', 26), fill('sessions', 41), fill('reflections', 68);
SELECT shape(60);
TRUNCATE piece;

-- Priorities 3 and 4 are skipped, where 1 and 2 would be cut.
SELECT fill('sessions', 400);
SELECT shape(100), shape(99);
TRUNCATE piece;
SELECT fill('reflections', 400);
SELECT shape(100), shape(99);
TRUNCATE piece;
-- A smaller block still fits after one that was skipped, or left no more than 50.
SELECT fill('user', 80), fill('sessions', 400), fill('reflections', 80);
SELECT shape(40), shape(39);
TRUNCATE piece;
SELECT fill('user', 80), fill('dreams', 400), fill('patterns', 40), fill('sessions', 400), fill('reflections', 80);
SELECT shape(20 + 10), shape(20 + 12);
TRUNCATE piece;

-- With 90 % used nothing is cut, though there is room for 80 units, and with a
-- bit less it is; what fits is taken all the same.
SELECT fill('user', 720), fill('dreams', 400), fill('sessions', 44);
SELECT shape(200);
SELECT shape(201);
SELECT shape(199);
TRUNCATE piece;
SELECT fill('user', 7200), fill('dreams', 4000);
SELECT shape(2000), shape(2001), shape(1999);
TRUNCATE piece;
-- 1801 tokens are more than 90 % of 2001, which are 1800.9, not of 2002, which are 1801.8
SELECT fill('user', 7204), fill('dreams', 4000);
SELECT shape(2001), shape(2002);
TRUNCATE piece;

-- No cut splits a character: units 52 and 53 are a pair, and then 51 and 52.
SELECT put('user', to_json(repeat('x', 30) || '😀' || repeat('y', 100))::text);
SELECT shape(13), right(rtrim(body(13), '.'), 2);
SELECT shape(14), right(rtrim(body(14), '.'), 2);
TRUNCATE piece;
SELECT put('user', to_json(repeat('x', 29) || '😀' || repeat('y', 100))::text);
SELECT shape(13), right(rtrim(body(13), '.'), 2);
TRUNCATE piece;
-- Units, not bytes nor characters, are counted: 87 of them, 22 tokens.
SELECT put('user', to_json(repeat('é', 6) || repeat('😀', 7))::text);
SELECT shape(22), shape(21), units(body()), octet_length(body()), length(body());
TRUNCATE piece;

-- texts of some MB
SELECT fill('user', 2000000), fill('dreams', 2000000);
SELECT length(clarify_prompt(u(1), NULL, n)) FROM unnest(ARRAY[2147483647, 600000, 500013, 500000, 499999, 100]) n;
TRUNCATE piece;

--
-- Sections of another shape, or missing
--
SELECT fill('user', 80), fill('dreams', 80), fill('patterns', 80), fill('sessions', 80), fill('reflections', 80);
SELECT clarify_cache.drop_section('patterns'), clarify_cache.drop_section('user'), clarify_cache.drop_section('dreams');
SELECT shape(8000);
SELECT clarify_cache.add_section('user', 'SELECT a AS name FROM piece WHERE user_id = $1 AND section = ''user''');
SELECT clarify_cache.add_section('dreams', 'SELECT a AS title FROM piece WHERE user_id = $1 AND section = ''dreams''',
	single_row => true);
SELECT clarify_cache.add_section('patterns', 'SELECT n AS other FROM piece WHERE user_id = $1 AND section = ''patterns''');
SELECT json_typeof(clarify_context(u(1)) -> 'user'), json_typeof(clarify_context(u(1)) -> 'dreams');
SELECT body();
SELECT clarify_cache.drop_section('user');
-- columns of the same name: the last one counts, as it does in JavaScript
SELECT clarify_cache.add_section('user', 'SELECT 1 AS name, 2 AS total_reflections, 3 AS name FROM piece
	WHERE user_id = $1 AND section = ''user''', single_row => true);
SELECT split_part(body(), E'\n\n', 1);
SELECT clear();
DROP TABLE piece;

--
-- Another way to the same prompt: from the tables, by plain queries, in SQL.
-- First each block of each person, then the units up to each of its characters.
--
SELECT clarify_cache.setup('prompt_people');
UPDATE users SET name = 'Ada 😀 ' || name WHERE ascii(id::text) % 2 = 0;
UPDATE dreams SET title = '🏃 ' || title, description = repeat('🌊€', 1 + ascii(right(id::text, 1)) % 40)
	WHERE ascii(id::text) % 3 = 0;
UPDATE clarify_patterns SET content = content || repeat(' 🜁é', 1 + strength) WHERE ascii(id::text) % 3 = 1;

CREATE FUNCTION short(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN units(value) <= 100 THEN value ELSE (
		SELECT left(value, max(n)) FROM generate_series(49, 100) n WHERE units(left(value, n)) <= 100) || '...' END
$$;
CREATE TABLE plain_block AS
SELECT u.id AS person, b.priority, b.n, b.heading || E'\n' || b.lines AS value
FROM users u, LATERAL (
	SELECT 1 AS priority, 1 AS n, '[User Context]' AS heading, 'Name: ' || u.name || E'\nExperience: '
		|| coalesce(u.total_reflections, 0) || ' reflections, ' || coalesce(u.total_clarify_sessions, 0) || ' Clarify sessions' AS lines
	UNION ALL
	SELECT 2, 2, '[Active Dreams]', string_agg('- "' || title || '" (' || coalesce(category, 'general') || '): '
		|| coalesce(short(description), 'No description'), E'\n' ORDER BY updated_at DESC, id)
	FROM (SELECT * FROM dreams WHERE user_id = u.id AND status = 'active' ORDER BY updated_at DESC, id LIMIT 5) d
	UNION ALL
	SELECT 2, 3, '[Patterns Observed]', string_agg('- ' || CASE pattern_type WHEN 'recurring_theme' THEN 'Recurring Theme'
		WHEN 'tension' THEN 'Inner Tension' WHEN 'potential_dream' THEN 'Potential Dream'
		WHEN 'identity_signal' THEN 'Identity Signal' END || ': ' || content, E'\n' ORDER BY strength DESC, id)
	FROM (SELECT * FROM clarify_patterns WHERE user_id = u.id AND strength >= 3 ORDER BY strength DESC, id LIMIT 10) p
	UNION ALL
	SELECT 3, 4, '[Recent Conversations]', string_agg('- "' || coalesce(title, 'Untitled') || '" (' || message_count || ' messages)',
		E'\n' ORDER BY last_message_at DESC, id)
	FROM (SELECT * FROM clarify_sessions WHERE user_id = u.id AND status = 'active' AND id <> s(u.id, 1)
		ORDER BY last_message_at DESC, id LIMIT 3) c
	UNION ALL
	SELECT 4, 5, '[Recent Reflections]', sum(times) || ' reflections in the last period, using tones: '
		|| string_agg(tone, ', ' ORDER BY first)
	FROM (SELECT tone, min(n) AS first, count(*) AS times
		FROM (SELECT tone, row_number() OVER (ORDER BY created_at DESC, id) AS n FROM reflections WHERE user_id = u.id) r
		WHERE n <= 3 GROUP BY tone) t
) b
WHERE b.lines IS NOT NULL;
CREATE TABLE plain_unit AS
SELECT person, b.n, position, sum(units(c)) OVER (PARTITION BY person, b.n ORDER BY position) AS units
FROM plain_block b, regexp_split_to_table(value, '') WITH ORDINALITY AS r (c, position);
CREATE INDEX ON plain_unit (person, n, units);
ANALYZE plain_unit;

CREATE FUNCTION plain_prompt(who uuid, budget int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	block record;
	blocks text[] := '{}';
	total int;
	characters int;
	used int := 0;
BEGIN
	FOR block IN SELECT * FROM plain_block WHERE person = who ORDER BY priority, n LOOP
		SELECT max(units) INTO total FROM plain_unit p WHERE p.person = who AND p.n = block.n;
		IF used + ceil(total / 4.0) <= budget THEN
			blocks := blocks || block.value;
			used := used + ceil(total / 4.0);
		ELSIF block.priority <= 2 AND used < budget * 0.9 THEN
			SELECT max(position), max(units) INTO characters, total FROM plain_unit p
			WHERE p.person = who AND p.n = block.n AND units <= (budget - used) * 4;
			IF total > 50 THEN
				blocks := blocks || (left(block.value, characters) || '...');
				used := used + ceil(total / 4.0);
			END IF;
		END IF;
	END LOOP;
	RETURN CASE WHEN blocks = '{}' THEN '' ELSE E'\n---\nCONTEXT ABOUT THIS USER (use naturally, don''t mention explicitly):\n'
		|| array_to_string(blocks, E'\n\n') || E'\n---\n\n' END;
END $$;

-- All people, budgets from nothing to what takes all; that each rule was met is shown
-- by what the prompts are like.
CREATE TABLE prompt AS
SELECT id, budget, clarify_prompt(id, s(id, 1), budget) AS value, plain_prompt(id, budget) AS plain
FROM users, generate_series(ascii(right(id::text, 1)) % 4, 600, 4) budget;
SELECT count(DISTINCT id) AS people, count(*) AS prompts, count(*) FILTER (WHERE value = plain) AS same FROM prompt;
SELECT id, budget, value, plain FROM prompt WHERE value IS DISTINCT FROM plain ORDER BY id, budget LIMIT 1;
SELECT count(*) FILTER (WHERE value = '') > 20 AS empty,
	count(*) FILTER (WHERE value ~ '\.\.\.\n---\n\n$' AND value ~ 'Patterns' AND value !~ 'Recent') > 20 AS cut,
	count(*) FILTER (WHERE value !~ 'Conversations' AND value ~ 'Reflections') > 10 AS skipped,
	count(*) FILTER (WHERE value ~ 'Patterns' AND value ~ 'Conversations' AND value ~ 'Reflections') > 20 AS whole,
	count(*) FILTER (WHERE value ~ '[😀🏃🌊🜁]\.\.\.\n---\n\n$') > 20 AS cut_at_emoji
FROM prompt;
SELECT clear();
SET client_min_messages = warning;
DROP SCHEMA prompt_people CASCADE;
