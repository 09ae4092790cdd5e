/*-------------------------------------------------------------------------
 *
 * local_tier.c
 *	  Which entries are in PostgreSQL's own memory?  See local_tier.h.
 *
 * The memory is cut into partitions, by the hash of the user and the database,
 * so that all sections of a user are in one.  A partition is an array of
 * blocks of 256 bytes and a hash table of chains.  An entry is a chain of
 * blocks; the first one begins with what is known about the entry.  So there
 * is no fragmentation and one thing only to run out of, and no pointer, only
 * numbers of blocks, which mean the same in every process.
 *
 * What is locked: a partition, by its LWLock.  Under LW_SHARED entries are
 * looked up and copied out, and nothing is changed but the mark "referenced",
 * which is atomic and a hint; under LW_EXCLUSIVE everything else.  No entry is
 * ever read while it is written, and what was read is the reader's own copy.
 * Nothing that may raise, wait or run for long is called under LW_EXCLUSIVE:
 * an error would release the lock over half a chain.  A backend that dies
 * there takes all of shared memory with it, as anywhere in the server, and the
 * postmaster makes it anew.
 *
 * Eviction is a queue with second chances, which is CLOCK: the oldest entry
 * goes unless it was hit since it came or was last spared.  No more than
 * MAX_SPARED are spared for one eviction, and no entry is larger than
 * MAX_ENTRY_BYTES or 1/MAX_ENTRY_SHARE of a partition, so the work of an operation
 * is bounded however full the tier is.  Evicting is the only clean-up: an entry that has
 * expired or is of another version just lies there until its successor or
 * another entry takes its place.
 *
 * A private tier is one partition that nobody else knows, and has no lock.
 *
 * Why not dshash: its entries would come from a DSA area, which grows by
 * segments and fragments, so neither the memory nor the number of evictions
 * that an allocation takes would be bounded.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "common/hashfn.h"
#include "local_tier.h"
#include "port/atomics.h"
#include "settings.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define BLOCK_SIZE 256
#define MAX_PARTITIONS 64
#define MIN_PARTITION_BYTES ((Size) 1024 * 1024)

/* Fewer blocks than that make no tier. */
#define MIN_BLOCKS 64

/* A chain of the hash table for so many blocks. */
#define BLOCKS_PER_BUCKET 4

#define MAX_ENTRY_SHARE 4
#define MAX_ENTRY_BYTES ((Size) 4 * 1024 * 1024)
#define MAX_SPARED 16

/* Blocks of a partition are numbered from 1. */
typedef uint32 BlockNo;
#define NO_BLOCK ((BlockNo) 0)

typedef struct LocalBlock
{
	BlockNo		next;			/* of the entry, or of the free ones */
	uint32		unused;			/* what follows is MAXALIGNed */
	char		data[BLOCK_SIZE - 2 * sizeof(uint32)];
} LocalBlock;

/* At the start of an entry's data; the section's name and the payload follow. */
typedef struct LocalEntry
{
	EntryHeader header;
	UserKey		user;
	Oid			database;
	BlockNo		next_in_bucket;
	BlockNo		newer;			/* neighbours in the queue */
	BlockNo		older;
	uint32		payload_len;
	uint16		name_len;
	uint16		unused;
	pg_atomic_uint32 referenced;	/* hit since it came or was spared */
} LocalEntry;

/* Section names are shorter than NAMEDATALEN, so they are never split. */
StaticAssertDecl(sizeof(LocalEntry) + NAMEDATALEN <= sizeof(((LocalBlock *) 0)->data),
				 "an entry and its name must fit into one block");

typedef struct LocalPartition
{
	BlockNo		nfresh;			/* blocks 1 .. nfresh have been in use */
	BlockNo		free;			/* those of them that are not */
	BlockNo		newest;			/* ends of the queue */
	BlockNo		oldest;
	uint32		nused;			/* blocks in entries */
	uint32		nentries;
	uint64		evictions;
} LocalPartition;

/* Lest partitions share cache lines. */
typedef union LocalPartitionPadded
{
	LocalPartition partition;
	char		padding[PG_CACHE_LINE_SIZE];
} LocalPartitionPadded;

