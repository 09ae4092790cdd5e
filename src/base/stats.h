/*-------------------------------------------------------------------------
 *
 * stats.h
 *	  Counters of each section, of each database's calls and of Redis, shared
 *	  when the library is preloaded.
 *
 * A section of a database has a slot, claimed when a backend first counts for
 * it and kept until the server stops; so has each database, for its calls.
 * Counting is one atomic add.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_STATS_H
#define CLARIFY_STATS_H

#include "base/compat.h"

#include "base/bypass.h"
#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/spin.h"

/* Slots, of all databases together. */
#define STATS_MAX_SLOTS 256

/* What StatsSlot returns when all slots are taken; counting there is lost. */
#define STATS_NO_SLOT (-1)

/* Upper bounds of the latency histogram, in microseconds; the last is open. */
#define STATS_NUM_LATENCIES 14
extern const int64 stats_latency_bounds[STATS_NUM_LATENCIES - 1];

/* The name of the slot of a database's calls; no section has it. */
#define STATS_CALLS_SLOT ""

typedef enum StatsCounter
{
	/* of a section */
	STATS_LOCAL_HITS,
	STATS_REDIS_HITS,
	STATS_BUILDS,				/* by the cache's own doing or in a bypass */
	STATS_BUILD_NS,				/* nanoseconds spent on them */
	STATS_FILLS,				/* entries built and stored in a tier */
	STATS_FILL_FAILURES,		/* entries that a tier should have taken */
	STATS_VERSION_MISMATCHES,	/* authentic entries of other data */
	STATS_CORRUPT,				/* entries that are not ours */
	STATS_AUDITED,				/* hits built again and compared */
	STATS_AUDIT_MISMATCHES,		/* those that were not the same */
	STATS_BYPASSES,				/* neither read nor filled; by BypassReason */

	/* of a database's calls, in the same places */
	STATS_CALL_NS = 0,			/* nanoseconds spent on them */
	STATS_WAITS,				/* answers that another backend built */
	STATS_LATENCIES,			/* calls, by latency */

	STATS_NUM_COUNTERS = STATS_BYPASSES + BYPASS_NUM_REASONS
} StatsCounter;

StaticAssertDecl(STATS_LATENCIES + STATS_NUM_LATENCIES <= STATS_NUM_COUNTERS,
				 "the counters of calls must fit into a slot");

typedef struct StatsSlotData
{
	Oid			database;		/* InvalidOid: free */
	NameData	section;
	pg_atomic_uint64 reset_at;	/* TimestampTz: when its counters began */
	pg_atomic_uint64 counters[STATS_NUM_COUNTERS];
} StatsSlotData;

/* What happened between all backends and Redis. */
typedef enum RedisCounter
{
	REDIS_COMMANDS,				/* sent */
	REDIS_ERRORS,				/* failures of any kind, as the breaker counts */
	REDIS_TIMEOUTS,				/* of connecting and of exchanges */
	REDIS_CONNECTS,				/* connections opened */
	REDIS_RECONNECTS,			/* those that were not a backend's first */
	REDIS_NUM_COUNTERS
} RedisCounter;

typedef struct StatsTable
{
	slock_t		mutex;			/* guards the claiming of slots */
	pg_atomic_uint32 nused;		/* slots below it are complete, for ever */
	pg_atomic_uint64 redis[REDIS_NUM_COUNTERS];
	StatsSlotData slots[STATS_MAX_SLOTS];
} StatsTable;

/*
 * Count in this memory; called before anything counts.  `initialize`: nobody has
 * used it yet, and it may be garbage.
 */
extern void StatsUse(StatsTable *memory, bool initialize);

/*
 * The slot of a section of this database, or of its calls (STATS_CALLS_SLOT),
 * claimed if need be.
 */
extern int	StatsSlot(const char *section);

/* StatsSlot(STATS_CALLS_SLOT), asked for once. */
extern int	StatsCallsSlot(void);

/*
 * Count one; add more.  They never raise, block or allocate, given a slot of
 * StatsSlot.
 */
extern void StatsCount(int slot, StatsCounter counter);
extern void StatsAdd(int slot, StatsCounter counter, uint64 n);

/* Count a call that took so many nanoseconds. */
extern void StatsCountCall(int64 ns);

/* Count for Redis; the same. */
extern void StatsCountRedis(RedisCounter counter, int n);

/* For people. */
extern uint64 StatsRead(int slot, StatsCounter counter);
extern uint64 StatsReadRedis(RedisCounter counter);
extern TimestampTz StatsResetAt(int slot);

/* Start again from zero: this database's slots, and Redis's counters. */
extern void StatsReset(void);

#endif							/* CLARIFY_STATS_H */
