# DROP EXTENSION and CREATE EXTENSION, in other schemas, in databases of unusual
# make, and in two databases at once: nothing of one life of the extension is
# served in the next, and nothing of one database in the other.
#
# Sessions stay open across all of it, and hold Oids of what is gone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use Test::More;

my $redis = start_redis();
my $node = clarify_node('main', redis => $redis);
load_look($node);
my $user = user_id(1);
my $one_built = 'exact: 4 hits, 1 built, 0 bypassed, 1 filled';

sub instances { my %id = map { (split /:/)[1] => 1 } $redis->entries; return scalar keys %id; }

# DROP EXTENSION while tables are attached

look($node, $user);
my $session = open_session($node);
is($session->look($user), HIT, 'a session is served');
my ($ret, $out, $err) = $node->psql('postgres', 'DROP EXTENSION clarify_cache');
like($err, qr/cannot drop extension clarify_cache because other objects depend on it/, 'attached tables keep the extension');
is($session->look($user), HIT, 'which works as before');

# Dropped and made again, elsewhere

my $writer = open_session($node);
$writer->query("UPDATE users SET name = 'before' WHERE id = '$user'");
look($node, $user);
$node->safe_psql('postgres', 'SELECT clarify_cache.detach(table_id) FROM clarify_cache.attached_table');
is($session->look($user), BYPASSED, 'detached, all is built');
$node->safe_psql('postgres', 'DROP EXTENSION clarify_cache');
like($session->query("SELECT clarify_context('$user')"), qr/function clarify_context\(unknown\) does not exist/,
	'dropped, the function is gone');