/* The memory begins with this; buckets and blocks of all partitions follow. */
typedef struct LocalTier
{
	uint64		size;			/* of all the memory */
	uint32		npartitions;
	uint32		nblocks;		/* of each partition */
	uint32		nbuckets;		/* likewise */
	LocalPartitionPadded partitions[FLEXIBLE_ARRAY_MEMBER];
} LocalTier;

/* A partition as this process sees it, locked. */
typedef struct Partition
{
	LocalPartition *head;
	BlockNo    *buckets;
	LocalBlock *blocks;			/* blocks[0] is number 1 */
	const LocalTier *tier;
	LWLock	   *lock;			/* NULL: private */
} Partition;

static LocalTier *tier = NULL;
static LWLockPadded *tier_locks = NULL;

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
	return MAXALIGN(offsetof(LocalTier, partitions) + npartitions * sizeof(LocalPartitionPadded));
}

/* What buckets and blocks of one partition take. */
static Size
PartitionBytes(uint32 nblocks)
{
	return MAXALIGN(nblocks / BLOCKS_PER_BUCKET * sizeof(BlockNo)) +
		(Size) nblocks * sizeof(LocalBlock);
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
	nblocks = (size - header) / npartitions /
		(sizeof(LocalBlock) + sizeof(BlockNo) / BLOCKS_PER_BUCKET);
	nblocks = Min(nblocks, PG_UINT32_MAX / 2);
	while (nblocks > 0 &&
		   header + npartitions * PartitionBytes((uint32) nblocks) > size)
		nblocks--;
	return nblocks < MIN_BLOCKS ? 0 : (uint32) nblocks;
}

/* Blocks are left as they are: none is looked at before it was written. */
static void
Initialize(LocalTier *memory, Size size)
{
	char	   *p = (char *) memory;

	memory->size = size;
	memory->npartitions = PartitionCount(size);
	memory->nblocks = BlockCount(size);
	memory->nbuckets = memory->nblocks / BLOCKS_PER_BUCKET;
	memset(memory->partitions, 0, memory->npartitions * sizeof(LocalPartitionPadded));
	for (uint32 i = 0; i < memory->npartitions; i++)
		memset(p + PartitionsOffset(memory->npartitions) + i * PartitionBytes(memory->nblocks),
			   0, memory->nbuckets * sizeof(BlockNo));
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
		Initialize(tier, ConfiguredSize());
}

/*
 * Not preloaded: make a tier of this backend's own.  Its pages cost nothing
 * before they are used.
 */
static void
MakePrivate(void)
{
	static MemoryContext context = NULL;
	LocalTier  *memory;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "clarify_cache local tier",
										ALLOCSET_SMALL_SIZES);
	memory = MemoryContextAlloc(context, LOCAL_TIER_PRIVATE_BYTES);
	Initialize(memory, LOCAL_TIER_PRIVATE_BYTES);
	tier = memory;
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
 * Partitions, blocks, entries
 *----------
 */

static uint64
HashOf(const TierItem *item)
{
	return hash_combine64((uint64) item->user->hash, MyDatabaseId);
}

static void
OpenPartition(Partition *part, uint32 number, LWLockMode mode)
{
	char	   *memory = (char *) tier + PartitionsOffset(tier->npartitions) +
		number * PartitionBytes(tier->nblocks);

	part->tier = tier;
	part->head = &tier->partitions[number].partition;
	part->buckets = (BlockNo *) memory;
	part->blocks = (LocalBlock *) (memory + MAXALIGN(tier->nbuckets * sizeof(BlockNo)));
	part->lock = tier_locks == NULL ? NULL : &tier_locks[number].lock;
	if (part->lock != NULL)
		LWLockAcquire(part->lock, mode);
}

static void
ClosePartition(Partition *part)
{
	if (part->lock != NULL)
		LWLockRelease(part->lock);
}

static uint32
PartitionOf(uint64 hash)
{
	return (uint32) (hash >> 32) % tier->npartitions;
}

static BlockNo *
BucketOf(const Partition *part, uint64 hash)
{
	return &part->buckets[(uint32) hash % part->tier->nbuckets];
}

static LocalBlock *
BlockAt(const Partition *part, BlockNo no)
{
	Assert(no != NO_BLOCK && no <= part->head->nfresh);
	return &part->blocks[no - 1];
}

