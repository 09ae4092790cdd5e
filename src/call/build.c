/*-------------------------------------------------------------------------
 *
 * build.c
 *	  Building sections from the tables, as the caller, in the active snapshot.
 *
 * The fill guard is what makes it safe to hand a payload to others.  A query
 * reads rows as of its snapshot, but catalogs and TRUNCATEd files as of now.
 * So what was built is what the snapshot's version stands for only if no
 * table-level change (DDL, TRUNCATE, attach) lies between the snapshot and the
 * build.  Each of them adds a table-level token in its own commit; a fresh
 * snapshot, taken after the build, that sees the same tokens as the caller's
 * proves that none was visible while building.  One that commits after the
 * guard did not disturb the build: what takes AccessExclusiveLock waits for
 * ours, and what takes less shows in catalogs only from its commit on.
 *
 * A plan holds decisions that were true when it was made: which partitions
 * there are, which indexes a snapshot may use, whose policies apply, what a
 * name means.  There are two ways to build, and neither takes such a decision
 * beyond its moment:
 *
 *	- By a plan that is kept, which SPI holds.  Only for a section that is
 *	  analyzed, of plain tables that nothing inherits from and whose policies do
 *	  not hold the caller.  The plan ends with the analysis, so with any
 *	  change of these tables, which are locked while it is used; and for a
 *	  snapshot older than those that it was used for (section/section.c).
 *	- For this once: parsed, planned with the user's id and run, and forgotten.
 *	  So is what reads partitioned tables, what policies hold the caller to, and
 *	  what is not analyzed.
 *
 * Names in the query are looked up under the pinned search_path whichever way
 * it is.  What is then planned for this once is planned under the caller's: there
 * are no names in it any more but those that functions of others look up, of a
 * policy, say, or of an index' expression, which are evaluated or inlined when
 * this backend first hears of the index; and they are to find what they find in a
 * plain query, or would raise.  What is bypassed is also run under it; it is for
 * the caller alone.  What may be kept is run under the pinned one, and kept only if
 * no such function had an opportunity.  As the relation cache has what became of
 * an expression, that is so when it is built once more.  (What became of it may be
 * wrong, so plans for what may be kept do without: ground/plan_for_all.c.)  SPI plans
 * and runs under one search_path, so no plan is kept where there are such indexes.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "call/build.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "ground/plan_for_all.h"
#include "section/privilege.h"
#include "section/query.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/timestamp.h"
#include "version/read.h"

void
BuildBegin(BuildState *state, const Caller *caller, const char *lock_timeout)
{
	state->result_context = CurrentMemoryContext;
	state->may_keep = false;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	GroundBegin(&state->ground, caller, lock_timeout);
}

void
BuildEnd(BuildState *state)
{
	GroundEnd(&state->ground);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
}

/*----------
 * Payloads
 *----------
 */

/*
 * Puts a payload together from the JSON of each row that a query sends: an array, or
 * the first row.  An aggregate could do it, but setting one up takes longer than
 * all this for a few rows.
 */
typedef struct PayloadReceiver
{
	DestReceiver pub;
	bool		single_row;
	StringInfoData payload;
} PayloadReceiver;

static void
PayloadStart(DestReceiver *self, int operation, TupleDesc typeinfo)
{
}

static bool
PayloadTakeRow(TupleTableSlot *slot, DestReceiver *self)
{
	PayloadReceiver *receiver = (PayloadReceiver *) self;
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);
	text	   *json;

	if (isnull)
		elog(ERROR, "row_to_json returned null");
	json = DatumGetTextPP(value);	/* of the same format */
	if (!receiver->single_row)
		appendStringInfoCharMacro(&receiver->payload,
								  receiver->payload.len == 0 ? '[' : ',');
	appendBinaryStringInfo(&receiver->payload, VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json));
	return true;
}

static void
PayloadShutdown(DestReceiver *self)
{
}

static void
PayloadBegin(PayloadReceiver *receiver, MemoryContext context, bool single_row)
{
	MemoryContext old_context = MemoryContextSwitchTo(context);

	memset(receiver, 0, sizeof(*receiver));
	receiver->pub.receiveSlot = PayloadTakeRow;
	receiver->pub.rStartup = PayloadStart;
	receiver->pub.rShutdown = PayloadShutdown;
	receiver->pub.rDestroy = PayloadShutdown;
	receiver->pub.mydest = DestNone;	/* none that the server knows */
	receiver->single_row = single_row;
	initStringInfo(&receiver->payload);
	MemoryContextSwitchTo(old_context);
}

