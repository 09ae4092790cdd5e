/*-------------------------------------------------------------------------
 *
 * ext_tables.c
 *	  The extension's own tables: where they are, and their rows as structs.
 *
 * The Oids are remembered across transactions.  Every use of the tables takes
 * a lock first and so accepts invalidations; DROP EXTENSION invalidates the
 * relations it drops, which forgets the Oids here.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "change.h"
#include "commands/extension.h"
#include "common/int.h"
#include "executor/tuptable.h"
#include "ext_tables.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* Attributes of clarify_cache.attached_table. */
#define ANUM_ATTACHED_TABLE_ID		1
#define ANUM_ATTACHED_KEY_COLUMN	2
#define ANUM_ATTACHED_COLUMNS		3
#define ATTACHED_NATTS				3

/* Attributes of clarify_cache.section. */
#define ANUM_SECTION_NAME		1
#define ANUM_SECTION_ORDINAL	2
#define ANUM_SECTION_QUERY		3
#define ANUM_SECTION_TTL		4
#define ANUM_SECTION_SINGLE_ROW 5
#define ANUM_SECTION_MAX_ITEMS	6
#define ANUM_SECTION_TABLES		7
#define SECTION_NATTS			7

static ExtTables known;
static bool known_is_valid = false;
static List *known_attached = NIL;	/* tables that were attached when last seen */

static void
ForgetOnRelcache(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == known.version || relid == known.instance ||
		relid == known.attached_table || relid == known.section)
	{
		known_is_valid = false;
		list_free(known_attached);
		known_attached = NIL;
	}
}

static void
ForgetOnSyscache(Datum arg, int cacheid, uint32 hashvalue)
{
	known_is_valid = false;
}

/*
 * A trigger function of ours, which takes no arguments.  Whoever writes an
 * attached table needs it, so no privilege on the schema may matter.
 */
static Oid
FindFunction(const char *name, Oid namespace_id)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum(name),
						   PointerGetDatum(buildoidvector(NULL, 0)),
						   ObjectIdGetDatum(namespace_id));
}

const ExtTables *
ExtTablesGet(void)
{
	static bool registered = false;
	ExtTables	found;

	if (known_is_valid)
		return &known;
	if (!registered)
	{
		CacheRegisterRelcacheCallback(ForgetOnRelcache, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, ForgetOnSyscache, (Datum) 0);
		registered = true;
	}

	found.namespace_id = get_namespace_oid(CLARIFY_SCHEMA, true);
	if (!OidIsValid(found.namespace_id))
		return NULL;
	found.version = get_relname_relid("version", found.namespace_id);
	found.instance = get_relname_relid("instance", found.namespace_id);
	found.attached_table = get_relname_relid("attached_table", found.namespace_id);
	found.section = get_relname_relid("section", found.namespace_id);
	found.mark_change = FindFunction("mark_change", found.namespace_id);
	found.track_change = FindFunction("track_change", found.namespace_id);
	found.guard_own_table = FindFunction("guard_own_table", found.namespace_id);
	if (!OidIsValid(found.version) || !OidIsValid(found.instance) ||
		!OidIsValid(found.attached_table) || !OidIsValid(found.section) ||
		!OidIsValid(found.mark_change) || !OidIsValid(found.track_change) ||
		!OidIsValid(found.guard_own_table))
		return NULL;

	known = found;
	known_is_valid = true;
	return &known;
}

bool
ExtTablesAreMisplaced(void)
{
	known_is_valid = false;
	return ExtTablesGet() == NULL && !creating_extension &&
		OidIsValid(get_extension_oid(CLARIFY_EXTENSION, true));
}

const ExtTables *
ExtTablesRequire(void)
{
	const ExtTables *ext = ExtTablesGet();

	if (ext == NULL && ExtTablesAreMisplaced())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("objects of extension \"%s\" are not in their place", CLARIFY_EXTENSION),
				 errhint("Undo the renaming, or drop and create the extension.")));
	if (ext == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"clarify_cache\" is not installed in this database"),
				 errhint("Run CREATE EXTENSION clarify_cache.")));
	return ext;
}

/* NULL if the relation is gone, or not to be locked at once. */
static Relation
OpenForRead(Oid relid, bool wait)
{
	Relation	rel;

	if (wait)
		return try_relation_open(relid, AccessShareLock);
	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return NULL;
	rel = try_relation_open(relid, NoLock);
	if (rel == NULL)
		UnlockRelationOid(relid, AccessShareLock);
	return rel;
}

typedef void *(*RowReader) (TupleTableSlot *slot);

/* Apply reader to each row of the table that the snapshot sees. */
static List *
ReadTable(Oid relid, Snapshot snapshot, bool wait, bool *ok, RowReader reader)
{
	Relation	rel = OpenForRead(relid, wait);
	TupleTableSlot *slot;
	TableScanDesc scan;
	List	   *result = NIL;

	if (ok != NULL)
		*ok = (rel != NULL);
	if (rel == NULL)
		return NIL;

	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		slot_getallattrs(slot);
		result = lappend(result, reader(slot));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	relation_close(rel, AccessShareLock);
	return result;
}

