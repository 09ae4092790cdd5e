/*-------------------------------------------------------------------------
 *
 * write.c
 *	  Adding tokens to clarify_cache.version in the running transaction, and
 *	  taking a table's out.
 *
 * How a token gets in must not lose another's, and must not wait:
 *
 *	- Inserting a row is always right.
 *	- To keep rows few, under READ COMMITTED a visible row is replaced by its
 *	  values XOR the fresh tokens, if it is the latest version of the row and
 *	  nobody else is at it (table.c).  So no token is lost, and those of
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
#include "base/compat.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "common/hashfn.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "version/write.h"

/* A writer inserts a row after it has lost so many to other writers, */
#define MAX_UPDATE_TRIES 4

/*
 * and index entries that it looks at.  So as many writers of one user can be at work
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
	int			ntables;
} NewTokens;

/*
 * XOR a fresh token in for each of them, if the row has room for all that it does
 * not have; else for those that it has.  False if these are none.  There is always
 * room where there are no more tables than a row holds, and one row is enough.  Of
 * more, some come to be in several rows, until compact().
 */
static bool
AddFreshTokens(VersionTokens *tokens, const NewTokens *new)
{
	int			nknown = 0;
	bool		has_room;

	for (int i = 0; i < new->ntables; i++)
		nknown += VersionTokensFind(tokens, new->tables[i]) >= 0;
	has_room = tokens->n + new->ntables - nknown <= VERSION_MAX_TABLES;
	for (int i = 0; i < new->ntables; i++)
	{
		if (has_room || VersionTokensFind(tokens, new->tables[i]) >= 0)
			(void) VersionTokensAdd(tokens, new->tables[i], FreshToken());
	}
	return has_room || nknown > 0;
}

/* The row with these tokens is written: what is left? */
static void
ForgetAdded(NewTokens *new, const VersionTokens *tokens)
{
	int			nleft = 0;

	for (int i = 0; i < new->ntables; i++)
	{
		if (VersionTokensFind(tokens, new->tables[i]) < 0)
			new->tables[nleft++] = new->tables[i];
	}
	new->ntables = nleft;
}

/*
 * Add tokens to rows that are there, as far as that goes; one row will do unless
 * there are many tables.  Backward, as the newest row versions mostly come last:
 * where many write, dead ones pile up at the front until VACUUM comes by, since an
 * index page that changes all the time is not cleaned in passing.  And on from a row
 * that somebody else got first, as all who begin again would meet at the next.
 */
static void
UpdateRows(VersionWriter *writer, NewTokens *new)
{
	IndexScanDesc scan;
	ScanKeyData keys[2];
	int			probed = 0;
	int			lost = 0;

	VersionTableScanKeys(keys, &new->key);
	scan = compat_index_beginscan(writer->heap, writer->index, writer->snapshot, 2);
	index_rescan(scan, keys, 2, NULL, 0);
	while (new->ntables > 0 && lost < MAX_UPDATE_TRIES && probed++ < MAX_UPDATE_PROBES &&
		   index_getnext_tid(scan, BackwardScanDirection) != NULL)
	{
		Buffer		buffer = InvalidBuffer;
		VersionFound found;
		VersionFetched fetched = VersionFetch(scan, &buffer, true, &found);

		ReleaseBuffer(buffer);
		if (fetched != VERSION_FETCHED || !AddFreshTokens(&found.tokens, new))
			continue;
		if (VersionTableReplace(writer, &found.tid, &new->key, &found.tokens))
			ForgetAdded(new, &found.tokens);
		else
			lost++;
	}
	index_endscan(scan);
}

static void
InsertTokens(VersionWriter *writer, const VersionKey *key, const Oid *tables, int ntables)
{
	VersionRows fresh = {0};

	if (ntables == 0)
		return;
	for (int i = 0; i < ntables; i++)
	{
		VersionRow	row = {tables[i], key->kind, FreshToken()};

		VersionRowsAppend(&fresh, &row);
	}
	VersionTableInsert(writer, key, &fresh);
	pfree(fresh.rows);
}

void
VersionAddTokens(VersionWriter *writer, char kind, int64 key_hash, Oid *tables, int ntables)
{
	NewTokens	new = {{key_hash, kind}, tables, ntables};

	if (ntables > 0 && writer->snapshot != NULL && writer->index != NULL)
		UpdateRows(writer, &new);
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
	VersionKey	key;
	VersionFound row;

	if (!VersionTableDescribe(slot, &key, &row) || !VersionTokensRemove(&row.tokens, table_id))
		return;
	if (row.tokens.n == 0)
		(void) VersionTableDelete(writer, &row.tid);
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
