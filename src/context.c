/*-------------------------------------------------------------------------
 *
 * context.c
 *	  The way of a call, from users' ids to their contexts.
 *
 * The order of the steps is what makes a hit exact:
 *
 *	1. Can this call trust its view of the versions at all?  (bypass.c)
 *	2. The table-level and the users' version rows, under the caller's
 *	   snapshot.  They do not change while the snapshot is the same.  Then the
 *	   sections, as they are defined under it.
 *	3. For each section: lock its tables as a SELECT would, accept
 *	   invalidations, see that the analysis is of now.  From here on, no DDL
 *	   that takes AccessExclusiveLock can happen to them.  The rows of step 2
 *	   then say whether the section is covered, and its version.
 *	4. Look for entries of just that version, in the local tier, then in Redis.
 *	5. Check privileges, and row-level security once more, with invalidations
 *	   accepted again: an entry may be younger than step 3's look.  What Redis
 *	   had goes into the local tier; it was of the caller's version, so it
 *	   needs no guard.
 *	6. What is missing: if somebody else is building just that, wait a moment
 *	   for it to come into a tier (flight.c), with steps 4 and 5 again.
 *	7. Build what is still missing, all in the one snapshot, and offer it to the
 *	   tiers if the fill guard agrees (build.c).
 *
 * Several users are answered together, which takes one exchange with Redis.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "build.h"
#include "catalog/pg_type.h"
#include "change.h"
#include "clock.h"
#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "context.h"
#include "flight.h"
#include "items.h"
#include "lib/stringinfo.h"
#include "local_tier.h"
#include "privilege.h"
#include "redis_tier.h"
#include "settings.h"
#include "stats.h"
#include "utils/timestamp.h"

/* For every answer of a call: `answer`, of section `s` and user `u`. */
#define foreach_answer(call, u, s) \
	for (int u = 0; u < (call)->nusers; u++) \
		for (int s = 0; s < (call)->nsections; s++)

/* The answer that an item is the first member of. */
static Answer *
AnswerOf(TierItem *item)
{
	StaticAssertStmt(offsetof(Answer, item) == 0, "an item must begin its answer");
	return (Answer *) item;
}

/*----------
 * Steps 1 to 3
 *----------
 */

static void
ReadVersions(ContextCall *call)
{
	VersionReader reader;

	call->bypass = BypassReasonOfCall(call->snapshot);
	if (call->bypass != BYPASS_NONE)
		return;
	if (!VersionOpen(&reader))
	{
		call->bypass = BYPASS_LOCKED;
		return;
	}
	if (!VersionProbe(&reader, call->snapshot, USER_KEY_HASH_TABLE, &call->tables))
		call->bypass = BYPASS_HISTORY;
	for (int u = 0; u < call->nusers && call->bypass == BYPASS_NONE; u++)
	{
		UserCall   *user = &call->users[u];

		if (!VersionProbe(&reader, call->snapshot, user->user.hash, &user->rows))
			user->bypass = BYPASS_HISTORY;
	}

	/*
	 * Not kept open: a build may wait for a table, and whoever holds that may
	 * wait for DDL on this one, which would wait for us.
	 */
	VersionClose(&reader);
}

static void
AcquireSections(ContextCall *call)
{
	List	   *sections = SectionsAcquire(call->snapshot, call->bypass == BYPASS_NONE ?
										   &call->tables : NULL);

	if (sections == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no section is defined"),
				 errhint("Run SELECT clarify_cache.setup(), or define sections with clarify_cache.add_section().")));
	call->nsections = list_length(sections);
	call->sections = palloc0(call->nsections * sizeof(SectionCall));
	for (int s = 0; s < call->nsections; s++)
		call->sections[s].section = list_nth(sections, s);
}

/* Is every table of the section covered, without a hole, and not ours to doubt? */
static BypassReason
JudgeTables(const ContextCall *call, SectionCall *section)
{
	ListCell   *lc;

	section->version = 0;
	foreach(lc, section->section->relations)
	{
		Oid			table_id = lfirst_oid(lc);
		TableVersion version;

		if (ChangeIsMarked(table_id))
			return BYPASS_CHANGED;
		VersionOfTable(&call->tables, table_id, &version);
		if (!version.covered)
			return BYPASS_NOT_COVERED;
		if (version.has_hole)
			return BYPASS_HOLE;
		section->version ^= version.all;
	}
	return BYPASS_NONE;
}

