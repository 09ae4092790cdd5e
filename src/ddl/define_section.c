/*-------------------------------------------------------------------------
 *
 * define_section.c
 *	  add_section() and drop_section().
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "change/change.h"
#include "ddl/cover.h"
#include "meta/ext_rows.h"
#include "meta/ext_tables.h"
#include "section/analysis.h"
#include "section/check.h"
#include "section/columns.h"
#include "section/section.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

CLARIFY_FUNCTION(clarify_add_section);
CLARIFY_FUNCTION(clarify_drop_section);

/* A context is one JSON document; this many members are plenty. */
#define MAX_SECTIONS 64

/* Entries live in Redis at least this long; less could not be a hit. */
#define MIN_TTL_US	USECS_PER_SEC
#define MAX_TTL_US	(30 * USECS_PER_DAY)

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
					 errdetail("Its query is: %s", other->query),
					 errhint("Use clarify_cache.drop_section() first to define it anew.")));
		row->ordinal = Max(row->ordinal, other->ordinal + 1);
	}
	if (list_length(rows) >= MAX_SECTIONS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("there are %d sections already, which is the limit", MAX_SECTIONS),
				 errdetail("A context is one JSON document; each section is a member of it."),
				 errhint("Drop a section, or make one of two.")));
}

Datum
clarify_add_section(PG_FUNCTION_ARGS)
{
	SectionRow	row = {0};
	char	   *query;
	List	   *reads;

	RequireArgument(fcinfo, 0, "name");
	RequireArgument(fcinfo, 1, "query");
	RequireArgument(fcinfo, 2, "ttl");
	RequireArgument(fcinfo, 3, "single_row");
	PreventCommandIfReadOnly("clarify_cache.add_section()");
	(void) ExtTablesRequireCurrent();

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
	LockDefinitions();
	CheckIsNew(&row);
	query = text_to_cstring(PG_GETARG_TEXT_PP(1));
	LockToWatch(CollectColumnsOfDraft(query));
	row.query = SectionValidate(row.name, query, &row.tables, &reads);
	ChangeRecordDefinitions(ExtTablesRequire()->section);
	InsertSection(&row);
	WatchColumns(reads);
	PG_RETURN_VOID();
}

Datum
clarify_drop_section(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PreventCommandIfReadOnly("clarify_cache.drop_section()");
	(void) ExtTablesRequireCurrent();
	ChangeRecordDefinitions(ExtTablesRequire()->section);
	if (!DeleteSection(name))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("section \"%s\" does not exist", name),
				 errdetail("No section of that name is defined."),
				 errhint("The view clarify_cache.sections lists the sections that do.")));
	PG_RETURN_VOID();
}
