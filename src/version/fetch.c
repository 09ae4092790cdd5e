/*-------------------------------------------------------------------------
 *
 * fetch.c
 *	  Which row does a snapshot see behind an entry of the index?  See
 *	  fetch.h.
 *
 * The server's own index scan would do, but it prunes a page that is fuller than its
 * table's fill factor, which is the half here, to leave room for later versions of
 * the rows.  So each change would be followed by pruning, often by a reader, who then
 * commits with WAL for the WAL writer to be woken for.  Here a page is pruned when
 * that room gets scarce, by the threshold that the server has for tables that are to
 * be filled up: in place of each change, one in fifteen or so.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/heapam.h"
#include "access/relation.h"
#include "access/relscan.h"
#include "access/transam.h"
#include "catalog/pg_am.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "version/fetch.h"

/* Free bytes of a page below which it is pruned: room for a few more versions. */
#define PRUNE_BELOW (BLCKSZ / 10)

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

	/* VersionFetch knows no other pages. */
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
VersionIsUntouched(HeapTuple tuple, Buffer buffer)
{
	return HeapTupleSatisfiesUpdate(tuple, GetCurrentCommandId(true), buffer) == TM_Ok;
}

VersionFetched
VersionFetch(IndexScanDesc scan, Buffer *buffer, bool to_change, VersionFound *found)
{
	Relation	heap = scan->heapRelation;
	Buffer		last = *buffer;
	HeapTupleData tuple;
	bool		all_dead;
	bool		is_seen;
	bool		is_wanted;

	*buffer = ReleaseAndReadBuffer(last, heap, ItemPointerGetBlockNumber(&scan->xs_heaptid));
	if (*buffer != last && PageGetHeapFreeSpace(BufferGetPage(*buffer)) < PRUNE_BELOW)
		heap_page_prune_opt(heap, *buffer);

	found->tid = scan->xs_heaptid;
	LockBuffer(*buffer, BUFFER_LOCK_SHARE);
	is_seen = heap_hot_search_buffer(&found->tid, heap, *buffer, scan->xs_snapshot,
									 &tuple, &all_dead, true);
	is_wanted = is_seen && (!to_change || VersionIsUntouched(&tuple, *buffer));
	LockBuffer(*buffer, BUFFER_LOCK_UNLOCK);

	/* As index_fetch_heap does; in recovery such hints are neither set nor trusted. */
	scan->kill_prior_tuple = all_dead && !scan->xactStartedInRecovery;
	if (is_seen)
		pgstat_count_heap_fetch(scan->indexRelation);
	if (!is_wanted)
		return VERSION_NOT_SEEN;
	/* The pin keeps it where it is. */
	return VersionRowRead(&tuple, RelationGetDescr(heap), &found->kind, &found->tokens) ?
		VERSION_FETCHED : VERSION_FOREIGN;
}
