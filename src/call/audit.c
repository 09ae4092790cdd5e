/*-------------------------------------------------------------------------
 *
 * audit.c
 *	  Is what the tiers had what building would have given?  Step 8 of
 *	  context.c.
 *
 * An entry is of the caller's version, and so must be, byte for byte, what a
 * build under the caller's snapshot gives.  To build it there needs no waiting,
 * and no moment at which nobody writes: whatever others commit meanwhile, the
 * snapshot does not see.  What may rightly differ is left out:
 *
 *	- sections that depend on the time, which are as of their build;
 *	- what was built while a table changed as a whole, which the fill guard
 *	  tells (build.c), for an audit as for a fill: TRUNCATE and DDL show in an
 *	  older snapshot, too;
 *	- what was built as another caller, or after this transaction has changed a
 *	  table (caller.h);
 *	- what other people's code may have had a part in (build.h).
 *
 * So it comes before what is bypassed is built: that may be held to policies,
 * whose functions change the role, settings and tables of this very
 * transaction.  And it comes after the waiting for other backends, since what
 * they have built is a hit like any.
 *
 * An audit does no harm.  It runs in a subtransaction, so that a call that would
 * have been answered is not made to fail.  A hit locks no partitions or indexes,
 * so a build may wait where a hit would not: that is given up soon, and with it
 * all other audits of the call.  (Not in recovery, where a conflict with it ends
 * the session rather than the statement if it meets a subtransaction.)
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/guarded.h"
#include "base/settings.h"
#include "base/stats.h"
#include "call/audit.h"
#include "call/build.h"
#include "call/caller.h"
#include "common/pg_prng.h"
#include "lib/stringinfo.h"
#include "redis/redis_tier.h"
#include "section/analysis.h"
#include "storage/proc.h"
#include "tier/local_tier.h"
#include "utils/timestamp.h"

/* How long an audit waits for a lock, in milliseconds. */
#define LOCK_WAIT_MS 10

typedef struct Audit
{
	Section    *section;
	Answer	   *answer;			/* what was found */
	const Caller *caller;
	bool		guarded;		/* in a subtransaction? */
	bool		may_keep;		/* what was built; see BuildSection */
	bool		disturbed;
	char	   *built;			/* NULL if building raised an error; */
	Size		built_len;
	int			sqlstate;		/* which this is of */
	int64		build_ns;
} Audit;

/*----------
 * Building
 *----------
 */

/* For RunGuardedFully. */
static void
Build(void *arg)
{
	Audit	   *audit = arg;
	BuildState	state;
	bool		limit = audit->guarded && (LockTimeout == 0 || LockTimeout > LOCK_WAIT_MS);

	BuildBegin(&state, audit->caller, limit ? CppAsString2(LOCK_WAIT_MS) : NULL);
	audit->built = BuildSection(&state, audit->section, audit->answer->item.user, false,
								&audit->built_len);
	audit->may_keep = state.may_keep;
	BuildEnd(&state);
	audit->disturbed = state.ground.disturbed;
}

/* Sets what was built, or raised.  False if that proves nothing. */
static bool
BuildAgain(Audit *audit)
{
	int64		start = MonotonicNanos();
	ErrorData  *error = NULL;

	audit->guarded = !RecoveryInProgress();
	if (audit->guarded)
		error = RunGuardedFully(Build, audit);
	else
		Build(audit);
	audit->build_ns = MonotonicNanos() - start;
	if (error == NULL)
		return true;
	audit->built = NULL;
	audit->built_len = 0;
	audit->sqlstate = error->sqlerrcode;
	FreeErrorData(error);
	return !ErrorIsOfTheMoment(audit->sqlstate);
}

static bool
IsChosen(const Section *section, const Answer *answer)
{
	return (answer->source == SOURCE_LOCAL || answer->source == SOURCE_REDIS) &&
		!section->reads_time &&
		pg_prng_double(&pg_global_prng_state) < setting_audit_rate;
}

