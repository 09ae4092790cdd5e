/*-------------------------------------------------------------------------
 *
 * table.h
 *	  Writing rows of clarify_cache.version, one by one.
 *
 * Who adds tokens (write.h) or folds rows (fold.h) begins and ends a session here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_VERSION_TABLE_H
#define CLARIFY_VERSION_TABLE_H

#include "base/compat.h"

#include "access/skey.h"
#include "catalog/indexing.h"
#include "executor/tuptable.h"
#include "storage/itemptr.h"
#include "utils/snapshot.h"
#include "version/fetch.h"
#include "version/rows.h"

/* A session of writing. */
typedef struct VersionWriter
{
	Relation	heap;
	Relation	index;			/* for look-ups; NULL: only insert */
	CatalogIndexState indexes;	/* all, for new entries; NULL: none yet */
	TupleTableSlot *new_slot;
	Snapshot	snapshot;		/* NULL: only insert */
} VersionWriter;

/*
 * For writers: a session of changes to clarify_cache.version, palloc'd.  Begin
 * raises if the extension is not there or strange, and takes RowExclusiveLock until the
 * end of the transaction, so it waits for DDL on that table (REINDEX, VACUUM
 * FULL), but for no writer.  An error in between needs no clean-up beyond the
 * transaction's own.  A later session can replace or delete what this one wrote
 * only after CommandCounterIncrement.  While the index for look-ups is locked
 * (ALTER INDEX), rows are inserted, VersionDelete takes everything, and
 * VersionCompact nothing.
 */
extern VersionWriter *VersionBeginWrite(void);
extern void VersionEndWrite(VersionWriter *writer);

/* What rows of one key have in common. */
typedef struct VersionKey
{
	int64		key_hash;
	char		kind;
} VersionKey;

/* The keys of a scan of writer->index for the rows of a key; there are two. */
extern void VersionTableScanKeys(ScanKey keys, const VersionKey *key);

/*
 * Add rows of the key with these tokens, as many as it takes to hold them.  May raise
 * what an INSERT may.
 */
extern void VersionTableInsert(VersionWriter *writer, const VersionKey *key,
							   const VersionRows *tokens);

/*
 * Replace a row, or delete it, if it is still as it was found.  False if somebody is
 * at it, or was.  Never waits.  The row is as it was found as long as something
 * keeps the tuple from being removed: a snapshot that sees it, or a pin.
 */
extern bool VersionTableReplace(VersionWriter *writer, ItemPointer tid,
								const VersionKey *key, const VersionTokens *tokens);
extern bool VersionTableDelete(VersionWriter *writer, ItemPointer tid);

/*
 * What the row says that a scan has put into slot, and where it is.  False if it is
 * no row of the library's.
 */
extern bool VersionTableDescribe(TupleTableSlot *slot, VersionKey *key, VersionFound *row);

#endif							/* CLARIFY_VERSION_TABLE_H */
