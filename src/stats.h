/*-------------------------------------------------------------------------
 *
 * stats.h
 *	  Counters of each section, shared when the library is preloaded.
 *
 * A section of a database has a slot, claimed when a backend first counts for
 * it and kept until the server stops.  Counting is one atomic add.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_STATS_H
#define CLARIFY_STATS_H

#include "compat.h"

#include "port/atomics.h"
#include "storage/spin.h"

/* Sections, of all databases together, that have counters of their own. */
#define STATS_MAX_SECTIONS 256

/* What StatsSlot returns when all slots are taken; counting there is lost. */
#define STATS_NO_SLOT (-1)

typedef enum StatsCounter
{
	STATS_LOCAL_HITS,
	STATS_REDIS_HITS,
	STATS_BUILDS,				/* by the cache's own doing or in a bypass */
	STATS_BYPASSES,				/* neither read nor filled */
	STATS_FILLS,				/* entries sent to Redis */
	STATS_VERSION_MISMATCHES,	/* authentic entries of other data */
	STATS_CORRUPT,				/* entries that are not ours */
	STATS_NUM_COUNTERS
} StatsCounter;

typedef struct StatsSection
{
	Oid			database;		/* InvalidOid: free */
	NameData	section;
	pg_atomic_uint64 counters[STATS_NUM_COUNTERS];
} StatsSection;

typedef struct StatsTable
{
	slock_t		mutex;			/* guards the claiming of slots */
	pg_atomic_uint32 nused;		/* slots below it are complete, for ever */
	StatsSection sections[STATS_MAX_SECTIONS];
} StatsTable;

/* Initialize zeroed or garbage memory to an empty table. */
extern void StatsInit(StatsTable *stats);

/* The slot of a section of this database, claimed if need be. */
extern int	StatsSlot(const char *section);

/* Count one.  Never raises, blocks or allocates, given a slot of StatsSlot. */
extern void StatsCount(int slot, StatsCounter counter);

#endif							/* CLARIFY_STATS_H */