/*
 * Build the chosen ones; returns how many are to be compared.  Not if a build
 * would be of no use: where no fresh snapshot can be had for the guard, nor
 * a subtransaction, or where the builds before have disturbed something.  Ends
 * with the first build that proves nothing: the next would likely do the same.
 */
static int
BuildChosen(ContextCall *call, Audit **audits)
{
	int			n = 0;

	*audits = NULL;
	foreach_answer(call, u, s)
	{
		Section    *section = call->sections[s].section;
		Answer	   *answer = &call->users[u].answers[s];

		if (!IsChosen(section, answer))
			continue;
		if (*audits == NULL)
		{
			if (IsInParallelMode() || !CallerIsStillTheSame(call))
				return 0;
			*audits = palloc0(call->nusers * call->nsections * sizeof(Audit));
		}
		if (!SectionIsUndisturbed(section))
			continue;
		(*audits)[n].section = section;
		(*audits)[n].answer = answer;
		(*audits)[n].caller = &call->caller;
		if (!BuildAgain(&(*audits)[n]))
			return n;
		call->disturbed |= (*audits)[n].disturbed;
		if ((*audits)[n].built != NULL && !(*audits)[n].may_keep)
			continue;
		n++;
	}
	return n;
}

/*----------
 * Comparing
 *----------
 */

static bool
IsSame(const Audit *audit)
{
	const TierItem *found = &audit->answer->item;

	return audit->built != NULL && audit->built_len == found->payload_len &&
		memcmp(audit->built, found->payload, found->payload_len) == 0;
}

static Size
FirstDifference(const Audit *audit)
{
	const TierItem *found = &audit->answer->item;
	Size		at = 0;

	while (at < found->payload_len && at < audit->built_len &&
		   found->payload[at] == audit->built[at])
		at++;
	return at;
}

/* What it takes to find the cause, without a byte of what is in the context. */
static char *
Details(const ContextCall *call, const Audit *audit)
{
	const TierItem *found = &audit->answer->item;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "Section \"%s\" of user %016" INT64_MODIFIER "x was found in %s: version %016"
					 INT64_MODIFIER "x, fingerprint %016" INT64_MODIFIER "x, built at %s",
					 audit->section->name, found->user->hash,
					 audit->answer->source == SOURCE_LOCAL ? "the local tier" : "Redis",
					 found->header.version, found->header.fingerprint,
					 timestamptz_to_str(found->header.built_at));
	appendStringInfo(&buf, ", expires at %s, %zu bytes.  Under the snapshot %u:%u, command %u, ",
					 timestamptz_to_str(found->header.expires_at), found->payload_len,
					 call->snapshot->xmin, call->snapshot->xmax, call->snapshot->curcid);
	if (audit->built == NULL)
		appendStringInfo(&buf, "building it raised an error of SQLSTATE %s.",
						 unpack_sql_state(audit->sqlstate));
	else
		appendStringInfo(&buf, "%zu bytes were built; byte %zu is the first that differs.",
						 audit->built_len, FirstDifference(audit));
	return buf.data;
}

/*
 * The log is told all, the client no more than it could see for itself.  The
 * statement and the context may name the user.
 */
static void
Report(const ContextCall *call, const Audit *audit)
{
	ereport(WARNING,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("clarify_cache: a cached answer was not what its snapshot holds"),
			 audit->built != NULL ?
			 errdetail("Section \"%s\" has been built anew.", audit->section->name) :
			 errdetail("Section \"%s\" can't be built.", audit->section->name),
			 errdetail_log("%s", Details(call, audit)),
			 errhint("Unless the section's text depends on the order in which its query happens to read rows, "
					 "run clarify_cache.invalidate_all(), and report this."),
			 errhidestmt(true), errhidecontext(true)));
}

