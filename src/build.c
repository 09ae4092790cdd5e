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
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "build.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "pin.h"
#include "privilege.h"
#include "tcop/pquery.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/timestamp.h"

void
BuildBegin(BuildState *state)
{
	state->result_context = CurrentMemoryContext;
	state->search_path = pstrdup(GetConfigOption("search_path", false, false));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	state->nest_level = PinSettings();
}

void
BuildEnd(BuildState *state)
{
	UnpinSettings(state->nest_level);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
}

static SPIPlanPtr
Prepare(const Section *section, int cursor_options)
{
	Oid			types[1] = {UUIDOID};
	SPIPlanPtr	plan = SPI_prepare_cursor(SectionBuildQuery(section->query), 1, types,
										  cursor_options);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
	return plan;
}

static CachedPlanSource *
PlanSource(SPIPlanPtr plan)
{
	return linitial(SPI_plan_get_plan_sources(plan));
}

/* Does the plan read a relation of this kind? */
static bool
ReadsKind(SPIPlanPtr plan, char relkind)
{
	ListCell   *lc;

	foreach(lc, PlanSource(plan)->relationOids)
	{
		if (get_rel_relkind(lfirst_oid(lc)) == relkind)
			return true;
	}
	return false;
}

/*
 * The plan revalidates itself when a table changes or another role calls.  But
 * whether a partition that is being detached concurrently belongs to a table
 * is decided, while planning, by the snapshot of that moment; so what reads
 * partitioned tables is planned for each execution, as a plain query is.  Nobody
 * scrolls: for a cursor that may, sorts would keep their rows.
 */
static SPIPlanPtr
SectionPlan(Section *section)
{
	SPIPlanPtr	plan;

	SectionDropStalePlan(section);
	if (section->plan != NULL)
		return section->plan;

	plan = Prepare(section, CURSOR_OPT_NO_SCROLL);
	if (ReadsKind(plan, RELKIND_PARTITIONED_TABLE))
	{
		SPI_freeplan(plan);
		plan = Prepare(section, CURSOR_OPT_NO_SCROLL | CURSOR_OPT_CUSTOM_PLAN);
	}
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	SectionSetPlan(section, plan);
	return plan;
}

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

/*
 * Can executing the plan run other people's code?  A policy's functions can,
 * or those of a view that has taken a table's place.
 */
static bool
RunsForeignCode(SPIPlanPtr plan)
{
	CachedPlanSource *source = PlanSource(plan);

	return !source->is_valid || ReadsKind(plan, RELKIND_VIEW) ||
		(source->dependsOnRLS && RowSecurityApplies(source->relationOids));
}

/*
 * Plan under the pinned search_path, so that the query's names mean what they
 * should; execute under the caller's, under which such code would run in a
 * plain query.  SPI's own fetch takes no receiver, the portal's does.
 */
static void
ExecuteAsCaller(BuildState *state, SPIPlanPtr plan, ParamListInfo params,
				PayloadReceiver *receiver)
{
	Portal		portal = SPI_cursor_open_with_paramlist(NULL, plan, params, true);

	PinSetting("search_path", state->search_path);
	PortalRunFetch(portal, FETCH_FORWARD, receiver->single_row ? 1 : FETCH_ALL,
				   &receiver->pub);
	PinSettingsAgain();
	SPI_cursor_close(portal);
}

/* Read-only: under the active snapshot, whatever has happened since. */
static void
Execute(SPIPlanPtr plan, ParamListInfo params, PayloadReceiver *receiver)
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

/*
 * The same check for a section that was not analyzed.  A plan that depends on
 * row-level security is made anew for another role, and its names are looked up
 * as that role; what reads a view also reads what the query does not name.
 */
static void
RequireUsageOfPlan(SPIPlanPtr plan)
{
	CachedPlanSource *source = PlanSource(plan);
	List	   *namespaces = NIL;
	ListCell   *lc;

	if (!source->is_valid || source->dependsOnRLS || ReadsKind(plan, RELKIND_VIEW))
		return;
	foreach(lc, source->relationOids)
		namespaces = list_append_unique_oid(namespaces, get_rel_namespace(lfirst_oid(lc)));
	RequireSchemaUsage(namespaces);
}

char *
BuildSection(BuildState *state, Section *section, const UserKey *user, Size *len)
{
	ParamListInfo params = makeParamList(1);
	PayloadReceiver receiver;
	SPIPlanPtr	plan;

	params->params[0] = (ParamExternData) {
		.value = UserKeyDatum(user),
		.pflags = PARAM_FLAG_CONST,
		.ptype = UUIDOID
	};
	PayloadBegin(&receiver, state->result_context, section->single_row);

	plan = SectionPlan(section);
	if (section->analyzed)
		RequireSchemaUsage(section->namespaces);
	else
		RequireUsageOfPlan(plan);
	if (RunsForeignCode(plan))
		ExecuteAsCaller(state, plan, params, &receiver);
	else
		Execute(plan, params, &receiver);

	return PayloadEnd(&receiver, len);
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
