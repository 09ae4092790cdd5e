package Fleet;

# A primary and three standbys, one of them behind another, and rewrites of tables.
#
# The primary does not know of the standbys' snapshots.  So a rewrite keeps what the
# primary needs: an older snapshot on a standby finds the rows of transactions that it
# should not see frozen, and those that it should see gone.  PostgreSQL itself answers
# it so; the cache must not carry such an answer to anybody else.
#
#	- Rewrites of the tables that are read count themselves, for the standbys alone.
#	  What is judged beside them there, Session.pm says.
#	- Rewrites of the cache's own tables are no excuse for anything, nor is VACUUM
#	  FREEZE, which waits in replay for the snapshots that it concerns.
#	- Nobody on the primary is excused but by TRUNCATE.

use strict;
use warnings;

use Choose;
use Exporter 'import';
use Workload qw(pause epoch look looking_at_everybody begin end ddl repair trim);
our @EXPORT = qw(reading_now reading_late lagging rewriting rewriting_own keeping_fleet);

# --------------------------------------------------------------------- readers

# Short ones: a snapshot of the primary's that lasts keeps rewrites from freezing.
sub reading_now
{
	return weighted(
		3 => sub { (epoch(), map { look() } 1 .. 4) },
		1 => sub { (epoch(), map { (looking_at_everybody(1), epoch()) } 1 .. 4) });
}

# A snapshot, and one or two seconds later what is seen in it.  Before that no table is
# locked, so all of them may be rewritten meanwhile.
sub reading_late
{
	my $sleep = sprintf 'SELECT pg_sleep(%.3f)', one_of(0.3, 1) + rand;
	my @looks = map { (weighted(2 => sub { looking_at_everybody(1) }, 1 => sub { (look())[0] }), epoch()) } 1 .. 2;
	return weighted(
		4 => sub { (epoch(), begin('REPEATABLE READ'), [ 'sleep', $sleep ], @looks, end('COMMIT')) },
		1 => sub {
			# The first look is there to compare with; giving the locks back lets tables change.
			(epoch(), begin('REPEATABLE READ'), [ 'sleep', 'SAVEPOINT s' ], (map { look($_) } 1 .. 3),
				[ 'sleep', 'ROLLBACK TO s' ], [ 'sleep', $sleep ], (map { look($_) } 1 .. 3), end('COMMIT'))
		},
		1 => sub {
			my $n = Workload::person();
			(epoch(), [ 'look', "WITH late AS MATERIALIZED ($sleep), look AS MATERIALIZED (SELECT clarify_context(u($n))::text AS c, plain(u($n)) AS p FROM late) SELECT line($n, NULL, c, p) FROM look" ], epoch())
		});
}

# On a standby: its replay stands still.
sub lagging
{
	return ([ 'lag', 'SELECT pg_wal_replay_pause()' ], pause(2), [ 'lag', 'SELECT pg_wal_replay_resume()' ]);
}

# -------------------------------------------------------------------- rewrites

# Around a change that is not MVCC-safe: for all, or on standbys.
sub counted
{
	my ($counter, @script) = @_;
	my ($start, $end) = map { [ 'count', "SELECT count_up('${counter}_$_')" ] } qw(started ended);
	return ($start, @script, $end);
}

# Of what is read.
sub rewriting
{
	my $table = one_of(qw(notes people events_1 events_2a events_2b labels));
	return weighted(
		3 => sub { counted('rewrites', ddl("VACUUM FULL $table")) },
		1 => sub { counted('rewrites', ddl('VACUUM FULL ' . one_of('events', 'notes, people, events, labels'))) },
		2 => sub { counted('rewrites', ddl('CLUSTER ' . one_of('notes USING notes_pkey', 'people USING people_pkey', 'labels USING labels_pkey', 'events USING events_user_id_idx'))) },
		2 => sub { counted('rewrites', ddl("REINDEX TABLE $table")) },
		1 => sub { counted('rewrites', ddl("REINDEX TABLE CONCURRENTLY $table")) },
		2 => sub { ddl('VACUUM (FREEZE) ' . one_of('notes', 'people', 'events', 'labels')) },
		2 => sub { counted('ddl', ddl('TRUNCATE ' . one_of(qw(events events_1 events_2 events_2a notes)))) },
		1 => sub { counted('ddl', ddl('BEGIN', 'TRUNCATE labels', "INSERT INTO labels SELECT n, 'new ' || n FROM generate_series(0, 2) n", one_of('COMMIT', 'COMMIT', 'ROLLBACK'))) });
}

# Of the cache's versions, and of what else it has.
sub rewriting_own
{
	my ($others) = @_;
	return weighted(
		6 => sub { ddl('VACUUM FULL clarify_cache.version') },
		3 => sub { ddl('CLUSTER clarify_cache.version USING version_key') },
		3 => sub { ddl('REINDEX TABLE clarify_cache.version') },
		1 => sub { ddl('REINDEX INDEX CONCURRENTLY clarify_cache.version_key') },
		1 => sub { ddl('VACUUM (FREEZE) clarify_cache.version') },
		($others ? 1 : 0) => sub {
			ddl(one_of('VACUUM FULL', 'REINDEX TABLE', 'VACUUM (FREEZE)') . ' clarify_cache.' . one_of('section', 'attached_table', 'instance'))
		},
		($others ? 1 : 0) => sub { ddl('CLUSTER clarify_cache.' . one_of('section USING section_pkey', 'attached_table USING attached_table_pkey')) });
}

sub keeping_fleet
{
	return weighted(
		3 => sub { trim() },
		2 => sub { [ 'own', 'SELECT clarify_cache.compact()' ] },
		1 => sub { [ 'own', 'SELECT clarify_cache.warm(ARRAY(SELECT u(n) FROM generate_series(1, 40) n))' ] },
		1 => sub { repair() },
		1 => sub { ddl('ANALYZE notes, events') },
		1 => sub { ddl('VACUUM notes, people, events') });
}

1;
