/*-------------------------------------------------------------------------
 *
 * version_write.c
 *	  Adding tokens to clarify_cache.version in the running transaction, and
 *	  taking a table's out.
 *
 * How a token gets in must not lose another's, and must not wait:
 *
 *	- Inserting a row is always right.
 *	- To keep rows few, under READ COMMITTED a visible row is replaced by its
 *	  values XOR the fresh tokens, if it is the latest version of the row and
 *	  nobody else is at it (version_table.c).  So no token is lost, and those of
 *	  tables that the transaction has not changed stay what they are.  Whoever
 *	  committed the old values left the ProcArray before they counted as the
 *	  latest, so every snapshot that sees ours sees theirs, in replay likewise.
 *	  In any other case a row is inserted.
 *	- Above READ COMMITTED rows are only inserted: the row visible in the
 *	  transaction's snapshot may not be the latest, and under SERIALIZABLE
 *	  reading would take predicate locks.
 *
 * A row has a user's tokens of all tables, so writers of different tables meet at
 * it, too, and who comes second inserts a row, as for the same table.  To take a
 * table's token out, a row is replaced by one with the others.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "common/hashfn.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "version.h"
#include "version_table.h"

/* How often a writer looks for rows, if others come first at those that it finds, */
#define MAX_UPDATE_TRIES 4

/*
 * and at how many index entries.  So as many writers of one user can be at work
 * at once, each at a row of its own, before rows are added for good.
 */
#define MAX_UPDATE_PROBES 100

