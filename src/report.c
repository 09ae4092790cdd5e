/*-------------------------------------------------------------------------
 *
 * report.c
 *	  What the cache is doing: the rows of the views stats, call_stats,
 *	  redis_stats, status and sections.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/guarded.h"
#include "base/redis_url.h"
#include "base/settings.h"
#include "base/stats.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "meta/ext_rows.h"
#include "meta/ext_tables.h"
#include "redis/breaker.h"
#include "redis/conn.h"
#include "redis/redis_tier.h"
#include "section/analysis.h"
#include "section/section.h"
#include "tier/local_tier.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "version/read.h"

CLARIFY_FUNCTION(clarify_section_stats);
CLARIFY_FUNCTION(clarify_calls);
CLARIFY_FUNCTION(clarify_redis);
CLARIFY_FUNCTION(clarify_reset_stats);
CLARIFY_FUNCTION(clarify_cache_status);
CLARIFY_FUNCTION(clarify_section_state);

#define STATS_COLUMNS	13
#define CALL_STATS_COLUMNS 6
#define REDIS_STATS_COLUMNS (REDIS_NUM_COUNTERS + 1)
#define STATUS_COLUMNS	12
#define SECTION_STATE_COLUMNS 9

/* The sum over all reasons. */
static uint64
ReadBypasses(int slot)
{
	uint64		sum = 0;

	for (int reason = BYPASS_NONE + 1; reason < BYPASS_NUM_REASONS; reason++)
		sum += StatsRead(slot, STATS_BYPASSES + reason);
	return sum;
}

/* {"changed": 3, …}, as far as there were any. */
static Datum
BypassReasons(int slot)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	for (int reason = BYPASS_NONE + 1; reason < BYPASS_NUM_REASONS; reason++)
	{
		uint64		n = StatsRead(slot, STATS_BYPASSES + reason);

		if (n > 0)
			appendStringInfo(&buf, "%s\"%s\": " UINT64_FORMAT, buf.len > 1 ? ", " : "",
							 BypassReasonName(reason), n);
	}
	appendStringInfoChar(&buf, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data));
}

