# What an entry's fingerprint stands for: the definition, the server's version,
# and the versions of collations that the query compares by, said or not.  An
# entry of a primary whose collation has another version is none of a standby's.
#
# No server here can change its version of a collation; so the fingerprint that
# Redis has is compared with one that is reckoned here.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use RedisTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $redis = start_redis();
my $node = redis_node('main', redis => $redis);

# jsonb is sorted by the default collation, though it has none; so is what a
# pattern of jsonpath matches.  Numbers are not, but to look that closely is not
# worth it.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE things (id int PRIMARY KEY, user_id uuid NOT NULL, doc jsonb, name text COLLATE "C");
SELECT clarify_cache.attach('things', 'user_id');
SELECT clarify_cache.add_section('docs', 'SELECT id, doc FROM things WHERE user_id = $1 ORDER BY doc, id', '1 hour');
SELECT clarify_cache.add_section('one', 'SELECT id FROM things WHERE user_id = $1', '2 hours', true);
SELECT clarify_cache.add_section('named', 'SELECT id FROM things WHERE user_id = $1 ORDER BY name, id', '1 hour');
CREATE FUNCTION fingerprint(section_name text, collations text) RETURNS text LANGUAGE sql AS $$
	SELECT lpad(to_hex(hashtextextended(concat_ws('|', 1, current_setting('server_version'), name,
		single_row::int, (extract(epoch FROM ttl) * 1e6)::bigint, query) || collations, 0)), 16, '0')
	FROM clarify_cache.section WHERE name = section_name
$$;
CREATE FUNCTION collation_version(regcollation) RETURNS text LANGUAGE sql AS $$
	SELECT '|' || $1::oid::text || '=' || coalesce(CASE $1::oid WHEN 100
		THEN pg_database_collation_actual_version(oid) ELSE pg_collation_actual_version($1::oid) END, '')
	FROM pg_database WHERE datname = current_database()
$$;
SQL
$node->safe_psql('postgres', "SELECT clarify_context('" . user_id(1) . "')");

my $default = q(collation_version('"default"'));
my %collations = (docs => $default, one => $default, named => qq($default || collation_version('"C"')));
for my $section (sort keys %collations)
{
	my ($key) = grep { /:$section$/ } $redis->entries;
	my ($found) = $redis->get($key) =~ / f=([0-9a-f]+) /;
	is($found, $node->safe_psql('postgres', "SELECT fingerprint('$section', $collations{$section})"),
		"$section: the definition, the server's version, the collations");
}

done_testing();