static LocalEntry *
EntryAt(const Partition *part, BlockNo no)
{
	return (LocalEntry *) BlockAt(part, no)->data;
}

static bool
EntryHasKey(const LocalEntry *entry, const TierItem *item, Size name_len)
{
	return entry->database == MyDatabaseId &&
		entry->user.hash == item->user->hash &&
		entry->user.len == item->user->len &&
		memcmp(entry->user.bytes, item->user->bytes, item->user->len) == 0 &&
		entry->name_len == name_len &&
		memcmp(entry + 1, item->section, name_len) == 0;
}

static BlockNo
FindEntry(const Partition *part, uint64 hash, const TierItem *item)
{
	Size		name_len = strlen(item->section);
	BlockNo		no = *BucketOf(part, hash);

	while (no != NO_BLOCK && !EntryHasKey(EntryAt(part, no), item, name_len))
		no = EntryAt(part, no)->next_in_bucket;
	return no;
}

/*
 * Copy the payload of the entry at a block out of its chain, or into it: the
 * first piece begins behind the name.
 */
static void
CopyPayload(const Partition *part, BlockNo no, char *payload, bool into)
{
	LocalEntry *entry = EntryAt(part, no);
	Size		left = entry->payload_len;
	Size		offset = sizeof(LocalEntry) + entry->name_len;

	while (left > 0)
	{
		LocalBlock *block = BlockAt(part, no);
		Size		piece = Min(left, sizeof(block->data) - offset);

		if (into)
			memcpy(block->data + offset, payload, piece);
		else
			memcpy(payload, block->data + offset, piece);
		payload += piece;
		left -= piece;
		offset = 0;
		no = block->next;
	}
}

/*----------
 * Reading
 *----------
 */

static void
ReadItem(const Partition *part, uint64 hash, TierItem *item, TimestampTz now)
{
	BlockNo		no = FindEntry(part, hash, item);
	LocalEntry *entry;
	char	   *payload;

	if (no == NO_BLOCK)
		return;
	entry = EntryAt(part, no);
	item->verdict = EntryJudge(&entry->header, &item->header, now);
	if (item->verdict != ENTRY_OK)
		return;

	payload = palloc(entry->payload_len);
	CopyPayload(part, no, payload, false);
	item->payload = payload;
	item->payload_len = entry->payload_len;
	item->header = entry->header;

	/* Most are marked already: leave the cache line to the other readers. */
	if (pg_atomic_read_u32(&entry->referenced) == 0)
		pg_atomic_write_u32(&entry->referenced, 1);
}

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
		uint64		hash = HashOf(items[i]);
		Partition	part;

		OpenPartition(&part, PartitionOf(hash), LW_SHARED);
		while (i < nitems && items[i]->user == user)
			ReadItem(&part, hash, items[i++], now);
		ClosePartition(&part);
	}
}

/*----------
 * Filling.  Nothing from here on may raise.
 *----------
 */

static void
Enqueue(Partition *part, BlockNo no)
{
	LocalPartition *head = part->head;
	LocalEntry *entry = EntryAt(part, no);

	entry->newer = NO_BLOCK;
	entry->older = head->newest;
	if (head->newest != NO_BLOCK)
		EntryAt(part, head->newest)->newer = no;
	else
		head->oldest = no;
	head->newest = no;
}

static void
Dequeue(Partition *part, BlockNo no)
{
	LocalPartition *head = part->head;
	LocalEntry *entry = EntryAt(part, no);

	if (entry->newer != NO_BLOCK)
		EntryAt(part, entry->newer)->older = entry->older;
	else
		head->newest = entry->older;
	if (entry->older != NO_BLOCK)
		EntryAt(part, entry->older)->newer = entry->newer;
	else
		head->oldest = entry->newer;
}

static void
LeaveBucket(Partition *part, BlockNo no)
{
	LocalEntry *entry = EntryAt(part, no);
	BlockNo    *link = BucketOf(part, hash_combine64((uint64) entry->user.hash, entry->database));

	while (*link != no)
		link = &EntryAt(part, *link)->next_in_bucket;
	*link = entry->next_in_bucket;
}