static BypassReason
JudgeSection(const ContextCall *call, SectionCall *section)
{
	BypassReason reason;

	if (call->bypass != BYPASS_NONE)
		return call->bypass;
	if (!SectionLockAndAnalyze(section->section, call->snapshot, &call->tables))
		return BYPASS_LOCKED;
	reason = JudgeTables(call, section);
	if (reason != BYPASS_NONE)
		return reason;
	if (section->section->fault != NULL)
		return BYPASS_UNCACHEABLE;
	if (RowSecurityApplies(section->section->relations))
		return BYPASS_ROW_SECURITY;
	return BYPASS_NONE;
}

/* What a user asks for of a section. */
static void
MakeAnswer(const SectionCall *section, const UserCall *user, Answer *answer)
{
	ListCell   *lc;

	answer->bypass = section->bypass != BYPASS_NONE ? section->bypass : user->bypass;
	answer->item.user = &user->user;
	answer->item.section = section->section->name;
	if (answer->bypass != BYPASS_NONE)
		return;
	answer->item.header.fingerprint = section->section->fingerprint;
	answer->item.header.version = section->version;
	foreach(lc, section->section->relations)
		answer->item.header.version ^= VersionOfUser(&user->rows, lfirst_oid(lc));
}

static void
JudgeSections(ContextCall *call)
{
	for (int s = 0; s < call->nsections; s++)
		call->sections[s].bypass = JudgeSection(call, &call->sections[s]);
	for (int u = 0; u < call->nusers; u++)
	{
		UserCall   *user = &call->users[u];

		user->answers = palloc0(call->nsections * sizeof(Answer));
		for (int s = 0; s < call->nsections; s++)
			MakeAnswer(&call->sections[s], user, &user->answers[s]);
	}
}

/*----------
 * Steps 4 and 5
 *----------
 */

/* Of how many of these may a tier know?  Sets items to them. */
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

