/*-------------------------------------------------------------------------
 *
 * local_store.c
 *	  How are entries kept in a fixed piece of memory?  See local_store.h.
 *
 * The memory is an array of blocks of 256 bytes and a hash table of chains.  An
 * entry is a chain of blocks; the first one begins with what is known about the
 * entry.  So there is no fragmentation and one thing only to run out of, and no
 * pointer, only numbers of blocks, which mean the same in every process.
 *
 * Nothing is changed in reading but the mark "referenced", which is atomic and a
 * hint.  In writing nothing may raise, wait or run for long: an error would leave
 * half a chain behind.
 *
 * Eviction is a queue with second chances, which is CLOCK: the oldest entry
 * goes unless it was hit since it came or was last spared.  No more than
 * MAX_SPARED are spared for one eviction, and no entry is larger than
 * MAX_ENTRY_BYTES or 1/MAX_ENTRY_SHARE of the memory, so the work of an operation
 * is bounded however full it is.  Evicting is the only clean-up: an entry that
 * has expired or is of another version just lies there until its successor or
 * another entry takes its place.
 *
 * Why not dshash: its entries would come from a DSA area, which grows by
 * segments and fragments, so neither the memory nor the number of evictions
 * that an allocation takes would be bounded.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/settings.h"
#include "port/atomics.h"
#include "tier/local_store.h"

/* A chain of the hash table for so many blocks. */
#define BLOCKS_PER_BUCKET 4

#define MAX_ENTRY_SHARE 4
#define MAX_ENTRY_BYTES ((Size) 4 * 1024 * 1024)
#define MAX_SPARED 16

/* Items that are looked up side by side, so that their cache misses overlap. */
#define MAX_SIDE_BY_SIDE 16

#define CACHE_LINE_BYTES 64

#define NO_BLOCK ((BlockNo) 0)

struct LocalBlock
{
	BlockNo		next;			/* of the entry, or of the free ones */
	uint32		unused;			/* what follows is MAXALIGNed */
	char		data[LOCAL_BLOCK_BYTES - 2 * sizeof(uint32)];
};

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

/* Memory that will be read soon, for the processor to fetch; no more than a hint. */
static void
Prefetch(const void *memory, Size size)
{
#if defined(__GNUC__)
	const char *line = (const char *) TYPEALIGN_DOWN(CACHE_LINE_BYTES, memory);

	for (; line < (const char *) memory + size; line += CACHE_LINE_BYTES)
		__builtin_prefetch(line);
#endif
}

static uint32
BucketCount(uint32 nblocks)
{
	return nblocks / BLOCKS_PER_BUCKET;
}

Size
LocalStoreBytes(uint32 nblocks)
{
	return MAXALIGN(BucketCount(nblocks) * sizeof(BlockNo)) + (Size) nblocks * sizeof(LocalBlock);
}

void
LocalStoreOpen(LocalStore *store, LocalStoreHead *head, void *memory, uint32 nblocks)
{
	store->head = head;
	store->nblocks = nblocks;
	store->nbuckets = BucketCount(nblocks);
	store->buckets = memory;
	store->blocks = (LocalBlock *) ((char *) memory +
									MAXALIGN(store->nbuckets * sizeof(BlockNo)));
}

/* Blocks are left as they are: none is looked at before it was written. */
void
LocalStoreInit(LocalStore *store)
{
	memset(store->head, 0, sizeof(*store->head));
	memset(store->buckets, 0, store->nbuckets * sizeof(BlockNo));
}

/* The start of the chain with a section of the user that the hash is of. */
static BlockNo *
BucketOf(const LocalStore *store, uint64 user_hash, const char *name, Size name_len)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) name, (int) name_len, user_hash);

	return &store->buckets[(uint32) hash % store->nbuckets];
}

static LocalBlock *
BlockAt(const LocalStore *store, BlockNo no)
{
	Assert(no != NO_BLOCK && no <= store->head->nfresh);
	return &store->blocks[no - 1];
}