/* A name[] as String nodes; what SQL has put in besides names is left out. */
static List *
NameListFromArray(Datum value)
{
	Datum	   *elems;
	bool	   *nulls;
	int			nelems;
	List	   *result = NIL;

	deconstruct_array(DatumGetArrayTypeP(value), NAMEOID, NAMEDATALEN, false,
					  TYPALIGN_CHAR, &elems, &nulls, &nelems);
	for (int i = 0; i < nelems; i++)
	{
		if (!nulls[i])
			result = lappend(result, makeString(pstrdup(NameStr(*DatumGetName(elems[i])))));
	}
	return result;
}

static Datum
ArrayFromNameList(List *names)
{
	Datum	   *elems = palloc(list_length(names) * sizeof(Datum));
	ListCell   *lc;

	foreach(lc, names)
	{
		Name		name = palloc(sizeof(NameData));

		namestrcpy(name, strVal(lfirst(lc)));
		elems[foreach_current_index(lc)] = NameGetDatum(name);
	}
	return PointerGetDatum(construct_array(elems, list_length(names), NAMEOID,
										   NAMEDATALEN, false, TYPALIGN_CHAR));
}

static void *
AttachedFromSlot(TupleTableSlot *slot)
{
	AttachedTable *table = palloc0(sizeof(AttachedTable));

	table->table_id = DatumGetObjectId(slot->tts_values[ANUM_ATTACHED_TABLE_ID - 1]);
	if (!slot->tts_isnull[ANUM_ATTACHED_KEY_COLUMN - 1])
		table->key_column = pstrdup(NameStr(*DatumGetName(slot->tts_values[ANUM_ATTACHED_KEY_COLUMN - 1])));
	table->columns = NameListFromArray(slot->tts_values[ANUM_ATTACHED_COLUMNS - 1]);
	return table;
}

List *
ReadAttachedTables(Snapshot snapshot)
{
	return ReadTable(ExtTablesRequire()->attached_table, snapshot, true, NULL,
					 AttachedFromSlot);
}

AttachedTable *
FindAttachedTable(List *attached, Oid table_id)
{
	ListCell   *lc;

	foreach(lc, attached)
	{
		AttachedTable *table = lfirst(lc);

		if (table->table_id == table_id)
			return table;
	}
	return NULL;
}

/*
 * That a table is attached is remembered, as one token too many does no harm;
 * that it is not is looked up each time.  The caller's lock on the table keeps
 * attach() out, so SnapshotSelf tells.
 */
bool
TableIsAttached(Oid table_id)
{
	MemoryContext old_context;

	if (list_member_oid(known_attached, table_id))
		return true;
	if (FindAttachedTable(ReadAttachedTables(SnapshotSelf), table_id) == NULL)
		return false;
	old_context = MemoryContextSwitchTo(TopMemoryContext);
	known_attached = lappend_oid(known_attached, table_id);
	MemoryContextSwitchTo(old_context);
	return true;
}

static List *
OidListFromArray(Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Datum	   *elems;
	int			nelems;
	List	   *result = NIL;

	deconstruct_array(array, REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT,
					  &elems, NULL, &nelems);
	for (int i = 0; i < nelems; i++)
		result = lappend_oid(result, DatumGetObjectId(elems[i]));
	return result;
}

int64
IntervalMicroseconds(const Interval *interval)
{
	int64		days = interval->day + interval->month * (int64) DAYS_PER_MONTH;
	int64		result;

	if (pg_mul_s64_overflow(days, USECS_PER_DAY, &result) ||
		pg_add_s64_overflow(result, interval->time, &result))
		return days < 0 ? PG_INT64_MIN : PG_INT64_MAX;
	return result;
}

static void *
SectionFromSlot(TupleTableSlot *slot)
{
	SectionRow *row = palloc0(sizeof(SectionRow));
	Datum	   *values = slot->tts_values;

	row->name = TextDatumGetCString(values[ANUM_SECTION_NAME - 1]);
	row->ordinal = DatumGetInt32(values[ANUM_SECTION_ORDINAL - 1]);
	row->query = TextDatumGetCString(values[ANUM_SECTION_QUERY - 1]);
	row->ttl = *DatumGetIntervalP(values[ANUM_SECTION_TTL - 1]);
	row->ttl_us = IntervalMicroseconds(&row->ttl);
	row->single_row = DatumGetBool(values[ANUM_SECTION_SINGLE_ROW - 1]);
	row->max_items = slot->tts_isnull[ANUM_SECTION_MAX_ITEMS - 1] ? -1 :
		DatumGetInt32(values[ANUM_SECTION_MAX_ITEMS - 1]);
	row->tables = OidListFromArray(values[ANUM_SECTION_TABLES - 1]);
	return row;
}

