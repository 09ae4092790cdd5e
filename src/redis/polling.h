/*-------------------------------------------------------------------------
 *
 * polling.h
 *	  For how long is a reply looked for before this process goes to sleep?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_REDIS_POLLING_H
#define CLARIFY_REDIS_POLLING_H

#include "base/compat.h"

/* Until when to look for a reply, by MonotonicMicros; 0 if not at all. */
extern int64 PollingBegin(void);

/*
 * Between two looks: let others have the processor.  Sets *until to 0 if they needed
 * it.  Raises if the query is cancelled.
 */
extern void PollingYield(int64 *until);

/* The exchange is over; so long it took in all. */
extern void PollingEnd(int64 took_us);

/* The next exchange is on another connection. */
extern void PollingForget(void);

#endif							/* CLARIFY_REDIS_POLLING_H */
