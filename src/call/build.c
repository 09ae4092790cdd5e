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
 * Whatever may be kept is planned and run on the pinned ground (ground/ground.c), where
 * no code of others has anything to do: its plans do without what such code is in
 * (ground/plan_for_all.c), and where they can't, the section is not cached.  That the
 * planner looks at the indexes of a table nevertheless can't be helped; so those with
 * functions of others are loaded on the caller's ground before, since what they become
 * stays in the session.  If such code still had an opportunity, what was built is not
 * kept, and what the session has made of the indexes is forgotten.
 *
 * What is for the caller alone may be full of such code: policies, views, domains.  Its
 * names are looked up on the pinned ground, as they are not the caller's; then, if there
 * is any, it is planned and run on the caller's, as a plain query is.  So a policy shows
 * what it shows there.  Only making JSON of its rows is for the pinned ground again.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "call/build.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "funcapi.h"
#include "ground/plan_for_all.h"
#include "meta/partition_tree.h"
#include "meta/planned_code.h"
#include "miscadmin.h"
#include "section/privilege.h"
#include "section/query.h"
#include "tcop/tcopprot.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
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

static void
TakeJson(PayloadReceiver *receiver, Datum value)
{
	text	   *json = DatumGetTextPP(value);	/* json is of the same format */

	if (!receiver->single_row)
		appendStringInfoCharMacro(&receiver->payload,
								  receiver->payload.len == 0 ? '[' : ',');
	appendBinaryStringInfo(&receiver->payload, VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json));
}

static bool
PayloadTakeRow(TupleTableSlot *slot, DestReceiver *self)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);

	if (isnull)
		elog(ERROR, "row_to_json returned null");
	TakeJson((PayloadReceiver *) self, value);
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

static List *
ParseOnce(const char *sql)
{
	Oid			types[1] = {UUIDOID};
	List	   *raw = pg_parse_query(sql);

	return pg_analyze_and_rewrite_fixedparams(linitial(raw), sql, types, 1, NULL);
}

static PlannedStmt *
PlanOnce(List *queries, const char *sql, ParamListInfo params)
{
	return linitial(pg_plan_queries(queries, sql, CURSOR_OPT_NO_SCROLL, params));
}

/* Run it under the active snapshot; returns the form of its rows, palloc'd. */
static TupleDesc
Run(PlannedStmt *plan, const char *sql, ParamListInfo params, DestReceiver *receiver,
	bool single_row)
{
	QueryDesc  *query = CreateQueryDesc(plan, sql, GetActiveSnapshot(), InvalidSnapshot,
										receiver, params, NULL, 0);
	TupleDesc	desc;

	ExecutorStart(query, 0);
	desc = CreateTupleDescCopy(query->tupDesc);
	compat_executor_run(query, single_row ? 1 : 0);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
	return desc;
}

/* In a context of its own, with what errors in `sql` are to say. */
typedef struct OnceState
{
	MemoryContext context;
	MemoryContext old_context;
	ErrorContextCallback error_context;
} OnceState;

static void
OnceBegin(OnceState *once, char *(*make_sql) (const char *query), const Section *section)
{
	once->context = AllocSetContextCreate(CurrentMemoryContext, "clarify_cache build",
										  ALLOCSET_DEFAULT_SIZES);
	once->old_context = MemoryContextSwitchTo(once->context);
	once->error_context.previous = error_context_stack;
	once->error_context.callback = OnceErrorContext;
	once->error_context.arg = make_sql(section->query);
	error_context_stack = &once->error_context;
}

static void
OnceEnd(OnceState *once)
{
	error_context_stack = once->error_context.previous;
	MemoryContextSwitchTo(once->old_context);
	MemoryContextDelete(once->context);
}

/* The ground has been taken. */
static void
ExecuteOnce(BuildState *state, const Section *section, ParamListInfo params,
			PayloadReceiver *receiver)
{
	OnceState	once;
	const char *sql;
	List	   *queries;
	PlannedStmt *plan;

	OnceBegin(&once, SectionBuildQuery, section);
	sql = once.error_context.arg;
	queries = ParseOnce(sql);
	GroundTake(&state->ground, PATH_PINNED);
	plan = PlanOnce(queries, sql, params);
	GroundTake(&state->ground, PATH_PINNED);
	(void) Run(plan, sql, params, &receiver->pub, receiver->single_row);
	OnceEnd(&once);
}

