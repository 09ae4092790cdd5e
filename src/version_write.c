/*-------------------------------------------------------------------------
 *
 * version_write.c
 *	  Adding tokens to clarify_cache.version in the running transaction,
 *	  deleting a table's, and folding its rows.
 *
 * How a token gets in must not lose another's, and must not wait:
 *
 *	- Inserting a row is always right; it conflicts with nobody.
 *	- To keep rows few, under READ COMMITTED a visible row is replaced by its
 *	  values XOR the fresh tokens, if it is the latest version of the row and
 *	  nobody else is at it.  So no token is lost, and those of tables that the
 *	  transaction has not changed stay what they are.  Whoever committed the old
 *	  value left the ProcArray before it counted as the latest, so every
 *	  snapshot that sees ours sees theirs, in replay likewise.  In any other
 *	  case a row is inserted.
 *
 *	  "Nobody else is at it" has to stay true until the update is done, or the
 *	  update would wait for a writer.  The heavyweight lock on the tuple, taken
 *	  only if it is free and given back after the update, is what all who
 *	  update or delete rows here agree on.  Whoever has it and then finds the
 *	  tuple untouched knows that nobody begins to touch it.  (A row lock, which
 *	  SKIP LOCKED would take, does the same for another WAL record; and heap_update
 *	  does not know "do not wait".)
 *	- Above READ COMMITTED rows are only inserted: the row visible in the
 *	  transaction's snapshot may not be the latest, and under SERIALIZABLE
 *	  reading would take predicate locks.
 *
 * The table is written below SQL: neither privileges nor read-only mode (set
 * after a write) apply, and no trigger fires.
 *
 * A row has a user's tokens of all tables, so writers of different tables meet at
 * it, too, and who comes second inserts a row, as for the same table.
 *
 * Folding rows of a key replaces some of them, each untouched, by fewer with the
 * XOR of their values, table by table, in one commit: whatever a snapshot sees of
 * that, the XOR is the same.  To take a table's token out of a row likewise
 * replaces it by one with the others.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "ext_tables.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "version.h"

/* How often a writer looks for rows, if others come first at those that it finds, */
#define MAX_UPDATE_TRIES 4

/*
 * and at how many index entries.  So as many writers of one user can be at work
 * at once, each at a row of its own, before rows are added for good.
 */
#define MAX_UPDATE_PROBES 100

/* Rows of a key that are folded at a time. */
#define MAX_FOLDED 1000

/* Free bytes of a page below which a writer prunes it. */
#define PRUNE_BELOW (BLCKSZ / 4)

struct VersionWriter
{
	Relation	heap;
	Relation	index;			/* for look-ups; NULL: only insert */
	CatalogIndexState indexes;	/* all, for new entries; NULL: none yet */
	TupleTableSlot *new_slot;
	Snapshot	snapshot;		/* NULL: only insert */
};

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

VersionWriter *
VersionBeginWrite(void)
{
	VersionWriter *writer = palloc0(sizeof(VersionWriter));

	writer->heap = table_open(ExtTablesRequire()->version, RowExclusiveLock);
	if (!IsolationUsesXactSnapshot())
		writer->snapshot = RegisterSnapshot(GetLatestSnapshot());
	/* After the snapshot, or before a commit no xmin says that an index is old enough. */
	writer->index = VersionOpenIndex(writer->heap);
	writer->new_slot = MakeSingleTupleTableSlot(RelationGetDescr(writer->heap),
												&TTSOpsHeapTuple);
	return writer;
}

/* The lock stays until the end of the transaction, as any writer's does. */
void
VersionEndWrite(VersionWriter *writer)
{
	if (writer->snapshot != NULL)
		UnregisterSnapshot(writer->snapshot);
	ExecDropSingleTupleTableSlot(writer->new_slot);
	if (writer->indexes != NULL)
		CatalogCloseIndexes(writer->indexes);
	if (writer->index != NULL)
		relation_close(writer->index, AccessShareLock);
	table_close(writer->heap, NoLock);
	pfree(writer);
}

/* An index that somebody has added may have a predicate or expressions. */
static void
InsertForeignIndexEntry(VersionWriter *writer, Relation index, IndexInfo *info)
{
	EState	   *estate = CreateExecutorState();
	ExprContext *econtext = GetPerTupleExprContext(estate);
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	econtext->ecxt_scantuple = writer->new_slot;
	info->ii_ExpressionsState = NIL;
	if (ExecQual(ExecPrepareQual(info->ii_Predicate, estate), econtext))
	{
		FormIndexDatum(info, writer->new_slot, estate, values, nulls);
		index_insert(index, values, nulls, &writer->new_slot->tts_tid, writer->heap,
					 info->ii_Unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, info);
	}
	info->ii_ExpressionsState = NIL;
	FreeExecutorState(estate);
}