/* Blocks that an entry takes. */
static uint32
BlocksFor(Size name_len, Size payload_len)
{
	Size		size = sizeof(LocalEntry) + name_len + payload_len;
	Size		room = sizeof(((LocalBlock *) 0)->data);

	return (uint32) ((size + room - 1) / room);
}

static void
RemoveEntry(Partition *part, BlockNo no)
{
	LocalPartition *head = part->head;
	LocalEntry *entry = EntryAt(part, no);
	uint32		nblocks = BlocksFor(entry->name_len, entry->payload_len);
	LocalBlock *last = BlockAt(part, no);

	LeaveBucket(part, no);
	Dequeue(part, no);
	for (uint32 i = 1; i < nblocks; i++)
		last = BlockAt(part, last->next);
	last->next = head->free;
	head->free = no;
	head->nused -= nblocks;
	head->nentries--;
}

static void
EvictOne(Partition *part, TimestampTz now)
{
	LocalPartition *head = part->head;

	for (int spared = 0; spared < MAX_SPARED; spared++)
	{
		BlockNo		no = head->oldest;
		LocalEntry *entry = EntryAt(part, no);

		if (entry->header.expires_at <= now || pg_atomic_read_u32(&entry->referenced) == 0)
			break;
		pg_atomic_write_u32(&entry->referenced, 0);
		Dequeue(part, no);
		Enqueue(part, no);
	}
	RemoveEntry(part, head->oldest);
	head->evictions++;
}

static BlockNo
TakeBlock(Partition *part)
{
	LocalPartition *head = part->head;
	BlockNo		no = head->free;

	head->nused++;
	if (no == NO_BLOCK)
		return ++head->nfresh;
	head->free = BlockAt(part, no)->next;
	return no;
}

/* A chain of so many blocks, of which there are enough. */
static BlockNo
TakeChain(Partition *part, uint32 nblocks)
{
	BlockNo		first = TakeBlock(part);
	BlockNo		last = first;

	for (uint32 i = 1; i < nblocks; i++)
	{
		BlockNo		no = TakeBlock(part);

		BlockAt(part, last)->next = no;
		last = no;
	}
	BlockAt(part, last)->next = NO_BLOCK;
	return first;
}

static void
StoreItem(Partition *part, uint64 hash, TierItem *item, TimestampTz now)
{
	Size		name_len = strlen(item->section);
	uint32		nblocks = BlocksFor(name_len, item->payload_len);
	BlockNo		no = FindEntry(part, hash, item);
	LocalEntry *entry;

	if (no != NO_BLOCK)
		RemoveEntry(part, no);
	while (part->tier->nblocks - part->head->nused < nblocks)
		EvictOne(part, now);

	no = TakeChain(part, nblocks);
	entry = EntryAt(part, no);
	entry->header = item->header;
	entry->user = *item->user;
	entry->database = MyDatabaseId;
	entry->payload_len = (uint32) item->payload_len;
	entry->name_len = (uint16) name_len;
	pg_atomic_init_u32(&entry->referenced, 0);
	memcpy(entry + 1, item->section, name_len);
	CopyPayload(part, no, unconstify(char *, item->payload), true);

	entry->next_in_bucket = *BucketOf(part, hash);
	*BucketOf(part, hash) = no;
	Enqueue(part, no);
	part->head->nentries++;
	item->stored = true;
}

/* May it be kept at all? */
static bool
IsAcceptable(const TierItem *item, TimestampTz now)
{
	Size		name_len = strlen(item->section);

	return item->header.expires_at > now &&
		name_len < NAMEDATALEN &&
		item->payload_len <= Min((Size) setting_max_entry_size * 1024, MAX_ENTRY_BYTES) &&
		BlocksFor(name_len, item->payload_len) <= tier->nblocks / MAX_ENTRY_SHARE;
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
		uint64		hash = HashOf(items[i]);
		Partition	part;

		if (!IsAcceptable(items[i], now))
			continue;
		OpenPartition(&part, PartitionOf(hash), LW_EXCLUSIVE);
		StoreItem(&part, hash, items[i], now);
		ClosePartition(&part);
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
		Partition	part;

		OpenPartition(&part, i, LW_SHARED);
		info->used += (uint64) part.head->nused * BLOCK_SIZE;
		info->entries += part.head->nentries;
		info->evictions += part.head->evictions;
		ClosePartition(&part);
	}
}
