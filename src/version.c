/*-------------------------------------------------------------------------
 *
 * version.c
 *	  Rows of clarify_cache.version: reading them under a snapshot, adding
 *	  tokens to them in the running transaction.
 *
 * The version of (table, user) under a snapshot is the XOR of all tokens
 * visible in it, of the user's rows and of the table-level rows.  Each
 * changing transaction contributes one fresh random token, in the same commit
 * as the data.  Hence, for two snapshots:
 *
 *	- The same changes visible: the same tokens, so the same version.
 *	- Other changes visible: other tokens, so another version, but for a
 *	  chance of 2^-64.  Tokens never repeat (FreshToken), not even after a
 *	  crash that lost commits or in a copy of the database.
 *
 * How a token gets in must not lose another's, and must not wait:
 *
 *	- Inserting a row is always right; it conflicts with nobody.
 *	- To keep rows few, under READ COMMITTED a visible row is replaced by its
 *	  value XOR the fresh token, if it is the latest version of the row and
 *	  nobody else is at it.  So no token is lost.  Whoever committed the old
 *	  value left the ProcArray before it counted as the latest, so every
 *	  snapshot that sees ours sees theirs, in replay likewise.  In any other
 *	  case a row is inserted.
 *
 *	  "Nobody else is at it" has to stay true until the update is done, or the
 *	  update would wait for a writer.  The heavyweight lock on the tuple, taken
 *	  only if it is free and given back after the update, is what all who
 *	  update rows here agree on.  Whoever has it and then finds the tuple
 *	  untouched knows that nobody begins to touch it.  (A row lock, which
 *	  SKIP LOCKED would take, does the same for another WAL record.)
 *	- Above READ COMMITTED rows are only inserted: the row visible in the
 *	  transaction's snapshot may not be the latest, and under SERIALIZABLE
 *	  reading would take predicate locks.
 *
 * The table is written below SQL: neither privileges nor read-only mode (set
 * after a write) apply, and no trigger fires.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "ext_tables.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "version.h"

/* Attributes of clarify_cache.version. */
#define ANUM_KEY_HASH	1
#define ANUM_TABLE_ID	2
#define ANUM_KIND		3
#define ANUM_TOKEN		4
#define VERSION_NATTS	4

/*
 * Row versions that a probe looks at before it gives up.  A hot user under a
 * very old snapshot leaves a long trail of dead ones, and a build costs less
 * than walking it.
 */
#define MAX_PROBED_TUPLES 2000

/* Rows of a key that an update in place is tried on. */
#define MAX_UPDATE_TRIES 4

/* Free bytes of a page below which a writer prunes it. */
#define PRUNE_BELOW (BLCKSZ / 4)

/* Row versions that a writer looks at before it inserts a row instead. */
#define MAX_UPDATE_PROBES 50

struct VersionWriter
{
	Relation	heap;
	CatalogIndexState indexes;
	Relation	index;			/* for look-ups; NULL: only insert */
	TupleTableSlot *scan_slot;
	TupleTableSlot *new_slot;
	Snapshot	snapshot;		/* NULL: only insert */
};

/*
 * A random token, never 0.  The strong random bits alone would do, but for a
 * virtual machine resumed twice from one image; transaction id, clock, pid and
 * a counter tell the two apart.
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

	if (!pg_strong_random(&seed.random, sizeof(seed.random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random token")));
	seed.xid = U64FromFullTransactionId(GetTopFullTransactionIdIfAny());
	seed.clock = (uint64) GetCurrentTimestamp();
	seed.counter = ++counter;
	seed.pid = (uint64) MyProcPid;

	token = seed.random ^ hash_bytes_extended((unsigned char *) &seed,
											  sizeof(seed), 0);
	return token == 0 ? 1 : token;
}

/* Can this index answer for every snapshot this transaction may have? */
static bool
IndexIsUsable(Relation index)
{
	if (!index->rd_index->indisvalid)
		return false;
	return !index->rd_index->indcheckxmin ||
		TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data),
							  TransactionXmin);
}