static char *
PayloadEnd(PayloadReceiver *receiver, Size *len)
{
	StringInfo	payload = &receiver->payload;

	if (!receiver->single_row)
		appendStringInfoString(payload, payload->len == 0 ? "[]" : "]");
	else if (payload->len == 0)
		appendStringInfoString(payload, "null");
	*len = payload->len;
	return payload->data;
}

/*----------
 * By a plan that is kept
 *----------
 */

/* May what is decided while planning be true for as long as the analysis is? */
static bool
PlanMayBeKept(const Section *section)
{
	ListCell   *lc;

	if (!section->analyzed || !section->quiet)
		return false;
	foreach(lc, section->relations)
	{
		Oid			relid = lfirst_oid(lc);

		if (get_rel_relkind(relid) != RELKIND_RELATION || has_subclass(relid))
			return false;
	}
	return true;
}

/* Nobody scrolls: for a cursor that may, sorts would keep their rows. */
static SPIPlanPtr
MakePlan(const Section *section)
{
	Oid			types[1] = {UUIDOID};
	SPIPlanPtr	plan = SPI_prepare_cursor(SectionBuildQuery(section->query), 1, types,
										  CURSOR_OPT_NO_SCROLL);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	return plan;
}

/* The section's plan, or NULL if it is to be built for this once. */
static SPIPlanPtr
KeptPlan(Section *section)
{
	SPIPlanPtr	plan = SectionPlan(section);
	CachedPlanSource *source;

	if (plan == NULL)
	{
		if (!PlanMayBeKept(section))
			return NULL;
		SectionSetPlan(section, MakePlan(section));
		plan = SectionPlan(section);
		if (plan == NULL)
			return NULL;
	}
	source = linitial(SPI_plan_get_plan_sources(plan));
	if (source->dependsOnRLS && RowSecurityApplies(section->relations))
		return NULL;
	return plan;
}

/* Read-only: under the active snapshot, whatever has happened since. */
static void
ExecuteKept(SPIPlanPtr plan, ParamListInfo params, PayloadReceiver *receiver)
{
	SPIExecuteOptions options = {
		.params = params,
		.read_only = true,
		.tcount = receiver->single_row ? 1 : 0,
		.dest = &receiver->pub
	};
	int			code = SPI_execute_plan_extended(plan, &options);

	if (code < 0)
		elog(ERROR, "SPI_execute_plan_extended failed: %s", SPI_result_code_string(code));
}

/*----------
 * For this once
 *----------
 */

/* What SPI says in its place. */
static void
OnceErrorContext(void *arg)
{
	const char *sql = arg;
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(sql);
	}
	else
		errcontext("SQL statement \"%s\"", sql);
}

static PlannedStmt *
PlanOnce(Ground *ground, const char *sql, ParamListInfo params)
{
	Oid			types[1] = {UUIDOID};
	List	   *raw = pg_parse_query(sql);
	List	   *queries = pg_analyze_and_rewrite_fixedparams(linitial(raw), sql, types, 1, NULL);

	GroundTake(ground, PATH_OF_CALLER);
	return linitial(pg_plan_queries(queries, sql, CURSOR_OPT_NO_SCROLL, params));
}

static void
Run(PlannedStmt *plan, const char *sql, ParamListInfo params, PayloadReceiver *receiver)
{
	QueryDesc  *query = CreateQueryDesc(plan, sql, GetActiveSnapshot(), InvalidSnapshot,
										&receiver->pub, params, NULL, 0);

	ExecutorStart(query, 0);
	compat_executor_run(query, receiver->single_row ? 1 : 0);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
}

/* The ground has been taken. */
static void
ExecuteOnce(BuildState *state, const Section *section, ParamListInfo params,
			PayloadReceiver *receiver, GroundPath run_path)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "clarify_cache build",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	char	   *sql = SectionBuildQuery(section->query);
	ErrorContextCallback error_context = {
		.previous = error_context_stack,
		.callback = OnceErrorContext,
		.arg = sql
	};
	PlannedStmt *plan;

	error_context_stack = &error_context;
	plan = PlanOnce(&state->ground, sql, params);
	GroundTake(&state->ground, run_path);
	Run(plan, sql, params, receiver);
	error_context_stack = error_context.previous;
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

/*----------
 * A section
 *----------
 */

/* By a policy that holds the caller, or for the caller alone. */
static char *
BuildForCaller(BuildState *state, Section *section, ParamListInfo params, Size *len)
{
	PayloadReceiver receiver;

	PayloadBegin(&receiver, state->result_context, section->single_row);
	GroundTakeAll(&state->ground, PATH_PINNED);
	ExecuteOnce(state, section, params, &receiver, PATH_OF_CALLER);
	GroundTake(&state->ground, PATH_PINNED);
	return PayloadEnd(&receiver, len);
}

