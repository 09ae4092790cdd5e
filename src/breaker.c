/*-------------------------------------------------------------------------
 *
 * breaker.c
 *	  When not to try Redis at all.  See breaker.h.
 *
 * All state changes hang on open_until: whoever moves it by compare-and-swap,
 * or takes it to zero by exchange, has made the change, and is the one to log
 * it.  So the log has one line for each change, however many backends fail or
 * succeed at once, and no lock is needed.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "breaker.h"
#include "settings.h"
#include "utils/timestamp.h"

void
BreakerInit(Breaker *breaker)
{
	pg_atomic_init_u32(&breaker->failures, 0);
	pg_atomic_init_u64(&breaker->open_until, 0);
	pg_atomic_init_u64(&breaker->openings, 0);
}

/* When the recovery period that starts now will be over. */
static TimestampTz
BreakerPeriodEnd(TimestampTz now)
{
	return TimestampTzPlusMilliseconds(now, setting_breaker_recovery);
}

/*
 * Is a recovery period that ends at `until` over?  One that has longer to go
 * than any period lasts is, too: the clock was set back or the setting was
 * lowered, and Redis must not be left alone for a day because of that.
 */
static bool
BreakerPeriodIsOver(TimestampTz until, TimestampTz now)
{
	return until <= now || until > BreakerPeriodEnd(now);
}

bool
BreakerAdmits(Breaker *breaker)
{
	uint64		until = pg_atomic_read_u64(&breaker->open_until);
	TimestampTz now;

	if (until == 0)
		return true;

	now = GetCurrentTimestamp();
	if (!BreakerPeriodIsOver((TimestampTz) until, now))
		return false;

	/* Of all who come now, the one that wins this is the probe. */
	return pg_atomic_compare_exchange_u64(&breaker->open_until, &until,
										  (uint64) BreakerPeriodEnd(now));
}

void
BreakerSuccess(Breaker *breaker)
{
	/* Nearly always there is nothing to change: leave the cache line alone. */
	if (pg_atomic_read_u32(&breaker->failures) != 0)
		pg_atomic_write_u32(&breaker->failures, 0);

	if (pg_atomic_read_u64(&breaker->open_until) != 0 &&
		pg_atomic_exchange_u64(&breaker->open_until, 0) != 0)
		ereport(LOG_SERVER_ONLY,
				(errmsg("clarify_cache uses Redis again"),
				 errhidestmt(true)));
}

void
BreakerFailure(Breaker *breaker, const char *why)
{
	uint32		failures = pg_atomic_add_fetch_u32(&breaker->failures, 1);
	uint64		closed = 0;

	if (failures < (uint32) setting_breaker_failures)
		return;

	/* If it is open already, this was the probe, or a try from before. */
	if (!pg_atomic_compare_exchange_u64(&breaker->open_until, &closed,
										(uint64) BreakerPeriodEnd(GetCurrentTimestamp())))
		return;

	pg_atomic_fetch_add_u64(&breaker->openings, 1);
	ereport(LOG_SERVER_ONLY,
			(errmsg("clarify_cache leaves Redis alone after %u failures in a row",
					failures),
			 errdetail("The last failure: %s.", why),
			 errhint("Contexts are built from the tables meanwhile.  One call tries again every %d ms.",
					 setting_breaker_recovery),
			 errhidestmt(true)));
}

bool
BreakerIsClosed(Breaker *breaker)
{
	return pg_atomic_read_u64(&breaker->open_until) == 0;
}

void
BreakerGetInfo(Breaker *breaker, BreakerInfo *info)
{
	TimestampTz until = (TimestampTz) pg_atomic_read_u64(&breaker->open_until);

	info->failures = pg_atomic_read_u32(&breaker->failures);
	info->openings = pg_atomic_read_u64(&breaker->openings);
	info->probe_at = until;

	if (until == 0)
		info->state = BREAKER_CLOSED;
	else if (BreakerPeriodIsOver(until, GetCurrentTimestamp()))
		info->state = BREAKER_HALF_OPEN;
	else
		info->state = BREAKER_OPEN;
}
