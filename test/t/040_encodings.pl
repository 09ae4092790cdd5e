# Databases in SQL_ASCII, UTF8, LATIN1 and EUC_JP in one server, with one Redis:
# text beyond ASCII, bytes that are no characters at all, and json with escapes for
# characters that the database's encoding does not have.  They come back byte for
# byte, also where the assembly has to look into the JSON to leave out the
# current session or cut the list.  Prompts hold the same bytes, and are cut by
# UTF-16 code units whatever the encoding.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use Test::More;

my $redis = start_redis();
my $node = new_node('main', redis => $redis);
my $user = user_id(1);

# Text of one's own in each, as bytes in its encoding.
my %text = (
	SQL_ASCII => [ 'E\'\xff\xfe\x80 }\\\\" []\'', 'E\'\xc3\'' ],
	UTF8 => [ 'E\'Bj\u00f6rn \u20ac \U0001F600 "}]},{[\'', 'E\'\u2028\u00a0\\\\u0000\'' ],
	LATIN1 => [ 'E\'Bj\xf6rn \xdf\xa0 "}]},{[\'', 'E\'\xe9\'' ],
	EUC_JP => [ 'E\'\xb0\xa1\x8e\xb1 "}]},{[\'', 'E\'\x8f\xb0\xa1\'' ]);

