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
#include "base/compat.h"

#include "base/clock.h"
#include "base/settings.h"
#include "base/stats.h"
#include "redis/breaker.h"
#include "utils/timestamp.h"

/*
 * How long Redis has to answer others before it is in doubt: a share of the
 * time-out.
 */
#define DOUBT_SHARE 10
#define MIN_DOUBT_US 1000
#define MAX_DOUBT_US 5000

/* How often to look whether it has. */
#define DOUBT_POLL_US 100

static Breaker *breaker = NULL;

/* Is a try of this backend counted as under way? */
static bool trying = false;

static void
Initialize(void)
{
	pg_atomic_init_u32(&breaker->failures, 0);
	pg_atomic_init_u64(&breaker->open_until, 0);
	pg_atomic_init_u64(&breaker->openings, 0);
	pg_atomic_init_u32(&breaker->tries, 0);
	pg_atomic_init_u64(&breaker->answered_at, 0);
}

void
BreakerUse(Breaker *memory, bool initialize)
{
	breaker = memory;
	if (initialize)
		Initialize();
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

static void
EndTry(void)
{
	if (trying)
		pg_atomic_fetch_sub_u32(&breaker->tries, 1);
	trying = false;
}

/*
 * With as many tries under way as failures would open the breaker: has Redis
 * answered anybody lately, or does it in the moment that we can spare?
 */
static bool
AnswersOthers(void)
{
	int64		share = setting_command_timeout * INT64CONST(1000) / DOUBT_SHARE;
	int64		doubt = Min(MAX_DOUBT_US, Max(MIN_DOUBT_US, share));
	int64		start = MonotonicMicros();
	int64		now = start;

	while ((int64) pg_atomic_read_u64(&breaker->answered_at) < now - doubt)
	{
		if (now - start >= doubt)
			return false;
		pg_usleep(DOUBT_POLL_US);
		now = MonotonicMicros();
	}
	return true;
}

/* Of all who come when the recovery period is over, one is let through. */
static bool
AdmitsProbe(uint64 until)
{
	TimestampTz now = GetCurrentTimestamp();

	return BreakerPeriodIsOver((TimestampTz) until, now) &&
		pg_atomic_compare_exchange_u64(&breaker->open_until, &until,
									   (uint64) BreakerPeriodEnd(now));
}

bool
BreakerAdmits(void)
{
	uint64		until = pg_atomic_read_u64(&breaker->open_until);
	uint32		others;

	EndTry();			/* one that an error has left */
	if (until != 0 && !AdmitsProbe(until))
		return false;

	others = pg_atomic_fetch_add_u32(&breaker->tries, 1);
	trying = true;
	if (until == 0 && others >= (uint32) setting_breaker_failures && !AnswersOthers())
	{
		EndTry();
		return false;
	}
	return true;
}

void
BreakerAbandon(void)
{
	EndTry();
}

void
BreakerSuccess(void)
{
	EndTry();
	pg_atomic_write_u64(&breaker->answered_at, (uint64) MonotonicMicros());

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
BreakerFailure(const char *why)
{
	uint32		failures = pg_atomic_add_fetch_u32(&breaker->failures, 1);
	uint64		closed = 0;

	EndTry();
	StatsCountRedis(REDIS_ERRORS, 1);
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
BreakerIsClosed(void)
{
	return pg_atomic_read_u64(&breaker->open_until) == 0;
}

void
BreakerGetInfo(BreakerInfo *info)
{
	TimestampTz until = (TimestampTz) pg_atomic_read_u64(&breaker->open_until);

	info->failures = pg_atomic_read_u32(&breaker->failures);
	info->tries = pg_atomic_read_u32(&breaker->tries);
	info->openings = pg_atomic_read_u64(&breaker->openings);
	info->probe_at = until;

	if (until == 0)
		info->state = BREAKER_CLOSED;
	else if (BreakerPeriodIsOver(until, GetCurrentTimestamp()))
		info->state = BREAKER_HALF_OPEN;
	else
		info->state = BREAKER_OPEN;
}

void
BreakerResetOpenings(void)
{
	pg_atomic_write_u64(&breaker->openings, 0);
}