/* Is every answer there? */
static bool
IsComplete(const ContextCall *call)
{
	foreach_answer(call, u, s)
	{
		if (call->users[u].answers[s].item.payload == NULL)
			return false;
	}
	return true;
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
 * May the caller have what was found of this section?  If not, the build that
 * follows raises what a plain query would.
 */
static bool
MayHave(SectionCall *section)
{
	if (!SectionIsCurrent(section->section))
		section->bypass = BYPASS_INVALIDATED;
	else if (RowSecurityApplies(section->section->relations))
		section->bypass = BYPASS_ROW_SECURITY;
	else
		return CallerMayRead(section->section);
	return false;
}

static void
CheckFinds(ContextCall *call)
{
	for (int s = 0; s < call->nsections; s++)
	{
		bool		asked = false;
		bool		may_have = false;

		for (int u = 0; u < call->nusers; u++)
		{
			Answer	   *answer = &call->users[u].answers[s];

			if (answer->item.payload == NULL || answer->checked)
				continue;
			if (!asked)
				may_have = MayHave(&call->sections[s]);
			asked = true;
			answer->checked = may_have;
			if (may_have)
				continue;
			answer->item.payload = NULL;
			answer->source = SOURCE_NONE;
			answer->bypass = call->sections[s].bypass;
		}
	}
}

/* Look in the local tier.  Returns how many answers are still missing. */
static int
ReadLocal(ContextCall *call, TierItem **items, bool count)
{
	LocalTierRead(items, CollectMissing(call, items));
	NoteFinds(call, SOURCE_LOCAL, count);
	CheckFinds(call);
	CallTimeStage(&call->time, STAGE_LOCAL);
	return CollectMissing(call, items);
}

/* Of what Redis was asked for, keep what it had in the local tier. */
static void
KeepRedisFinds(TierItem **items, int nitems)
{
	int			nfound = 0;

	for (int i = 0; i < nitems; i++)
	{
		if (AnswerOf(items[i])->source == SOURCE_REDIS)
			items[nfound++] = items[i];
	}
	LocalTierFill(items, nfound);
}

/* The same with Redis; `items` are what is missing. */
static int
ReadRedis(ContextCall *call, TierItem **items, int nitems, bool count)
{
	if (nitems == 0 || !RedisTierEnabled())
		return nitems;
	call->redis_answered = RedisTierRead(items, nitems);
	NoteFinds(call, SOURCE_REDIS, count);
	CheckFinds(call);
	CallTimeStage(&call->time, STAGE_REDIS);
	KeepRedisFinds(items, nitems);
	CallTimeStage(&call->time, STAGE_FILL);
	return CollectMissing(call, items);
}

/*----------
 * Step 6
 *----------
 */

/*
 * Is it worth leading or waiting?  Not for what no tier takes, nor if what is
 * built here may not be kept.
 */
static bool
WantsFlight(const ContextCall *call)
{
	TimestampTz age = GetCurrentTimestamp() - GetCurrentTransactionStartTimestamp();

	if (call->nusers != 1 || IsInParallelMode() ||
		!(call->redis_answered || (setting_is_preloaded && LocalTierEnabled())))
		return false;
	for (int s = 0; s < call->nsections; s++)
	{
		const Section *section = call->sections[s].section;
		const Answer *answer = &call->users[0].answers[s];

		if (answer->bypass == BYPASS_NONE && answer->item.payload == NULL &&
			!section->not_kept && age < section->ttl_us)
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
			nitems = ReadLocal(call, items, false);
	} while (turn == FLIGHT_WAIT && nitems > 0);

	if (turn == FLIGHT_LEAD && flight->waits > 0)
		nitems = ReadRedis(call, items, nitems, false);
	if (nitems == 0)
		StatsCount(StatsCallsSlot(), STATS_WAITS);
}

/*----------
 * Step 7
 *----------
 */

static void
BuildMissing(ContextCall *call)
{
	BuildState	state;
	bool		begun = false;

	foreach_answer(call, u, s)
	{
		Section    *section = call->sections[s].section;
		Answer	   *answer = &call->users[u].answers[s];
		int64		start;

		if (answer->item.payload != NULL)
			continue;
		if (!begun)
			BuildBegin(&state);
		begun = true;
		start = MonotonicNanos();
		answer->item.payload = BuildSection(&state, section, &call->users[u].user,
											&answer->item.payload_len);
		answer->source = SOURCE_BUILD;
		StatsCount(section->stats_slot, STATS_BUILDS);
		StatsAdd(section->stats_slot, STATS_BUILD_NS, MonotonicNanos() - start);
		if (answer->bypass != BYPASS_NONE)
			StatsCount(section->stats_slot, STATS_BYPASSES + answer->bypass);
	}
	if (begun)
		BuildEnd(&state);
	CallTimeStage(&call->time, STAGE_BUILD);
}

/*
 * Has this transaction changed a table of the section by now?  What a policy
 * calls may have done so in the middle of the builds.
 */
static bool
IsMarked(const Section *section)
{
	ListCell   *lc;

	foreach(lc, section->relations)
	{
		if (ChangeIsMarked(lfirst_oid(lc)))
			return true;
	}
	return ChangeAllMarked();
}

/* When the entry of a section built now expires, spread by the jitter. */
static TimestampTz
ExpiryOf(const Section *section)
{
	double		spread = pg_prng_double(&pg_global_prng_state) * setting_ttl_jitter / 100.0;

	return GetCurrentTransactionStartTimestamp() +
		(TimestampTz) (section->ttl_us * (1.0 - spread));
}

/*
 * Which answers, built here, may be kept?  Sets items to them.  The times of
 * their entries are those of the transaction's beginning, as now() is.
 */
static int
CollectBuilt(ContextCall *call, TierItem **items)
{
	VersionRows now = {0};
	bool		guarded = false;
	int			nitems = 0;

	for (int s = 0; s < call->nsections; s++)
	{
		Section    *section = call->sections[s].section;
		bool		asked = false;
		bool		may_fill = false;

		for (int u = 0; u < call->nusers; u++)
		{
			Answer	   *answer = &call->users[u].answers[s];

			if (answer->source != SOURCE_BUILD || answer->bypass != BYPASS_NONE)
				continue;
			if (!guarded && !BuildGuardRows(&now))
				return 0;
			guarded = true;
			if (!asked)
				may_fill = SectionIsCurrent(section) && !IsMarked(section) &&
					BuildMayFill(section, &call->tables, &now);
			asked = true;
			if (!may_fill)
				continue;
			answer->item.header.built_at = GetCurrentTransactionStartTimestamp();
			answer->item.header.expires_at = ExpiryOf(section);
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

/*----------
 * The call
 *----------
 */

static void
CountHits(const ContextCall *call)
{
	foreach_answer(call, u, s)
	{
		int			slot = call->sections[s].section->stats_slot;

		if (call->users[u].answers[s].source == SOURCE_LOCAL)
			StatsCount(slot, STATS_LOCAL_HITS);
		else if (call->users[u].answers[s].source == SOURCE_REDIS)
			StatsCount(slot, STATS_REDIS_HITS);
	}
}

/* What no tier has. */
static void
BuildAndFill(ContextCall *call, TierItem **items, int nmissing)
{
	Flight		flight = {0};

	if (nmissing > 0 && WantsFlight(call))
		JoinFlight(call, &flight, items, nmissing);
	BuildMissing(call);
	FillTiers(call, items);
	FlightEnd(&flight);
}

void
ContextBegin(ContextCall *call, const UserKey *users, int nusers)
{
	TierItem  **items;
	int			nmissing;

	memset(call, 0, sizeof(*call));
	CallTimeBegin(&call->time);
	call->snapshot = GetActiveSnapshot();
	call->nusers = nusers;
	call->users = palloc0(nusers * sizeof(UserCall));
	for (int u = 0; u < nusers; u++)
		call->users[u].user = users[u];

	ReadVersions(call);
	CallTimeStage(&call->time, STAGE_VERSIONS);
	AcquireSections(call);
	JudgeSections(call);
	CallTimeStage(&call->time, STAGE_SECTIONS);

	items = palloc(nusers * call->nsections * sizeof(TierItem *));
	nmissing = ReadLocal(call, items, true);
	nmissing = ReadRedis(call, items, nmissing, true);
	if (!IsComplete(call))
		BuildAndFill(call, items, nmissing);
	CountHits(call);
}

text *
ContextAssemble(ContextCall *call, int n, const char *current_session)
{
	StringInfoData buf;
	text	   *result;

	initStringInfo(&buf);
	appendStringInfoSpaces(&buf, VARHDRSZ);
	appendStringInfoCharMacro(&buf, '{');
	for (int s = 0; s < call->nsections; s++)
	{
		const TierItem *item = &call->users[n].answers[s].item;
		const Section *section = call->sections[s].section;
		const char *leave_out =
			strcmp(section->name, SESSIONS_SECTION) == 0 ? current_session : NULL;

		if (s > 0)
			appendStringInfoCharMacro(&buf, ',');
		appendStringInfo(&buf, "\"%s\":", section->name);
		if (section->single_row || (leave_out == NULL && section->max_items < 0))
			appendBinaryStringInfo(&buf, item->payload, item->payload_len);
		else
			AppendItems(&buf, item->payload, item->payload_len, leave_out, section->max_items);
	}
	appendStringInfoCharMacro(&buf, '}');
	CallTimeStage(&call->time, STAGE_ASSEMBLE);

	result = (text *) buf.data;
	SET_VARSIZE(result, buf.len);
	return result;
}

void
ContextEnd(ContextCall *call)
{
	CallTimeEnd(call);
	SectionsRelease();
}

text *
ContextOfUser(Datum user_id, const char *current_session)
{
	ContextCall call;
	UserKey		user;
	text	   *result;

	UserKeyFromDatum(&user, UUIDOID, user_id);
	ContextBegin(&call, &user, 1);
	result = ContextAssemble(&call, 0, current_session);
	ContextEnd(&call);
	return result;
}
