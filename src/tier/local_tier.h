/*-------------------------------------------------------------------------
 *
 * local_tier.h
 *	  The local tier: entries in PostgreSQL's shared memory or, where the
 *	  library is not preloaded, in this backend's own.
 *
 * An entry is taken only if its version and fingerprint are the caller's, so
 * there is nothing to invalidate.  Memory is fixed; a full tier evicts.  No
 * function raises but for out-of-memory, and every function does nothing when
 * the tier is off.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_TIER_LOCAL_TIER_H
#define CLARIFY_TIER_LOCAL_TIER_H

#include "base/compat.h"

#include "storage/lwlock.h"
#include "tier/tier.h"

/* The memory of a backend's own tier, where the library is not preloaded. */
#define LOCAL_TIER_PRIVATE_BYTES ((Size) 4 * 1024 * 1024)

/*
 * For shared.c, when preloaded: how much shared memory and how many locks the
 * tier wants by clarify_cache.local_cache_size (0 and 0: off); then where they
 * are, and whether that memory has still to be initialized.
 */
extern Size LocalTierShmemSize(void);
extern int	LocalTierLocks(void);
extern void LocalTierUseShmem(void *memory, LWLockPadded *locks, bool initialize);

/* Is there a local tier?  The first call makes a private one if need be. */
extern bool LocalTierEnabled(void);

/*
 * Look items up.  Sets the verdict of each, and payload and the header's times
 * of each hit.
 */
extern void LocalTierRead(TierItem **items, int nitems);

/*
 * Keep entries, in place of those with the same key.  An item is not stored
 * if it is too large for the tier or for max_entry_size, or has expired.
 */
extern void LocalTierFill(TierItem **items, int nitems);

typedef struct LocalTierInfo
{
	uint64		size;			/* bytes in all; 0: off */
	uint64		used;			/* bytes in entries */
	uint64		entries;
	uint64		evictions;		/* entries that had to make room */
} LocalTierInfo;

/* For people: the partitions' figures may be a moment apart. */
extern void LocalTierGetInfo(LocalTierInfo *info);

#endif							/* CLARIFY_TIER_LOCAL_TIER_H */