/* Open the first usable index of heap, without waiting; NULL if there is none. */
static Relation
OpenUsableIndex(Relation heap)
{
	List	   *indexes = RelationGetIndexList(heap);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Oid			index_id = lfirst_oid(lc);
		Relation	index;

		if (!ConditionalLockRelationOid(index_id, AccessShareLock))
			continue;
		index = try_relation_open(index_id, NoLock);
		if (index != NULL && index->rd_rel->relkind == RELKIND_INDEX &&
			IndexIsUsable(index))
		{
			list_free(indexes);
			return index;
		}
		if (index != NULL)
			relation_close(index, NoLock);
		UnlockRelationOid(index_id, AccessShareLock);
	}

	list_free(indexes);
	return NULL;
}

bool
VersionOpen(VersionReader *reader)
{
	const ExtTables *ext = ExtTablesGet();
	Oid			heap_id;

	if (ext == NULL)
		return false;
	heap_id = ext->version;
	if (!ConditionalLockRelationOid(heap_id, AccessShareLock))
		return false;

	reader->heap = try_relation_open(heap_id, NoLock);
	if (reader->heap == NULL)
	{
		UnlockRelationOid(heap_id, AccessShareLock);
		return false;
	}
	reader->index = OpenUsableIndex(reader->heap);
	if (reader->index == NULL)
	{
		relation_close(reader->heap, AccessShareLock);
		return false;
	}
	return true;
}

void
VersionClose(VersionReader *reader)
{
	relation_close(reader->index, AccessShareLock);
	relation_close(reader->heap, AccessShareLock);
}

static void
AppendRow(VersionRows *rows, Oid table_id, char kind, uint64 token)
{
	VersionRow *row;

	if (rows->nrows == rows->capacity)
	{
		rows->capacity = Max(16, rows->capacity * 2);
		rows->rows = rows->rows == NULL ?
			palloc(rows->capacity * sizeof(VersionRow)) :
			repalloc(rows->rows, rows->capacity * sizeof(VersionRow));
	}
	row = &rows->rows[rows->nrows++];
	row->table_id = table_id;
	row->kind = kind;
	row->token = token;
}

bool
VersionProbe(VersionReader *reader, Snapshot snapshot, int64 key_hash,
			 VersionRows *rows)
{
	TupleTableSlot *slot = table_slot_create(reader->heap, NULL);
	IndexScanDesc scan;
	ScanKeyData key;
	int			probed = 0;

	Assert(!IsolationIsSerializable() || !IsMVCCSnapshot(snapshot));

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(key_hash));
	scan = index_beginscan(reader->heap, reader->index, snapshot, 1, 0);
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_tid(scan, ForwardScanDirection) != NULL)
	{
		if (++probed > MAX_PROBED_TUPLES)
			break;
		if (!index_fetch_heap(scan, slot))
			continue;
		slot_getallattrs(slot);
		AppendRow(rows,
				  DatumGetObjectId(slot->tts_values[ANUM_TABLE_ID - 1]),
				  DatumGetChar(slot->tts_values[ANUM_KIND - 1]),
				  (uint64) DatumGetInt64(slot->tts_values[ANUM_TOKEN - 1]));
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);

	return probed <= MAX_PROBED_TUPLES;
}

void
VersionOfTable(const VersionRows *rows, Oid table_id, TableVersion *version)
{
	memset(version, 0, sizeof(*version));
	for (int i = 0; i < rows->nrows; i++)
	{
		const VersionRow *row = &rows->rows[i];

		if (row->table_id != table_id || row->kind == VERSION_USER)
			continue;
		version->all ^= row->token;
		switch (row->kind)
		{
			case VERSION_COVERAGE:
				version->covered = true;
				version->coverage ^= row->token;
				break;
			case VERSION_BUMP:
				version->bumps ^= row->token;
				break;
			default:
				version->has_hole = true;
				version->nholes++;
				break;
		}
	}
}

uint64
VersionOfUser(const VersionRows *rows, Oid table_id)
{
	uint64		version = 0;

	for (int i = 0; i < rows->nrows; i++)
	{
		if (rows->rows[i].table_id == table_id && rows->rows[i].kind == VERSION_USER)
			version ^= rows->rows[i].token;
	}
	return version;
}

