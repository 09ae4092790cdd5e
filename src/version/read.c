/*-------------------------------------------------------------------------
 *
 * version.c
 *	  Which version has the data under this snapshot?  Reading
 *	  clarify_cache.version; version_write.c changes it.
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
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/relscan.h"
#include "access/transam.h"
#include "catalog/pg_am.h"
#include "meta/ext_tables.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "version/fetch.h"
#include "version/memo.h"
#include "version/read.h"

/*
 * Index entries that a probe looks at before it gives up.  A hot user under a
 * very old snapshot leaves a long trail of dead ones, and a build costs less
 * than walking it.
 */
#define MAX_PROBED_ENTRIES 2000

/* Can this index answer for every snapshot that this transaction may have? */
static bool
IndexIsUsable(Relation index)
{
	Form_pg_index form = index->rd_index;

	/* Somebody may have added one of their own. */
	if (index->rd_rel->relam != BTREE_AM_OID || !form->indisvalid || form->indnkeyatts != 2 ||
		form->indkey.values[0] != ANUM_KEY_HASH ||
		form->indkey.values[1] != ANUM_KIND ||
		!heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
		return false;
	return !form->indcheckxmin ||
		TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data),
							  TransactionXmin);
}

Relation
VersionOpenIndex(Relation heap)
{
	List	   *indexes;
	ListCell   *lc;

	/* version_fetch.c knows no other pages. */
	if (heap->rd_rel->relam != HEAP_TABLE_AM_OID)
		return NULL;
	indexes = RelationGetIndexList(heap);
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
	reader->scan = NULL;
	heap_id = ext->version;
	if (!ConditionalLockRelationOid(heap_id, AccessShareLock))
		return false;

	reader->heap = try_relation_open(heap_id, NoLock);
	if (reader->heap == NULL)
	{
		UnlockRelationOid(heap_id, AccessShareLock);
		return false;
	}
	/* The columns may be others, now that it is locked. */
	if (ExtTablesGet() == NULL)
	{
		relation_close(reader->heap, AccessShareLock);
		return false;
	}
	reader->index = VersionOpenIndex(reader->heap);
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
	if (reader->scan != NULL)
		index_endscan(reader->scan);
	relation_close(reader->index, AccessShareLock);
	relation_close(reader->heap, AccessShareLock);
}

void
VersionRowsAppend(VersionRows *rows, const VersionRow *row)
{
	if (rows->nrows == rows->capacity)
	{
		int			capacity = Max(16, rows->capacity * 2);

		rows->rows = rows->rows == NULL ?
			palloc(capacity * sizeof(VersionRow)) :
			repalloc(rows->rows, capacity * sizeof(VersionRow));
		rows->capacity = capacity;
	}
	rows->rows[rows->nrows++] = *row;
}

static VersionRow *
FindRow(const VersionRows *rows, char kind, Oid table_id)
{
	for (int i = 0; i < rows->nrows; i++)
	{
		if (rows->rows[i].table_id == table_id && rows->rows[i].kind == kind)
			return &rows->rows[i];
	}
	return NULL;
}

void
VersionRowsAdd(VersionRows *rows, char kind, const VersionTokens *tokens)
{
	/* Of coverage and holes there are many that differ, and few that are the same. */
	bool		merge = kind == VERSION_USER || kind == VERSION_BUMP;

	for (int i = 0; i < tokens->n; i++)
	{
		VersionRow *found = merge ? FindRow(rows, kind, tokens->tables[i]) : NULL;
		VersionRow	row = {tokens->tables[i], kind, tokens->tokens[i]};

		if (found != NULL)
			found->token ^= row.token;
		else
			VersionRowsAppend(rows, &row);
	}
}

/* Read them from the table. */
static bool
Probe(VersionReader *reader, Snapshot snapshot, int64 key_hash, VersionRows *rows)
{
	IndexScanDesc scan = reader->scan;
	Buffer		buffer = InvalidBuffer;
	ScanKeyData key;
	VersionFetched fetched = VERSION_NOT_SEEN;
	int			probed = 0;

	if (scan == NULL)
		scan = reader->scan = compat_index_beginscan(reader->heap, reader->index, snapshot, 1);
	Assert(scan->xs_snapshot == snapshot);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(key_hash));
	index_rescan(scan, &key, 1, NULL, 0);
	while (fetched != VERSION_FOREIGN && probed <= MAX_PROBED_ENTRIES &&
		   index_getnext_tid(scan, ForwardScanDirection) != NULL)
	{
		VersionFound found;

		fetched = VersionFetch(scan, &buffer, false, &found);
		if (fetched == VERSION_FETCHED)
			VersionRowsAdd(rows, found.kind, &found.tokens);
		probed++;
	}
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	return fetched != VERSION_FOREIGN && probed <= MAX_PROBED_ENTRIES;
}

bool
VersionProbe(VersionReader *reader, Snapshot snapshot, int64 key_hash,
			 VersionRows *rows)
{
	Oid			heap = RelationGetRelid(reader->heap);

	Assert(rows->nrows == 0);
	Assert(!IsolationIsSerializable() || !IsMVCCSnapshot(snapshot));

	if (key_hash != USER_KEY_HASH_TABLE)
		return Probe(reader, snapshot, key_hash, rows);
	if (VersionMemoRecall(heap, snapshot, rows))
		return true;
	if (!Probe(reader, snapshot, key_hash, rows))
		return false;
	VersionMemoKeep(heap, snapshot, rows);
	return true;
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
			case VERSION_HOLE:
				version->has_hole = true;
				break;
		}
	}
}

uint64
VersionOfUser(const VersionRows *rows, Oid table_id)
{
	const VersionRow *row = FindRow(rows, VERSION_USER, table_id);

	return row == NULL ? 0 : row->token;
}
