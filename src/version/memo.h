/*-------------------------------------------------------------------------
 *
 * memo.h
 *	  The table-level version rows, remembered for as long as snapshots see the
 *	  same.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_VERSION_MEMO_H
#define CLARIFY_VERSION_MEMO_H

#include "base/compat.h"

#include "version/rows.h"

/*
 * Append the table-level rows that the snapshot sees to *rows, in the current
 * memory context, if they are known; else return false.  `heap` is the Oid of
 * clarify_cache.version, which is locked.
 */
extern bool VersionMemoRecall(Oid heap, Snapshot snapshot, VersionRows *rows);

/* Remember what was read: these are all that it sees. */
extern void VersionMemoKeep(Oid heap, Snapshot snapshot, const VersionRows *rows);

#endif							/* CLARIFY_VERSION_MEMO_H */
