/*-------------------------------------------------------------------------
 *
 * ext_tables.c
 *	  The extension's own tables: where they are, and their rows as structs.
 *
 * The Oids are remembered across transactions.  Every use of the tables takes
 * a lock first and so accepts invalidations; DROP EXTENSION invalidates the
 * relations it drops, which forgets the Oids here.  The version that is installed
 * has no invalidations of its own, so each update script ends with one of a table.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/int.h"
#include "executor/tuptable.h"
#include "meta/ext_tables.h"
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

/* Attributes of clarify_cache.witness. */
#define ANUM_WITNESS_TABLE_ID	1
#define ANUM_WITNESS_MEMBER_ID	2
#define ANUM_WITNESS_DIGEST		3
#define WITNESS_NATTS			3

static ExtTables known;
static bool known_is_valid = false;
static ExtState known_state;	/* of what is known; not EXT_ABSENT */
static char known_version[EXT_VERSION_MAX]; /* that is installed */
static Oid	known_strange;		/* the first table that is strange, if one is */
static uint64 forgotten = 0;	/* counts invalidations */
static List *known_attached = NIL;	/* tables that were attached when last seen */

/* Which relations a look-up is about is known when it is done. */
static void
ForgetOnRelcache(Datum arg, Oid relid)
{
	forgotten++;
	if (relid == InvalidOid || relid == known.version || relid == known.instance ||
		relid == known.attached_table || relid == known.section ||
		relid == known.witness)
	{
		known_is_valid = false;
		list_free(known_attached);
		known_attached = NIL;
	}
}

static void
ForgetOnSyscache(Datum arg, int cacheid, uint32 hashvalue)
{
	forgotten++;
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

/* Find them; false if one is not there. */
static bool
FindObjects(ExtTables *found)
{
	found->namespace_id = get_namespace_oid(CLARIFY_SCHEMA, true);
	if (!OidIsValid(found->namespace_id))
		return false;
	found->version = get_relname_relid("version", found->namespace_id);
	found->instance = get_relname_relid("instance", found->namespace_id);
	found->attached_table = get_relname_relid("attached_table", found->namespace_id);
	found->section = get_relname_relid("section", found->namespace_id);
	found->witness = get_relname_relid("witness", found->namespace_id);
	found->mark_change = FindFunction("mark_change", found->namespace_id);
	found->track_change = FindFunction("track_change", found->namespace_id);
	found->guard_own_table = FindFunction("guard_own_table", found->namespace_id);
	return OidIsValid(found->version) && OidIsValid(found->instance) &&
		OidIsValid(found->attached_table) && OidIsValid(found->section) &&
		OidIsValid(found->mark_change) && OidIsValid(found->track_change) &&
		OidIsValid(found->guard_own_table);
}

/* The first of the tables that are there and strange, or InvalidOid. */
static Oid
FindStrange(const ExtTables *found)
{
	if (!ExtTableIsKnown("version", found->version))
		return found->version;
	if (!ExtTableIsKnown("instance", found->instance))
		return found->instance;
	if (!ExtTableIsKnown("attached_table", found->attached_table))
		return found->attached_table;
	if (!ExtTableIsKnown("section", found->section))
		return found->section;
	if (OidIsValid(found->witness) && !ExtTableIsKnown("witness", found->witness))
		return found->witness;
	return InvalidOid;
}

/*
 * Look everything up, into what is known.  The catalog says that a version is
 * installed before its script has run.
 */
static ExtState
LookUp(void)
{
	ExtTables	found;
	ExtState	state;

	if (!ExtInstalledVersion(known_version) || !FindObjects(&found))
		return EXT_ABSENT;
	state = ExtCompareVersion(known_version);
	if (state == EXT_CURRENT && !OidIsValid(found.witness))
	{
		if (!creating_extension)
			return EXT_ABSENT;
		state = EXT_OLDER;
	}
	known_strange = FindStrange(&found);
	if (OidIsValid(known_strange))
		state = EXT_STRANGE;
	known = found;
	return state;
}

/* What is looked up accepts invalidations on its way, so look until none came. */
ExtState
ExtTablesState(void)
{
	static bool registered = false;
	uint64		before;
	ExtState	state;

	if (known_is_valid)
		return known_state;
	if (!registered)
	{
		CacheRegisterRelcacheCallback(ForgetOnRelcache, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, ForgetOnSyscache, (Datum) 0);
		registered = true;
	}
	do
	{
		before = forgotten;
		state = LookUp();
	} while (before != forgotten);
	known_state = state;
	known_is_valid = (state != EXT_ABSENT);
	return state;
}

const ExtTables *
ExtTablesGet(void)
{
	switch (ExtTablesState())
	{
		case EXT_ABSENT:
		case EXT_STRANGE:
			return NULL;
		case EXT_OLDER:
		case EXT_NEWER:
		case EXT_CURRENT:
			break;
	}
	return &known;
}

bool
ExtTablesAreMisplaced(void)
{
	known_is_valid = false;
	return ExtTablesState() == EXT_ABSENT && !creating_extension &&
		OidIsValid(get_extension_oid(CLARIFY_EXTENSION, true));
}

char *
ExtTablesMismatch(void)
{
	if (ExtTablesState() == EXT_STRANGE)
		return psprintf("table %s.%s has not the columns that the library knows",
						CLARIFY_SCHEMA, get_rel_name(known_strange));
	return psprintf("the SQL objects are of version %s, and the library is for version %s",
					known_version, CLARIFY_SQL_VERSION);
}

/* The same as a detail. */
static int
DetailMismatch(void)
{
	char	   *mismatch = ExtTablesMismatch();

	mismatch[0] = pg_toupper((unsigned char) mismatch[0]);
	return errdetail("%s.", mismatch);
}

static void
RaiseStrange(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("objects of extension \"%s\" are not those of its library", CLARIFY_EXTENSION),
			 DetailMismatch(),
			 errhint("Install the library that they were created with, and restart the server; or run DROP EXTENSION clarify_cache CASCADE and CREATE EXTENSION clarify_cache, and attach and define anew.")));
}