/* Index entries for writer->new_slot, in every index that wants them. */
static void
InsertIndexEntries(VersionWriter *writer, CompatIndexes wanted)
{
	ResultRelInfo *indexes;

	if (wanted == COMPAT_NO_INDEXES)
		return;
	if (writer->indexes == NULL)
		writer->indexes = CatalogOpenIndexes(writer->heap);
	indexes = writer->indexes;
	for (int i = 0; i < indexes->ri_NumIndices; i++)
	{
		IndexInfo  *info = indexes->ri_IndexRelationInfo[i];
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];

		if (!info->ii_ReadyForInserts ||
			(wanted == COMPAT_SUMMARIZING_INDEXES && !compat_is_summarizing(info)))
			continue;
		if (info->ii_Predicate != NIL || info->ii_Expressions != NIL || info->ii_Unique)
		{
			InsertForeignIndexEntry(writer, indexes->ri_IndexRelationDescs[i], info);
			continue;
		}
		FormIndexDatum(info, writer->new_slot, NULL, values, nulls);
		index_insert(indexes->ri_IndexRelationDescs[i], values, nulls,
					 &writer->new_slot->tts_tid, writer->heap,
					 UNIQUE_CHECK_NO, false, info);
	}
}

static void
InsertRow(VersionWriter *writer, char kind, int64 key_hash, const VersionTokens *tokens)
{
	VersionRowStore(writer->new_slot, kind, key_hash, tokens);
	table_tuple_insert(writer->heap, writer->new_slot,
					   GetCurrentCommandId(true), 0, NULL);
	InsertIndexEntries(writer, COMPAT_ALL_INDEXES);
}

/* What rows of one key have in common. */
typedef struct RowKey
{
	int64		key_hash;
	char		kind;
} RowKey;

/* A row as a writer found it. */
typedef struct FoundRow
{
	ItemPointerData tid;
	VersionTokens tokens;
} FoundRow;

/* Is this tuple the latest version, touched by nobody?  Its page is locked. */
static bool
TupleIsUntouched(HeapTuple tuple, Buffer buffer)
{
	return HeapTupleSatisfiesUpdate(tuple, GetCurrentCommandId(true), buffer) == TM_Ok;
}

/*
 * Find the row version that the snapshot sees among those that begin at tid, if it
 * is untouched.  *all_dead: nobody sees any of them.  Unlike an index scan, this
 * prunes the page only when room for a few more versions gets scarce: pruning
 * for every update would cost as much as the update.
 */
static bool
FetchRow(VersionWriter *writer, ItemPointer tid, FoundRow *found, bool *all_dead)
{
	Buffer		buffer = ReadBuffer(writer->heap, ItemPointerGetBlockNumber(tid));
	HeapTupleData tuple;
	bool		is_free;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (PageGetHeapFreeSpace(BufferGetPage(buffer)) < PRUNE_BELOW)
	{
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		heap_page_prune_opt(writer->heap, buffer);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
	}

	found->tid = *tid;
	is_free = heap_hot_search_buffer(&found->tid, writer->heap, buffer, writer->snapshot,
									 &tuple, all_dead, true) &&
		TupleIsUntouched(&tuple, buffer);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	if (is_free)
	{
		TupleDesc	desc = RelationGetDescr(writer->heap);
		Datum		values[VERSION_NATTS];
		bool		nulls[VERSION_NATTS];

		/* The pin keeps it where it is. */
		values[ANUM_TABLES - 1] = heap_getattr(&tuple, ANUM_TABLES, desc, &nulls[ANUM_TABLES - 1]);
		values[ANUM_TOKENS - 1] = heap_getattr(&tuple, ANUM_TOKENS, desc, &nulls[ANUM_TOKENS - 1]);
		is_free = VersionTokensRead(values, nulls, &found->tokens);
	}
	ReleaseBuffer(buffer);
	return is_free;
}

/* The same of a tuple whose heavyweight lock we have. */
static bool
IsUntouched(VersionWriter *writer, ItemPointer tid)
{
	Buffer		buffer = ReadBuffer(writer->heap, ItemPointerGetBlockNumber(tid));
	Page		page;
	ItemId		line;
	bool		untouched = false;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	line = PageGetItemId(page, ItemPointerGetOffsetNumber(tid));
	if (ItemIdIsNormal(line))
	{
		HeapTupleData tuple;

		tuple.t_tableOid = RelationGetRelid(writer->heap);
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, line);
		tuple.t_len = ItemIdGetLength(line);
		tuple.t_self = *tid;
		untouched = TupleIsUntouched(&tuple, buffer);
	}
	UnlockReleaseBuffer(buffer);
	return untouched;
}

