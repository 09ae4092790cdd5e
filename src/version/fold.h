/*-------------------------------------------------------------------------
 *
 * fold.h
 *	  Fewer rows in clarify_cache.version, the same versions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_VERSION_FOLD_H
#define CLARIFY_VERSION_FOLD_H

#include "base/compat.h"

#include "version/table.h"

/*
 * Fold the rows of each key that has several, as far as nobody is at them.
 * Changes no version, waits for nobody.  Returns how many rows there are less.
 * Only at READ COMMITTED.  The caller calls ChangeMarkAll, as a transaction
 * that has folded rows can't trust its own view of versions.
 */
extern int64 VersionCompact(VersionWriter *writer);

#endif							/* CLARIFY_VERSION_FOLD_H */