/*
 * The answer becomes what was built.  Its entry is made now, not at the
 * transaction's beginning as other fills are: it does not depend on the time, and
 * one that had expired would be taken by no tier.
 */
static void
Replace(const Audit *audit)
{
	TierItem   *item = &audit->answer->item;

	item->payload = audit->built;
	item->payload_len = audit->built_len;
	item->header.built_at = GetCurrentTimestamp();
	item->header.expires_at = SectionExpiry(audit->section, item->header.built_at);
	audit->answer->source = SOURCE_BUILD;
	StatsCount(audit->section->stats_slot, STATS_BUILDS);
	StatsAdd(audit->section->stats_slot, STATS_BUILD_NS, audit->build_ns);
}

/*
 * Redis is offered something only over a connection that is there, and there is
 * none yet if all came from the local tier; so ask it something.  Not if it has
 * been asked, and has failed to answer.
 */
static bool
RedisAnswers(const ContextCall *call, TierItem **items, int nitems)
{
	TierItem   *asked = palloc0(nitems * sizeof(TierItem));
	TierItem  **pointers = palloc(nitems * sizeof(TierItem *));

	if (call->redis_asked)
		return call->redis_answered;
	for (int i = 0; i < nitems; i++)
	{
		asked[i].user = items[i]->user;
		asked[i].section = items[i]->section;
		asked[i].ttl_us = items[i]->ttl_us;
		pointers[i] = &asked[i];
	}
	return RedisTierRead(pointers, nitems);
}

/*
 * A wrong entry is not left for the next caller, who may not be audited.  Nor is
 * it only removed: the guard has agreed, so what was built may be kept as well as
 * any fill.  Where Redis can't be reached, or the entry is too large by now, the
 * old one stays; the hint is for that.
 */
static void
FillAgain(const ContextCall *call, const Audit *audits, int naudits)
{
	TierItem  **items = palloc(naudits * sizeof(TierItem *));
	int			nitems = 0;

	for (int i = 0; i < naudits; i++)
	{
		if (audits[i].answer->source == SOURCE_BUILD)
			items[nitems++] = &audits[i].answer->item;
	}
	if (nitems == 0)
		return;
	LocalTierFill(items, nitems);
	for (int i = 0; i < nitems; i++)
		AnswerOf(items[i])->filled = items[i]->stored;
	if (RedisAnswers(call, items, nitems))
		RedisTierFill(items, nitems);
	for (int i = 0; i < nitems; i++)
		AnswerOf(items[i])->filled |= items[i]->stored;
	for (int i = 0; i < naudits; i++)
	{
		const Answer *answer = audits[i].answer;

		if (answer->source == SOURCE_BUILD)
			StatsCount(audits[i].section->stats_slot,
					   answer->filled ? STATS_FILLS : STATS_FILL_FAILURES);
	}
}

/* Count one, and set the answer right. */
static void
Judge(const ContextCall *call, const Audit *audit)
{
	int			slot = audit->section->stats_slot;

	StatsCount(slot, STATS_AUDITED);
	if (IsSame(audit))
		return;
	StatsCount(slot, STATS_AUDIT_MISMATCHES);
	Report(call, audit);
	if (audit->built != NULL)
		Replace(audit);
}

void
AuditFinds(ContextCall *call)
{
	VersionRows now = {0};
	Audit	   *audits;
	int			n = BuildChosen(call, &audits);

	if (n > 0 && CallerIsStillTheSame(call) && BuildGuardRows(&now))
	{
		for (int i = 0; i < n; i++)
		{
			if (SectionIsUndisturbed(audits[i].section) &&
				SectionStorageIsOlder(audits[i].section, call->snapshot) &&
				BuildIsOfVersion(audits[i].section, &call->tables, &now))
				Judge(call, &audits[i]);
		}
		FillAgain(call, audits, n);
	}
	CallTimeStage(&call->time, STAGE_AUDIT);
}
