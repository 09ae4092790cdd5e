# More sections, over time and over all databases, than there are slots to count
# in: answers and the cache go on as before, what has no slot is counted as
# unknown and not as zero, and what has one goes on being counted.
#
# The slots are the server's, and are taken until it stops.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use Test::More;

my $node = clarify_node('main', conf => "clarify_cache.log_min_duration = 0\n");
load_look($node);
my $user = user_id(1);
is_look($node, $user, BUILT, 'the first five have slots');
is_look($node, $user, HIT, 'and are counted');

# In another database, one section after the other; each is called once.
$node->safe_psql('postgres', 'CREATE DATABASE other');
my $fill = q{
	CREATE EXTENSION clarify_cache;
	CREATE TABLE t (user_id uuid, body text);
	SELECT clarify_cache.attach('t');
	DO $$ BEGIN
		FOR i IN 1 .. 260 LOOP
			PERFORM clarify_cache.add_section('s' || i, 'SELECT body FROM t WHERE user_id = $1');
			PERFORM clarify_context('00000000-0000-0000-0000-000000000000');
			PERFORM clarify_cache.drop_section('s' || i);
			COMMIT;
		END LOOP;
	END $$;
	SELECT clarify_cache.add_section('s1', 'SELECT body FROM t WHERE user_id = $1');
	SELECT clarify_cache.add_section('s260', 'SELECT body FROM t WHERE user_id = $1');
	SELECT clarify_context('00000000-0000-0000-0000-000000000000');
	SELECT clarify_context('00000000-0000-0000-0000-000000000000');
};
is((split /\n/, $node->safe_psql('other', $fill))[-1], '{"s1":[],"s260":[]}', 'a section beyond the last slot: exact');
my $s = open_session($node, 'other');
is($s->query('SELECT section, local_hits, builds, bypasses, bypass_reasons, fills FROM clarify_cache.stats'),
	lines('s1|1|2|1|{"changed": 1}|1', 's260|||||'), 'unknown, not zero, beside what is known');
is($s->query(q(SELECT section, served_from FROM clarify_cache.explain('00000000-0000-0000-0000-000000000000'))),
	lines('s1|local', 's260|local'), 'both are served');
$s->query(q(INSERT INTO t VALUES ('00000000-0000-0000-0000-000000000000', 'new')));
is($s->query(q(SELECT section, served_from FROM clarify_cache.explain('00000000-0000-0000-0000-000000000000'))),
	lines('s1|build', 's260|build'), 'and outdated');
is($s->query(q(SELECT clarify_context('00000000-0000-0000-0000-000000000000'))), '{"s1":[{"body":"new"}],"s260":[{"body":"new"}]}',
	'exact after a change');
is($s->query('SELECT calls > 0 FROM clarify_cache.call_stats'), 't', 'the calls of a database that came in time are counted');
is($s->query('SELECT clarify_cache.reset_stats(); SELECT section, builds FROM clarify_cache.stats'),
	lines('', 's1|0', 's260|'), 'reset_stats() makes no zero of what is unknown');
$s->close;

# The first database's go on.
my $before = counters($node);
is_look($node, $user, HIT, 'the first database: served');
is(counters($node)->{local_hits}, $before->{local_hits} + 10, 'the first database: counted');

# A database that came too late has none for its calls either.
$node->safe_psql('postgres', 'CREATE DATABASE late');
load_clarify($node, db => 'late');
my $late = open_session($node, 'late');
is($late->query("SELECT clarify_context('$user')::text = plain_context('$user') FROM generate_series(1, 2)"), lines('t', 't'),
	'a late database: exact');
is($late->query("SELECT DISTINCT served_from FROM clarify_cache.explain('$user')"), 'local', 'a late database: served');
is($late->query('SELECT count(*), count(builds) FROM clarify_cache.stats'), '5|0', 'a late database: nothing is known of its sections');
is($late->query('SELECT calls IS NULL, call_time IS NULL, waits IS NULL FROM clarify_cache.call_stats'), 't|t|t',
	'a late database: nor of its calls');
is($late->query('SELECT clarify_cache.reset_stats(); SELECT calls IS NULL FROM clarify_cache.call_stats'), lines('', 't'),
	'a late database: nor after reset_stats()');
$late->close;

$node->stop;
done_testing();
