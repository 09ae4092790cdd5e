/*-------------------------------------------------------------------------
 *
 * report.c
 *	  What the cache is doing: the rows of the views stats, status and
 *	  sections.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "breaker.h"
#include "catalog/pg_type.h"
#include "ext_tables.h"
#include "funcapi.h"
#include "guarded.h"
#include "redis_conn.h"
#include "redis_tier.h"
#include "redis_url.h"
#include "section.h"
#include "settings.h"
#include "shared.h"
#include "stats.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "version.h"

PG_FUNCTION_INFO_V1(clarify_section_stats);
PG_FUNCTION_INFO_V1(clarify_cache_status);
PG_FUNCTION_INFO_V1(clarify_section_state);

#define STATS_COLUMNS	(1 + STATS_NUM_COUNTERS)
#define STATUS_COLUMNS	8
#define SECTION_STATE_COLUMNS 9

/* The counters in the order of the view's columns. */
static const StatsCounter stats_order[STATS_NUM_COUNTERS] = {
	STATS_LOCAL_HITS,
	STATS_REDIS_HITS,
	STATS_BUILDS,
	STATS_BYPASSES,
	STATS_FILLS,
	STATS_VERSION_MISMATCHES,
	STATS_CORRUPT,
};

static uint64
ReadCounter(int slot, StatsCounter counter)
{
	return pg_atomic_read_u64(&Shared()->stats.sections[slot].counters[counter]);
}

Datum
clarify_section_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, ReadSections(GetActiveSnapshot(), true, NULL))
	{
		SectionRow *row = lfirst(lc);
		int			slot = StatsSlot(row->name);
		Datum		values[STATS_COLUMNS];
		bool		nulls[STATS_COLUMNS] = {0};

		values[0] = CStringGetTextDatum(row->name);
		for (int i = 0; i < STATS_NUM_COUNTERS; i++)
		{
			/* No slot was left to count in: unknown, not zero. */
			nulls[1 + i] = slot == STATS_NO_SLOT;
			if (!nulls[1 + i])
				values[1 + i] = Int64GetDatum((int64) ReadCounter(slot, stats_order[i]));
		}
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
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
	TupleDesc	desc;
	Datum		values[STATUS_COLUMNS];
	bool		nulls[STATUS_COLUMNS] = {0};
	BreakerInfo breaker;
	RedisUrl	url;
	const char *detail;
	char		address[2 * REDIS_URL_MAX_PART];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	BreakerGetInfo(&Shared()->breaker, &breaker);

	values[0] = BoolGetDatum(setting_enabled);
	values[1] = BoolGetDatum(SharedIsPreloaded());
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

	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
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

	if (rows == NULL)
		return pstrdup("this transaction can't tell");
	reason = ReasonByTables(row->tables, rows);
	if (reason != NULL)
		return reason;
	if (!SectionLockAndAnalyze(section, snapshot, rows))
		return pstrdup("a table that it reads is locked");
	reason = ReasonByTables(section->relations, rows);
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
