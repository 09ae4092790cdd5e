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
 * The same struct and the same code serve all backends from shared memory
 * when the library is preloaded, and one backend from its own memory when
 * not.  Nothing here blocks or raises.  Opening and closing are logged to the
 * server's log, once each.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_BREAKER_H
#define CLARIFY_BREAKER_H

#include "compat.h"

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
} Breaker;

typedef struct BreakerInfo
{
	BreakerState state;
	uint32		failures;		/* in a row */
	uint64		openings;
	TimestampTz probe_at;		/* when a caller may try; 0 when closed */
} BreakerInfo;

/* Initialize zeroed or garbage memory to a closed breaker. */
extern void BreakerInit(Breaker *breaker);

/*
 * May the caller try Redis now?  If true, it must report the end of the try
 * with one of the two calls below (an error that jumps counts as nothing).
 */
extern bool BreakerAdmits(Breaker *breaker);

extern void BreakerSuccess(Breaker *breaker);

/* why: for the log, when this failure opens the breaker; without secrets. */
extern void BreakerFailure(Breaker *breaker, const char *why);

/* Is it closed?  For what never probes: fills and UNLINKs.  Changes nothing. */
extern bool BreakerIsClosed(Breaker *breaker);

extern void BreakerGetInfo(Breaker *breaker, BreakerInfo *info);

#endif							/* CLARIFY_BREAKER_H */