static void
PutStatsRow(ReturnSetInfo *rsinfo, const char *section)
{
	int			slot = StatsSlot(section);
	Datum		values[STATS_COLUMNS] = {0};
	bool		nulls[STATS_COLUMNS] = {0};

	values[0] = CStringGetTextDatum(section);
	if (slot == STATS_NO_SLOT)
	{
		/* No slot was left to count in: unknown, not zero. */
		memset(&nulls[1], true, STATS_COLUMNS - 1);
	}
	else
	{
		values[1] = Int64GetDatum((int64) StatsRead(slot, STATS_LOCAL_HITS));
		values[2] = Int64GetDatum((int64) StatsRead(slot, STATS_REDIS_HITS));
		values[3] = Int64GetDatum((int64) StatsRead(slot, STATS_BUILDS));
		values[4] = Float8GetDatum(StatsRead(slot, STATS_BUILD_NS) / 1e6);
		values[5] = Int64GetDatum((int64) ReadBypasses(slot));
		values[6] = BypassReasons(slot);
		values[7] = Int64GetDatum((int64) StatsRead(slot, STATS_FILLS));
		values[8] = Int64GetDatum((int64) StatsRead(slot, STATS_FILL_FAILURES));
		values[9] = Int64GetDatum((int64) StatsRead(slot, STATS_VERSION_MISMATCHES));
		values[10] = Int64GetDatum((int64) StatsRead(slot, STATS_CORRUPT));
		values[11] = Int64GetDatum((int64) StatsRead(slot, STATS_AUDITED));
		values[12] = Int64GetDatum((int64) StatsRead(slot, STATS_AUDIT_MISMATCHES));
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
clarify_section_stats(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, ReadSections(GetActiveSnapshot(), true, NULL))
		PutStatsRow((ReturnSetInfo *) fcinfo->resultinfo, ((SectionRow *) lfirst(lc))->name);
	return (Datum) 0;
}

/* Make a row of the function's result type. */
static Datum
FormRow(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

Datum
clarify_calls(PG_FUNCTION_ARGS)
{
	int			slot = StatsCallsSlot();
	Datum		values[CALL_STATS_COLUMNS] = {0};
	bool		nulls[CALL_STATS_COLUMNS] = {0};
	Datum		bounds[STATS_NUM_LATENCIES - 1];
	Datum		counts[STATS_NUM_LATENCIES];
	uint64		calls = 0;

	if (slot == STATS_NO_SLOT)
		memset(nulls, true, CALL_STATS_COLUMNS);
	for (int i = 0; i < STATS_NUM_LATENCIES && slot != STATS_NO_SLOT; i++)
	{
		calls += StatsRead(slot, STATS_LATENCIES + i);
		counts[i] = Int64GetDatum((int64) calls);
		if (i < STATS_NUM_LATENCIES - 1)
			bounds[i] = Float8GetDatum(stats_latency_bounds[i] / 1e3);
	}
	if (slot != STATS_NO_SLOT)
	{
		values[0] = Int64GetDatum((int64) calls);
		values[1] = Float8GetDatum(StatsRead(slot, STATS_CALL_NS) / 1e6);
		values[2] = Int64GetDatum((int64) StatsRead(slot, STATS_WAITS));
		values[3] = PointerGetDatum(construct_array(bounds, STATS_NUM_LATENCIES - 1, FLOAT8OID,
													sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		values[4] = PointerGetDatum(construct_array(counts, STATS_NUM_LATENCIES - 1, INT8OID,
													sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		values[5] = TimestampTzGetDatum(StatsResetAt(slot));
	}
	PG_RETURN_DATUM(FormRow(fcinfo, values, nulls));
}

Datum
clarify_redis(PG_FUNCTION_ARGS)
{
	Datum		values[REDIS_STATS_COLUMNS];
	bool		nulls[REDIS_STATS_COLUMNS] = {0};
	BreakerInfo breaker;

	BreakerGetInfo(&breaker);
	for (int i = 0; i < REDIS_NUM_COUNTERS; i++)
		values[i] = Int64GetDatum((int64) StatsReadRedis(i));
	values[REDIS_NUM_COUNTERS] = Int64GetDatum((int64) breaker.openings);
	PG_RETURN_DATUM(FormRow(fcinfo, values, nulls));
}

Datum
clarify_reset_stats(PG_FUNCTION_ARGS)
{
	StatsReset();
	BreakerResetOpenings();
	PG_RETURN_VOID();
}

static const char *
BreakerStateName(BreakerState state)
{
	switch (state)
	{
		case BREAKER_CLOSED:
			return "closed";
		case BREAKER_OPEN:
			return "open";
		case BREAKER_HALF_OPEN:
			return "half-open";
	}
	return "unknown";
}

Datum
clarify_cache_status(PG_FUNCTION_ARGS)
{
	Datum		values[STATUS_COLUMNS];
	bool		nulls[STATUS_COLUMNS] = {0};
	BreakerInfo breaker;
	LocalTierInfo local;
	RedisUrl	url;
	const char *detail;
	char		address[2 * REDIS_URL_MAX_PART];

	BreakerGetInfo(&breaker);
	LocalTierGetInfo(&local);

	values[0] = BoolGetDatum(setting_enabled);
	values[1] = BoolGetDatum(setting_is_preloaded);
	if (setting_redis_url[0] != '\0' && RedisUrlParse(setting_redis_url, &url, &detail))
		values[2] = CStringGetTextDatum(RedisUrlForDisplay(&url, address, sizeof(address)));
	else
		nulls[2] = true;
	values[3] = BoolGetDatum(RedisTierEnabled() && RedisConnIsOpen());
	values[4] = CStringGetTextDatum(BreakerStateName(breaker.state));
	values[5] = Int32GetDatum((int32) breaker.failures);
	values[6] = Int64GetDatum((int64) breaker.openings);
	values[7] = TimestampTzGetDatum(breaker.probe_at);
	nulls[7] = breaker.probe_at == 0;
	values[8] = Int64GetDatum((int64) local.size);
	values[9] = Int64GetDatum((int64) local.used);
	values[10] = Int64GetDatum((int64) local.entries);
	values[11] = Int64GetDatum((int64) local.evictions);
	PG_RETURN_DATUM(FormRow(fcinfo, values, nulls));
}

/* "schema.table", as it would be written in SQL. */
static char *
TableName(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		return psprintf("%u", relid);
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name);
}

/* Why a section that reads these tables is not cached; NULL if it can be. */
static char *
ReasonByTables(List *tables, const VersionRows *rows)
{
	ListCell   *lc;

	foreach(lc, tables)
	{
		TableVersion version;

		if (get_rel_name(lfirst_oid(lc)) == NULL)
			return pstrdup("a table that it reads does not exist any more");
		VersionOfTable(rows, lfirst_oid(lc), &version);
		if (!version.covered)
			return psprintf("table %s is not attached, or not since a restore; see clarify_cache.attach() and repair()",
							TableName(lfirst_oid(lc)));
		if (version.has_hole)
			return psprintf("a schema change of table %s may have let changes pass unseen; run clarify_cache.repair()",
							TableName(lfirst_oid(lc)));
	}
	return NULL;
}

/* The reason in words, or NULL.  Raises if the query can't be analyzed now. */
static char *
ReasonOf(Section *section, const SectionRow *row, Snapshot snapshot, const VersionRows *rows)
{
	char	   *reason;

	if (ExtTablesState() != EXT_CURRENT)
		return psprintf("%s; the error of clarify_cache.repair() says what to run", ExtTablesMismatch());
	if (rows == NULL)
		return pstrdup("this transaction can't tell");
	reason = ReasonByTables(row->tables, rows);
	if (reason != NULL)
		return reason;
	if (!SectionLockAndAnalyze(section, snapshot, rows))
		return pstrdup("a table that it reads is locked");
	reason = ReasonByTables(section->relations, rows);
	if (reason == NULL && OidIsValid(section->unwitnessed))
		return psprintf("table %s is not what it was when its changes were last known to be watched; run clarify_cache.repair()",
						TableName(section->unwitnessed));
	if (reason == NULL && section->fault == NULL && OidIsValid(section->foreign_table))
		return psprintf("planning a query on table %s evaluates functions that are not PostgreSQL's own, or go by settings: in its partition key, extended statistics, or the indexes of a partition",
						TableName(section->foreign_table));
	return reason != NULL ? reason : section->fault;
}

/* For RunGuarded. */
typedef struct ReasonCall
{
	Section    *section;
	const SectionRow *row;
	Snapshot	snapshot;
	const VersionRows *rows;
	char	   *reason;
} ReasonCall;

static void
FindReason(void *arg)
{
	ReasonCall *call = arg;

	call->reason = ReasonOf(call->section, call->row, call->snapshot, call->rows);
}

/*
 * What became of a query that once was fine.  Guarded, lest a mere look keep
 * the tables locked.
 */
static char *
ReasonOrError(Section *section, const SectionRow *row, Snapshot snapshot,
			  const VersionRows *rows)
{
	ReasonCall	call = {section, row, snapshot, rows, NULL};
	ErrorData  *error = RunGuarded(FindReason, &call);

	if (error != NULL)
		return psprintf("its query does not work any more: %s", error->message);
	return call.reason;
}

static void
PutStateRow(ReturnSetInfo *rsinfo, const SectionRow *row, char *reason)
{
	Datum		values[SECTION_STATE_COLUMNS];
	bool		nulls[SECTION_STATE_COLUMNS] = {0};
	int			ntables = list_length(row->tables);
	Datum	   *tables = palloc(ntables * sizeof(Datum));

	for (int i = 0; i < ntables; i++)
		tables[i] = ObjectIdGetDatum(list_nth_oid(row->tables, i));
	values[0] = CStringGetTextDatum(row->name);
	values[1] = Int32GetDatum(row->ordinal);
	values[2] = CStringGetTextDatum(row->query);
	values[3] = IntervalPGetDatum(&row->ttl);
	values[4] = BoolGetDatum(row->single_row);
	values[5] = Int32GetDatum(row->max_items);
	nulls[5] = row->max_items < 0;
	values[6] = PointerGetDatum(construct_array(tables, ntables, REGCLASSOID, sizeof(Oid),
												true, TYPALIGN_INT));
	values[7] = BoolGetDatum(reason == NULL);
	values[8] = reason == NULL ? (Datum) 0 : CStringGetTextDatum(reason);
	nulls[8] = reason == NULL;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
clarify_section_state(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Snapshot	snapshot = GetActiveSnapshot();
	VersionReader reader;
	VersionRows tables = {0};
	VersionRows *rows = NULL;
	List	   *sections;
	List	   *section_rows;

	InitMaterializedSRF(fcinfo, 0);
	if (!IsolationIsSerializable() && VersionOpen(&reader))
	{
		if (VersionProbe(&reader, snapshot, USER_KEY_HASH_TABLE, &tables))
			rows = &tables;
		VersionClose(&reader);
	}

	/* Read both ways, in the same order: as rows, and as the cache knows them. */
	sections = SectionsAcquire(snapshot, NULL);
	section_rows = ReadSections(snapshot, true, NULL);
	for (int i = 0; i < list_length(section_rows); i++)
	{
		SectionRow *row = list_nth(section_rows, i);

		PutStateRow(rsinfo, row, ReasonOrError(list_nth(sections, i), row, snapshot, rows));
	}
	SectionsRelease();
	return (Datum) 0;
}
