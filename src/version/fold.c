/*-------------------------------------------------------------------------
 *
 * fold.c
 *	  Making rows of clarify_cache.version fewer: compact().
 *
 * Folding rows of a key replaces some of them, each untouched, by fewer with the
 * XOR of their values, table by table, in one commit: whatever a snapshot sees of
 * that, the XOR is the same.  The values are those of the rows that were taken.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "version/fold.h"

/* Rows of a key that are folded at a time. */
#define MAX_FOLDED 1000

/* How many rows it takes to hold these. */
static int
RowsNeeded(const VersionRows *sum)
{
	return (sum->nrows + VERSION_MAX_TABLES - 1) / VERSION_MAX_TABLES;
}

/* Fold rows of a key, if that makes fewer; returns how many there are less. */
static int64
FoldRows(VersionWriter *writer, const VersionKey *key, VersionFound *rows, int nrows)
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
			if (!VersionTableDelete(writer, &rows[i].tid))
				continue;
			VersionRowsAdd(&sum, key->kind, &rows[i].tokens);
			ntaken++;
		}
		VersionTableInsert(writer, key, &sum);
		ntaken -= RowsNeeded(&sum);
	}
	pfree(sum.rows);
	return ntaken;
}

/* In the order of the index, the rows of a key stand together. */
int64
VersionCompact(VersionWriter *writer)
{
	VersionFound *rows;
	VersionKey	key = {0};
	TupleTableSlot *slot;
	IndexScanDesc scan;
	int64		removed = 0;
	int			nrows = 0;

	if (writer->index == NULL)
		return 0;
	rows = palloc(MAX_FOLDED * sizeof(VersionFound));
	slot = table_slot_create(writer->heap, NULL);
	scan = compat_index_beginscan(writer->heap, writer->index, writer->snapshot, 0);
	index_rescan(scan, NULL, 0, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		VersionKey	next_key;
		VersionFound next;

		CHECK_FOR_INTERRUPTS();
		if (!VersionTableDescribe(slot, &next_key, &next))
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
