package Hostile;

# Owners of attached tables whose code runs when others plan their queries (hostile.sql),
# and those others.
#
# Who is judged by what: sections on the tables of others, strictly; in the sections on the
# owners' tables, that each row is its person's.  The plain queries touch none of the owners'
# tables, and whatever judges names its things with their schemas.  Those who let nobody
# act read with Workload.pm's looks, and must never see what others were made to fill.

use strict;
use warnings;

use Choose;
use Exporter 'import';
use Workload qw(person pause begin end ddl);
our @EXPORT = qw(calling calling_without_rights owning);

# What the owners change, so that it does not stay so for ever.
my @settings = qw(search_path DateStyle TimeZone IntervalStyle extra_float_digits bytea_output row_security
  plan_cache_mode enable_seqscan enable_indexscan enable_partition_pruning quote_all_identifiers
  transform_null_equals array_nulls default_transaction_isolation clarify_cache.enabled);

sub hostile { return map { [ 'hostile', $_ ] } @_; }

sub prepare
{
	my @reset = chance(0.6) ? map { "RESET $_" } @settings : ();
	return hostile('RESET ROLE', @reset, 'DROP TABLE IF EXISTS pg_temp.notes',
		'SET constraint_exclusion = ' . one_of('on', 'partition'), 'SET hostile.planning = on');
}

sub call
{
	my $n = person();
	my $columns = 'public.clarify_context(public.u(%d))::pg_catalog.text AS c, public.plain(public.u(%1$d)) AS p';
	return hostile(weighted(
		4 => sprintf("WITH look AS MATERIALIZED (SELECT $columns) SELECT public.line(%1\$d, NULL, c, p) FROM look", $n),
		1 => sprintf("WITH look AS MATERIALIZED (SELECT public.plain(public.u(%1\$d)) AS b, $columns) SELECT public.line(%1\$d, b, c, p) FROM look", $n),
		1 => 'SELECT public.line(c.n::pg_catalog.int4, NULL, c.context::pg_catalog.text, public.plain(c.user_id)) FROM public.clarify_contexts(ARRAY(SELECT public.u(n) FROM pg_catalog.generate_series(1, 5) n)) WITH ORDINALITY AS c (user_id, context, n)'));
}

sub calling
{
	return weighted(
		4 => sub { (prepare(), map { call() } 1 .. 1 + int(rand 4)) },
		3 => sub { (prepare(), begin(one_of('READ COMMITTED', 'REPEATABLE READ')), (map { (call(), pause(0.02)) } 1 .. 3), end('COMMIT')) },
		2 => sub {
			(prepare(), begin('REPEATABLE READ'), hostile('SAVEPOINT s'), call(), hostile('ROLLBACK TO s'),
				call(), hostile('SAVEPOINT t'), call(), hostile('ROLLBACK TO s'), call(), end('COMMIT'))
		});
}

# Who may not read the notes is given nothing.
sub calling_without_rights
{
	my $n = person();
	return (prepare(), (hostile("SELECT public.line($n, NULL, public.or_denied($n, true), 'denied')")) x 2);
}

# What an owner does with her own table.
sub owning
{
	my ($owner) = @_;
	my $n = person();
	my $f = "$owner.f(" . int(rand 100) . ')';
	my $g = "$owner.g(" . int(rand 100) . ')';
	my $sql = weighted(
		4 => [ "INSERT INTO diary (user_id, body) VALUES (public.u($n), " . text() . ')' ],
		4 => [ 'UPDATE diary SET body = ' . text() . " WHERE user_id OPERATOR(pg_catalog.=) public.u($n)" ],
		2 => [ 'DELETE FROM diary WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY random()) AS r FROM diary) t WHERE r > 4)' ],
		4 => [ 'DROP INDEX IF EXISTS trap', "CREATE INDEX trap ON diary (body) WHERE $f" ],
		2 => [ 'DROP INDEX IF EXISTS trap_expression', "CREATE INDEX trap_expression ON diary ((id + $g))" ],
		2 => [ 'ALTER INDEX trap SET (fillfactor = ' . (50 + int(rand 50)) . ')', 'REINDEX TABLE diary' ],
		2 => [ 'DROP INDEX IF EXISTS trap, trap_expression', 'DROP STATISTICS IF EXISTS trap_statistics' ],
		2 => [ 'ALTER TABLE diary DROP CONSTRAINT IF EXISTS trap_check', "ALTER TABLE diary ADD CONSTRAINT trap_check CHECK ($f)" . one_of('', ' NOT VALID') ],
		2 => [ 'DROP STATISTICS IF EXISTS trap_statistics', "CREATE STATISTICS trap_statistics ON (id + $g), body FROM diary", 'ANALYZE diary' ],
		2 => [ 'DROP POLICY IF EXISTS trap_policy ON diary', "CREATE POLICY trap_policy ON diary USING (" . one_of($f, "$owner.h(user_id)", "$f AND $owner.h(user_id)") . ')', 'ALTER TABLE diary ENABLE ROW LEVEL SECURITY' ],
		4 => [ 'ALTER TABLE diary DISABLE ROW LEVEL SECURITY' ],
		1 => [ 'ANALYZE diary' ],
		1 => [ 'ALTER TABLE diary ADD COLUMN IF NOT EXISTS extra int', 'ALTER TABLE diary DROP COLUMN IF EXISTS extra' ]);
	return (ddl(@$sql));
}

1;
