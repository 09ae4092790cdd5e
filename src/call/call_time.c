/*-------------------------------------------------------------------------
 *
 * call_time.c
 *	  How long did a call take?  See call_time.h.
 *
 * A call in whose log line nobody is interested asks the clock twice.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/settings.h"
#include "call/call_time.h"

void
CallTimeBegin(CallTime *time)
{
	memset(time, 0, sizeof(*time));
	time->by_stage = setting_log_min_duration >= 0;
	time->start = time->stage_start = MonotonicNanos();
}

void
CallTimeStage(CallTime *time, CallStage stage)
{
	int64		now;

	if (!time->by_stage)
		return;
	now = MonotonicNanos();
	time->stages[stage] += now - time->stage_start;
	time->stage_start = now;
}