is($node->safe_psql('postgres', q{
	SELECT (SELECT count(*) FROM pg_event_trigger),
		(SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%clarify%'),
		(SELECT count(*) FROM pg_namespace WHERE nspname = 'clarify_cache')}), '0|0|0', 'with all that belongs to it');
$writer->query("UPDATE users SET name = 'between' WHERE id = '$user'");
is($writer->query('CREATE TABLE other ()'), '', 'a session that had it writes and does DDL without it');

$node->safe_psql('postgres', q{
	CREATE SCHEMA app;
	CREATE EXTENSION clarify_cache SCHEMA app;
	SELECT clarify_cache.setup();
	ALTER DATABASE postgres SET search_path = public, app;});
is($session->query("SET search_path = public, app"), '', 'created again, in another schema');
is($session->look($user), BUILT, 'a session of before is served nothing of before');
is($session->look($user), HIT, 'but what it has built since');
is_look($node, $user, HIT, 'like a new session');
is(instances(), 2, 'under a key of its own');
$writer->query("UPDATE users SET name = 'after' WHERE id = '$user'");
is($session->look($user), $one_built, 'a writer of before is noticed');
is($node->safe_psql('postgres', q{SELECT pronamespace::regnamespace FROM pg_proc WHERE proname = 'clarify_context'}), 'app',
	'the function is in the chosen schema');
like(($node->psql('postgres', 'ALTER EXTENSION clarify_cache SET SCHEMA public'))[2],
	qr/does not support SET SCHEMA|is already in|cannot/, 'from which it does not move');

# DROP ... CASCADE, without detach

$node->safe_psql('postgres', 'DROP EXTENSION clarify_cache CASCADE');
$writer->query("UPDATE users SET name = 'cascade' WHERE id = '$user'");
is($node->safe_psql('postgres', "SELECT name FROM users WHERE id = '$user'"), 'cascade',
	'dropped with CASCADE, writers go on');
# In one transaction, and rolled back once.
$session->query('BEGIN; CREATE EXTENSION clarify_cache; SELECT clarify_cache.setup()');
is($session->look($user), BYPASSED, 'in the transaction that creates the extension all is built');
$session->query('ROLLBACK');
$session->query('BEGIN; CREATE EXTENSION clarify_cache; SELECT clarify_cache.setup(); COMMIT');
is($session->look($user), BUILT, 'afterwards it is filled');
is_look($node, $user, HIT, 'and served');

# A database without a schema public, and with another default access method

$node->safe_psql('postgres', 'CREATE DATABASE bare TEMPLATE template0');
$node->safe_psql('bare', q{
	DROP SCHEMA public;
	CREATE SCHEMA clarify;
	CREATE SCHEMA "Odd ""name""";
	CREATE ACCESS METHOD other_heap TYPE TABLE HANDLER heap_tableam_handler;
	ALTER DATABASE bare SET default_table_access_method = other_heap;
	ALTER DATABASE bare SET search_path = clarify, "Odd ""name""";});
load_clarify($node, db => 'bare', people => 3, setup => 0);
$node->safe_psql('bare', 'CREATE EXTENSION clarify_cache SCHEMA "Odd ""name"""');
like(($node->psql('bare', 'SELECT clarify_cache.setup()'))[2], qr/schema "public" does not exist/,
	'no schema public: setup() needs to be told another');
$node->safe_psql('bare', "SELECT clarify_cache.setup('clarify')");
load_look($node, 'bare');
is($node->safe_psql('bare', q{
	SELECT string_agg(DISTINCT amname, ' ') FROM pg_class c JOIN pg_am a ON a.oid = relam
	WHERE relkind = 'r' AND relnamespace = 'clarify_cache'::regnamespace}), 'heap',
	"the extension's tables are heaps, whatever the default is");
is($node->safe_psql('bare', q{SELECT amname FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE c.oid = 'users'::regclass}),
	'other_heap', 'the attached ones are what they are');

# Two databases, with the same people

my ($name, $other_name) = map { $node->safe_psql($_, "SELECT name FROM users WHERE id = '$user'") } 'postgres', 'bare';
isnt($name, $other_name, 'the same user has another name in each database');
is_look($node, $user, BUILT, 'the other database is served nothing of the first', 'bare');
is_look($node, $user, HIT, 'but its own', 'bare');
is_look($node, $user, HIT, 'as is the first');
$node->safe_psql('bare', "UPDATE users SET name = 'other' WHERE id = '$user'");
is_look($node, $user, $one_built, 'a change in the other database is seen there', 'bare');
is_look($node, $user, HIT, 'and leaves the first as it is');
$node->safe_psql('bare', 'SELECT clarify_cache.invalidate_all()');
is_look($node, $user, BUILT, 'so does invalidate_all()', 'bare');
is_look($node, $user, HIT, 'which is for one database');
# Entries of the one under the keys of the other
my %key = map { /:(\w+):\{$user\}:user$/ ? ($redis->get($_) =~ /"name":"other"/ ? (bare => $_) : (postgres => $_)) : () }
  grep { $redis->get($_) =~ /"name":"(?:other|cascade)"/ } $redis->entries;
$redis->put($key{postgres}, $redis->get($key{bare}));
is_look($node, $user, $one_built, 'an entry of the other database under the key of the first is not taken');

# A copy of a database has its instance, and so its entries, as long as they agree.
$session->close;
$writer->close;
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE bare');
$node->safe_psql('postgres', q{ALTER DATABASE copy SET search_path = clarify, "Odd ""name"""});
is_look($node, $user, HIT, 'a copy of a database serves what is the same there', 'copy');
$node->safe_psql('copy', "UPDATE users SET name = 'copied' WHERE id = '$user'");
$node->safe_psql('bare', "UPDATE users SET name = 'copied' WHERE id = '$user'");
is_look($node, $user, $one_built, 'changed in both, the copy builds its own', 'copy');
is_look($node, $user, $one_built, 'and the original builds its own', 'bare');

# What a transaction has changed before it drops the extension concerns nobody.
my $last = open_session($node);
$last->query("BEGIN; UPDATE dreams SET title = 'dropped' WHERE user_id = '$user'; TRUNCATE reflections");
is($last->query('SET client_min_messages = error; DROP EXTENSION clarify_cache CASCADE; COMMIT'), '',
	'changes, then the extension dropped, in one transaction');
is($last->query("SELECT count(*) FROM dreams WHERE user_id = '$user' AND title <> 'dropped'"), '0',
	'and the changes are there');
$last->query('CREATE EXTENSION clarify_cache; SELECT clarify_cache.setup()');
is($last->look($user), BUILT, 'created again, it is filled');
is_look($node, $user, HIT, 'and served');
$last->close;

$node->stop;
done_testing();