static LocalEntry *
EntryAt(const LocalStore *store, BlockNo no)
{
	return (LocalEntry *) BlockAt(store, no)->data;
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
FindEntry(const LocalStore *store, BlockNo first, const TierItem *item)
{
	Size		name_len = strlen(item->section);
	BlockNo		no = first;

	while (no != NO_BLOCK && !EntryHasKey(EntryAt(store, no), item, name_len))
		no = EntryAt(store, no)->next_in_bucket;
	return no;
}

/*
 * Copy the payload of the entry at a block out of its chain, or into it: the
 * first piece begins behind the name.
 */
static void
CopyPayload(const LocalStore *store, BlockNo no, char *payload, bool into)
{
	LocalEntry *entry = EntryAt(store, no);
	Size		left = entry->payload_len;
	Size		offset = sizeof(LocalEntry) + entry->name_len;

	while (left > 0)
	{
		LocalBlock *block = BlockAt(store, no);
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
ReadItem(const LocalStore *store, BlockNo first, TierItem *item, TimestampTz now)
{
	BlockNo		no = FindEntry(store, first, item);
	LocalEntry *entry;
	char	   *payload;

	if (no == NO_BLOCK)
		return;
	entry = EntryAt(store, no);
	item->verdict = EntryJudge(&entry->header, &item->header, item->ttl_us, now);
	if (item->verdict != ENTRY_OK)
		return;

	payload = palloc(entry->payload_len);
	CopyPayload(store, no, payload, false);
	item->payload = payload;
	item->payload_len = entry->payload_len;
	item->header = entry->header;

	/* Most are marked already: leave the cache line to the other readers. */
	if (pg_atomic_read_u32(&entry->referenced) == 0)
		pg_atomic_write_u32(&entry->referenced, 1);
}

/*
 * Entries lie far apart in memory that the processor has rarely seen of late, so
 * ask for the first block of each before looking at one.
 */
static void
ReadSideBySide(const LocalStore *store, uint64 user_hash, TierItem **items, int nitems,
			   TimestampTz now)
{
	BlockNo    *buckets[MAX_SIDE_BY_SIDE];

	for (int i = 0; i < nitems; i++)
	{
		buckets[i] = BucketOf(store, user_hash, items[i]->section, strlen(items[i]->section));
		Prefetch(buckets[i], sizeof(BlockNo));
	}
	for (int i = 0; i < nitems; i++)
	{
		if (*buckets[i] != NO_BLOCK)
			Prefetch(BlockAt(store, *buckets[i]), sizeof(LocalBlock));
	}
	for (int i = 0; i < nitems; i++)
		ReadItem(store, *buckets[i], items[i], now);
}

void
LocalStoreRead(const LocalStore *store, uint64 user_hash, TierItem **items, int nitems,
			   TimestampTz now)
{
	for (int i = 0; i < nitems; i += MAX_SIDE_BY_SIDE)
		ReadSideBySide(store, user_hash, items + i, Min(nitems - i, MAX_SIDE_BY_SIDE), now);
}

/*----------
 * Writing.  Nothing from here on may raise.
 *----------
 */

static void
Enqueue(LocalStore *store, BlockNo no)
{
	LocalStoreHead *head = store->head;
	LocalEntry *entry = EntryAt(store, no);

	entry->newer = NO_BLOCK;
	entry->older = head->newest;
	if (head->newest != NO_BLOCK)
		EntryAt(store, head->newest)->newer = no;
	else
		head->oldest = no;
	head->newest = no;
}

static void
Dequeue(LocalStore *store, BlockNo no)
{
	LocalStoreHead *head = store->head;
	LocalEntry *entry = EntryAt(store, no);

	if (entry->newer != NO_BLOCK)
		EntryAt(store, entry->newer)->older = entry->older;
	else
		head->newest = entry->older;
	if (entry->older != NO_BLOCK)
		EntryAt(store, entry->older)->newer = entry->newer;
	else
		head->oldest = entry->newer;
}

static void
LeaveBucket(LocalStore *store, BlockNo no)
{
	LocalEntry *entry = EntryAt(store, no);
	BlockNo    *link = BucketOf(store, LocalStoreHash(&entry->user, entry->database),
								(const char *) (entry + 1), entry->name_len);

	while (*link != no)
		link = &EntryAt(store, *link)->next_in_bucket;
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
RemoveEntry(LocalStore *store, BlockNo no)
{
	LocalStoreHead *head = store->head;
	LocalEntry *entry = EntryAt(store, no);
	uint32		nblocks = BlocksFor(entry->name_len, entry->payload_len);
	LocalBlock *last = BlockAt(store, no);

	LeaveBucket(store, no);
	Dequeue(store, no);
	for (uint32 i = 1; i < nblocks; i++)
		last = BlockAt(store, last->next);
	last->next = head->free;
	head->free = no;
	head->nused -= nblocks;
	head->nentries--;
}

static void
EvictOne(LocalStore *store, TimestampTz now)
{
	LocalStoreHead *head = store->head;

	for (int spared = 0; spared < MAX_SPARED; spared++)
	{
		BlockNo		no = head->oldest;
		LocalEntry *entry = EntryAt(store, no);

		if (entry->header.expires_at <= now || pg_atomic_read_u32(&entry->referenced) == 0)
			break;
		pg_atomic_write_u32(&entry->referenced, 0);
		Dequeue(store, no);
		Enqueue(store, no);
	}
	RemoveEntry(store, head->oldest);
	head->evictions++;
}

static BlockNo
TakeBlock(LocalStore *store)
{
	LocalStoreHead *head = store->head;
	BlockNo		no = head->free;

	head->nused++;
	if (no == NO_BLOCK)
		return ++head->nfresh;
	head->free = BlockAt(store, no)->next;
	return no;
}

/* A chain of so many blocks, of which there are enough. */
static BlockNo
TakeChain(LocalStore *store, uint32 nblocks)
{
	BlockNo		first = TakeBlock(store);
	BlockNo		last = first;

	for (uint32 i = 1; i < nblocks; i++)
	{
		BlockNo		no = TakeBlock(store);

		BlockAt(store, last)->next = no;
		last = no;
	}
	BlockAt(store, last)->next = NO_BLOCK;
	return first;
}

void
LocalStoreWrite(LocalStore *store, uint64 user_hash, TierItem *item, TimestampTz now)
{
	Size		name_len = strlen(item->section);
	uint32		nblocks = BlocksFor(name_len, item->payload_len);
	BlockNo    *bucket = BucketOf(store, user_hash, item->section, name_len);
	BlockNo		no = FindEntry(store, *bucket, item);
	LocalEntry *entry;

	if (no != NO_BLOCK)
		RemoveEntry(store, no);
	while (store->nblocks - store->head->nused < nblocks)
		EvictOne(store, now);

	no = TakeChain(store, nblocks);
	entry = EntryAt(store, no);
	entry->header = item->header;
	entry->user = *item->user;
	entry->database = MyDatabaseId;
	entry->payload_len = (uint32) item->payload_len;
	entry->name_len = (uint16) name_len;
	pg_atomic_init_u32(&entry->referenced, 0);
	memcpy(entry + 1, item->section, name_len);
	CopyPayload(store, no, unconstify(char *, item->payload), true);

	entry->next_in_bucket = *bucket;
	*bucket = no;
	Enqueue(store, no);
	store->head->nentries++;
	item->stored = true;
}

bool
LocalStoreAccepts(const LocalStore *store, const TierItem *item, TimestampTz now)
{
	Size		name_len = strlen(item->section);

	return EntryIsTimely(&item->header, item->ttl_us, now) &&
		name_len < NAMEDATALEN &&
		item->payload_len <= Min((Size) setting_max_entry_size * 1024, MAX_ENTRY_BYTES) &&
		BlocksFor(name_len, item->payload_len) <= store->nblocks / MAX_ENTRY_SHARE;
}
