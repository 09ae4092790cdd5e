# The local tier gives back what it was given, byte by byte, for every length
# around the ends of its blocks, under a short section name and under the
# longest; and each entry takes the memory that it should, whatever lay there
# before.  Then many sections of one user, which are looked up side by side.
#
# It needs the library preloaded, no Redis, and a tier that has only this in it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use Test::More;

my $node = clarify_node('main', local => '8MB', setup => 0);
my $long = 'n' x 63;

sub sql { return $node->safe_psql('postgres', @_); }

sql(qq{CREATE EXTENSION clarify_cache;
	CREATE TABLE sized (user_id uuid PRIMARY KEY, n int, body text);
	INSERT INTO sized SELECT md5('user ' || n)::uuid, n, '' FROM generate_series(0, 1300) n;
	CREATE FUNCTION fill(at int) RETURNS text LANGUAGE sql AS \$\$
		SELECT left(string_agg(md5(at || '-' || i), ''), at) FROM generate_series(0, 41) i \$\$;
	SELECT clarify_cache.attach('sized');
	SELECT clarify_cache.add_section('a', 'SELECT body FROM sized WHERE user_id = \$1');
	SELECT clarify_cache.add_section('$long', 'SELECT n, body FROM sized WHERE user_id = \$1');});

# Answers that are not what plain queries give: how many, and the first.
my $wrong = qq{SELECT count(*), coalesce(min(n), -1) FROM (SELECT n, clarify_context(user_id)::text AS got,
	format('{"a":[{"body":"%s"}],"$long":[{"n":%s,"body":"%s"}]}', body, n, body) AS want FROM sized) t
	WHERE got IS DISTINCT FROM want};
my $in_tier = 'SELECT min(local_hits), min(builds), min(fills) FROM clarify_cache.stats';
my $status = 'SELECT local_entries, local_evictions, local_used FROM clarify_cache.status';

# Blocks of 256 bytes, with room for 248, of which an entry's first 96 say what
# it is; then come its section's name and the payload.
my $expected_used = q{SELECT sum(256 * ceil((96 + length(section) + bytes) / 248.0))::bigint
	FROM sized, clarify_cache.explain(user_id)};

# Up, then down, so that each takes blocks that one of another length has left.
for my $length ('n', '1300 - n', 'n * 17 % 1301')
{
	sql("UPDATE sized SET body = CASE WHEN $length = 0 THEN '' ELSE fill($length) END");
	sql('SELECT clarify_cache.invalidate_all()');	# also where the length is the same
	sql('SELECT clarify_cache.reset_stats()');
	is(sql($wrong), '0|-1', "lengths $length: built");
	is(sql($in_tier), '0|1301|1301', "lengths $length: all kept");
	is(sql($wrong), '0|-1', "lengths $length: found, byte for byte");
	is(sql($in_tier), '1301|1301|1301', "lengths $length: all of them in the tier");
	is(sql($status), '2602|0|' . sql($expected_used), "lengths $length: none twice, none lost, and memory adds up");
}

sql(q{SELECT clarify_cache.drop_section(section) FROM clarify_cache.sections;
	SELECT clarify_cache.add_section('s' || s, format('SELECT %s AS s, n FROM sized WHERE user_id = $1', s))
	FROM generate_series(1, 40) s;
	SELECT clarify_cache.reset_stats()});
$wrong = q{SELECT count(*) FROM sized WHERE n < 20 AND clarify_context(user_id)::text IS DISTINCT FROM
	(SELECT '{' || string_agg(format('"s%1$s":[{"s":%1$s,"n":%2$s}]', s, n), ',' ORDER BY s) || '}'
	FROM generate_series(1, 40) s)};
$in_tier = 'SELECT count(*), min(local_hits), max(local_hits), max(builds) FROM clarify_cache.stats';
is(sql($wrong), '0', 'forty sections: built');
is(sql($in_tier), '40|0|0|20', 'forty sections: none was there');
is(sql($wrong), '0', 'forty sections: found, each under its name');
is(sql($in_tier), '40|20|20|20', 'forty sections: all of them in the tier');
is(sql('SELECT local_entries, local_evictions FROM clarify_cache.status'), '3402|0', 'forty sections: none twice');

$node->stop;
done_testing();
