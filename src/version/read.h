/*-------------------------------------------------------------------------
 *
 * read.h
 *	  Which version has the data under a snapshot?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_VERSION_READ_H
#define CLARIFY_VERSION_READ_H

#include "base/compat.h"

#include "utils/relcache.h"
#include "utils/snapshot.h"
#include "version/rows.h"

/* An open clarify_cache.version; the scan is begun by the first probe. */
typedef struct VersionReader
{
	Relation	heap;
	Relation	index;
	struct IndexScanDescData *scan;
} VersionReader;

/*
 * Open for reading, without waiting for a lock.  False if a lock is not to be
 * had at once, if the extension is not there or strange, or if no index can serve every
 * snapshot of this transaction.  Close releases the locks.
 */
extern bool VersionOpen(VersionReader *reader);
extern void VersionClose(VersionReader *reader);

/*
 * Put what the rows with this key_hash that the snapshot sees say of each table
 * into *rows, which is empty, in the current memory context.  False if more row
 * versions were met than is reasonable, or one that is not the library's; *rows is
 * then useless.  All probes of a reader have the same snapshot.  Not under
 * SERIALIZABLE, where it would take predicate locks on pages that users share, but
 * with SnapshotSelf, which takes none.
 */
extern bool VersionProbe(VersionReader *reader, Snapshot snapshot,
						 int64 key_hash, VersionRows *rows);

#endif							/* CLARIFY_VERSION_READ_H */
