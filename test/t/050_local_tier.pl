# The local tier in shared memory, without Redis: all backends hit what one has
# built, no two databases meet, not even copies of each other; entries end with
# their ttl; what is too large is served but not kept.
#
# It needs the library preloaded and no Redis, settings that take a restart, and
# databases of its own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use Test::More;

my $node = clarify_node('main', local => '8MB');
load_look($node);
my ($user, $other) = (user_id(1), user_id(2));
my $one_built = 'exact: 4 hits, 1 built, 0 bypassed, 1 filled';

# In a session that stays, until it must go.
my $session;
sub sql { $session //= open_session($node); return $session->query(@_); }
sub leave { $session->close if $session; $session = undef; }
sub status { return sql("SELECT $_[0] FROM clarify_cache.status"); }

# What entries of these users take: blocks of 256 bytes, with room for 248, of
# which an entry's first 96 say what it is; then come its section's name and
# the payload.
sub expected_used
{
	my ($users) = @_;
	return sql("SELECT sum(256 * ceil((96 + length(section) + bytes) / 248.0))::bigint
		FROM ($users) u, clarify_cache.explain(u.id)");
}

# All backends

is(status('local_size, local_used, local_entries, local_evictions'), '8388608|0|0|0', 'an empty tier');
is_look($node, $user, BUILT, 'a first call is built and kept');
is_look($node, $user, HIT, 'another backend hits');
is(status('redis_address IS NULL, connected, breaker, preloaded'), 't|f|closed|t', 'without any Redis');
is(status('local_entries, local_evictions'), '5|0', 'an entry for each section');
is(status('local_used'), expected_used("SELECT '$user'::uuid AS id"), 'of the size they should have');
is_look($node, user_id(999), BUILT, 'an unknown user is kept like any');
is_look($node, user_id(999), HIT, 'and hit');
sql("UPDATE dreams SET title = 'new' WHERE user_id = '$user'");
is_look($node, $user, $one_built, 'a change by another backend is seen');
is_look($node, $user, HIT, 'and kept in its place');
is(status('local_entries'), '10', 'no entry more');
sql("BEGIN; UPDATE dreams SET title = 'never' WHERE user_id = '$user'; ROLLBACK");
is_look($node, $user, HIT, 'a rollback costs nothing');
look($node, user_id($_)) for 1 .. 20;
is(sql('SELECT count(*) FROM users WHERE clarify_context(id)::text = plain_context(id)'), '20', 'all people');
is(status('local_used'), expected_used("SELECT id FROM users UNION ALL SELECT '" . user_id(999) . "'"),
	'all of them have the size that they should');

# A copy of the database has the same users, sections and tokens.

leave();
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
my $tokens = 'SELECT md5(string_agg(v::text, chr(10) ORDER BY v::text)) FROM clarify_cache.version v';
is($node->safe_psql('copy', $tokens), sql($tokens), 'a copy of the database has the same tokens');
is_look($node, $user, BUILT, 'in the copy the same user is built', 'copy');
is_look($node, $user, HIT, 'and kept', 'copy');
is_look($node, $user, HIT, 'beside the one of the original');
$node->safe_psql('copy', "UPDATE users SET name = 'the copy' WHERE id = '$user'");
is_look($node, $user, HIT, 'a change in the copy is none in the original');
is_look($node, $user, $one_built, 'and is seen in the copy', 'copy');
sql("UPDATE users SET name = 'the original' WHERE id = '$user'");
is_look($node, $user, HIT, 'a change in the original is none in the copy', 'copy');
is_look($node, $user, $one_built, 'and is seen in the original');
leave();
$node->safe_psql('template1', 'DROP DATABASE copy');
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
is_look($node, $user, BUILT, 'a new database of the same name begins without entries', 'copy');
$node->safe_psql('postgres', 'DROP DATABASE copy');

# A section that becomes another one and comes back.

sql(q{CREATE TABLE notes (user_id uuid, body text, more text);
	SELECT clarify_cache.attach('notes');
	SELECT clarify_cache.drop_section(name) FROM clarify_cache.section;});
sql("INSERT INTO notes VALUES ('$user', 'the body', 'and more')");
sub redefine
{
	my ($column, $ttl) = @_;
	sql("BEGIN; SELECT clarify_cache.drop_section(name) FROM clarify_cache.section;
		SELECT clarify_cache.add_section('notes', 'SELECT $column FROM notes WHERE user_id = \$1', "
		. ($ttl // "'5 min'") . "); COMMIT");
}
for my $turn (1, 2)
{
	for my $column ('body', 'more', 'body || more AS body')
	{
		redefine($column);
		my $plain = sql("SELECT json_build_object('notes', json_agg(n)) FROM (SELECT $column FROM notes) n") =~ s/ : /:/gr;
		is(sql("SELECT clarify_context('$user')") , $plain, "turn $turn: section defined as $column, built");
		is(sql("SELECT clarify_context('$user')") , $plain, "turn $turn: section defined as $column, again");
		is(sql("SELECT served_from FROM clarify_cache.explain('$user')"), 'local', "turn $turn: from the tier");
	}
}

# The ttl.  An entry shows when it was built: none is taken that is older.

sql(q{CREATE FUNCTION age_is_right() RETURNS bool LANGUAGE plpgsql AS $$
	DECLARE
		start timestamptz := clock_timestamp();
		at timestamptz := clarify_context((SELECT user_id FROM notes LIMIT 1)) #>> '{notes,0,at}';
	BEGIN
		RETURN at = now() OR at > start - interval '1 s';
	END $$});
redefine('now() AS at', "'1 s'");
sql('SELECT clarify_cache.reset_stats()');
sql('SET clarify_cache.ttl_jitter = 0');
is(sql(join ";\n",
		('SELECT age_is_right()', q(DO 'BEGIN PERFORM pg_sleep(0.05); END')) x 50) =~ s/\n//gr,
	't' x 50, 'no answer is older than a ttl of 1 s');
is(sql('SELECT builds >= 2 AND local_hits > 0 AND builds + local_hits = 50 FROM clarify_cache.stats'), 't',
	'some were hits, and after the ttl it was built again');
# A transaction as old as the ttl shows a time that is as old.
is(sql("BEGIN;\nSELECT pg_sleep(1.1);\nSELECT served_from, ttl_left FROM clarify_cache.explain('$other');\nCOMMIT"),
	"\nbuild|", 'a transaction older than the ttl keeps nothing');

# A life is age and remaining time: that of the ttl, shortened by the jitter.
my $lives = "SELECT min(life), max(life), count(DISTINCT life) > 10 FROM users u, LATERAL (
	SELECT extract(epoch FROM age + ttl_left) AS life FROM clarify_cache.explain(u.id)) e";
redefine('body', "'100 s'");
is(sql($lives), '100.000000|100.000000|f', 'without a jitter all lives are alike');
sql('SELECT clarify_cache.invalidate_all()');
my ($min, $max, $many) = split /\|/, sql("SET clarify_cache.ttl_jitter = 50;\n$lives");
ok($min >= 50 && $max <= 100 && $max - $min > 5 && $many eq 't', 'with one of 50 % they spread over the half')
  or diag("$min to $max");

# What is too large: for the tier (a quarter of 1 MB, of which there are eight),
# and for the setting; [{"body":"..."}] is 13 bytes around the text.

sub fills
{
	my ($length, $setting) = @_;
	sql("UPDATE notes SET body = repeat('x', $length)");
	sql('SELECT clarify_cache.reset_stats()');
	sql($setting ? "SET clarify_cache.max_entry_size = '$setting'" : 'RESET clarify_cache.max_entry_size');
	my $exact = sql("SELECT clarify_context('$user')::text = '{\"notes\":[{\"body\":\"' || repeat('x', $length) || '\"}]}'");
	return "$exact " . sql('SELECT fills, fill_failures FROM clarify_cache.stats');
}
is(fills(200_000), 't 1|0', '200 kB: kept');
my $used = status('local_used');
is(fills(300_000), 't 0|1', '300 kB: served, not kept, a failure to fill');
is(status('local_used'), $used, 'and nothing is taken for it');
is(fills(300_000), 't 0|1', 'the next time too');
is(fills(1024 - 13, '1kB'), 't 1|0', 'max_entry_size: its own length is kept');
is(fills(1025 - 13, '1kB'), 't 0|1', 'max_entry_size: a byte more is not');
is(fills(1025 - 13), 't 1|0', 'max_entry_size: by default it is');
is(status('local_evictions'), '0', 'none had to make room');

# Off

for my $size (0, '16kB')
{
	$node->append_conf('postgresql.conf', "clarify_cache.local_cache_size = '$size'");
	leave();
	$node->restart;
	sql('SELECT clarify_cache.drop_section(name) FROM clarify_cache.section; SELECT clarify_cache.setup()');
	is_look($node, $user, 'exact: 0 hits, 5 built, 0 bypassed, 0 filled', "local_cache_size = $size: built");
	is_look($node, $user, 'exact: 0 hits, 5 built, 0 bypassed, 0 filled', "local_cache_size = $size: and not kept");
	is(status('local_size, local_used, local_entries, local_evictions'), '0|0|0|0', "local_cache_size = $size: no tier");
	is(sql('SELECT sum(fill_failures) FROM clarify_cache.stats'), '0', "local_cache_size = $size: no failures");
}
like(($node->psql('postgres', 'SET clarify_cache.local_cache_size = 0'))[2],
	qr/cannot be changed without restarting the server/, 'it takes a restart');

leave();
$node->stop;
done_testing();
