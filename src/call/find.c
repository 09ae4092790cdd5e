/*-------------------------------------------------------------------------
 *
 * find.c
 *	  Which answers do the tiers have, and may the caller have them?  Steps 4
 *	  and 5 of context.c.
 *
 * Whatever a tier had is given to nobody before it was checked, with
 * invalidations accepted after it was found.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/stats.h"
#include "call/caller.h"
#include "call/find.h"
#include "redis/redis_tier.h"
#include "section/analysis.h"
#include "tier/local_tier.h"

/* Those that are missing. */
static int
CollectMissing(ContextCall *call, TierItem **items)
{
	int			nitems = 0;

	foreach_answer(call, u, s)
	{
		Answer	   *answer = &call->users[u].answers[s];

		if (answer->bypass == BYPASS_NONE && answer->item.payload == NULL)
			items[nitems++] = &answer->item;
	}
	return nitems;
}

static void
CountFinds(int slot, const Answer *answer)
{
	if (answer->item.verdict == ENTRY_OTHER_VERSION)
		StatsCount(slot, STATS_VERSION_MISMATCHES);
	else if (answer->item.verdict == ENTRY_CORRUPT)
		StatsCount(slot, STATS_CORRUPT);
}

/* Note where what has been found since the last call of this comes from. */
static void
NoteFinds(ContextCall *call, AnswerSource source, bool count)
{
	foreach_answer(call, u, s)
	{
		Answer	   *answer = &call->users[u].answers[s];

		if (answer->source != SOURCE_NONE || answer->bypass != BYPASS_NONE)
			continue;
		if (answer->item.payload != NULL)
			answer->source = source;
		else if (count)
			CountFinds(call->sections[s].section->stats_slot, answer);
	}
}

/*
 * Why may the caller not have what was found of this section?  BYPASS_NONE if
 * it may.  Where a privilege is missing, the build that follows raises what a
 * plain query would.
 */
static BypassReason
JudgeFinds(Section *section)
{
	if (!SectionIsCurrent(section))
		return BYPASS_INVALIDATED;
	return BypassReasonOfCaller(section);
}

static void
CheckFinds(ContextCall *call)
{
	for (int s = 0; s < call->nsections; s++)
	{
		bool		asked = false;
		BypassReason reason = BYPASS_NONE;

		for (int u = 0; u < call->nusers; u++)
		{
			Answer	   *answer = &call->users[u].answers[s];

			if (answer->item.payload == NULL || answer->checked)
				continue;
			if (!asked)
				reason = JudgeFinds(call->sections[s].section);
			asked = true;
			answer->checked = true;
			if (reason == BYPASS_NONE)
				continue;
			answer->item.payload = NULL;
			answer->source = SOURCE_NONE;
			answer->bypass = reason;
		}
	}
}

int
FindLocal(ContextCall *call, TierItem **items, bool count)
{
	LocalTierRead(items, CollectMissing(call, items));
	NoteFinds(call, SOURCE_LOCAL, count);
	CheckFinds(call);
	CallTimeStage(&call->time, STAGE_LOCAL);
	return CollectMissing(call, items);
}

/* Put what Redis had of these items into the local tier. */
static void
KeepFinds(TierItem **items, int nitems)
{
	int			nkept = 0;

	for (int i = 0; i < nitems; i++)
	{
		if (AnswerOf(items[i])->source == SOURCE_REDIS)
			items[nkept++] = items[i];
	}
	LocalTierFill(items, nkept);
}

int
FindRedis(ContextCall *call, TierItem **items, int nitems, bool count)
{
	if (nitems == 0 || !RedisTierEnabled())
		return nitems;
	call->redis_asked = true;
	call->redis_answered = RedisTierRead(items, nitems);
	NoteFinds(call, SOURCE_REDIS, count);
	CheckFinds(call);
	KeepFinds(items, nitems);
	CallTimeStage(&call->time, STAGE_REDIS);
	return CollectMissing(call, items);
}
