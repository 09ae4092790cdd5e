# Sixteen writers of one user at once leave about as many rows in
# clarify_cache.version, however often they write, and the user stays cached:
# whoever finds a row taken looks for another one, and only adds one if there is
# none.
#
# Takes pgbench, as sessions that wait for each other would never be at it at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use Test::More;

use constant { WRITERS => 16, TRANSACTIONS => 1000 };

my $node = new_node('main', redis => start_redis(), conf => "synchronous_commit = off\n");
load_clarify($node);
my $user = user_id(1);
$node->safe_psql('postgres', qq{
	CREATE TABLE jots (id int PRIMARY KEY, user_id uuid, n int NOT NULL DEFAULT 0);
	INSERT INTO jots SELECT n, '$user' FROM generate_series(1, ${\ WRITERS}) n;
	SELECT clarify_cache.attach('jots');
	SELECT clarify_cache.add_section('jots', 'SELECT id, n FROM jots WHERE user_id = \$1 ORDER BY id');});
sub rows
{
	return $node->safe_psql('postgres', "SELECT count(*) FROM clarify_cache.version WHERE 'jots'::regclass = ANY (tables) AND kind = 'u'");
}

$node->pgbench('-n -M prepared -c ' . WRITERS . ' -j 2 -t ' . TRANSACTIONS, 0, [qr/processed: @{[ WRITERS * TRANSACTIONS ]}/], [qr/^$/],
	'each a row of its own of one user', { '044_writers' => 'UPDATE jots SET n = n + 1 WHERE id = :client_id + 1' });
is($node->safe_psql('postgres', 'SELECT sum(n) FROM jots'), WRITERS * TRANSACTIONS, 'all have written');
cmp_ok(rows(), '<', 4 * WRITERS, 'they left few rows');
is($node->safe_psql('postgres', qq{SELECT clarify_context('$user') IS NOT NULL; SELECT served_from FROM clarify_cache.explain('$user') WHERE section = 'jots'}),
	"t\nredis", 'and the user is cached');

done_testing();
