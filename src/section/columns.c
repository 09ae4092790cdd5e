/*-------------------------------------------------------------------------
 *
 * columns.c
 *	  Which columns of which tables sections read, and whether their changes
 *	  are watched.
 *
 * An UPDATE that changes no column which a section reads adds no token.  Why
 * no reader is served wrongly for that:
 *
 *	What a query reads.  Its result depends on the rows that its tables have,
 *	and on the columns that the parser has noted for the check of column
 *	privileges (a merged column of a join notes those it is made of; a whole
 *	row, all).  So of two snapshots with the same rows, alike in these columns,
 *	it gives the same.
 *
 *	What a coverage row promises.  A table's row in attached_table names the
 *	watched columns; the row triggers have the same names as arguments.
 *	Triggers, row and a fresh coverage token are put in one commit, under
 *	ShareRowExclusiveLock on the whole partition tree (Cover in ddl/cover.c), and
 *	nothing else changes them but what leaves a hole (ddl/event_trigger.c).  So
 *	a snapshot that sees a coverage row sees the row in attached_table that belongs to
 *	it.  Writers from before were done by then, prepared transactions too, and
 *	those from after have found the new triggers: a change that such a snapshot
 *	sees, and that was not there when the coverage row was committed, has
 *	passed triggers that watch these columns.  (Before triggers that watch
 *	fewer let the first change pass, a later coverage row is committed, and
 *	whoever sees the change sees that one instead.  A statement of the same
 *	transaction that is under way goes on with the triggers that it began with;
 *	what it changes comes in one commit with the coverage row.)
 *
 *	Names.  Triggers resolve them in the relation at hand when they first fire
 *	in a statement, sections when they are analyzed.  What makes a name mean
 *	another column takes AccessExclusiveLock and adds a whole-table bump; so
 *	between two such changes, trigger and section mean the same by a name, and
 *	entries from before one are not found after it.  For a name that means
 *	nothing, the triggers count every UPDATE.
 *
 *	The reader.  A section is cacheable under a snapshot only if each column
 *	that it reads is a key, whose change always counts, or among the columns in
 *	attached_table as that snapshot sees it.  This is checked with the
 *	analysis, which is made anew whenever the coverage tokens differ.  Hence
 *	for two snapshots with the same version the same changes of all that the
 *	section reads are visible.
 *
 * The last one rests on nothing that add_section(), attach() or repair() have
 * done right: what they get wrong, or what changes behind them (a renamed table
 * takes another's place), costs a bypass until repair(), never a wrong answer.
 *
 * The token has to be fresh when a column is watched again: the entries of a
 * section that was dropped may still be there, of the same fingerprint and,
 * but for it, of the same version, and what happened to the column since then
 * nobody has seen.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "base/guarded.h"
#include "ground/pin.h"
#include "section/columns.h"
#include "section/expr.h"
#include "section/privilege.h"
#include "section/query.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* The entry of a table, added if it is not there. */
static ReadColumns *
FindOrAddRead(List **reads, Oid table_id)
{
	ReadColumns *read;
	ListCell   *lc;

	foreach(lc, *reads)
	{
		read = lfirst(lc);
		if (read->table_id == table_id)
			return read;
	}
	read = palloc0(sizeof(ReadColumns));
	read->table_id = table_id;
	*reads = lappend(*reads, read);
	return read;
}

static void
AddColumn(ReadColumns *read, const char *name)
{
	String	   *column = makeString(pstrdup(name));

	if (!list_member(read->columns, column))
		read->columns = lappend(read->columns, column);
}

static void
AddAllColumns(ReadColumns *read)
{
	Relation	rel = table_open(read->table_id, NoLock);
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		if (!attr->attisdropped)
			AddColumn(read, NameStr(attr->attname));
	}
	table_close(rel, NoLock);
}

