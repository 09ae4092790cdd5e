# Whoever owns the tables needs no superuser once the extension is there: granted
# EXECUTE, the owner attaches, defines, repairs, and changes the own tables and
# no others; and without any grant, writes, creates partitions and does all other
# DDL as before.
#
# The roles log in by themselves, as SET ROLE would leave a superuser behind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use Test::More;

my $redis = start_redis();
my $node = new_node('main', redis => $redis);
$node->safe_psql('postgres', q{
	CREATE ROLE owner LOGIN;
	CREATE ROLE stranger LOGIN;
	CREATE ROLE app LOGIN;
	CREATE ROLE member LOGIN IN ROLE owner;
	GRANT CREATE ON SCHEMA public TO owner, stranger;
	CREATE EXTENSION clarify_cache;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA clarify_cache TO owner, stranger;});
my $user = user_id(1);

sub as
{
	my ($role, $sql) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', $role ]);
	return $ret == 0 ? ($out eq '' ? 'done' : $out) : $err;
}
sub look_as { return as($_[0], "SELECT look('$user')"); }

# initdb lets every local role in, since the tests' servers trust whom they know.
$node->append_conf('pg_hba.conf', "local all all trust\n");
$node->reload;

is(as('owner', q{
	CREATE TABLE people (id uuid PRIMARY KEY, name text);
	CREATE TABLE events (user_id uuid, at int, body text) PARTITION BY RANGE (at);
	CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);}), 'done', 'an owner has tables');
is(as('stranger', 'CREATE TABLE strange (user_id uuid)'), 'done', 'a stranger too');

is(as('owner', q{
	SELECT clarify_cache.attach('people', 'id'), clarify_cache.attach('events');
	SELECT clarify_cache.add_section('person', 'SELECT name FROM people WHERE id = $1', single_row => true);
	SELECT clarify_cache.add_section('events', 'SELECT at, body FROM events WHERE user_id = $1 ORDER BY at');}) =~ /ERROR/ ? 1 : 0, 0,
	'the owner attaches the own tables and defines sections');
like(as('owner', "SELECT clarify_cache.attach('strange')"), qr/must be owner of table strange/, 'not those of others');
like(as('stranger', "SELECT clarify_cache.detach('people')"), qr/must be owner of table people/, 'nor does another detach them');
like(as('app', "SELECT clarify_cache.attach('people', 'id')"), qr/permission denied for function attach/, 'without EXECUTE nobody can');

$node->safe_psql('postgres', q~
	CREATE FUNCTION list(rows json[]) RETURNS text LANGUAGE sql
	AS 'SELECT ''['' || array_to_string(rows::text[], '','') || '']''';
	CREATE FUNCTION plain_context(person uuid, session uuid DEFAULT NULL) RETURNS text LANGUAGE sql STABLE AS $$
		SELECT '{"person":' || coalesce((SELECT row_to_json(t)::text FROM (
				SELECT name FROM people WHERE id = person) t), 'null')
			|| ',"events":' || list(ARRAY(SELECT row_to_json(t) FROM (
				SELECT at, body FROM events WHERE user_id = person ORDER BY at) t)) || '}'
	$$;
~);
load_look($node);
my $hit = 'exact: 2 hits, 0 built, 0 bypassed, 0 filled';
my $one = 'exact: 1 hits, 1 built, 0 bypassed, 1 filled';
my $both = 'exact: 0 hits, 2 built, 0 bypassed, 2 filled';

is(look_as('owner'), $both, 'the owner fills');
is(look_as('owner'), $hit, 'and is served');
is(as('owner', "INSERT INTO people VALUES ('$user', 'Ada')"), 'done', 'the owner writes');
is(look_as('owner'), $one, 'which is seen');
is(as('owner', 'GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON people, events TO app'), 'done', 'a grant');
is(look_as('app'), $hit, 'an application without any right of the extension is served');
is(as('app', "UPDATE people SET name = 'Björn' WHERE id = '$user'"), 'done', 'and writes');
is(look_as('owner'), $one, 'which is seen, though it may not read or write versions');
like(as('app', 'SELECT * FROM clarify_cache.version'), qr/permission denied/, 'nor can it');
is(as('app', 'TRUNCATE events'), 'done', 'it truncates');
is(look_as('owner'), $one, 'which is seen');