static void
RaiseAbsent(void)
{
	if (ExtTablesAreMisplaced())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("objects of extension \"%s\" are not in their place", CLARIFY_EXTENSION),
				 errhint("Undo the renaming, or drop and create the extension.")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("extension \"clarify_cache\" is not installed in this database"),
			 errhint("Run CREATE EXTENSION clarify_cache.")));
}

const ExtTables *
ExtTablesRequire(void)
{
	const ExtTables *ext = ExtTablesGet();

	if (ext == NULL && ExtTablesState() == EXT_STRANGE)
		RaiseStrange();
	if (ext == NULL)
		RaiseAbsent();
	return ext;
}

const ExtTables *
ExtTablesRequireCurrent(void)
{
	const ExtTables *ext = ExtTablesRequire();
	ExtState	state = ExtTablesState();

	if (state == EXT_OLDER)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("objects of extension \"%s\" are older than its library", CLARIFY_EXTENSION),
				 DetailMismatch(),
				 errhint("Run ALTER EXTENSION clarify_cache UPDATE.")));
	if (state == EXT_NEWER)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("objects of extension \"%s\" are newer than its library", CLARIFY_EXTENSION),
				 DetailMismatch(),
				 errhint("Install the library for version %s, and restart the server.", known_version)));
	return ext;
}

Oid
ExtTablesSections(void)
{
	if (ExtTablesState() == EXT_STRANGE && ExtTableIsKnown("section", known.section))
		return known.section;
	return ExtTablesRequire()->section;
}

void
ExtTablesLogStrange(void)
{
	static bool logged = false;

	if (logged || ExtTablesState() != EXT_STRANGE)
		return;
	logged = true;
	ereport(LOG_SERVER_ONLY,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("changes of attached tables are not recorded"),
			 DetailMismatch(),
			 errhint("Nothing is cached. See the error of clarify_cache.repair().")));
}

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