VersionWriter *
VersionBeginWrite(void)
{
	VersionWriter *writer = palloc0(sizeof(VersionWriter));

	writer->heap = table_open(ExtTablesRequire()->version, RowExclusiveLock);
	writer->indexes = CatalogOpenIndexes(writer->heap);
	for (int i = 0; i < writer->indexes->ri_NumIndices && writer->index == NULL; i++)
	{
		if (IndexIsUsable(writer->indexes->ri_IndexRelationDescs[i]))
			writer->index = writer->indexes->ri_IndexRelationDescs[i];
	}
	writer->scan_slot = table_slot_create(writer->heap, NULL);
	writer->new_slot = MakeSingleTupleTableSlot(RelationGetDescr(writer->heap),
												&TTSOpsHeapTuple);
	if (!IsolationUsesXactSnapshot())
		writer->snapshot = RegisterSnapshot(GetLatestSnapshot());
	return writer;
}

/* The lock stays until the end of the transaction, as any writer's does. */
void
VersionEndWrite(VersionWriter *writer)
{
	if (writer->snapshot != NULL)
		UnregisterSnapshot(writer->snapshot);
	ExecDropSingleTupleTableSlot(writer->scan_slot);
	ExecDropSingleTupleTableSlot(writer->new_slot);
	CatalogCloseIndexes(writer->indexes);
	table_close(writer->heap, NoLock);
	pfree(writer);
}

/* Put a row into writer->new_slot. */
static void
StoreRow(VersionWriter *writer, char kind, Oid table_id, int64 key_hash,
		 uint64 token)
{
	Datum		values[VERSION_NATTS];
	bool		nulls[VERSION_NATTS] = {false};

	values[ANUM_KEY_HASH - 1] = Int64GetDatum(key_hash);
	values[ANUM_TABLE_ID - 1] = ObjectIdGetDatum(table_id);
	values[ANUM_KIND - 1] = CharGetDatum(kind);
	values[ANUM_TOKEN - 1] = Int64GetDatum((int64) token);
	ExecForceStoreHeapTuple(heap_form_tuple(RelationGetDescr(writer->heap),
											values, nulls),
							writer->new_slot, true);
}

/* Index entries for writer->new_slot, in every index that wants them. */
static void
InsertIndexEntries(VersionWriter *writer)
{
	ResultRelInfo *indexes = writer->indexes;

	for (int i = 0; i < indexes->ri_NumIndices; i++)
	{
		IndexInfo  *info = indexes->ri_IndexRelationInfo[i];
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];

		if (!info->ii_ReadyForInserts)
			continue;
		FormIndexDatum(info, writer->new_slot, NULL, values, nulls);
		index_insert(indexes->ri_IndexRelationDescs[i], values, nulls,
					 &writer->new_slot->tts_tid, writer->heap,
					 UNIQUE_CHECK_NO, false, info);
	}
}

static void
InsertRow(VersionWriter *writer, char kind, Oid table_id, int64 key_hash)
{
	StoreRow(writer, kind, table_id, key_hash, FreshToken());
	table_tuple_insert(writer->heap, writer->new_slot,
					   GetCurrentCommandId(true), 0, NULL);
	InsertIndexEntries(writer);
}

/* A row as a writer found it. */
typedef struct FoundRow
{
	ItemPointerData tid;
	uint64		token;
} FoundRow;

/*
 * Find the row version that the snapshot sees among those that begin at tid.
 * Unlike an index scan, this prunes the page only when room for a few more
 * versions gets scarce: pruning for every update would cost as much as the
 * update.
 */
static bool
FetchRow(VersionWriter *writer, ItemPointer tid, FoundRow *found)
{
	Buffer		buffer = ReadBuffer(writer->heap, ItemPointerGetBlockNumber(tid));
	HeapTupleData tuple;
	bool		visible;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (PageGetHeapFreeSpace(BufferGetPage(buffer)) < PRUNE_BELOW)
	{
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		heap_page_prune_opt(writer->heap, buffer);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
	}

	found->tid = *tid;
	visible = heap_hot_search_buffer(&found->tid, writer->heap, buffer, writer->snapshot,
									 &tuple, NULL, true);
	if (visible)
	{
		bool		isnull;

		found->token = (uint64) DatumGetInt64(heap_getattr(&tuple, ANUM_TOKEN,
														   RelationGetDescr(writer->heap),
														   &isnull));
	}
	UnlockReleaseBuffer(buffer);
	return visible;
}

/* Is this tuple the latest version, touched by nobody? */
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
		untouched = HeapTupleSatisfiesUpdate(&tuple, GetCurrentCommandId(true),
											 buffer) == TM_Ok;
	}
	UnlockReleaseBuffer(buffer);
	return untouched;
}

