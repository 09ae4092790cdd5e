/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  How often did what happen, for each section?  See stats.h.
 *
 * A slot below nused never changes its database and section again, so it is
 * found without a lock; only claiming a new one takes the spinlock.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "shared.h"
#include "stats.h"

void
StatsInit(StatsTable *stats)
{
	SpinLockInit(&stats->mutex);
	pg_atomic_init_u32(&stats->nused, 0);

	for (int i = 0; i < STATS_MAX_SECTIONS; i++)
	{
		StatsSection *entry = &stats->sections[i];

		entry->database = InvalidOid;
		memset(&entry->section, 0, sizeof(entry->section));
		for (int c = 0; c < STATS_NUM_COUNTERS; c++)
			pg_atomic_init_u64(&entry->counters[c], 0);
	}
}

/* The slot of a section of this database in [from, to), or STATS_NO_SLOT. */
static int
StatsFind(const StatsTable *stats, const char *section, int from, int to)
{
	for (int i = from; i < to; i++)
	{
		const StatsSection *entry = &stats->sections[i];

		if (entry->database == MyDatabaseId &&
			strncmp(NameStr(entry->section), section, NAMEDATALEN) == 0)
			return i;
	}
	return STATS_NO_SLOT;
}

int
StatsSlot(const char *section)
{
	StatsTable *stats = &Shared()->stats;
	int			seen = (int) pg_atomic_read_u32(&stats->nused);
	int			slot;

	pg_read_barrier();			/* pairs with the one below */
	slot = StatsFind(stats, section, 0, seen);
	if (slot != STATS_NO_SLOT || seen == STATS_MAX_SECTIONS)
		return slot;

	/* Only slots claimed since the look above are still to be searched. */
	SpinLockAcquire(&stats->mutex);
	{
		int			nused = (int) pg_atomic_read_u32(&stats->nused);

		slot = StatsFind(stats, section, seen, nused);
		if (slot == STATS_NO_SLOT && nused < STATS_MAX_SECTIONS)
		{
			slot = nused;
			stats->sections[slot].database = MyDatabaseId;
			strlcpy(NameStr(stats->sections[slot].section), section, NAMEDATALEN);
			pg_write_barrier();
			pg_atomic_write_u32(&stats->nused, nused + 1);
		}
	}
	SpinLockRelease(&stats->mutex);

	return slot;
}

void
StatsCount(int slot, StatsCounter counter)
{
	if (slot == STATS_NO_SLOT)
		return;

	Assert(slot >= 0 && slot < STATS_MAX_SECTIONS);
	pg_atomic_fetch_add_u64(&Shared()->stats.sections[slot].counters[counter], 1);
}
