# Dead row versions of clarify_cache.version stay until room on their page gets scarce,
# so that neither a change nor the first call after it has to prune; then whoever comes
# next does, a writer before the row would need another page, or a reader.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use Test::More;

# A page has some forty users; of these the middle one's is all theirs.
use constant { USERS => 120, MIDDLE => 60, ROUNDS => 10 };

my $node = new_node('main', redis => start_redis());
sub sql { return $node->safe_psql('postgres', $_[0]) }

if (sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'pageinspect'") == 0)
{
	$node->stop;
	plan(skip_all => 'this server has no pageinspect');
}
load_clarify($node);
my $user = user_id(1000 + MIDDLE);
my @tables = map { "jots_$_" } 1 .. 5;
sql('CREATE EXTENSION pageinspect');
for my $table (@tables)
{
	sql(qq{
		CREATE TABLE $table (id int PRIMARY KEY, user_id uuid, n int NOT NULL DEFAULT 0);
		INSERT INTO $table VALUES ${\ join ', ', map { "($_, '" . user_id(1000 + $_) . "')" } 1 .. USERS};
		SELECT clarify_cache.attach('$table');
		SELECT clarify_cache.add_section('$table', 'SELECT id, n FROM $table WHERE user_id = \$1 ORDER BY id');});
}

sub change
{
	my ($table, @ids) = @_;
	return sql(join "\n", map { "UPDATE $table SET n = n + 1 WHERE id = $_;" } @ids);
}

change('jots_1', 1 .. USERS, MIDDLE);
my $block = sql("SELECT (ctid::text::point)[0] FROM clarify_cache.version WHERE kind = 'u' ORDER BY xmin::text::bigint DESC LIMIT 1");

# On the middle one's page: row versions, dead ones included, and how much of it is free.
sub row_versions
{
	return sql("SELECT count(*) FROM heap_page_items(get_raw_page('clarify_cache.version', $block)) WHERE lp_flags = 1");
}
sub free_part
{
	return sql("SELECT (upper - lower)::float / pagesize FROM page_header(get_raw_page('clarify_cache.version', $block))");
}
sub jots { return sql("SELECT clarify_context('$user') ->> '$_[0]'") }

# Change that user's row, whose n is so much now, and read it each time.
sub change_and_read
{
	my ($n, $changes) = @_;
	my @read = map { change('jots_1', MIDDLE); jots('jots_1') } 1 .. $changes;
	is_deeply(\@read, [ map { qq([{"id":${\ MIDDLE},"n":$_}]) } $n + 1 .. $n + $changes ], 'each change is seen');
	return;
}

sql('VACUUM clarify_cache.version');
my $before = row_versions();
change_and_read(2, 5);
cmp_ok(free_part(), '<', 0.5, 'the page is fuller than its fill factor');
is(row_versions(), $before + 5, 'and nobody has pruned it');

# Rows grow as more tables are changed.
change($_, 1 .. USERS) for @tables[ 1 .. $#tables ];
sql('VACUUM clarify_cache.version');
$before = row_versions();
change_and_read(7, 4);
cmp_ok(free_part(), '<', 0.25, 'it is fuller yet');
is(row_versions(), $before + 4, 'and nobody has pruned it');

sub counted
{
	return sql("SELECT $_[0] FROM pg_stat_all_tables WHERE relid = 'clarify_cache.version'::regclass");
}
sql('SELECT pg_stat_reset_single_table_counters(\'clarify_cache.version\'::regclass)');
for my $round (1 .. ROUNDS)
{
	change('jots_1', MIDDLE - 15 .. MIDDLE + 14);
}
ok(wait_for(sub { counted('n_tup_upd') >= ROUNDS * 30 }), 'each change has replaced a row');
is(counted('n_tup_upd - n_tup_hot_upd'), 0, 'on the same page, where writers make room');
is(jots('jots_1'), qq([{"id":${\ MIDDLE},"n":@{[ 11 + ROUNDS ]}}]), 'and the context is that of all changes');

# What nobody may remove yet piles up.
sql(q{BEGIN; CREATE TABLE later (); PREPARE TRANSACTION 'old';});
sql('VACUUM clarify_cache.version');
for (1 .. USERS)
{
	last if free_part() < 0.1;
	change('jots_1', MIDDLE);
}
cmp_ok(free_part(), '<', 0.1, 'the page is nearly full');
jots('jots_1');
$before = row_versions();
sql("ROLLBACK PREPARED 'old'");
jots('jots_1');
cmp_ok(row_versions(), '<', $before - 5, 'a reader has made room');

$node->stop;
done_testing();
