/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  How often did what happen?  See stats.h.
 *
 * A slot below nused never changes its database and section again, so it is
 * found without a lock; only claiming a new one takes the spinlock.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/stats.h"
#include "utils/timestamp.h"

static StatsTable *stats = NULL;

const int64 stats_latency_bounds[STATS_NUM_LATENCIES - 1] = {
	25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 1000000
};

static void
ZeroCounters(pg_atomic_uint64 *counters, int n)
{
	for (int i = 0; i < n; i++)
		pg_atomic_write_u64(&counters[i], 0);
}

static void
Initialize(void)
{
	uint64		now = (uint64) GetCurrentTimestamp();

	SpinLockInit(&stats->mutex);
	pg_atomic_init_u32(&stats->nused, 0);
	for (int i = 0; i < REDIS_NUM_COUNTERS; i++)
		pg_atomic_init_u64(&stats->redis[i], 0);

	for (int i = 0; i < STATS_MAX_SLOTS; i++)
	{
		StatsSlotData *slot = &stats->slots[i];

		slot->database = InvalidOid;
		memset(&slot->section, 0, sizeof(slot->section));
		pg_atomic_init_u64(&slot->reset_at, now);
		for (int c = 0; c < STATS_NUM_COUNTERS; c++)
			pg_atomic_init_u64(&slot->counters[c], 0);
	}
}

void
StatsUse(StatsTable *memory, bool initialize)
{
	stats = memory;
	if (initialize)
		Initialize();
}

/* The slot of a section of this database in [from, to), or STATS_NO_SLOT. */
static int
StatsFind(const char *section, int from, int to)
{
	for (int i = from; i < to; i++)
	{
		const StatsSlotData *slot = &stats->slots[i];

		if (slot->database == MyDatabaseId &&
			strncmp(NameStr(slot->section), section, NAMEDATALEN) == 0)
			return i;
	}
	return STATS_NO_SLOT;
}

int
StatsSlot(const char *section)
{
	int			seen = (int) pg_atomic_read_u32(&stats->nused);
	int			slot;

	pg_read_barrier();			/* pairs with the one below */
	slot = StatsFind(section, 0, seen);
	if (slot != STATS_NO_SLOT || seen == STATS_MAX_SLOTS)
		return slot;

	/* Only slots claimed since the look above are still to be searched. */
	SpinLockAcquire(&stats->mutex);
	{
		int			nused = (int) pg_atomic_read_u32(&stats->nused);

		slot = StatsFind(section, seen, nused);
		if (slot == STATS_NO_SLOT && nused < STATS_MAX_SLOTS)
		{
			slot = nused;
			stats->slots[slot].database = MyDatabaseId;
			strlcpy(NameStr(stats->slots[slot].section), section, NAMEDATALEN);
			pg_write_barrier();
			pg_atomic_write_u32(&stats->nused, nused + 1);
		}
	}
	SpinLockRelease(&stats->mutex);

	return slot;
}

void
StatsAdd(int slot, StatsCounter counter, uint64 n)
{
	if (slot == STATS_NO_SLOT)
		return;

	Assert(slot >= 0 && slot < STATS_MAX_SLOTS);
	pg_atomic_fetch_add_u64(&stats->slots[slot].counters[counter], n);
}

void
StatsCount(int slot, StatsCounter counter)
{
	StatsAdd(slot, counter, 1);
}

int
StatsCallsSlot(void)
{
	static bool asked = false;
	static int	slot;

	if (!asked)
		slot = StatsSlot(STATS_CALLS_SLOT);
	asked = true;
	return slot;
}

void
StatsCountCall(int64 ns)
{
	int			slot = StatsCallsSlot();
	int			i = 0;

	while (i < STATS_NUM_LATENCIES - 1 && ns > stats_latency_bounds[i] * 1000)
		i++;
	StatsAdd(slot, STATS_CALL_NS, (uint64) ns);
	StatsCount(slot, STATS_LATENCIES + i);
}

void
StatsCountRedis(RedisCounter counter, int n)
{
	pg_atomic_fetch_add_u64(&stats->redis[counter], n);
}

uint64
StatsRead(int slot, StatsCounter counter)
{
	Assert(slot != STATS_NO_SLOT);
	return pg_atomic_read_u64(&stats->slots[slot].counters[counter]);
}

uint64
StatsReadRedis(RedisCounter counter)
{
	return pg_atomic_read_u64(&stats->redis[counter]);
}

TimestampTz
StatsResetAt(int slot)
{
	Assert(slot != STATS_NO_SLOT);
	return (TimestampTz) pg_atomic_read_u64(&stats->slots[slot].reset_at);
}

void
StatsReset(void)
{
	int			nused;

	/* Claimed by now, if it can be, so that it says when this was. */
	(void) StatsCallsSlot();
	nused = (int) pg_atomic_read_u32(&stats->nused);
	pg_read_barrier();
	for (int i = 0; i < nused; i++)
	{
		StatsSlotData *slot = &stats->slots[i];

		if (slot->database != MyDatabaseId)
			continue;
		ZeroCounters(slot->counters, STATS_NUM_COUNTERS);
		pg_atomic_write_u64(&slot->reset_at, (uint64) GetCurrentTimestamp());
	}
	ZeroCounters(stats->redis, REDIS_NUM_COUNTERS);
}
