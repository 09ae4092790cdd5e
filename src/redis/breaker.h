/*-------------------------------------------------------------------------
 *
 * breaker.h
 *	  The circuit breaker: when not to try Redis at all.
 *
 * Closed, it lets everybody try.  clarify_cache.breaker_failures failures in a
 * row open it; then nobody tries until clarify_cache.breaker_recovery has
 * passed, when exactly one caller is let through.  Its success closes the
 * breaker.  Its failure, its error or its death leave the breaker open for
 * another recovery period, because the caller that is let through moves the
 * end of the period forward before it tries.
 *
 * Closed, it still lets no more callers try at once than failures would open
 * it, unless Redis has just answered somebody.  Else every backend could wait
 * out a time-out before the first of them has reported its own.
 *
 * The same struct and the same code serve all backends from shared memory
 * when the library is preloaded, and one backend from its own memory when
 * not; BreakerUse is told which.  Nothing here raises, and nothing blocks but for
 * the moment that BreakerAdmits may take to see whether Redis answers others.
 * Opening and closing are logged to the server's log, once each.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_REDIS_BREAKER_H
#define CLARIFY_REDIS_BREAKER_H

#include "base/compat.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"

typedef enum BreakerState
{
	BREAKER_CLOSED,
	BREAKER_OPEN,				/* nobody may try yet */
	BREAKER_HALF_OPEN			/* the recovery period is over, nobody tried yet */
} BreakerState;

typedef struct Breaker
{
	pg_atomic_uint32 failures;	/* in a row */
	pg_atomic_uint64 open_until;	/* TimestampTz; 0 when closed */
	pg_atomic_uint64 openings;	/* times it opened, for the stats */
	pg_atomic_uint32 tries;		/* under way */
	pg_atomic_uint64 answered_at;	/* MonotonicMicros of the last success */
} Breaker;

typedef struct BreakerInfo
{
	BreakerState state;
	uint32		failures;		/* in a row */
	uint32		tries;			/* under way */
	uint64		openings;
	TimestampTz probe_at;		/* when a caller may try; 0 when closed */
} BreakerInfo;

/*
 * Work in this memory; called before anything else here.  `initialize`: nobody has
 * used it yet, it may be garbage, and the breaker is closed.
 */
extern void BreakerUse(Breaker *memory, bool initialize);

/*
 * May the caller try Redis now?  If true, it must report the end of the try
 * with one of the three calls below.  BreakerAbandon is for an error that
 * jumped, which says nothing about Redis; it does nothing outside a try.
 */
extern bool BreakerAdmits(void);

/* Redis has answered: the row of failures ends, and the breaker is closed. */
extern void BreakerSuccess(void);
extern void BreakerAbandon(void);

/*
 * Also for failures outside a try, of what was sent without waiting.  why: for
 * the log, when this failure opens the breaker; without secrets.
 */
extern void BreakerFailure(const char *why);

/* Is it closed?  For what never probes: fills and UNLINKs.  Changes nothing. */
extern bool BreakerIsClosed(void);

/* For people: the parts may be a moment apart. */
extern void BreakerGetInfo(BreakerInfo *info);

/* Start again from zero to count how often it opened. */
extern void BreakerResetOpenings(void);

#endif							/* CLARIFY_REDIS_BREAKER_H */
