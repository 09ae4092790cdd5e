/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  A clock that nobody sets: for deadlines, which must not move, and for
 *	  how long something took.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_CLOCK_H
#define CLARIFY_CLOCK_H

#include "base/compat.h"

#include "portability/instr_time.h"

/* Nanoseconds since some moment, by a clock that nobody sets.  Never raises. */
static inline int64
MonotonicNanos(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return compat_instr_time_nanos(now);
}

/* The same in microseconds. */
static inline int64
MonotonicMicros(void)
{
	return MonotonicNanos() / 1000;
}

#endif							/* CLARIFY_CLOCK_H */