/*
 * Try to replace a row that was found by one with these tokens, without waiting.
 * False if it is not to be had.
 */
static bool
TryReplaceRow(VersionWriter *writer, ItemPointer tid, char kind, int64 key_hash,
			  const VersionTokens *tokens)
{
	bool		updated = false;
	CompatIndexes indexes;

	if (!compat_lock_tuple(writer->heap, tid, ExclusiveLock))
		return false;
	if (IsUntouched(writer, tid))
	{
		VersionRowStore(writer->new_slot, kind, key_hash, tokens);
		updated = compat_tuple_update(writer->heap, tid, writer->new_slot,
									  SnapshotSelf, &indexes);
		if (updated)
			InsertIndexEntries(writer, indexes);
	}
	UnlockTuple(writer->heap, tid, ExclusiveLock);
	return updated;
}

/* Keys of clarify_cache.version's index, whose columns are the table's first. */
static void
InitScanKeys(ScanKey keys, int64 key_hash, char kind)
{
	ScanKeyInit(&keys[0], ANUM_KEY_HASH, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(key_hash));
	ScanKeyInit(&keys[1], ANUM_KIND, BTEqualStrategyNumber, F_CHAREQ,
				CharGetDatum(kind));
}

/* The tables of one key that are yet to get a fresh token. */
typedef struct NewTokens
{
	char		kind;
	int64		key_hash;
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
FindRows(VersionWriter *writer, NewTokens *new, FoundRow *rows)
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
	InitScanKeys(keys, new->key_hash, new->kind);
	scan = compat_index_beginscan(writer->heap, writer->index, writer->snapshot, 2);
	index_rescan(scan, keys, 2, NULL, 0);
	while (nplaced < new->ntables && probed++ < MAX_UPDATE_PROBES &&
		   (tid = index_getnext_tid(scan, BackwardScanDirection)) != NULL)
	{
		FoundRow   *row = &rows[nrows];
		bool		all_dead;
		bool		is_free = FetchRow(writer, tid, row, &all_dead);
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
PlaceWithRoom(const NewTokens *new, const FoundRow *rows, int nrows)
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
AddFreshTokens(NewTokens *new, FoundRow *rows, int nrows)
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
	FoundRow   *rows = palloc((new->ntables + 1) * sizeof(FoundRow));
	int			nrows = FindRows(writer, new, rows);
	bool		lost = false;

	AddFreshTokens(new, rows, nrows);
	for (int i = 0; i < nrows; i++)
	{
		if (!AnyPlaced(new, i))
			continue;
		if (TryReplaceRow(writer, &rows[i].tid, new->kind, new->key_hash, &rows[i].tokens))
			ForgetPlaced(new, i);
		else
			lost = true;
	}
	pfree(rows);
	return lost;
}

/* One row, or several if they are too many for one. */
static void
InsertTokens(VersionWriter *writer, char kind, int64 key_hash, const Oid *tables, int ntables)
{
	for (int done = 0; done < ntables; done += VERSION_MAX_TABLES)
	{
		VersionTokens tokens = {0};

		for (int i = done; i < Min(ntables, done + VERSION_MAX_TABLES); i++)
			(void) VersionTokensAdd(&tokens, tables[i], FreshToken());
		InsertRow(writer, kind, key_hash, &tokens);
	}
}

void
VersionAddTokens(VersionWriter *writer, char kind, int64 key_hash, Oid *tables, int ntables)
{
	NewTokens	new = {kind, key_hash, tables, NULL, ntables};

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
	InsertTokens(writer, kind, key_hash, new.tables, new.ntables);
}

void
VersionInsert(VersionWriter *writer, char kind, Oid table_id)
{
	InsertTokens(writer, kind, USER_KEY_HASH_TABLE, &table_id, 1);
}

/* Delete a row; false if somebody is at it. */
static bool
TakeRow(VersionWriter *writer, ItemPointer tid)
{
	TM_FailureData failure;
	bool		taken = false;

	if (!compat_lock_tuple(writer->heap, tid, ExclusiveLock))
		return false;
	if (IsUntouched(writer, tid))
		taken = table_tuple_delete(writer->heap, tid, GetCurrentCommandId(true),
								   SnapshotSelf, InvalidSnapshot, true,
								   &failure, false) == TM_Ok;
	UnlockTuple(writer->heap, tid, ExclusiveLock);
	return taken;
}

/* What a row that a scan has come to says, and where it is.  False if it is no row of ours. */
static bool
DescribeRow(TupleTableSlot *slot, RowKey *key, FoundRow *row)
{
	slot_getallattrs(slot);
	key->key_hash = DatumGetInt64(slot->tts_values[ANUM_KEY_HASH - 1]);
	key->kind = DatumGetChar(slot->tts_values[ANUM_KIND - 1]);
	row->tid = slot->tts_tid;
	return VersionTokensRead(slot->tts_values, slot->tts_isnull, &row->tokens);
}

/* Take the row's token of this table away, and the row with its last. */
static void
DeleteToken(VersionWriter *writer, TupleTableSlot *slot, Oid table_id)
{
	RowKey		key;
	FoundRow	row;

	if (!DescribeRow(slot, &key, &row) || !VersionTokensRemove(&row.tokens, table_id))
		return;
	if (row.tokens.n == 0)
		(void) TakeRow(writer, &row.tid);
	else
		(void) TryReplaceRow(writer, &row.tid, key.kind, key.key_hash, &row.tokens);
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
			ScanKeyData keys[2];
			IndexScanDesc scan;

			InitScanKeys(keys, USER_KEY_HASH_TABLE, kinds[i]);
			scan = compat_index_beginscan(writer->heap, writer->index, SnapshotSelf, 2);
			index_rescan(scan, keys, 2, NULL, 0);
			while (index_getnext_slot(scan, ForwardScanDirection, slot))
				DeleteToken(writer, slot, table_id);
			index_endscan(scan);
		}
	}
	ExecDropSingleTupleTableSlot(slot);
}

