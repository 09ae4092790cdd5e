/*-------------------------------------------------------------------------
 *
 * local_tier.c
 *	  Which entries are in PostgreSQL's own memory?  See local_tier.h.
 *
 * The memory is cut into partitions, by the hash of the user and the database,
 * so that all sections of a user are in one.  What is in a partition, local_store.c
 * knows.
 *
 * What is locked: a partition, by its LWLock.  Under LW_SHARED entries are looked
 * up and copied out; under LW_EXCLUSIVE they are written and evicted.  No entry is
 * ever read while it is written, and what was read is the reader's own copy.  A
 * backend that dies while it writes takes all of shared memory with it, as
 * anywhere in the server, and the postmaster makes it anew.
 *
 * A private tier is one or more partitions that nobody else knows, without locks.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/settings.h"
#include "tier/local_store.h"
#include "tier/local_tier.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define MAX_PARTITIONS 64
#define MIN_PARTITION_BYTES ((Size) 1024 * 1024)

/* Fewer blocks than that make no tier. */
#define MIN_BLOCKS 64

/* Lest partitions share cache lines. */
typedef union LocalPartition
{
	LocalStoreHead head;
	char		padding[PG_CACHE_LINE_SIZE];
} LocalPartition;

/* The memory begins with this; what the partitions hold follows. */
typedef struct LocalTier
{
	uint64		size;			/* of all the memory */
	uint32		npartitions;
	uint32		nblocks;		/* of each partition */
	LocalPartition partitions[FLEXIBLE_ARRAY_MEMBER];
} LocalTier;

static LocalTier *tier = NULL;
static LWLockPadded *tier_locks = NULL; /* NULL: private */

/*----------
 * Memory
 *----------
 */

static uint32
PartitionCount(Size size)
{
	return (uint32) Max((Size) 1, Min((Size) MAX_PARTITIONS, size / MIN_PARTITION_BYTES));
}

static Size
PartitionsOffset(uint32 npartitions)
{
	return MAXALIGN(offsetof(LocalTier, partitions) + npartitions * sizeof(LocalPartition));
}

/* The blocks of each partition that fit into a tier of this size. */
static uint32
BlockCount(Size size)
{
	uint32		npartitions = PartitionCount(size);
	Size		header = PartitionsOffset(npartitions);
	Size		nblocks;

	if (size <= header)
		return 0;
	nblocks = Min((size - header) / npartitions / LOCAL_BLOCK_BYTES, PG_UINT32_MAX / 2);
	while (nblocks > 0 && header + npartitions * LocalStoreBytes((uint32) nblocks) > size)
		nblocks--;
	return nblocks < MIN_BLOCKS ? 0 : (uint32) nblocks;
}

static void
OpenPartition(LocalStore *store, uint32 number)
{
	LocalStoreOpen(store, &tier->partitions[number].head,
				   (char *) tier + PartitionsOffset(tier->npartitions) +
				   number * LocalStoreBytes(tier->nblocks),
				   tier->nblocks);
}

static void
Initialize(Size size)
{
	tier->size = size;
	tier->npartitions = PartitionCount(size);
	tier->nblocks = BlockCount(size);
	for (uint32 i = 0; i < tier->npartitions; i++)
	{
		LocalStore	store;

		OpenPartition(&store, i);
		LocalStoreInit(&store);
	}
}

static Size
ConfiguredSize(void)
{
	Size		size = (Size) setting_local_cache_size * 1024;

	return BlockCount(size) == 0 ? 0 : size;
}

Size
LocalTierShmemSize(void)
{
	return ConfiguredSize();
}

int
LocalTierLocks(void)
{
	return ConfiguredSize() == 0 ? 0 : (int) PartitionCount(ConfiguredSize());
}

void
LocalTierUseShmem(void *memory, LWLockPadded *locks, bool initialize)
{
	tier = memory;
	tier_locks = locks;
	if (initialize)
		Initialize(ConfiguredSize());
}

/*
 * Not preloaded: make a tier of this backend's own.  Its pages cost nothing
 * before they are used.
 */
static void
MakePrivate(void)
{
	static MemoryContext context = NULL;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "clarify_cache local tier",
										ALLOCSET_SMALL_SIZES);
	tier = MemoryContextAlloc(context, LOCAL_TIER_PRIVATE_BYTES);
	Initialize(LOCAL_TIER_PRIVATE_BYTES);
}

bool
LocalTierEnabled(void)
{
	if (setting_local_cache_size == 0)
		return false;
	if (tier == NULL && !setting_is_preloaded)
		MakePrivate();
	return tier != NULL;
}

/*----------
 * Partitions
 *----------
 */

static uint32
PartitionOf(uint64 hash)
{
	return (uint32) (hash >> 32) % tier->npartitions;
}

static void
LockPartition(uint32 number, LWLockMode mode)
{
	if (tier_locks != NULL)
		LWLockAcquire(&tier_locks[number].lock, mode);
}

static void
UnlockPartition(uint32 number)
{
	if (tier_locks != NULL)
		LWLockRelease(&tier_locks[number].lock);
}

/*----------
 * The tier
 *----------
 */

void
LocalTierRead(TierItem **items, int nitems)
{
	TimestampTz now;
	int			i = 0;

	for (int j = 0; j < nitems; j++)
		items[j]->verdict = ENTRY_ABSENT;
	if (nitems == 0 || !LocalTierEnabled())
		return;
	now = GetCurrentTimestamp();
	while (i < nitems)
	{
		const UserKey *user = items[i]->user;
		uint64		hash = LocalStoreHash(user, MyDatabaseId);
		uint32		number = PartitionOf(hash);
		LocalStore	store;
		int			end = i + 1;

		while (end < nitems && items[end]->user == user)
			end++;
		OpenPartition(&store, number);
		LockPartition(number, LW_SHARED);
		LocalStoreRead(&store, hash, items + i, end - i, now);
		UnlockPartition(number);
		i = end;
	}
}

void
LocalTierFill(TierItem **items, int nitems)
{
	TimestampTz now;

	for (int i = 0; i < nitems; i++)
		items[i]->stored = false;
	if (nitems == 0 || !LocalTierEnabled())
		return;
	now = GetCurrentTimestamp();
	for (int i = 0; i < nitems; i++)
	{
		uint64		hash = LocalStoreHash(items[i]->user, MyDatabaseId);
		uint32		number = PartitionOf(hash);
		LocalStore	store;

		OpenPartition(&store, number);
		if (!LocalStoreAccepts(&store, items[i], now))
			continue;
		LockPartition(number, LW_EXCLUSIVE);
		LocalStoreWrite(&store, hash, items[i], now);
		UnlockPartition(number);
	}
}

/*----------
 * For people
 *----------
 */

void
LocalTierGetInfo(LocalTierInfo *info)
{
	memset(info, 0, sizeof(*info));
	if (!LocalTierEnabled())
		return;
	info->size = tier->size;
	for (uint32 i = 0; i < tier->npartitions; i++)
	{
		LocalStore	store;

		OpenPartition(&store, i);
		LockPartition(i, LW_SHARED);
		info->used += (uint64) store.head->nused * LOCAL_BLOCK_BYTES;
		info->entries += store.head->nentries;
		info->evictions += store.head->evictions;
		UnlockPartition(i);
	}
}
