/*-------------------------------------------------------------------------
 *
 * report.c
 *	  What the cache is doing: the rows of the views stats and status.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "breaker.h"
#include "ext_tables.h"
#include "funcapi.h"
#include "redis_conn.h"
#include "redis_tier.h"
#include "redis_url.h"
#include "settings.h"
#include "shared.h"
#include "stats.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(clarify_section_stats);
PG_FUNCTION_INFO_V1(clarify_cache_status);

#define STATS_COLUMNS	(1 + STATS_NUM_COUNTERS)
#define STATUS_COLUMNS	8

/* The counters in the order of the view's columns. */
static const StatsCounter stats_order[STATS_NUM_COUNTERS] = {
	STATS_LOCAL_HITS,
	STATS_REDIS_HITS,
	STATS_BUILDS,
	STATS_BYPASSES,
	STATS_FILLS,
	STATS_VERSION_MISMATCHES,
	STATS_CORRUPT,
};

static uint64
ReadCounter(int slot, StatsCounter counter)
{
	return pg_atomic_read_u64(&Shared()->stats.sections[slot].counters[counter]);
}

Datum
clarify_section_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, ReadSections(GetActiveSnapshot(), true, NULL))
	{
		SectionRow *row = lfirst(lc);
		int			slot = StatsSlot(row->name);
		Datum		values[STATS_COLUMNS];
		bool		nulls[STATS_COLUMNS] = {0};

		values[0] = CStringGetTextDatum(row->name);
		for (int i = 0; i < STATS_NUM_COUNTERS; i++)
		{
			/* No slot was left to count in: unknown, not zero. */
			nulls[1 + i] = slot == STATS_NO_SLOT;
			if (!nulls[1 + i])
				values[1 + i] = Int64GetDatum((int64) ReadCounter(slot, stats_order[i]));
		}
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static const char *
BreakerStateName(BreakerState state)
{
	switch (state)
	{
		case BREAKER_CLOSED:
			return "closed";
		case BREAKER_OPEN:
			return "open";
		case BREAKER_HALF_OPEN:
			return "half-open";
	}
	return "unknown";
}

Datum
clarify_cache_status(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[STATUS_COLUMNS];
	bool		nulls[STATUS_COLUMNS] = {0};
	BreakerInfo breaker;
	RedisUrl	url;
	const char *detail;
	char		address[2 * REDIS_URL_MAX_PART];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	BreakerGetInfo(&Shared()->breaker, &breaker);

	values[0] = BoolGetDatum(setting_enabled);
	values[1] = BoolGetDatum(SharedIsPreloaded());
	if (setting_redis_url[0] != '\0' && RedisUrlParse(setting_redis_url, &url, &detail))
		values[2] = CStringGetTextDatum(RedisUrlForDisplay(&url, address, sizeof(address)));
	else
		nulls[2] = true;
	values[3] = BoolGetDatum(RedisTierEnabled() && RedisConnIsOpen());
	values[4] = CStringGetTextDatum(BreakerStateName(breaker.state));
	values[5] = Int32GetDatum((int32) breaker.failures);
	values[6] = Int64GetDatum((int64) breaker.openings);
	values[7] = TimestampTzGetDatum(breaker.probe_at);
	nulls[7] = breaker.probe_at == 0;

	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
