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

#include "base/compat.h"

#include "base/stats.h"
#include "redis/breaker.h"

typedef struct SharedState
{
	Breaker		breaker;
	StatsTable	stats;
} SharedState;

/* The name of our shared memory and of the local tier's locks. */
#define SHARED_NAME "clarify_cache"

/* Ask for shared memory if preloaded; called from _PG_init only. */
extern void SharedInit(void);

/*
 * The state: in shared memory or, if there is none, made by the first call in
 * this backend, which may raise out-of-memory.
 */
extern SharedState *Shared(void);

#endif							/* CLARIFY_SHARED_H */
