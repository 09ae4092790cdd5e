# Dead row versions of clarify_cache.version stay until room on their page gets scarce,
# so that a call after a change writes no WAL for it; then whoever comes next removes
# them, a writer before it would need another page, or a reader.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use ClarifyTest;
use Test::More;

use constant { USERS => 60, CHANGED => 30, ROUNDS => 10 };

my $node = new_node('main', redis => start_redis(), conf => "autovacuum = off\nmax_prepared_transactions = 1\n");
sub sql { return $node->safe_psql('postgres', $_[0]) }

load_clarify($node);
if (sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'pageinspect'") == 0)
{
	$node->stop;
	plan(skip_all => 'this server has no pageinspect');
}
my $user = user_id(1);
sql(q{
	CREATE EXTENSION pageinspect;
	CREATE TABLE jots (id int PRIMARY KEY, user_id uuid, n int NOT NULL DEFAULT 0);
	SELECT clarify_cache.attach('jots');
	SELECT clarify_cache.add_section('jots', 'SELECT id, n FROM jots WHERE user_id = $1 ORDER BY id');});
sql("INSERT INTO jots VALUES ($_, '@{[ user_id($_) ]}')") for 1 .. USERS;
my $block = sql("SELECT min((ctid::text::point)[0]) FROM clarify_cache.version WHERE kind = 'u'");

# Of the page of the first user's row: row versions, dead ones included, and its LSN;
# the part of it that is free.
sub page
{
	return sql(qq{
		SELECT (SELECT count(*) FROM heap_page_items(get_raw_page('clarify_cache.version', $block)) WHERE lp_flags = 1),
			lsn FROM page_header(get_raw_page('clarify_cache.version', $block))});
}
sub row_versions { return (split /\|/, page())[0] }
sub free_part
{
	return sql("SELECT (upper - lower)::float / pagesize FROM page_header(get_raw_page('clarify_cache.version', $block))");
}
sub change { return sql("UPDATE jots SET n = n + 1 WHERE id = $_[0]") }
sub jots { return sql("SELECT clarify_context('$user') ->> 'jots'") }

change(1) for 1 .. 5;
cmp_ok(free_part(), '<', 0.5, 'the page is fuller than its fill factor');
my $before = page();
is(jots(), '[{"id":1,"n":5}]', 'built');
is(jots(), '[{"id":1,"n":5}]', 'read');
is(sql("SELECT served_from FROM clarify_cache.explain('$user') WHERE section = 'jots'"), 'redis', 'explained');
is(page(), $before, 'reading has left the page as it was');

my $moved = "SELECT n_tup_upd - n_tup_hot_upd FROM pg_stat_all_tables WHERE relid = 'clarify_cache.version'::regclass";
my $updates = sql("SELECT n_tup_upd FROM pg_stat_all_tables WHERE relid = 'clarify_cache.version'::regclass");
for my $round (1 .. ROUNDS)
{
	change($_) for 1 .. CHANGED;
}
is(sql("SELECT n_tup_upd FROM pg_stat_all_tables WHERE relid = 'clarify_cache.version'::regclass"),
	$updates + ROUNDS * CHANGED, 'each change has replaced a row');
is(sql($moved), 0, 'on the same page, where writers make room');
is(jots(), qq([{"id":1,"n":@{[ 5 + ROUNDS ]}}]), 'and the context is that of all changes');

# What nobody may remove yet piles up.
sql(q{BEGIN; CREATE TABLE later (); PREPARE TRANSACTION 'old';});
for (1 .. USERS)
{
	last if free_part() < 0.15;
	change(1);
}
cmp_ok(free_part(), '<', 0.15, 'the page is nearly full');
jots();
$before = row_versions();
sql("ROLLBACK PREPARED 'old'");
jots();
cmp_ok(row_versions(), '<', $before - 15, 'a reader has made room');

$node->stop;
done_testing();
