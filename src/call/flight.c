/*-------------------------------------------------------------------------
 *
 * flight.c
 *	  Of all who miss the same thing at once, who builds it?  See flight.h.
 *
 * Whoever holds a lock of the server's lock manager does.  It is only ever
 * tried, never waited for, so nobody can deadlock on it; the others try it
 * again and again, for MAX_WAIT_US at most.  The lock manager lets it go when
 * the one who builds fails or dies, and the next one to try leads.
 *
 * Nothing depends on it but the number of builds.  Two who look for different
 * versions do not meet, as the version is part of what is locked: so nobody
 * waits for an answer that would be of no use.
 *
 * The lock is of the class of advisory locks, with a fourth field that
 * pg_advisory_lock() and its like do not use.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/clock.h"
#include "call/flight.h"
#include "pgstat.h"
#include "storage/latch.h"

/* The fourth field of our locks. */
#define LOCKTAG_KIND 0x6363

/*
 * How long a caller waits for what somebody else builds.  On a machine that is
 * busy with just these callers a build takes many times its own time, and if they
 * all gave up then it would take longer still.
 */
#define MAX_WAIT_US 5000000

/*
 * The first naps are shorter than the millisecond that a latch can count, for
 * builds that take less than that; each is twice the one before.
 */
#define FIRST_NAP_US 50
#define MAX_NAP_US 5000

void
FlightInit(Flight *flight, uint64 what)
{
	SET_LOCKTAG_ADVISORY(flight->tag, MyDatabaseId, (uint32) (what >> 32), (uint32) what,
						 LOCKTAG_KIND);
	flight->started_at = MonotonicMicros();
	flight->waits = 0;
	flight->unled = 0;
	flight->leading = false;
}

static void
Nap(int64 us)
{
	static uint32 wait_event_info = 0;

	if (wait_event_info == 0)
		wait_event_info = compat_wait_event("ClarifyCacheFlight");
	if (us < 1000)
	{
		pgstat_report_wait_start(wait_event_info);
		pg_usleep(us);
		pgstat_report_wait_end();
	}
	else
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 us / 1000, wait_event_info);
		ResetLatch(MyLatch);
	}
	CHECK_FOR_INTERRUPTS();
}

/* Does anybody lead? */
static bool
IsLed(const Flight *flight)
{
	int			nholders;

	(void) GetLockConflicts(&flight->tag, ExclusiveLock, &nholders);
	return nholders > 0;
}

/*
 * A lock that nobody has and that is still not to be had, twice, means that the
 * lock table is full.
 */
FlightTurn
FlightTry(Flight *flight)
{
	if (compat_try_lock(&flight->tag, ExclusiveLock))
	{
		flight->leading = true;
		return FLIGHT_LEAD;
	}
	flight->unled = IsLed(flight) ? 0 : flight->unled + 1;
	if (flight->unled > 1 || MonotonicMicros() - flight->started_at >= MAX_WAIT_US)
		return FLIGHT_ALONE;
	Nap(Min(MAX_NAP_US, (int64) FIRST_NAP_US << Min(flight->waits, 10)));
	flight->waits++;
	return FLIGHT_WAIT;
}

void
FlightEnd(Flight *flight)
{
	if (flight->leading)
		(void) LockRelease(&flight->tag, ExclusiveLock, false);
	flight->leading = false;
}