/* How many rows it takes to hold these. */
static int
RowsNeeded(const VersionRows *sum)
{
	return (sum->nrows + VERSION_MAX_TABLES - 1) / VERSION_MAX_TABLES;
}

static void
InsertSum(VersionWriter *writer, const RowKey *key, const VersionRows *sum)
{
	for (int done = 0; done < sum->nrows; done += VERSION_MAX_TABLES)
	{
		VersionTokens tokens = {0};

		for (int i = done; i < Min(sum->nrows, done + VERSION_MAX_TABLES); i++)
			(void) VersionTokensAdd(&tokens, sum->rows[i].table_id, sum->rows[i].token);
		InsertRow(writer, key->kind, key->key_hash, &tokens);
	}
}

/* Fold rows of a key, if that makes fewer; returns how many there are less. */
static int64
FoldRows(VersionWriter *writer, const RowKey *key, FoundRow *rows, int nrows)
{
	VersionRows sum = {0};
	int			ntaken = 0;

	/* Coverage and holes are not summed up, and there are few of them. */
	if (nrows < 2 || (key->kind != VERSION_USER && key->kind != VERSION_BUMP))
		return 0;
	for (int i = 0; i < nrows; i++)
		VersionRowsAdd(&sum, key->kind, &rows[i].tokens);
	if (RowsNeeded(&sum) < nrows)
	{
		sum.nrows = 0;
		for (int i = 0; i < nrows; i++)
		{
			if (!TakeRow(writer, &rows[i].tid))
				continue;
			VersionRowsAdd(&sum, key->kind, &rows[i].tokens);
			ntaken++;
		}
		InsertSum(writer, key, &sum);
		ntaken -= RowsNeeded(&sum);
	}
	pfree(sum.rows);
	return ntaken;
}

/* In the order of the index, the rows of a key stand together. */
int64
VersionCompact(VersionWriter *writer)
{
	FoundRow   *rows;
	RowKey		key = {0};
	TupleTableSlot *slot;
	IndexScanDesc scan;
	int64		removed = 0;
	int			nrows = 0;

	if (writer->index == NULL)
		return 0;
	rows = palloc(MAX_FOLDED * sizeof(FoundRow));
	slot = table_slot_create(writer->heap, NULL);
	scan = compat_index_beginscan(writer->heap, writer->index, writer->snapshot, 0);
	index_rescan(scan, NULL, 0, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		RowKey		next_key;
		FoundRow	next;

		CHECK_FOR_INTERRUPTS();
		if (!DescribeRow(slot, &next_key, &next))
			continue;
		if (nrows == MAX_FOLDED || next_key.key_hash != key.key_hash ||
			next_key.kind != key.kind)
		{
			removed += FoldRows(writer, &key, rows, nrows);
			nrows = 0;
		}
		key = next_key;
		rows[nrows++] = next;
	}
	removed += FoldRows(writer, &key, rows, nrows);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	pfree(rows);
	return removed;
}
