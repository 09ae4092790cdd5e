/*-------------------------------------------------------------------------
 *
 * context.c
 *	  clarify_context(): the way of a call, from the user's id to the JSON.
 *
 * The order of the steps is what makes a hit exact:
 *
 *	1. Can this call trust its view of the versions at all?  (bypass.c)
 *	2. The table-level and the user's version rows, under the caller's
 *	   snapshot.  They do not change while the snapshot is the same.  Then the
 *	   sections, as they are defined under it.
 *	3. For each section: lock its tables as a SELECT would, accept
 *	   invalidations, see that the analysis is of now.  From here on, no DDL
 *	   that takes AccessExclusiveLock can happen to them.  The rows of step 2
 *	   then say whether the section is covered, and its version.
 *	4. Look for entries of just that version.
 *	5. Check privileges, and row-level security once more, with invalidations
 *	   accepted again: an entry may be younger than step 3's look.
 *	6. Build what is missing, all in the one snapshot, and offer it to the
 *	   cache if the fill guard agrees (build.c).
 *	7. Put it together.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "build.h"
#include "bypass.h"
#include "catalog/pg_type.h"
#include "change.h"
#include "common/pg_prng.h"
#include "context.h"
#include "items.h"
#include "lib/stringinfo.h"
#include "privilege.h"
#include "redis_tier.h"
#include "section.h"
#include "settings.h"
#include "stats.h"
#include "user_key.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "version.h"

PG_FUNCTION_INFO_V1(clarify_context);

/* One section of one call. */
typedef struct SectionCall
{
	Section    *section;
	BypassReason bypass;
	uint64		version;		/* unless bypassed */
	const char *payload;		/* NULL until found or built */
	Size		len;
	bool		built;
} SectionCall;

/* One call. */
typedef struct ContextCall
{
	Snapshot	snapshot;
	UserKey		user;
	BypassReason bypass;		/* of all sections */
	VersionRows tables;			/* table-level rows under the snapshot */
	VersionRows mine;			/* the user's */
	bool		redis_answered;
	SectionCall *sections;
	int			nsections;
} ContextCall;

/* Steps 1 and 2. */
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
	if (!VersionProbe(&reader, call->snapshot, USER_KEY_HASH_TABLE, &call->tables) ||
		!VersionProbe(&reader, call->snapshot, call->user.hash, &call->mine))
		call->bypass = BYPASS_HISTORY;

	/*
	 * Not kept open: a build may wait for a table, and whoever holds that may
	 * wait for DDL on this one, which would wait for us.
	 */
	VersionClose(&reader);
}

/* Is every table of the section covered, without a hole, and not ours to doubt? */
static BypassReason
JudgeTables(const ContextCall *call, SectionCall *item)
{
	ListCell   *lc;

	item->version = 0;
	foreach(lc, item->section->relations)
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
		item->version ^= version.all ^ VersionOfUser(&call->mine, table_id);
	}
	return BYPASS_NONE;
}

/* Step 3, for one section. */
static BypassReason
JudgeSection(const ContextCall *call, SectionCall *item)
{
	BypassReason reason;

	if (call->bypass != BYPASS_NONE)
		return call->bypass;
	if (!SectionLockAndAnalyze(item->section, call->snapshot, &call->tables))
		return BYPASS_LOCKED;
	reason = JudgeTables(call, item);
	if (reason != BYPASS_NONE)
		return reason;
	if (item->section->fault != NULL)
		return BYPASS_UNCACHEABLE;
	if (RowSecurityApplies(item->section->relations))
		return BYPASS_ROW_SECURITY;
	return BYPASS_NONE;
}

static TierItem *
MakeTierItem(const ContextCall *call, const SectionCall *item, TierItem *tier_item)
{
	memset(tier_item, 0, sizeof(*tier_item));
	tier_item->user = &call->user;
	tier_item->section = item->section->name;
	tier_item->stats_slot = item->section->stats_slot;
	tier_item->header.version = item->version;
	tier_item->header.fingerprint = item->section->fingerprint;
	return tier_item;
}

/* Step 4: ask the tiers for everything that may be cached. */
static void
ReadTiers(ContextCall *call)
{
	TierItem   *items = palloc(call->nsections * sizeof(TierItem));
	SectionCall **wanted = palloc(call->nsections * sizeof(SectionCall *));
	int			nitems = 0;

	for (int i = 0; i < call->nsections; i++)
	{
		if (call->sections[i].bypass != BYPASS_NONE)
			continue;
		wanted[nitems] = &call->sections[i];
		MakeTierItem(call, &call->sections[i], &items[nitems++]);
	}
	if (nitems == 0 || !RedisTierEnabled())
		return;

	call->redis_answered = RedisTierRead(items, nitems);
	for (int i = 0; i < nitems; i++)
	{
		if (items[i].found)
		{
			wanted[i]->payload = items[i].payload;
			wanted[i]->len = items[i].payload_len;
		}
	}
}

