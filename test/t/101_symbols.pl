# Other libraries' symbols: ours exports nothing but what the server looks up, so a
# function of the same name in a library that was loaded before is not called in
# its place.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use PostgreSQL::Test::Utils;
use Test::More;

chomp(my $libdir = `pg_config --pkglibdir`);
chomp(my $include = `pg_config --includedir-server`);

# What is exported

my @symbols = map { (split)[-1] } split /\n/, `nm -D --defined-only $libdir/clarify_cache.so`;
cmp_ok(scalar(@symbols), '>', 20, 'nm lists the symbols of the library');
# A sanitizer's and the coverage counters' own are the compiler's.
is(join(' ', grep { !/^(?:_PG_init|Pg_magic_func|(?:pg_finfo_)?clarify_\w+|_init|_fini|__\w+|mangle_path)$/ } @symbols), '',
	'only what the server looks up is exported');

# Names that meet, and a server that loads the other library first

my $library = PostgreSQL::Test::Utils::tempdir() . '/colliding.so';
system_or_bail($ENV{CC} || 'gcc', '-O1', '-fPIC', '-shared', "-I$include",
	'-o', $library, "$FindBin::RealBin/../colliding/colliding.c");
my $redis = start_redis();
my $node = clarify_node('main', redis => $redis, local => '16MB',
	conf => "shared_preload_libraries = '$library, clarify_cache'\n");
load_look($node);
my $user = user_id(1);
is_look($node, $user, BUILT, 'a call is built');
is_look($node, $user, HIT, 'and served');
$redis->command('FLUSHALL');
is_served($node, $user, 'exact: 5 local, 0 redis, 0 built', 'by the local tier');
my $session = open_session($node);
is($session->query("BEGIN; UPDATE users SET name = 'changed' WHERE id = '$user';
	SELECT DISTINCT reason FROM clarify_cache.explain('$user') WHERE served_from = 'bypass'; COMMIT"), 'changed',
	'a reason is shown by its own name');
is($session->look($user), 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'a change is seen');
is($session->query('ALTER TABLE users DISABLE TRIGGER USER; SELECT clarify_cache.repair()'), '', 'DDL and repair() work');
is($session->look($user), 'exact: 4 hits, 1 built, 0 bypassed, 1 filled', 'and make what they must outdated');
$session->close;

$node->stop;
done_testing();
