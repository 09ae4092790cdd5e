/*-------------------------------------------------------------------------
 *
 * polling.c
 *	  For how long is a reply looked for before this process goes to sleep?
 *
 * Redis on this machine answers sooner than a process is put to sleep and woken again.
 * On another machine, or where it waits for a processor itself, it does not answer so
 * soon; then polling would only take time that others could use.  So after a reply that
 * came later, some exchanges are not polled, twice as many each time, up to a limit.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include <sched.h>

#include "base/clock.h"
#include "redis/polling.h"

/*
 * A reply is looked for that long before this process goes to sleep.  After it
 * came later, up to so many exchanges are not polled.
 */
#define POLL_US 100
#define MAX_POLLS_OMITTED 63

/* After a longer one somebody else has had the processor. */
#define MAX_YIELD_US 20

static int	omit = 0;			/* so many exchanges are yet to go without */
static int	omitted = 0;		/* of how many since the last poll in vain */

int64
PollingBegin(void)
{
	return omit > 0 ? 0 : MonotonicMicros() + POLL_US;
}

/*
 * Who else needs this processor, Redis perhaps,
 * gets it; then it is no place for polling.
 */
void
PollingYield(int64 *until)
{
	int64		start = MonotonicMicros();

	sched_yield();
	if (MonotonicMicros() - start > MAX_YIELD_US)
		*until = 0;
	CHECK_FOR_INTERRUPTS();
}

void
PollingEnd(int64 took_us)
{
	if (omit > 0)
	{
		omit--;
		return;
	}
	omitted = took_us < POLL_US ? 0 : Min(2 * omitted + 1, MAX_POLLS_OMITTED);
	omit = omitted;
}

void
PollingForget(void)
{
	omit = 0;
	omitted = 0;
}