# Partitions, by an owner and by a member of the owning role, with no right of the extension

$node->safe_psql('postgres', 'REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA clarify_cache FROM owner');
for my $case (
	[ 'owner', 'a partition made', 'CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (20)', 15 ],
	[ 'member', 'a partition made by a member of the owning role',
		'SET ROLE owner; CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM (20) TO (30)', 25 ])
{
	my ($role, $what, $sql, $at) = @$case;
	is(as($role, $sql), 'done', "$what");
	is(look_as('owner'), $one, "$what: nothing of before is served");
	is(look_as('owner'), $hit, "$what: the section is cached");
	is(as('app', "INSERT INTO events VALUES ('$user', $at, 'new')"), 'done', "$what: written through the root");
	is(look_as('owner'), $one, "$what: which is seen");
	is(as('owner', "UPDATE events SET body = 'changed' WHERE at = $at"), 'done', "$what: changed");
	is(look_as('owner'), $one, "$what: which is seen");
}
is(as('owner', "UPDATE events_2 SET body = 'direct'"), 'done', 'the partition itself is written');
is(look_as('owner'), $one, 'which is seen');
is(as('owner', 'TRUNCATE events_3'), 'done', 'and truncated');
is(look_as('owner'), $one, 'which is seen');
is(as('owner', 'DROP TABLE events_2'), 'done', 'a partition is dropped');
is(look_as('owner'), $one, 'which is seen');
is(look_as('owner'), $hit, 'and the rest is cached');

# Other DDL, by owner and stranger

is(as('owner', 'ALTER TABLE people ADD COLUMN age int'), 'done', 'the owner adds a column');
is(look_as('owner'), $one, 'nothing of before is served');
is(as('owner', 'CREATE INDEX ON events (at)'), 'done', 'an index');
is(look_as('owner'), $hit, 'changes nothing');
is(as('stranger', 'CREATE TABLE more (); ALTER TABLE strange ADD COLUMN n int; DROP TABLE more'), 'done', "a stranger's DDL");
is(look_as('owner'), $hit, 'changes nothing');
is(as('stranger', 'BEGIN; CREATE TEMP TABLE t (n int); DROP TABLE t; COMMIT'), 'done', 'nor do temporary tables');
is(look_as('owner'), $hit, 'to which nobody listens');

# Dropped by its owner, who may do nothing else

is(as('owner', 'ALTER TABLE people DISABLE TRIGGER USER'), 'done', 'the owner disables triggers');
is(look_as('owner'), 'exact: 1 hits, 1 built, 1 bypassed, 0 filled', 'and so the cache for the table');
like(as('owner', 'SELECT clarify_cache.repair()'), qr/permission denied for function repair/, 'repair() needs a grant');
$node->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION clarify_cache.repair() TO owner');
is(as('owner', 'SELECT clarify_cache.repair()') =~ /ERROR/ ? 1 : 0, 0, 'with which the owner of all attached tables repairs');
is(look_as('owner'), 'exact: 1 hits, 1 built, 0 bypassed, 1 filled', 'and all is cached again');
is(as('owner', 'DROP TABLE events'), 'done', 'the owner drops a table');
is($node->safe_psql('postgres', 'SELECT table_id FROM clarify_cache.attached_table'), 'people', 'which is then not attached any more');
is($node->safe_psql('postgres', q{SELECT section, cacheable FROM clarify_cache.sections ORDER BY 1}), "events|f\nperson|t",
	'and its section says that it can not be cached');

$node->stop;
done_testing();
