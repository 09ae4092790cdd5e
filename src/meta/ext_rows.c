/*-------------------------------------------------------------------------
 *
 * ext_rows.c
 *	  The rows of the extension's own tables, as structs.
 *
 * Whoever opens a table asks for it again once it is locked: with the lock, invalidations
 * were accepted, and another table may be meant, or its columns be strange.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "executor/tuptable.h"
#include "meta/ext_rows.h"
#include "meta/ext_tables.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
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

/* Attributes of clarify_cache.witness. */
#define ANUM_WITNESS_TABLE_ID	1
#define ANUM_WITNESS_MEMBER_ID	2
#define ANUM_WITNESS_DIGEST		3
#define WITNESS_NATTS			3

/* Which table is meant?  Raises if its columns are not those that are known. */
typedef Oid (*OwnTable) (void);

static Oid
AttachedTableId(void)
{
	return ExtTablesRequire()->attached_table;
}

static Oid
SectionTableId(void)
{
	return ExtTablesRequire()->section;
}

/* InvalidOid before version 1.1. */
static Oid
WitnessTableId(void)
{
	return ExtTablesRequire()->witness;
}

static Relation
OpenForWrite(OwnTable table, LOCKMODE lockmode)
{
	Relation	rel = table_open(table(), lockmode);

	(void) table();
	return rel;
}

/* NULL if the relation is gone, or not to be locked at once. */
static Relation
OpenForRead(OwnTable table, bool wait)
{
	Oid			relid = table();
	Relation	rel;

	if (wait)
		rel = try_relation_open(relid, AccessShareLock);
	else if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return NULL;
	else
	{
		rel = try_relation_open(relid, NoLock);
		if (rel == NULL)
			UnlockRelationOid(relid, AccessShareLock);
	}
	if (rel != NULL)
		(void) table();
	return rel;
}

typedef void *(*RowReader) (TupleTableSlot *slot);

/* Apply reader to each row of the table that the snapshot sees. */
static List *
ReadTable(OwnTable table, Snapshot snapshot, bool wait, bool *ok, RowReader reader)
{
	Relation	rel = OpenForRead(table, wait);
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
	return ReadTable(AttachedTableId, snapshot, true, NULL, AttachedFromSlot);
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
	static List *known_attached = NIL;	/* when last seen, as of */
	static uint64 known_changes = 0;	/* that many ExtTablesChanges */
	MemoryContext old_context;

	if (known_changes != ExtTablesChanges())
	{
		list_free(known_attached);
		known_attached = NIL;
		known_changes = ExtTablesChanges();
	}
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
	List	   *rows = ReadTable(ExtTablesSections, snapshot, wait, ok, SectionFromSlot);

	list_sort(rows, CompareOrdinals);
	return rows;
}

static void *
WitnessFromSlot(TupleTableSlot *slot)
{
	WitnessRow *row = palloc(sizeof(WitnessRow));

	row->table_id = DatumGetObjectId(slot->tts_values[ANUM_WITNESS_TABLE_ID - 1]);
	row->member_id = DatumGetObjectId(slot->tts_values[ANUM_WITNESS_MEMBER_ID - 1]);
	row->digest = (uint64) DatumGetInt64(slot->tts_values[ANUM_WITNESS_DIGEST - 1]);
	return row;
}

List *
ReadWitness(Oid table_id, Snapshot snapshot, bool wait, bool *ok)
{
	List	   *rows = NIL;
	ListCell   *lc;

	if (!OidIsValid(WitnessTableId()))
	{
		if (ok != NULL)
			*ok = false;
		return NIL;
	}
	foreach(lc, ReadTable(WitnessTableId, snapshot, wait, ok, WitnessFromSlot))
	{
		if (((WitnessRow *) lfirst(lc))->table_id == table_id)
			rows = lappend(rows, lfirst(lc));
	}
	return rows;
}

/* Columns that somebody has added behind those that we know are left NULL. */
static void
InsertTuple(OwnTable table, const Datum *values, const bool *nulls, int natts)
{
	Relation	rel = OpenForWrite(table, RowExclusiveLock);
	TupleDesc	desc = RelationGetDescr(rel);
	Datum	   *all_values = palloc0(desc->natts * sizeof(Datum));
	bool	   *all_nulls = palloc(desc->natts * sizeof(bool));

	memset(all_nulls, true, desc->natts * sizeof(bool));
	memcpy(all_values, values, natts * sizeof(Datum));
	memcpy(all_nulls, nulls, natts * sizeof(bool));
	CatalogTupleInsert(rel, heap_form_tuple(desc, all_values, all_nulls));
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

typedef bool (*RowMatcher) (TupleTableSlot *slot, const void *arg);

/* Delete the rows that match; true if there was one. */
static bool
DeleteTuples(OwnTable table, LOCKMODE lockmode, RowMatcher matches, const void *arg)
{
	Relation	rel = OpenForWrite(table, lockmode);
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
	return DeleteTuples(AttachedTableId, RowExclusiveLock,
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
	InsertTuple(AttachedTableId, values, nulls, ATTACHED_NATTS);
}

void
InsertWitness(Oid table_id, Oid member_id, uint64 digest)
{
	Datum		values[WITNESS_NATTS];
	bool		nulls[WITNESS_NATTS] = {0};

	values[ANUM_WITNESS_TABLE_ID - 1] = ObjectIdGetDatum(table_id);
	values[ANUM_WITNESS_MEMBER_ID - 1] = ObjectIdGetDatum(member_id);
	values[ANUM_WITNESS_DIGEST - 1] = Int64GetDatum((int64) digest);
	InsertTuple(WitnessTableId, values, nulls, WITNESS_NATTS);
}

static bool
MatchesWitness(TupleTableSlot *slot, const void *arg)
{
	const WitnessRow *wanted = arg;

	return DatumGetObjectId(slot->tts_values[ANUM_WITNESS_TABLE_ID - 1]) == wanted->table_id &&
		(!OidIsValid(wanted->member_id) ||
		 DatumGetObjectId(slot->tts_values[ANUM_WITNESS_MEMBER_ID - 1]) == wanted->member_id);
}

bool
DeleteWitness(Oid table_id, Oid member_id)
{
	WitnessRow	wanted = {.table_id = table_id, .member_id = member_id};

	/* The caller's lock on the member keeps others from the same row. */
	return OidIsValid(WitnessTableId()) &&
		DeleteTuples(WitnessTableId, RowExclusiveLock, MatchesWitness, &wanted);
}

void
InsertSection(const SectionRow *row)
{
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
	InsertTuple(SectionTableId, values, nulls, SECTION_NATTS);
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
	/* Two at once: the second is to find the row gone. */
	return DeleteTuples(SectionTableId, ShareRowExclusiveLock, MatchesSection, name);
}