/*
 * Step 5: may the caller have what was found?  If not, the build that follows
 * raises what a plain query would.
 */
static void
CheckHits(ContextCall *call)
{
	for (int i = 0; i < call->nsections; i++)
	{
		SectionCall *item = &call->sections[i];

		if (item->payload == NULL)
			continue;
		if (!SectionIsCurrent(item->section))
			item->bypass = BYPASS_INVALIDATED;
		else if (RowSecurityApplies(item->section->relations))
			item->bypass = BYPASS_ROW_SECURITY;
		else if (CallerMayRead(item->section))
			continue;
		item->payload = NULL;
	}
}

/* Step 6, first half. */
static void
BuildMissing(ContextCall *call)
{
	BuildState	state;
	bool		begun = false;

	for (int i = 0; i < call->nsections; i++)
	{
		SectionCall *item = &call->sections[i];

		if (item->payload != NULL)
			continue;
		if (!begun)
			BuildBegin(&state);
		begun = true;
		item->payload = BuildSection(&state, item->section, &call->user, &item->len);
		item->built = true;
		StatsCount(item->section->stats_slot, STATS_BUILDS);
		if (item->bypass != BYPASS_NONE)
			StatsCount(item->section->stats_slot, STATS_BYPASSES);
	}
	if (begun)
		BuildEnd(&state);
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

/* Step 6, second half. */
static void
FillTiers(ContextCall *call)
{
	TierItem   *items;
	VersionRows now = {0};
	int			nitems = 0;
	bool		guarded = false;

	if (!call->redis_answered)
		return;
	items = palloc(call->nsections * sizeof(TierItem));
	for (int i = 0; i < call->nsections; i++)
	{
		SectionCall *item = &call->sections[i];
		TierItem   *tier_item;

		if (!item->built || item->bypass != BYPASS_NONE)
			continue;
		if (!guarded && !BuildGuardRows(&now))
			return;
		guarded = true;
		if (!SectionIsCurrent(item->section) || IsMarked(item->section) ||
			!BuildMayFill(item->section, &call->tables, &now))
			continue;
		tier_item = MakeTierItem(call, item, &items[nitems++]);
		tier_item->header.built_at = GetCurrentTransactionStartTimestamp();
		tier_item->header.expires_at = ExpiryOf(item->section);
		tier_item->payload = item->payload;
		tier_item->payload_len = item->len;
	}
	if (nitems > 0)
		RedisTierFill(items, nitems);
}

/* Step 7. */
static text *
Assemble(const ContextCall *call, const char *current_session)
{
	StringInfoData buf;
	text	   *result;

	initStringInfo(&buf);
	appendStringInfoSpaces(&buf, VARHDRSZ);
	appendStringInfoCharMacro(&buf, '{');
	for (int i = 0; i < call->nsections; i++)
	{
		const SectionCall *item = &call->sections[i];
		const Section *section = item->section;
		const char *leave_out =
			strcmp(section->name, SESSIONS_SECTION) == 0 ? current_session : NULL;

		if (i > 0)
			appendStringInfoCharMacro(&buf, ',');
		appendStringInfo(&buf, "\"%s\":", section->name);
		if (section->single_row || (leave_out == NULL && section->max_items < 0))
			appendBinaryStringInfo(&buf, item->payload, item->len);
		else
			AppendItems(&buf, item->payload, item->len, leave_out, section->max_items);
	}
	appendStringInfoCharMacro(&buf, '}');

	result = (text *) buf.data;
	SET_VARSIZE(result, buf.len);
	return result;
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
	for (int i = 0; i < call->nsections; i++)
		call->sections[i].section = list_nth(sections, i);
}

static text *
GetContext(ContextCall *call, const char *current_session)
{
	text	   *result;

	ReadVersions(call);
	AcquireSections(call);
	for (int i = 0; i < call->nsections; i++)
		call->sections[i].bypass = JudgeSection(call, &call->sections[i]);
	ReadTiers(call);
	CheckHits(call);
	BuildMissing(call);
	FillTiers(call);
	result = Assemble(call, current_session);
	SectionsRelease();
	return result;
}

text *
ContextOfUser(Datum user_id, const char *current_session)
{
	ContextCall call = {0};

	UserKeyFromDatum(&call.user, UUIDOID, user_id);
	call.snapshot = GetActiveSnapshot();
	return GetContext(&call, current_session);
}

Datum
clarify_context(PG_FUNCTION_ARGS)
{
	const char *current_session = NULL;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(1))
		current_session = DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(1)));
	PG_RETURN_TEXT_P(ContextOfUser(PG_GETARG_DATUM(0), current_session));
}
