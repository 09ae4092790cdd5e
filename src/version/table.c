/*-------------------------------------------------------------------------
 *
 * table.c
 *	  How is a row of clarify_cache.version added, replaced or deleted without
 *	  waiting for anybody?  See table.h.
 *
 * Inserting a row conflicts with nobody.  To replace or delete one, it must be the
 * latest version of the row, with nobody else at it, and that has to stay true
 * until it is done, or the update would wait for a writer.  The heavyweight lock on
 * the tuple, taken only if it is free and given back afterwards, is what all who
 * update or delete rows here agree on.  Whoever has it and then finds the tuple
 * untouched knows that nobody begins to touch it.  (A row lock, which SKIP LOCKED
 * would take, does the same for another WAL record; and heap_update does not know
 * "do not wait".)
 *
 * The table is written below SQL: neither privileges nor read-only mode (set
 * after a write) apply, and no trigger fires.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "meta/ext_tables.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "version/table.h"

VersionWriter *
VersionBeginWrite(void)
{
	VersionWriter *writer = palloc0(sizeof(VersionWriter));

	writer->heap = table_open(ExtTablesRequire()->version, RowExclusiveLock);
	(void) ExtTablesRequire();	/* it may have got other columns while we waited */
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
InsertRow(VersionWriter *writer, const VersionKey *key, const VersionTokens *tokens)
{
	VersionRowStore(writer->new_slot, key->kind, key->key_hash, tokens);
	table_tuple_insert(writer->heap, writer->new_slot,
					   GetCurrentCommandId(true), 0, NULL);
	InsertIndexEntries(writer, COMPAT_ALL_INDEXES);
}

void
VersionTableInsert(VersionWriter *writer, const VersionKey *key, const VersionRows *tokens)
{
	for (int done = 0; done < tokens->nrows; done += VERSION_MAX_TABLES)
	{
		VersionTokens row = {0};

		for (int i = done; i < Min(tokens->nrows, done + VERSION_MAX_TABLES); i++)
			(void) VersionTokensAdd(&row, tokens->rows[i].table_id, tokens->rows[i].token);
		InsertRow(writer, key, &row);
	}
}

/* Is a tuple whose heavyweight lock we have still as it was found? */
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
		untouched = VersionIsUntouched(&tuple, buffer);
	}
	UnlockReleaseBuffer(buffer);
	return untouched;
}

bool
VersionTableReplace(VersionWriter *writer, ItemPointer tid, const VersionKey *key,
					const VersionTokens *tokens)
{
	bool		updated = false;
	CompatIndexes indexes;

	if (!compat_lock_tuple(writer->heap, tid, ExclusiveLock))
		return false;
	if (IsUntouched(writer, tid))
	{
		VersionRowStore(writer->new_slot, key->kind, key->key_hash, tokens);
		updated = compat_tuple_update(writer->heap, tid, writer->new_slot,
									  SnapshotSelf, &indexes);
		if (updated)
			InsertIndexEntries(writer, indexes);
	}
	UnlockTuple(writer->heap, tid, ExclusiveLock);
	return updated;
}

bool
VersionTableDelete(VersionWriter *writer, ItemPointer tid)
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

/* The index's columns are the table's first. */
void
VersionTableScanKeys(ScanKey keys, const VersionKey *key)
{
	ScanKeyInit(&keys[0], ANUM_KEY_HASH, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(key->key_hash));
	ScanKeyInit(&keys[1], ANUM_KIND, BTEqualStrategyNumber, F_CHAREQ,
				CharGetDatum(key->kind));
}

bool
VersionTableDescribe(TupleTableSlot *slot, VersionKey *key, VersionFound *row)
{
	HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, NULL);
	bool		isnull;

	if (!VersionRowRead(tuple, slot->tts_tupleDescriptor, &row->kind, &row->tokens))
		return false;
	row->tid = slot->tts_tid;
	key->key_hash = DatumGetInt64(slot_getattr(slot, ANUM_KEY_HASH, &isnull));
	key->kind = row->kind;
	return true;
}