/*
 * With a plan that is kept, or one for this once.  False if policies hold the
 * caller after all.
 */
static bool
Execute(BuildState *state, Section *section, ParamListInfo params,
		PayloadReceiver *receiver)
{
	SPIPlanPtr	plan = KeptPlan(section);

	if (plan != NULL)
	{
		RequireSchemaUsage(section->namespaces);
		ExecuteKept(plan, params, receiver);
	}
	else if (!section->analyzed || RowSecurityApplies(section->relations))
		return false;
	else
		ExecuteOnce(state, section, params, receiver, PATH_PINNED);
	return true;
}

/*
 * Sets may_keep if nobody else's code had an opportunity, and quiet if it has
 * none in a plan that is kept either.  NULL if policies hold
 * the caller after all.
 */
static char *
BuildForAll(BuildState *state, Section *section, ParamListInfo params, Size *len)
{
	Ground	   *ground = &state->ground;
	PayloadReceiver receiver;
	PlanForAllCounts counts = PlanForAllCount();
	PlanForAllCounts counts_now;
	bool		before;
	volatile bool done = false;

	PayloadBegin(&receiver, state->result_context, section->single_row);
	GroundTakeAll(ground, PATH_PINNED);
	ground->foreign = false;
	before = PlanForAllBegin();
	PG_TRY();
	{
		done = Execute(state, section, params, &receiver);
	}
	PG_FINALLY();
	{
		PlanForAllEnd(before);
	}
	PG_END_TRY();
	if (!done)
		return NULL;
	GroundTake(ground, PATH_PINNED);
	counts_now = PlanForAllCount();
	state->may_keep = !ground->foreign && counts_now.failures == counts.failures;
	section->quiet = state->may_keep && counts_now.left_out == counts.left_out;
	return PayloadEnd(&receiver, len);
}

/*
 * The second time is for what the first one has met for the first time, and so
 * that what is given was not run under what other code has set.  Where that does
 * not help, as with a function in statistics, it is not tried again; without a
 * kept plan, each step is taken on firm ground.
 */
static char *
BuildTwice(BuildState *state, Section *section, ParamListInfo params, Size *len)
{
	char	   *payload = BuildForAll(state, section, params, len);

	if (payload != NULL && !state->may_keep && !section->noisy)
	{
		SectionDropPlan(section);
		payload = BuildForAll(state, section, params, len);
		section->noisy = !state->may_keep;
	}
	return payload;
}

char *
BuildSection(BuildState *state, Section *section, const UserKey *user, bool bypassed, Size *len)
{
	ParamListInfo params = makeParamList(1);
	char	   *payload = NULL;

	params->params[0] = (ParamExternData) {
		.value = UserKeyDatum(user),
		.pflags = PARAM_FLAG_CONST,
		.ptype = UUIDOID
	};
	state->may_keep = false;
	if (section->analyzed && section->fault == NULL)
		payload = BuildTwice(state, section, params, len);
	if (payload == NULL)
		payload = BuildForCaller(state, section, params, len);
	state->may_keep = state->may_keep && !bypassed;
	if (state->ground.disturbed)
		SectionForget(section);
	return payload;
}

bool
BuildGuardRows(VersionRows *now)
{
	VersionReader reader;
	Snapshot	snapshot;
	bool		ok;

	/* No snapshot can be taken while a parallel query runs. */
	if (IsInParallelMode() || !VersionOpen(&reader))
		return false;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ok = VersionProbe(&reader, snapshot, USER_KEY_HASH_TABLE, now);
	UnregisterSnapshot(snapshot);
	VersionClose(&reader);
	return ok;
}

bool
BuildIsOfVersion(const Section *section, const VersionRows *rows, const VersionRows *now)
{
	ListCell   *lc;

	foreach(lc, section->relations)
	{
		TableVersion then;
		TableVersion current;

		VersionOfTable(rows, lfirst_oid(lc), &then);
		VersionOfTable(now, lfirst_oid(lc), &current);
		if (then.all != current.all || current.has_hole || !current.covered)
			return false;
	}
	return true;
}

bool
BuildMayFill(const Section *section, const VersionRows *rows, const VersionRows *now)
{
	/* Else its expressions of the time would be older than the TTL allows. */
	return GetCurrentTimestamp() - GetCurrentTransactionStartTimestamp() < section->ttl_us &&
		BuildIsOfVersion(section, rows, now);
}
