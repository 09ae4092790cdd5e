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
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/timestamp.h"

/* See LetHeapStay. */
#define HEAP_PIECE_BYTES (1024 * 1024)

/*
 * Executing a query takes and frees some hundred kilobytes.  glibc returns what is
 * free at the end of the heap to the system as soon as it is more than 128 kB,
 * and would take it back page by page at the next build, which can cost as much as
 * all the rest.  It sets that limit to twice the largest piece that it saw mapped
 * and freed (mallopt(3)); so let it see one, once.  Nothing of it is touched.
 */
static void
LetHeapStay(void)
{
	static bool done = false;

	if (done)
		return;
	pfree(MemoryContextAlloc(TopMemoryContext, HEAP_PIECE_BYTES));
	done = true;
}

void
BuildBegin(BuildState *state)
{
	LetHeapStay();
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
 * partitioned tables is planned for each execution, as a plain query is.
 */
static SPIPlanPtr
SectionPlan(Section *section)
{
	SPIPlanPtr	plan;

	SectionDropStalePlan(section);
	if (section->plan != NULL)
		return section->plan;

	plan = Prepare(section, 0);
	if (ReadsKind(plan, RELKIND_PARTITIONED_TABLE))
	{
		SPI_freeplan(plan);
		plan = Prepare(section, CURSOR_OPT_CUSTOM_PLAN);
	}
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	SectionSetPlan(section, plan);
	return plan;
}

/* The JSON in column 1 of one of SPI's rows; empty if it is null. */
static const char *
RowResult(uint64 row, Size *len)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1,
									  &isnull);
	text	   *json;

	*len = 0;
	if (isnull)
		return "";
	json = DatumGetTextPP(value);	/* of the same format */
	*len = VARSIZE_ANY_EXHDR(json);
	return VARDATA_ANY(json);
}

/* The row that SPI found, or JSON's null where there is none. */
static char *
CopyRow(MemoryContext context, Size *len)
{
	const char *json = "null";
	char	   *copy;

	*len = strlen(json);
	if (SPI_processed > 0)
		json = RowResult(0, len);
	copy = MemoryContextAlloc(context, *len);
	memcpy(copy, json, *len);
	return copy;
}

/*
 * The rows that SPI found, as an array.  An aggregate would do it as well, but to
 * set it up for a few rows takes longer than this.
 */
static char *
CopyRows(MemoryContext context, Size *len)
{
	Size		size = SPI_processed + 2;	/* brackets and commas */
	char	   *copy;
	char	   *p;
	const char *json;
	Size		json_len;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		(void) RowResult(i, &json_len);
		size += json_len;
	}

	p = copy = MemoryContextAlloc(context, size);
	*p++ = '[';
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		if (i > 0)
			*p++ = ',';
		json = RowResult(i, &json_len);
		memcpy(p, json, json_len);
		p += json_len;
	}
	*p++ = ']';
	*len = p - copy;
	return copy;
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
 * plain query.
 */
static void
ExecuteAsCaller(BuildState *state, SPIPlanPtr plan, Datum *values, bool single_row)
{
	Portal		portal = SPI_cursor_open(NULL, plan, values, NULL, true);

	PinSetting("search_path", state->search_path);
	SPI_cursor_fetch(portal, true, single_row ? 1 : FETCH_ALL);
	PinSettingsAgain();
	SPI_cursor_close(portal);
}

/* Read-only: under the active snapshot, whatever has happened since. */
static void
Execute(SPIPlanPtr plan, Datum *values, bool single_row)
{
	int			code = SPI_execute_plan(plan, values, NULL, true, single_row ? 1 : 0);

	if (code != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(code));
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
	Datum		values[1] = {UserKeyDatum(user)};
	SPIPlanPtr	plan;
	char	   *payload;

	plan = SectionPlan(section);
	if (section->analyzed)
		RequireSchemaUsage(section->namespaces);
	else
		RequireUsageOfPlan(plan);
	if (RunsForeignCode(plan))
		ExecuteAsCaller(state, plan, values, section->single_row);
	else
		Execute(plan, values, section->single_row);

	payload = section->single_row ? CopyRow(state->result_context, len) :
		CopyRows(state->result_context, len);
	SPI_freetuptable(SPI_tuptable);
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