static int
CompareOrdinals(const ListCell *a, const ListCell *b)
{
	const SectionRow *left = lfirst(a);
	const SectionRow *right = lfirst(b);

	if (left->ordinal != right->ordinal)
		return left->ordinal < right->ordinal ? -1 : 1;
	return strcmp(left->name, right->name);
}

List *
ReadSections(Snapshot snapshot, bool wait, bool *ok)
{
	List	   *rows = ReadTable(ExtTablesRequire()->section, snapshot, wait, ok,
								 SectionFromSlot);

	list_sort(rows, CompareOrdinals);
	return rows;
}

static void
InsertTuple(Oid relid, Datum *values, bool *nulls)
{
	Relation	rel = table_open(relid, RowExclusiveLock);

	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values, nulls));
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

typedef bool (*RowMatcher) (TupleTableSlot *slot, const void *arg);

/* Delete the rows that match; true if there was one. */
static bool
DeleteTuples(Oid relid, LOCKMODE lockmode, RowMatcher matches, const void *arg)
{
	Relation	rel = table_open(relid, lockmode);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	bool		found = false;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		slot_getallattrs(slot);
		if (matches(slot, arg))
		{
			CatalogTupleDelete(rel, &slot->tts_tid);
			found = true;
		}
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	CommandCounterIncrement();
	return found;
}

static bool
MatchesAttached(TupleTableSlot *slot, const void *arg)
{
	return DatumGetObjectId(slot->tts_values[ANUM_ATTACHED_TABLE_ID - 1]) ==
		*(const Oid *) arg;
}

bool
DeleteAttachedTable(Oid table_id)
{
	CacheInvalidateRelcacheByRelid(ExtTablesRequire()->attached_table);
	/* The caller's lock on the table keeps others from the same row. */
	return DeleteTuples(ExtTablesRequire()->attached_table, RowExclusiveLock,
						MatchesAttached, &table_id);
}

void
PutAttachedTable(const AttachedTable *table)
{
	Datum		values[ATTACHED_NATTS] = {0};
	bool		nulls[ATTACHED_NATTS] = {0};
	NameData	name;

	(void) DeleteAttachedTable(table->table_id);
	values[ANUM_ATTACHED_TABLE_ID - 1] = ObjectIdGetDatum(table->table_id);
	if (table->key_column != NULL)
	{
		namestrcpy(&name, table->key_column);
		values[ANUM_ATTACHED_KEY_COLUMN - 1] = NameGetDatum(&name);
	}
	else
		nulls[ANUM_ATTACHED_KEY_COLUMN - 1] = true;
	values[ANUM_ATTACHED_COLUMNS - 1] = ArrayFromNameList(table->columns);
	InsertTuple(ExtTablesRequire()->attached_table, values, nulls);
}

void
InsertSection(const SectionRow *row)
{
	Oid			relid = ExtTablesRequire()->section;
	Datum		values[SECTION_NATTS];
	bool		nulls[SECTION_NATTS] = {0};
	int			ntables = list_length(row->tables);
	Datum	   *tables = palloc(ntables * sizeof(Datum));

	for (int i = 0; i < ntables; i++)
		tables[i] = ObjectIdGetDatum(list_nth_oid(row->tables, i));

	values[ANUM_SECTION_NAME - 1] = CStringGetTextDatum(row->name);
	values[ANUM_SECTION_ORDINAL - 1] = Int32GetDatum(row->ordinal);
	values[ANUM_SECTION_QUERY - 1] = CStringGetTextDatum(row->query);
	values[ANUM_SECTION_TTL - 1] = IntervalPGetDatum(&row->ttl);
	values[ANUM_SECTION_SINGLE_ROW - 1] = BoolGetDatum(row->single_row);
	values[ANUM_SECTION_MAX_ITEMS - 1] = Int32GetDatum(row->max_items);
	nulls[ANUM_SECTION_MAX_ITEMS - 1] = row->max_items < 0;
	values[ANUM_SECTION_TABLES - 1] =
		PointerGetDatum(construct_array(tables, ntables, REGCLASSOID, sizeof(Oid),
										true, TYPALIGN_INT));

	/* Same name twice at once: the primary key decides. */
	ChangeRecordDefinitions(relid);
	InsertTuple(relid, values, nulls);
}

static bool
MatchesSection(TupleTableSlot *slot, const void *arg)
{
	return strcmp(TextDatumGetCString(slot->tts_values[ANUM_SECTION_NAME - 1]),
				  (const char *) arg) == 0;
}

bool
DeleteSection(const char *name)
{
	Oid			relid = ExtTablesRequire()->section;

	ChangeRecordDefinitions(relid);
	/* Two at once: the second is to find the row gone. */
	return DeleteTuples(relid, ShareRowExclusiveLock, MatchesSection, name);
}
