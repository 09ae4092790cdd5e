/*-------------------------------------------------------------------------
 *
 * shared.h
 *	  What all backends share when the library is preloaded, and each backend
 *	  has for itself when not.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SHARED_H
#define CLARIFY_SHARED_H

#include "compat.h"

#include "breaker.h"
#include "stats.h"

typedef struct SharedState
{
	Breaker		breaker;
	StatsTable	stats;
} SharedState;

/* Ask for shared memory if preloaded; called from _PG_init only. */
extern void SharedInit(void);

/*
 * The state: in shared memory or, if there is none, made by the first call in
 * this backend, which may raise out-of-memory.
 */
extern SharedState *Shared(void);

/* Is it shared with other backends? */
extern bool SharedIsPreloaded(void);

#endif							/* CLARIFY_SHARED_H */
