# The local tier under more users than it has room for: every answer is exact,
# it never holds more than its size, who is asked for all the time stays, and
# entries that are replaced leave nothing behind.
#
# It needs a small tier, and several clients at once (pgbench).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyLook;
use ClarifyTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = clarify_node('main', local => '256kB', people => 400, conf => "max_connections = 50\n");
load_look($node);
my $size = 256 * 1024;

sub sql { return $node->safe_psql('postgres', @_); }
sub status { return sql("SELECT $_[0] FROM clarify_cache.status"); }
sub is_bounded
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(status("local_size = $size, local_used <= local_size, local_used > 0.8 * local_size, local_entries > 50"),
		't|t|t|t', "$name: full, and not more than that");
}

# Each answer is compared in the statement that asks for it; a wrong one ends
# its client.
sub script
{
	my ($name, $sql) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir_short() . "/$name.sql";
	PostgreSQL::Test::Utils::append_to_file($file, $sql);
	return $file;
}
my $read = script('read', <<'SQL');
\set n random_zipfian(1, 400, 1.1)
SELECT 1 / (clarify_context(u)::text IS NOT DISTINCT FROM plain_context(u))::int FROM CAST(md5('user ' || :n) AS uuid) u;
SQL
my $write = script('write', <<'SQL');
\set n random(1, 400)
\set length random(1, 200)
UPDATE dreams SET title = repeat('x', :length) WHERE id = md5('dream 1 of ' || :n)::uuid;
SQL
sub pgbench
{
	my ($name, @args) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($out, $err);
	my $ok = IPC::Run::run([ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, @args, 'postgres' ],
		'<', \undef, '>', \$out, '2>', \$err);
	is(($ok ? 'done' : 'failed') . join('', grep { /ERROR|FATAL|abort/ } split /^/, $err), 'done', $name);
}

# Many users, many backends

sql('SELECT clarify_context(id) FROM users');
is_bounded('all users once');
is(status('local_evictions > 0'), 't', 'entries had to make room');
pgbench('8 clients read users at random: exact', '-c', 8, '-t', 250, '-f', $read);
is_bounded('read at random');
pgbench('8 clients read and write: exact', '-c', 8, '-t', 250, '-f', "$read\@8", '-f', "$write\@2");
is_bounded('read and written');
is(sql('SELECT bool_and(local_hits > 100 AND builds > 100 AND fills = builds AND fill_failures = 0) FROM clarify_cache.stats'), 't',
	'there were hits, builds, and no failure to fill');
is(sql('SELECT count(*) FROM users WHERE clarify_context(id)::text IS DISTINCT FROM plain_context(id)'), '0', 'all users once more: exact');

# Who is asked for between every two fills stays, whoever comes; and so do some
# who are asked for now and then, of more users than fit.

sql(q{CREATE FUNCTION builds_of(hot int, OUT builds int) LANGUAGE plpgsql AS $$
	DECLARE
		other int;
	BEGIN
		PERFORM clarify_context(md5('user ' || h)::uuid) FROM generate_series(1, hot) h;
		builds := 0;
		FOR other IN 100 .. 399 LOOP
			PERFORM clarify_context(md5('user ' || other)::uuid);
			builds := builds + (SELECT count(*) FILTER (WHERE served_from = 'build')
				FROM generate_series(1, hot) h, clarify_cache.explain(md5('user ' || h)::uuid));
		END LOOP;
	END $$});
my $evictions = status('local_evictions');
is(sql('SELECT builds_of(1)'), '0', 'a user who is read between all fills stays');
is(sql('SELECT builds_of(4)'), '0', 'four of them, too');
cmp_ok(status('local_evictions') - $evictions, '>', 1500, 'while the others went');

# Nothing is left behind.

$node->append_conf('postgresql.conf', "clarify_cache.local_cache_size = '1MB'");
$node->restart;
$size = 1024 * 1024;
sql(q{DO $$ BEGIN
	FOR i IN 1 .. 2000 LOOP
		UPDATE dreams SET description = repeat(chr(65 + i % 26), (random() * 2000)::int)
			WHERE user_id = md5('user ' || i % 10)::uuid;
		COMMIT;
		PERFORM clarify_context(md5('user ' || i % 10)::uuid);
		COMMIT;
	END LOOP;
END $$});
is(status('local_entries, local_evictions'), '50|0', '2,000 entries in the place of ten');
# Blocks of 256 bytes, with room for 248, of which an entry's first 96 say what
# it is; then come its section's name and the payload.
is(status('local_used'), sql(q{SELECT sum(256 * ceil((96 + length(section) + bytes) / 248.0))::bigint
	FROM generate_series(0, 9) n, clarify_cache.explain(md5('user ' || n)::uuid) WHERE served_from = 'local'}),
	'take what ten take');
# All that is free is still to be had: as much as a new tier takes without evicting.
sql(q{SELECT clarify_context(md5('nobody ' || n)::uuid) FROM generate_series(1, 700) n});
is(status('local_evictions'), '0', 'the rest is free');
is(status('local_used > 0.9 * local_size'), 't', 'and can be filled');
pgbench('8 clients read and write it: exact', '-c', 8, '-t', 100, '-f', "$read\@5", '-f', "$write\@5");

$node->stop;
done_testing();