/*----------
 * For the caller alone
 *----------
 */

/* The rows as JSON, by the function that makes it of all the others. */
static void
TakeStoredRows(Tuplestorestate *rows, TupleDesc desc, PayloadReceiver *receiver)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(BlessTupleDesc(desc), &TTSOpsMinimalTuple);

	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		Datum		row = ExecFetchSlotHeapTupleDatum(slot);

		TakeJson(receiver, DirectFunctionCall1(row_to_json, row));
	}
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * Parsed on the pinned ground, and made JSON of on it.  Planned and run on the caller's, if
 * there is code of others in it; else, all is PostgreSQL's own, and the text is to be what
 * everybody's is.
 */
static void
ExecuteForCaller(BuildState *state, const Section *section, ParamListInfo params,
				 PayloadReceiver *receiver)
{
	Tuplestorestate *rows;
	DestReceiver *store = CreateDestReceiver(DestTuplestore);
	OnceState	once;
	const char *sql;
	List	   *queries;
	TupleDesc	desc;
	bool		foreign;

	OnceBegin(&once, SectionRowsQuery, section);
	sql = once.error_context.arg;
	rows = tuplestore_begin_heap(false, false, work_mem);
	SetTuplestoreDestReceiverParams(store, rows, once.context, true, NULL, NULL);
	queries = ParseOnce(sql);
	foreign = PlannedCodeInQuery(linitial(queries));
	if (foreign)
		GroundStepOff(&state->ground);
	desc = Run(PlanOnce(queries, sql, params), sql, params, store, receiver->single_row);
	if (foreign)
		GroundStepOn(&state->ground);
	TakeStoredRows(rows, desc, receiver);
	tuplestore_end(rows);
	OnceEnd(&once);
}

/*----------
 * A section
 *----------
 */

static char *
BuildForCaller(BuildState *state, Section *section, ParamListInfo params, Size *len)
{
	PayloadReceiver receiver;

	PayloadBegin(&receiver, state->result_context, section->single_row);
	GroundTakeAll(&state->ground, PATH_PINNED);
	ExecuteForCaller(state, section, params, &receiver);
	GroundTake(&state->ground, PATH_PINNED);
	return PayloadEnd(&receiver, len);
}

/*
 * Have the session hear of the indexes with functions of others, on the caller's ground.
 * False if one has a predicate that folds to nothing, which the session does not
 * remember, so that it would be evaluated again.
 */
static bool
LoadForeignIndexes(BuildState *state, const Section *section)
{
	bool		all_kept = true;
	ListCell   *lc;

	GroundStepOff(&state->ground);
	foreach(lc, section->foreign_indexes)
	{
		Relation	index = try_relation_open(lfirst_oid(lc), AccessShareLock);

		if (index == NULL)
			continue;
		(void) RelationGetIndexExpressions(index);
		if (RelationGetIndexPredicate(index) == NIL &&
			!heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
			all_kept = false;
		relation_close(index, NoLock);
	}
	GroundStepOn(&state->ground);
	return all_kept;
}

/* What the session may have made of them on the pinned ground, it is to make anew. */
static void
ForgetForeignIndexes(const Section *section)
{
	ListCell   *lc;

	foreach(lc, section->relations)
	{
		ListCell   *lc_member;

		foreach(lc_member, PartitionTree(lfirst_oid(lc), NoLock))
		{
			ListCell   *lc_index;

			foreach(lc_index, PlannedCodeIndexes(lfirst_oid(lc_member)))
				RelationCacheInvalidateEntry(lfirst_oid(lc_index));
		}
	}
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
		ExecuteOnce(state, section, params, receiver);
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

	if (section->foreign_indexes != NIL && !LoadForeignIndexes(state, section))
		return NULL;
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
	if (ground->foreign)
		ForgetForeignIndexes(section);
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

/* Is all known that there is to know of what planning it runs? */
static bool
MayBuildForAll(const Section *section)
{
	return section->analyzed && section->fault == NULL && !OidIsValid(section->foreign_table) &&
		!OidIsValid(section->unwitnessed) && !section->witnessed_once &&
		section->doubts == section->doubts_settled;
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
	if (MayBuildForAll(section))
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