for my $encoding (sort keys %text)
{
	my $db = lc $encoding;
	my ($first, $second) = @{ $text{$encoding} };
	$node->safe_psql('postgres', "CREATE DATABASE $db ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	# Nothing but ASCII is sent; E'\x..' makes the bytes in the server.
	$node->safe_psql($db, qq~
		SET client_encoding = 'SQL_ASCII';
		CREATE TABLE people (id uuid PRIMARY KEY, name text);
		CREATE TABLE talks (id uuid PRIMARY KEY, user_id uuid, at int, title text, data json);
		INSERT INTO people VALUES ('$user', $first);
		INSERT INTO talks
		SELECT md5(n::text)::uuid, '$user', n, CASE WHEN n % 2 = 0 THEN $first ELSE $second END,
			(ARRAY['{"a":"\\u0000 \\u20ac \\ud83d\\ude00"}', '["\\\\",  "\\"]},{", {"id":"x"}]', '"\\\\\\""',
				'{"id":"$user", "x":[[{}],[]]}', ' null ', '1e400'])[1 + n % 6]::json
		FROM generate_series(1, 12) n;
		CREATE EXTENSION clarify_cache;
		SELECT clarify_cache.attach('people', 'id'), clarify_cache.attach('talks');
		SELECT clarify_cache.add_section('person', 'SELECT name FROM people WHERE id = \$1', single_row => true);
		SELECT clarify_cache.add_section('sessions',
			'SELECT id, title, data FROM talks WHERE user_id = \$1 ORDER BY at LIMIT 9', max_items => 8);
		SELECT clarify_cache.add_section('all', 'SELECT data, title FROM talks WHERE user_id = \$1 ORDER BY at');
		SELECT clarify_cache.add_section('few', 'SELECT data, title FROM talks WHERE user_id = \$1 ORDER BY at',
			max_items => 7);
		CREATE FUNCTION list(rows json[]) RETURNS text LANGUAGE sql
		AS 'SELECT ''['' || array_to_string(rows::text[], '','') || '']''';
		CREATE FUNCTION plain_context(person uuid, session uuid) RETURNS text LANGUAGE sql STABLE AS \$\$
			SELECT '{"person":' || (SELECT row_to_json(t)::text FROM (SELECT name FROM people WHERE id = person) t)
				|| ',"sessions":' || list(ARRAY(SELECT row_to_json(t) FROM (SELECT id, title, data FROM talks
					WHERE user_id = person AND id IS DISTINCT FROM session ORDER BY at LIMIT 8) t))
				|| ',"all":' || list(ARRAY(SELECT row_to_json(t) FROM (
					SELECT data, title FROM talks WHERE user_id = person ORDER BY at) t))
				|| ',"few":' || list(ARRAY(SELECT row_to_json(t) FROM (
					SELECT data, title FROM talks WHERE user_id = person ORDER BY at LIMIT 7) t)) || '}'
		\$\$;
	~);
	load_look($node, $db);
}

for my $encoding (sort keys %text)
{
	my $db = lc $encoding;
	my $hit = 'exact: 4 hits, 0 built, 0 bypassed, 0 filled';
	is_look($node, $user, 'exact: 0 hits, 4 built, 0 bypassed, 4 filled', "$encoding: built, nothing of another database", $db);
	is_look($node, $user, $hit, "$encoding: served byte for byte", $db);
	for my $client ('SQL_ASCII', $encoding)
	{
		is($node->safe_psql($db, "SET client_encoding = '$client'; SELECT look('$user')"), $hit,
			"$encoding: to a client in $client");
	}
	is($node->safe_psql($db, "SELECT look('$user', md5(n::text)::uuid) FROM generate_series(1, 10) n"),
		lines(($hit) x 10), "$encoding: each session left out, or beyond the list");
	is($node->safe_psql($db, qq{SELECT position(to_json(name)::text IN clarify_context('$user')::text) > 0 FROM people}), 't',
		"$encoding: the text stands in it as JSON quotes it");
	is($node->safe_psql($db, qq{SELECT octet_length(clarify_context('$user')::text) > octet_length(name) + 500,
		octet_length(name) <> 0 AND name ~ '[^\\x01-\\x7f]' FROM people}), 't|t', "$encoding: which is not ASCII");
}

# UTF8 from a client in LATIN1 and the other way round: the data, not the client, counts.
is($node->safe_psql('latin1', "SET client_encoding = 'UTF8'; SELECT look('$user')"),
	'exact: 4 hits, 0 built, 0 bypassed, 0 filled', 'LATIN1: to a client in UTF8');
$node->safe_psql('latin1', "UPDATE people SET name = E'\\xe4' WHERE id = '$user'");
is_look($node, $user, 'exact: 3 hits, 1 built, 0 bypassed, 1 filled', 'LATIN1: changed', 'latin1');
is_look($node, $user, 'exact: 4 hits, 0 built, 0 bypassed, 0 filled', 'UTF8: not changed', 'utf8');

# Prompts: in each encoding a character; and descriptions with what is shown of them.
my %character = (
	SQL_ASCII => q{E'\xc3\xa9'}, UTF8 => q{E'\xe2\x82\xac'}, LATIN1 => q{E'\xe9'}, EUC_JP => q{E'\x8f\xb0\xa1'});
my @pairs = (
	[ q{repeat('x', 98) || E'\xf0\x9f\x98\x80'}, q{repeat('x', 98) || E'\xf0\x9f\x98\x80'} ],
	[ q{repeat('x', 99) || E'\xf0\x9f\x98\x80'}, q{repeat('x', 99) || '...'} ],
	[ q{repeat(E'\xf0\x9f\x98\x80', 51)}, q{repeat(E'\xf0\x9f\x98\x80', 50) || '...'} ]);
my %described = (
	# What could be UTF-8 is taken for it; of what could not, overlong forms and
	# encoded surrogates among them, each byte is one.
	SQL_ASCII => [ @pairs,
		[ q{repeat(E'\xff', 100)}, q{repeat(E'\xff', 100)} ],
		[ q{repeat(E'\xff', 101)}, q{repeat(E'\xff', 100) || '...'} ],
		[ q{repeat('x', 98) || E'\xf0\x9f\x98!'}, q{repeat('x', 98) || E'\xf0\x9f...'} ],
		[ q{repeat('x', 97) || E'\xf0\x9f\x98'}, q{repeat('x', 97) || E'\xf0\x9f\x98'} ],
		[ q{repeat(E'\xc0\xaf', 51)}, q{repeat(E'\xc0\xaf', 50) || '...'} ],
		[ q{repeat('x', 98) || E'\xed\xa0\x80'}, q{repeat('x', 98) || E'\xed\xa0...'} ] ],
	UTF8 => \@pairs,
	# two characters, whose bytes would be one in UTF-8
	LATIN1 => [ [ q{repeat(E'\xc3\xa9', 51)}, q{repeat(E'\xc3\xa9', 50) || '...'} ] ],
	EUC_JP => [ [ q{repeat(E'\xb0\xa1', 101)}, q{repeat(E'\xb0\xa1', 100) || '...'} ] ]);
# A title with the escapes of two characters that not all encodings have, of one
# that only two have, and of none.
my $escaped = q{'"\u00e9\u4e9c\ud83d\ude00\u0000"'};
my %unescaped = (
	SQL_ASCII => q{E'\xc3\xa9\xe4\xba\x9c\xf0\x9f\x98\x80\xef\xbf\xbd'},
	UTF8 => q{E'\xc3\xa9\xe4\xba\x9c\xf0\x9f\x98\x80\xef\xbf\xbd'},
	LATIN1 => q{E'\xe9???'},
	EUC_JP => q{E'\x8f\xab\xb1\xb0\xa1??'});
my $head = q{E'\n---\nCONTEXT ABOUT THIS USER (use naturally, don''t mention explicitly):\n[User Context]\nName: '};
my $tail = q{E'\n---\n\n'};

for my $encoding (sort keys %text)
{
	my $db = lc $encoding;
	my $character = $character{$encoding};
	my @dreams = ([ "repeat($character, 100)", "repeat($character, 100)" ],
		[ "repeat($character, 101)", "repeat($character, 100) || '...'" ], @{ $described{$encoding} });
	$node->safe_psql($db, qq~
		UPDATE people SET name = repeat($character, 60);
		CREATE TABLE dreams (n serial, user_id uuid, title json, description text, shown text);
		SELECT clarify_cache.attach('dreams');
		SELECT clarify_cache.add_section('user', 'SELECT name FROM people WHERE id = \$1', single_row => true);
		SELECT clarify_cache.add_section('dreams', 'SELECT title, description FROM dreams WHERE user_id = \$1 ORDER BY n');
	~ . join('', map { "INSERT INTO dreams (user_id, title, description, shown) VALUES ('$user', $escaped, $_->[0], $_->[1]);\n" } @dreams));

	# built, then from the cache
	for my $time ('built', 'cached')
	{
		is($node->safe_psql($db, qq~
			SELECT clarify_prompt('$user') = $head || (SELECT name FROM people)
				|| E'\\nExperience: 0 reflections, 0 Clarify sessions\\n\\n[Active Dreams]'
				|| (SELECT string_agg(E'\\n- "' || $unescaped{$encoding} || '" (general): ' || shown, '' ORDER BY n) FROM dreams)
				|| E'\\n\\n[Recent Conversations]'
				|| (SELECT string_agg(E'\\n- "' || title || '" (0 messages)', '' ORDER BY at) FROM talks WHERE at <= 8)
				|| $tail
		~), 't', "$encoding: the prompt, $time");
	}
	# The heading takes 21 of the 52 units.
	is($node->safe_psql($db, qq~
		SELECT clarify_prompt('$user', NULL, 13) = $head || repeat($character, 31) || '...' || $tail,
			clarify_prompt('$user', NULL, 12) = ''
	~), 't|t', "$encoding: the prompt, cut");
}
is($node->safe_psql('latin1', "SET client_encoding = 'UTF8'; SELECT strpos(clarify_prompt('$user'), E'\\xe9') > 0"), 't',
	'LATIN1: the prompt, to a client in UTF8');

$node->stop;
done_testing();
