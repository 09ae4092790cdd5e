/*-------------------------------------------------------------------------
 *
 * miss.c
 *	  What no tier has: wait for somebody else's, or build and fill.  Steps 6,
 *	  7 and 9 of context.c.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/settings.h"
#include "base/stats.h"
#include "call/build.h"
#include "call/caller.h"
#include "call/find.h"
#include "call/flight.h"
#include "call/miss.h"
#include "common/hashfn.h"
#include "redis/redis_tier.h"
#include "section/analysis.h"
#include "tier/local_tier.h"
#include "utils/timestamp.h"

/*----------
 * Waiting
 *----------
 */

/*
 * Is it worth leading or waiting?  Not for what no tier takes, nor if what is
 * built here may not be kept: of a transaction older than the ttl, or of a
 * snapshot that lies before a change of the table as a whole.
 */
static bool
WantsFlight(const ContextCall *call)
{
	VersionRows now = {0};

	if (call->nusers != 1 || IsInParallelMode() ||
		!(call->redis_answered || (setting_is_preloaded && LocalTierEnabled())))
		return false;
	if (IsolationUsesXactSnapshot() && !BuildGuardRows(&now))
		return false;
	for (int s = 0; s < call->nsections; s++)
	{
		const Section *section = call->sections[s].section;
		const Answer *answer = &call->users[0].answers[s];

		if (answer->bypass == BYPASS_NONE && answer->item.payload == NULL &&
			!section->not_kept && SectionStorageIsOlder(section, call->snapshot) &&
			BuildMayFill(section, &call->tables,
						 IsolationUsesXactSnapshot() ? &now : &call->tables))
			return true;
	}
	return false;
}

/* A hash of all that is missing: whose, what, and of which version. */
static uint64
FlightKey(TierItem **items, int nitems)
{
	uint64		key = (uint64) items[0]->user->hash;

	for (int i = 0; i < nitems; i++)
	{
		key = hash_combine64(key, items[i]->header.fingerprint);
		key = hash_combine64(key, items[i]->header.version);
	}
	return key;
}

/*
 * Wait until what is missing is there, or until it is ours to build.  The
 * tiers are looked at once more when it is, as somebody may have finished in
 * between.
 */
static void
JoinFlight(ContextCall *call, Flight *flight, TierItem **items, int nitems)
{
	FlightTurn	turn;

	FlightInit(flight, FlightKey(items, nitems));
	do
	{
		turn = FlightTry(flight);
		CallTimeStage(&call->time, STAGE_WAIT);
		if (turn != FLIGHT_ALONE)
			nitems = FindLocal(call, items, false);
	} while (turn == FLIGHT_WAIT && nitems > 0);

	if (turn == FLIGHT_LEAD && flight->waits > 0)
		nitems = FindRedis(call, items, nitems, false);
	if (nitems == 0)
		StatsCount(StatsCallsSlot(), STATS_WAITS);
}

/*----------
 * Building and filling
 *----------
 */

/* Build what is missing and bypassed, or what is missing and not. */
static void
BuildMissing(ContextCall *call, bool bypassed)
{
	BuildState	state;
	bool		begun = false;

	foreach_answer(call, u, s)
	{
		Section    *section = call->sections[s].section;
		Answer	   *answer = &call->users[u].answers[s];
		int64		start;

		if (answer->item.payload != NULL || (answer->bypass != BYPASS_NONE) != bypassed)
			continue;
		if (!begun)
			BuildBegin(&state, &call->caller, NULL);
		begun = true;
		start = MonotonicNanos();
		answer->item.payload = BuildSection(&state, section, &call->users[u].user,
											bypassed, &answer->item.payload_len);
		answer->may_keep = state.may_keep;
		answer->source = SOURCE_BUILD;
		StatsCount(section->stats_slot, STATS_BUILDS);
		StatsAdd(section->stats_slot, STATS_BUILD_NS, MonotonicNanos() - start);
		if (answer->bypass != BYPASS_NONE)
			StatsCount(section->stats_slot, STATS_BYPASSES + answer->bypass);
	}
	if (begun)
	{
		BuildEnd(&state);
		call->disturbed |= state.ground.disturbed;
	}
	CallTimeStage(&call->time, STAGE_BUILD);
}

/*
 * Which answers, built here, may be kept?  Sets items to them.  The times of
 * their entries are those of the transaction's beginning, as now() is.
 */
static int
CollectBuilt(ContextCall *call, TierItem **items)
{
	TimestampTz built_at = GetCurrentTransactionStartTimestamp();
	VersionRows now = {0};
	bool		guarded = false;
	int			nitems = 0;

	if (!CallerIsStillTheSame(call))
		return 0;
	for (int s = 0; s < call->nsections; s++)
	{
		Section    *section = call->sections[s].section;
		bool		asked = false;
		bool		may_fill = false;

		for (int u = 0; u < call->nusers; u++)
		{
			Answer	   *answer = &call->users[u].answers[s];

			if (answer->source != SOURCE_BUILD || answer->bypass != BYPASS_NONE ||
				!answer->may_keep)
				continue;
			if (!guarded && !BuildGuardRows(&now))
				return 0;
			guarded = true;
			if (!asked)
				may_fill = SectionIsUndisturbed(section) &&
					SectionStorageIsOlder(section, call->snapshot) &&
					BuildMayFill(section, &call->tables, &now);
			asked = true;
			if (!may_fill)
				continue;
			answer->item.header.built_at = built_at;
			answer->item.header.expires_at = SectionExpiry(section, built_at);
			items[nitems++] = &answer->item;
		}
	}
	return nitems;
}

/* Note which items a tier took. */
static void
NoteStored(TierItem **items, int nitems)
{
	for (int i = 0; i < nitems; i++)
		AnswerOf(items[i])->filled |= items[i]->stored;
}

/*
 * Count what was offered.  Of two tiers, Redis is to have it in any case; the
 * local one may be too small.
 */
static void
CountFills(ContextCall *call, bool to_redis)
{
	foreach_answer(call, u, s)
	{
		Section    *section = call->sections[s].section;
		Answer	   *answer = &call->users[u].answers[s];

		if (answer->source != SOURCE_BUILD || answer->bypass != BYPASS_NONE ||
			answer->item.header.expires_at == 0)
			continue;
		if (answer->filled)
			StatsCount(section->stats_slot, STATS_FILLS);
		if (to_redis ? !answer->item.stored : !answer->filled)
			StatsCount(section->stats_slot, STATS_FILL_FAILURES);
		section->not_kept = !answer->filled;
	}
}

static void
FillTiers(ContextCall *call, TierItem **items)
{
	bool		to_local = LocalTierEnabled();
	bool		to_redis = call->redis_answered;
	int			nitems;

	if (!to_local && !to_redis)
		return;
	nitems = CollectBuilt(call, items);
	LocalTierFill(items, nitems);
	NoteStored(items, nitems);
	if (to_redis)
	{
		RedisTierFill(items, nitems);
		NoteStored(items, nitems);
	}
	CountFills(call, to_redis);
	CallTimeStage(&call->time, STAGE_FILL);
}

void
AnswerMissing(ContextCall *call, TierItem **items, int nmissing)
{
	Flight		flight = {0};

	if (nmissing > 0 && WantsFlight(call))
		JoinFlight(call, &flight, items, nmissing);
	BuildMissing(call, false);
	FillTiers(call, items);
	FlightEnd(&flight);
}

void
AnswerBypassed(ContextCall *call)
{
	BuildMissing(call, true);
}
