/*-------------------------------------------------------------------------
 *
 * section_sql.c
 *	  add_section(), drop_section(), and the state of sections for people.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "change.h"
#include "ext_tables.h"
#include "funcapi.h"
#include "section.h"
#include "section_check.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "version.h"

PG_FUNCTION_INFO_V1(clarify_add_section);
PG_FUNCTION_INFO_V1(clarify_drop_section);
PG_FUNCTION_INFO_V1(clarify_section_state);

/* A context is one JSON document; this many members are plenty. */
#define MAX_SECTIONS 64

/* Entries live in Redis at least this long; less could not be a hit. */
#define MIN_TTL_US	USECS_PER_SEC
#define MAX_TTL_US	(30 * USECS_PER_DAY)

#define SECTION_STATE_COLUMNS 9

static void
RequireArgument(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

static void
CheckTtl(const SectionRow *row)
{
	if (row->ttl_us < MIN_TTL_US || row->ttl_us > MAX_TTL_US)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ttl of section \"%s\" is out of range", row->name),
				 errdetail("It must be between 1 second and 30 days."),
				 errhint("The ttl bounds memory and the age of expressions like now(); it is not what keeps data fresh.")));
}

static void
CheckMaxItems(const SectionRow *row)
{
	if (row->max_items == 0 || row->max_items < -1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_items of section \"%s\" must be positive", row->name),
				 errdetail("It is the number of items that are shown."),
				 errhint("Leave it out to show all that the query returns.")));
	if (row->max_items > 0 && row->single_row)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("section \"%s\" can't have both single_row and max_items", row->name),
				 errdetail("A single row is one object, not an array of items."),
				 errhint("Leave one of them out.")));
}

static void
CheckName(const char *name)
{
	if (!SectionNameIsValid(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid section name \"%s\"", name),
				 errdetail("A name starts with a lower-case letter or an underscore, goes on with those and digits, and has at most %d characters.",
						   NAMEDATALEN - 1),
				 errhint("It becomes a member of the JSON document and a part of the key in Redis.")));
}

/* Is the name free?  Sets row->ordinal to the next one. */
static void
CheckIsNew(SectionRow *row)
{
	List	   *rows = ReadSections(SnapshotSelf, true, NULL);
	ListCell   *lc;

	row->ordinal = 1;
	foreach(lc, rows)
	{
		SectionRow *other = lfirst(lc);

		if (strcmp(other->name, row->name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("section \"%s\" already exists", row->name),
					 errhint("Use clarify_cache.drop_section() first to define it anew.")));
		row->ordinal = Max(row->ordinal, other->ordinal + 1);
	}
	if (list_length(rows) >= MAX_SECTIONS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("there are %d sections already, which is the limit", MAX_SECTIONS)));
}

Datum
clarify_add_section(PG_FUNCTION_ARGS)
{
	SectionRow	row = {0};

	RequireArgument(fcinfo, 0, "name");
	RequireArgument(fcinfo, 1, "query");
	RequireArgument(fcinfo, 2, "ttl");
	RequireArgument(fcinfo, 3, "single_row");
	PreventCommandIfReadOnly("clarify_cache.add_section()");

	row.name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	row.ttl = *PG_GETARG_INTERVAL_P(2);
	row.ttl_us = IntervalMicroseconds(&row.ttl);
	row.single_row = PG_GETARG_BOOL(3);
	row.max_items = PG_ARGISNULL(4) ? -1 : PG_GETARG_INT32(4);
	if (!PG_ARGISNULL(4) && row.max_items < 0)
		row.max_items = 0;		/* out of range, not "no limit" */

	CheckName(row.name);
	CheckTtl(&row);
	CheckMaxItems(&row);

	/* Two at once: the second is to see the first one's section. */
	LockRelationOid(ExtTablesRequire()->section, ShareRowExclusiveLock);
	CheckIsNew(&row);
	row.query = SectionValidate(row.name, text_to_cstring(PG_GETARG_TEXT_PP(1)), &row.tables);
	InsertSection(&row);
	PG_RETURN_VOID();
}

Datum
clarify_drop_section(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PreventCommandIfReadOnly("clarify_cache.drop_section()");
	if (!DeleteSection(name))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("section \"%s\" does not exist", name),
				 errhint("The view clarify_cache.sections lists the sections that do.")));
	PG_RETURN_VOID();
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

/* What became of a query that once was fine, in a subtransaction. */
static char *
ReasonOrError(Section *section, const SectionRow *row, Snapshot snapshot,
			  const VersionRows *rows)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char	   *volatile reason = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		reason = ReasonOf(section, row, snapshot, rows);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;

		/* Only what parsing says; a cancel is not a reason. */
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			error->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
			ReThrowError(error);
		reason = psprintf("its query does not work any more: %s", error->message);
	}
	PG_END_TRY();
	return reason;
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
