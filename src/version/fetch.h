/*-------------------------------------------------------------------------
 *
 * fetch.h
 *	  The row of clarify_cache.version that a snapshot sees behind an entry of its
 *	  index, for those who read it (read.c) and those who change it (write.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_VERSION_FETCH_H
#define CLARIFY_VERSION_FETCH_H

#include "base/compat.h"

#include "access/genam.h"
#include "access/htup.h"
#include "storage/buf.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"
#include "version/row.h"

/*
 * Open an index of clarify_cache.version that can answer for every snapshot that
 * this transaction may have, with AccessShareLock, without waiting; NULL if there
 * is none.
 */
extern Relation VersionOpenIndex(Relation heap);

/* A row as it was found. */
typedef struct VersionFound
{
	ItemPointerData tid;
	char		kind;
	VersionTokens tokens;
} VersionFound;

typedef enum VersionFetched
{
	VERSION_NOT_SEEN,			/* by the scan's snapshot; or it can't be changed */
	VERSION_FOREIGN,			/* not of the library's making */
	VERSION_FETCHED
} VersionFetched;

/*
 * Fetch what index_getnext_tid has just found, once; *found is complete only if
 * VERSION_FETCHED.  With to_change, only if that is the row's latest version, and
 * nobody is at it.  The page stays pinned in *buffer, InvalidBuffer at first; the
 * caller releases the last.  May remove dead row versions.  Tells the scan, as
 * index_fetch_heap does, whether the entry leads to dead ones only.
 */
extern VersionFetched VersionFetch(IndexScanDesc scan, Buffer *buffer, bool to_change,
								   VersionFound *found);

/* Is the tuple the latest version of its row, and nobody at it?  Its page is locked. */
extern bool VersionIsUntouched(HeapTuple tuple, Buffer buffer);

#endif							/* CLARIFY_VERSION_FETCH_H */