/* System columns are left out: a section that reads one is not cached. */
static void
AddSelected(ReadColumns *read, const Bitmapset *selected)
{
	int			bit = -1;

	while ((bit = bms_next_member(selected, bit)) >= 0)
	{
		AttrNumber	attnum = bit + FirstLowInvalidHeapAttributeNumber;

		if (attnum == InvalidAttrNumber)
			AddAllColumns(read);
		else if (attnum > 0)
			AddColumn(read, get_attname(read->table_id, attnum, false));
	}
}

List *
CollectColumns(Query *query)
{
	List	   *reads = NIL;
	ListCell   *lc;

	foreach(lc, CollectPermissions(query))
	{
		const compat_permission *permission = lfirst(lc);

		AddSelected(FindOrAddRead(&reads, permission->relid), permission->selectedCols);
	}
	return reads;
}

/* For RunGuarded. */
typedef struct CollectCall
{
	const char *query;
	bool		stored;			/* qualified, to be read under the pinned path */
	List	   *reads;
} CollectCall;

static void
CollectColumnsOfText(void *arg)
{
	CollectCall *call = arg;
	int			nest_level = call->stored ? PinSettings() : PinSettingsButSearchPath();

	call->reads = CollectColumns(SectionAnalyzeText(call->query));
	UnpinSettings(nest_level);
}

List *
CollectColumnsOfSections(void)
{
	List	   *reads = NIL;
	ListCell   *lc;

	foreach(lc, ReadSections(SnapshotSelf, true, NULL))
	{
		CollectCall call = {.query = ((SectionRow *) lfirst(lc))->query, .stored = true};

		if (RunGuarded(CollectColumnsOfText, &call) == NULL)
			reads = list_concat(reads, call.reads);
	}
	return reads;
}

List *
CollectColumnsOfDraft(const char *query)
{
	CollectCall call = {.query = query};

	return RunGuarded(CollectColumnsOfText, &call) == NULL ? call.reads : NIL;
}

static int
CompareNames(const ListCell *a, const ListCell *b)
{
	return strcmp(strVal(lfirst(a)), strVal(lfirst(b)));
}

static bool
IsKey(const char *column, const char *key_column)
{
	return key_column != NULL && strcmp(column, key_column) == 0;
}

List *
ColumnsToWatch(List *reads, Oid table_id, const char *key_column)
{
	List	   *columns = NIL;
	ListCell   *lc;

	foreach(lc, reads)
	{
		const ReadColumns *read = lfirst(lc);
		ListCell   *lc_column;

		if (read->table_id != table_id)
			continue;
		foreach(lc_column, read->columns)
		{
			if (!IsKey(strVal(lfirst(lc_column)), key_column) &&
				!list_member(columns, lfirst(lc_column)))
				columns = lappend(columns, lfirst(lc_column));
		}
	}
	list_sort(columns, CompareNames);
	return columns;
}

/* A column that is read and not watched, or NULL. */
static char *
FirstUnwatched(const AttachedTable *table, const ReadColumns *read)
{
	ListCell   *lc;

	foreach(lc, read->columns)
	{
		char	   *column = strVal(lfirst(lc));

		if (!IsKey(column, table->key_column) && !list_member(table->columns, lfirst(lc)))
			return column;
	}
	return NULL;
}

bool
ColumnsAreWatched(const AttachedTable *table, const ReadColumns *read)
{
	return FirstUnwatched(table, read) == NULL;
}

char *
UnwatchedColumnFault(List *reads, List *attached)
{
	ListCell   *lc;

	foreach(lc, reads)
	{
		const ReadColumns *read = lfirst(lc);
		const AttachedTable *table = FindAttachedTable(attached, read->table_id);
		char	   *column = table == NULL ? NULL : FirstUnwatched(table, read);

		if (column != NULL)
			return psprintf("Changes of column \"%s\" of table %s are not watched; run clarify_cache.repair().",
							column, SectionRelationName(read->table_id));
	}
	return NULL;
}
