/*-------------------------------------------------------------------------
 *
 * local_store.h
 *	  Entries in a fixed piece of memory, that processes may share.
 *
 * The memory holds no pointers.  It knows nothing of locks: whoever reads sees to
 * it that nobody writes, and whoever writes is alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_TIER_LOCAL_STORE_H
#define CLARIFY_TIER_LOCAL_STORE_H

#include "base/compat.h"

#include "common/hashfn.h"
#include "tier/tier.h"

#define LOCAL_BLOCK_BYTES 256

/* Blocks are numbered from 1; 0 is none. */
typedef uint32 BlockNo;

/* What changes; it is part of the memory that is shared. */
typedef struct LocalStoreHead
{
	BlockNo		nfresh;			/* blocks 1 .. nfresh have been in use */
	BlockNo		free;			/* those of them that are not */
	BlockNo		newest;			/* ends of the queue */
	BlockNo		oldest;
	uint32		nused;			/* blocks in entries */
	uint32		nentries;
	uint64		evictions;
} LocalStoreHead;

typedef struct LocalBlock LocalBlock;

/* The memory as this process sees it. */
typedef struct LocalStore
{
	LocalStoreHead *head;
	BlockNo    *buckets;
	LocalBlock *blocks;			/* blocks[0] is number 1 */
	uint32		nblocks;
	uint32		nbuckets;
} LocalStore;

/* The memory that so many blocks, and what finds entries in them, take. */
extern Size LocalStoreBytes(uint32 nblocks);

/*
 * Look at a piece of memory of LocalStoreBytes(nblocks), MAXALIGNed, and its head.
 * Init makes it an empty store.
 */
extern void LocalStoreOpen(LocalStore *store, LocalStoreHead *head, void *memory,
						   uint32 nblocks);
extern void LocalStoreInit(LocalStore *store);

/* What, with the section's name, the entries of a user and a database are found by. */
static inline uint64
LocalStoreHash(const UserKey *user, Oid database)
{
	return hash_combine64((uint64) user->hash, database);
}

/*
 * Look items of one user of this database up; user_hash is their LocalStoreHash.
 * Sets the verdict of an item if there is an entry; if it is a hit, payload
 * (palloc'd) and header.  May raise out-of-memory.
 */
extern void LocalStoreRead(const LocalStore *store, uint64 user_hash, TierItem **items,
						   int nitems, TimestampTz now);

/* May the item be kept at all: not expired, and not too large? */
extern bool LocalStoreAccepts(const LocalStore *store, const TierItem *item,
							  TimestampTz now);

/*
 * Keep an item that LocalStoreAccepts, in place of one with the same key and of as
 * many others as need be.  Sets item->stored.  Never raises.
 */
extern void LocalStoreWrite(LocalStore *store, uint64 user_hash, TierItem *item,
							TimestampTz now);

#endif							/* CLARIFY_TIER_LOCAL_STORE_H */
