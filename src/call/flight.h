/*-------------------------------------------------------------------------
 *
 * flight.h
 *	  Single flight: of all who miss the same thing at once, one builds, and
 *	  the others take its answer from a tier.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_CALL_FLIGHT_H
#define CLARIFY_CALL_FLIGHT_H

#include "base/compat.h"

typedef enum FlightTurn
{
	FLIGHT_LEAD,				/* the caller is to build; then FlightEnd */
	FLIGHT_WAIT,				/* somebody else builds; a moment has passed: look
								 * whether the answer is there, then try again */
	FLIGHT_ALONE				/* waited long enough, or nobody can lead as the
								 * lock table is full: build without leading */
} FlightTurn;

typedef struct Flight
{
	LOCKTAG		tag;
	int64		started_at;		/* MonotonicMicros() */
	int			waits;			/* turns that were FLIGHT_WAIT */
	int			unled;			/* tries in a row at which nobody led */
	bool		leading;
} Flight;

/* A flight for what `what` is a hash of, in this database. */
extern void FlightInit(Flight *flight, uint64 what);

/*
 * Whose turn is it?  Sleeps for a moment if it is FLIGHT_WAIT; may raise on an
 * interrupt.  What is led is let go by FlightEnd, or by the end of the
 * (sub)transaction should an error jump.
 */
extern FlightTurn FlightTry(Flight *flight);

/* Let go, if leading.  To be called when the answer is in the tiers. */
extern void FlightEnd(Flight *flight);

#endif							/* CLARIFY_CALL_FLIGHT_H */
