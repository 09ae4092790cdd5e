/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  explain(): make the call for a user, and say where each section came
 *	  from.
 *
 * It is the same call as clarify_context(), so it needs the same privileges
 * and changes the cache in the same way.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "call/context.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

CLARIFY_FUNCTION(clarify_explain);

#define EXPLAIN_COLUMNS 6

static const char *
SourceName(const Answer *answer)
{
	switch (answer->source)
	{
		case SOURCE_LOCAL:
			return "local";
		case SOURCE_REDIS:
			return "redis";
		case SOURCE_BUILD:
			return answer->bypass == BYPASS_NONE ? "build" : "bypass";
		case SOURCE_NONE:
			break;
	}
	return "none";
}

static Datum
IntervalBetween(TimestampTz from, TimestampTz to)
{
	return DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(to), TimestampTzGetDatum(from));
}

static void
PutAnswer(ReturnSetInfo *rsinfo, const char *section, const Answer *answer, TimestampTz now)
{
	bool		kept = answer->source != SOURCE_BUILD || answer->filled;
	Datum		values[EXPLAIN_COLUMNS];
	bool		nulls[EXPLAIN_COLUMNS] = {0};

	values[0] = CStringGetTextDatum(section);
	values[1] = CStringGetTextDatum(SourceName(answer));
	values[2] = CStringGetTextDatum(BypassReasonName(answer->bypass));
	nulls[2] = answer->bypass == BYPASS_NONE;
	values[3] = Int64GetDatum((int64) answer->item.payload_len);
	nulls[4] = nulls[5] = !kept;
	if (kept)
	{
		values[4] = IntervalBetween(answer->item.header.built_at, now);
		values[5] = IntervalBetween(now, answer->item.header.expires_at);
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
clarify_explain(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ContextCall call;
	UserKey		user;
	TimestampTz now;

	InitMaterializedSRF(fcinfo, 0);
	UserKeyFromDatum(&user, UUIDOID, PG_GETARG_DATUM(0));
	ContextBegin(&call, &user, 1);
	now = GetCurrentTimestamp();
	for (int s = 0; s < call.nsections; s++)
		PutAnswer(rsinfo, call.sections[s].section->name, &call.users[0].answers[s], now);
	ContextEnd(&call);
	return (Datum) 0;
}