/*
 * Try to XOR a fresh token into a row, without waiting.  False if that row is
 * not to be had.
 */
static bool
TryUpdateRow(VersionWriter *writer, FoundRow *found, char kind, Oid table_id,
			 int64 key_hash)
{
	bool		updated = false;
	bool		needs_index;

	if (!ConditionalLockTuple(writer->heap, &found->tid, ExclusiveLock))
		return false;
	if (IsUntouched(writer, &found->tid))
	{
		StoreRow(writer, kind, table_id, key_hash, found->token ^ FreshToken());
		updated = compat_tuple_update(writer->heap, &found->tid, writer->new_slot,
									  writer->snapshot, &needs_index);
		if (updated && needs_index)
			InsertIndexEntries(writer);
	}
	UnlockTuple(writer->heap, &found->tid, ExclusiveLock);
	return updated;
}

/* Keys of clarify_cache.version's index, whose columns are the table's first. */
static void
InitScanKeys(ScanKey keys, int64 key_hash, Oid table_id, char kind)
{
	ScanKeyInit(&keys[0], ANUM_KEY_HASH, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(key_hash));
	ScanKeyInit(&keys[1], ANUM_TABLE_ID, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(table_id));
	ScanKeyInit(&keys[2], ANUM_KIND, BTEqualStrategyNumber, F_CHAREQ,
				CharGetDatum(kind));
}

/* Try to add a token to a row that is there. */
static bool
UpdateSomeRow(VersionWriter *writer, char kind, Oid table_id, int64 key_hash)
{
	IndexScanDesc scan;
	ScanKeyData keys[3];
	ItemPointer tid;
	int			probed = 0;
	int			tries = 0;
	bool		updated = false;

	InitScanKeys(keys, key_hash, table_id, kind);
	scan = index_beginscan(writer->heap, writer->index, writer->snapshot, 3, 0);
	index_rescan(scan, keys, 3, NULL, 0);
	while (!updated && tries < MAX_UPDATE_TRIES && probed++ < MAX_UPDATE_PROBES &&
		   (tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		FoundRow	found;

		if (!FetchRow(writer, tid, &found))
			continue;
		updated = TryUpdateRow(writer, &found, kind, table_id, key_hash);
		tries++;
	}
	index_endscan(scan);
	return updated;
}

void
VersionAddToken(VersionWriter *writer, char kind, Oid table_id, int64 key_hash)
{
	if (writer->snapshot != NULL && writer->index != NULL &&
		UpdateSomeRow(writer, kind, table_id, key_hash))
		return;
	InsertRow(writer, kind, table_id, key_hash);
}

void
VersionInsert(VersionWriter *writer, char kind, Oid table_id)
{
	InsertRow(writer, kind, table_id, USER_KEY_HASH_TABLE);
}

/* Delete the row in writer->scan_slot, unless somebody else is at it. */
static void
DeleteRow(VersionWriter *writer)
{
	TM_FailureData failure;

	(void) table_tuple_delete(writer->heap, &writer->scan_slot->tts_tid,
							  GetCurrentCommandId(true), SnapshotSelf,
							  InvalidSnapshot, false, &failure, false);
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
	if (everything || writer->index == NULL)
	{
		ScanKeyData key;
		TableScanDesc scan;

		ScanKeyInit(&key, ANUM_TABLE_ID, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(table_id));
		scan = table_beginscan(writer->heap, SnapshotSelf, 1, &key);
		while (table_scan_getnextslot(scan, ForwardScanDirection, writer->scan_slot))
			DeleteRow(writer);
		table_endscan(scan);
	}
	else
	{
		static const char kinds[] = {VERSION_COVERAGE, VERSION_HOLE};

		for (int i = 0; i < (int) lengthof(kinds); i++)
		{
			ScanKeyData keys[3];
			IndexScanDesc scan;

			InitScanKeys(keys, USER_KEY_HASH_TABLE, table_id, kinds[i]);
			scan = index_beginscan(writer->heap, writer->index,
								   SnapshotSelf, 3, 0);
			index_rescan(scan, keys, 3, NULL, 0);
			while (index_getnext_slot(scan, ForwardScanDirection, writer->scan_slot))
				DeleteRow(writer);
			index_endscan(scan);
		}
	}
	ExecClearTuple(writer->scan_slot);
}