/* Strong random bits are dear, unless one asks for many at a time. */
static uint64
RandomBits(void)
{
	static uint64 pool[16];
	static int	left = 0;

	if (left == 0)
	{
		if (!pg_strong_random(pool, sizeof(pool)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate a random token")));
		left = (int) lengthof(pool);
	}
	return pool[--left];
}

/*
 * A random token, never 0.  The strong random bits alone would do, but for a
 * virtual machine resumed twice from one image, with the same bits in the pool;
 * then the clock, in microseconds, or transaction id, pid and a counter, as soon as
 * they differ, tell the two apart.
 */
static uint64
FreshToken(void)
{
	static uint64 counter = 0;
	struct
	{
		uint64		random;
		uint64		xid;
		uint64		clock;
		uint64		counter;
		uint64		pid;
	}			seed;
	uint64		token;

	seed.random = RandomBits();
	seed.xid = U64FromFullTransactionId(GetTopFullTransactionIdIfAny());
	seed.clock = (uint64) GetCurrentTimestamp();
	seed.counter = ++counter;
	seed.pid = (uint64) MyProcPid;

	token = seed.random ^ hash_bytes_extended((unsigned char *) &seed,
											  sizeof(seed), 0);
	return token == 0 ? 1 : token;
}

/* The tables of one key that are yet to get a fresh token. */
typedef struct NewTokens
{
	VersionKey	key;
	Oid		   *tables;
	int		   *places;			/* which of the rows found is to have it, or -1 */
	int			ntables;
} NewTokens;

/* Let the row have those that it has a token of already; how many are those? */
static int
PlaceKnown(NewTokens *new, const VersionTokens *tokens, int place)
{
	int			nplaced = 0;

	for (int i = 0; i < new->ntables; i++)
	{
		if (new->places[i] < 0 && VersionTokensFind(tokens, new->tables[i]) >= 0)
		{
			new->places[i] = place;
			nplaced++;
		}
	}
	return nplaced;
}

/*
 * Find free rows that have a token of the tables, and one that has room for what is
 * in none, if there is any.  Backward, as the newest row versions mostly come last:
 * where many write, dead ones pile up at the front until VACUUM comes by, since an
 * index page that changes all the time is not cleaned in passing.
 *
 * Returns their number, which is at most that of the tables and one.
 */
static int
FindRows(VersionWriter *writer, NewTokens *new, VersionFound *rows)
{
	IndexScanDesc scan;
	ScanKeyData keys[2];
	ItemPointer tid;
	int			nrows = 0;
	int			nplaced = 0;
	bool		has_room = false;
	int			probed = 0;

	for (int i = 0; i < new->ntables; i++)
		new->places[i] = -1;
	VersionTableScanKeys(keys, &new->key);
	scan = compat_index_beginscan(writer->heap, writer->index, writer->snapshot, 2);
	index_rescan(scan, keys, 2, NULL, 0);
	while (nplaced < new->ntables && probed++ < MAX_UPDATE_PROBES &&
		   (tid = index_getnext_tid(scan, BackwardScanDirection)) != NULL)
	{
		VersionFound   *row = &rows[nrows];
		bool		all_dead;
		bool		is_free = VersionTableFetch(writer, tid, row, &all_dead);
		int			nknown;

		scan->kill_prior_tuple = all_dead;	/* as index_fetch_heap does */
		if (!is_free)
			continue;
		nknown = PlaceKnown(new, &row->tokens, nrows);
		nplaced += nknown;
		if (nknown > 0 || (!has_room && row->tokens.n < VERSION_MAX_TABLES))
			nrows++;
		has_room |= row->tokens.n < VERSION_MAX_TABLES;
	}
	index_endscan(scan);
	return nrows;
}

static bool
AnyPlaced(const NewTokens *new, int place)
{
	for (int i = 0; i < new->ntables; i++)
	{
		if (new->places[i] == place)
			return true;
	}
	return false;
}

/* A row that has room for another table, best one that changes anyway; or -1. */
static int
PlaceWithRoom(const NewTokens *new, const VersionFound *rows, int nrows)
{
	int			place = -1;

	for (int i = nrows - 1; i >= 0; i--)
	{
		if (rows[i].tokens.n == VERSION_MAX_TABLES)
			continue;
		place = i;
		if (AnyPlaced(new, i))
			break;
	}
	return place;
}

/* XOR in a fresh token for each table that a row is to have, or has room for. */
static void
AddFreshTokens(NewTokens *new, VersionFound *rows, int nrows)
{
	for (int i = 0; i < new->ntables; i++)
	{
		if (new->places[i] < 0)
			new->places[i] = PlaceWithRoom(new, rows, nrows);
		if (new->places[i] >= 0)
			(void) VersionTokensAdd(&rows[new->places[i]].tokens, new->tables[i], FreshToken());
	}
}

/* This row is written: forget the tables that it has. */
static void
ForgetPlaced(NewTokens *new, int place)
{
	int			nleft = 0;

	for (int i = 0; i < new->ntables; i++)
	{
		if (new->places[i] == place)
			continue;
		new->tables[nleft] = new->tables[i];
		new->places[nleft++] = new->places[i];
	}
	new->ntables = nleft;
}

/*
 * Add tokens to rows that are there, as far as there are any.  True if somebody
 * came first at one, so that it is worth another try.
 */
static bool
UpdateRows(VersionWriter *writer, NewTokens *new)
{
	VersionFound   *rows = palloc((new->ntables + 1) * sizeof(VersionFound));
	int			nrows = FindRows(writer, new, rows);
	bool		lost = false;

	AddFreshTokens(new, rows, nrows);
	for (int i = 0; i < nrows; i++)
	{
		if (!AnyPlaced(new, i))
			continue;
		if (VersionTableReplace(writer, &rows[i].tid, &new->key, &rows[i].tokens))
			ForgetPlaced(new, i);
		else
			lost = true;
	}
	pfree(rows);
	return lost;
}

/* One row, or several if they are too many for one. */
static void
InsertTokens(VersionWriter *writer, const VersionKey *key, const Oid *tables, int ntables)
{
	for (int done = 0; done < ntables; done += VERSION_MAX_TABLES)
	{
		VersionTokens tokens = {0};

		for (int i = done; i < Min(ntables, done + VERSION_MAX_TABLES); i++)
			(void) VersionTokensAdd(&tokens, tables[i], FreshToken());
		VersionTableInsert(writer, key, &tokens);
	}
}

void
VersionAddTokens(VersionWriter *writer, char kind, int64 key_hash, Oid *tables, int ntables)
{
	NewTokens	new = {{key_hash, kind}, tables, NULL, ntables};

	if (ntables == 0)
		return;
	if (writer->snapshot != NULL && writer->index != NULL)
	{
		new.places = palloc(ntables * sizeof(int));
		for (int i = 0; i < MAX_UPDATE_TRIES && new.ntables > 0; i++)
		{
			if (!UpdateRows(writer, &new))
				break;
		}
		pfree(new.places);
	}
	InsertTokens(writer, &new.key, new.tables, new.ntables);
}

void
VersionInsert(VersionWriter *writer, char kind, Oid table_id)
{
	VersionKey	key = {USER_KEY_HASH_TABLE, kind};

	InsertTokens(writer, &key, &table_id, 1);
}

/* Take the row's token of this table away, and the row with its last. */
static void
DeleteToken(VersionWriter *writer, TupleTableSlot *slot, Oid table_id)
{
	VersionKey		key;
	VersionFound	row;

	if (!VersionTableDescribe(slot, &key, &row) || !VersionTokensRemove(&row.tokens, table_id))
		return;
	if (row.tokens.n == 0)
		(void) VersionTableTake(writer, &row.tid);
	else
		(void) VersionTableReplace(writer, &row.tid, &key, &row.tokens);
}

/*
 * SnapshotSelf shows what is committed now, whatever the isolation level, and
 * takes no predicate locks.  Coverage and holes are never updated, and whoever
 * inserts them holds a lock that the caller's conflicts with, so no row is
 * missed.  A user's row that is changed under our eyes may be left over, which
 * does no harm: without coverage nobody looks at it, and a new coverage
 * token makes other versions of all that was cached.
 */
void
VersionDelete(VersionWriter *writer, Oid table_id, bool everything)
{
	TupleTableSlot *slot = table_slot_create(writer->heap, NULL);

	if (everything || writer->index == NULL)
	{
		TableScanDesc scan = table_beginscan(writer->heap, SnapshotSelf, 0, NULL);

		while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
			DeleteToken(writer, slot, table_id);
		table_endscan(scan);
	}
	else
	{
		static const char kinds[] = {VERSION_COVERAGE, VERSION_HOLE};

		for (int i = 0; i < (int) lengthof(kinds); i++)
		{
			VersionKey	key = {USER_KEY_HASH_TABLE, kinds[i]};
			ScanKeyData keys[2];
			IndexScanDesc scan;

			VersionTableScanKeys(keys, &key);
			scan = compat_index_beginscan(writer->heap, writer->index, SnapshotSelf, 2);
			index_rescan(scan, keys, 2, NULL, 0);
			while (index_getnext_slot(scan, ForwardScanDirection, slot))
				DeleteToken(writer, slot, table_id);
			index_endscan(scan);
		}
	}
	ExecDropSingleTupleTableSlot(slot);
}
