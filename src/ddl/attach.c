/*-------------------------------------------------------------------------
 *
 * attach.c
 *	  attach(), detach(), repair(): our triggers on a table, and the coverage
 *	  row that says so to every snapshot.
 *
 * ShareRowExclusiveLock on the whole partition tree drains writers (prepared
 * transactions too) and every DDL that matters here, whose invalidations are
 * out by the time it lets go of its locks.  Then, with invalidations accepted,
 * what the catalogs say holds until this transaction ends, and the coverage
 * row, which commits together with the triggers, tells the truth: whoever
 * sees it, sees a table of which no later change passes unseen.  Its fresh
 * token makes all earlier entries unreachable, so the holes that earlier
 * changes left can go.
 *
 * Which columns' changes count is part of that: the row in attached_table,
 * which names them, and the row triggers, which have them as arguments, are
 * put together with the coverage row, here and nowhere else.  attach() and
 * repair() watch what the sections read, no more; add_section() adds what its
 * section reads (section_columns.c); drop_section() leaves it to the next
 * repair().
 *
 * Lock order: the table of the sections, then attached tables, then their
 * partitions.  So the sections stay as they are while one is at work, and two
 * of attach(), detach(), repair(), add_section() and drop_section() never
 * wait for each other in a circle, also several of them in a transaction.
 *
 * detach() takes AccessExclusiveLock on the tree, as dropping triggers does.
 *
 * Missing or changed triggers are replaced in place, not dropped and made
 * again, since dropping needs AccessExclusiveLock, and a lock that grows can
 * deadlock with a reader that turns writer.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_event_trigger.h"
#include "catalog/pg_trigger.h"
#include "change/change.h"
#include "commands/trigger.h"
#include "ddl/attach.h"
#include "ddl/table_fault.h"
#include "meta/ext_rows.h"
#include "meta/ext_tables.h"
#include "meta/partition_tree.h"
#include "meta/witness.h"
#include "nodes/makefuncs.h"
#include "section/columns.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "version/read.h"
#include "version/write.h"

CLARIFY_FUNCTION(clarify_attach);
CLARIFY_FUNCTION(clarify_detach);
CLARIFY_FUNCTION(clarify_repair);

/* The names that the extension's script gives to the triggers on its tables. */
#define GUARD_ROW_NAME		"guard_row"
#define GUARD_TRUNCATE_NAME "guard_truncate"

/* Is a trigger of that name, which is not ours, in the way? */
static bool
NameIsTaken(Relation rel, const char *name)
{
	const ExtTables *ext = ExtTablesRequire();

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (strcmp(trigger->tgname, name) == 0)
			return trigger->tgfoid != ext->mark_change &&
				trigger->tgfoid != ext->track_change &&
				trigger->tgfoid != ext->guard_own_table;
	}
	return false;
}

static void
PutTrigger(Relation rel, const char *name, Oid function, bool row, bool before,
		   int16 events, List *args)
{
	CreateTrigStmt *stmt = makeNode(CreateTrigStmt);

	if (NameIsTaken(rel, name))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("trigger \"%s\" on table \"%s\" is in the way",
						name, RelationGetRelationName(rel)),
				 errdetail("It does not call a function of clarify_cache."),
				 errhint("Rename or drop the trigger.")));

	stmt->replace = true;
	stmt->trigname = pstrdup(name);
	stmt->relation = makeRangeVar(get_namespace_name(RelationGetNamespace(rel)),
								  pstrdup(RelationGetRelationName(rel)), -1);
	stmt->funcname = list_make1(makeString(get_func_name(function)));
	stmt->args = args;
	stmt->row = row;
	stmt->timing = before ? TRIGGER_TYPE_BEFORE : TRIGGER_TYPE_AFTER;
	stmt->events = events;
	CreateTriggerFiringOn(stmt, NULL, RelationGetRelid(rel), InvalidOid, InvalidOid,
						  InvalidOid, function, InvalidOid, NULL, false, false,
						  TRIGGER_FIRES_ALWAYS);
	CommandCounterIncrement();
}

void
PutMarkTrigger(Oid relid, bool lenient)
{
	Relation	rel = relation_open(relid, ShareRowExclusiveLock);

	if (!HasMarkTrigger(rel) && !(lenient && NameIsTaken(rel, MARK_TRIGGER_NAME)))
		PutTrigger(rel, MARK_TRIGGER_NAME, ExtTablesRequire()->mark_change, false, true,
				   TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE |
				   TRIGGER_TYPE_TRUNCATE, NIL);
	relation_close(rel, NoLock);
}

/* On a partitioned table, the partitions get theirs from it. */
static void
PutTrackTrigger(const AttachedTable *table)
{
	Relation	rel = relation_open(table->table_id, ShareRowExclusiveLock);

	PutTrigger(rel, TRACK_TRIGGER_NAME, ExtTablesRequire()->track_change, true, false,
			   TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
			   TrackTriggerArguments(table));
	relation_close(rel, NoLock);
}

/* Replacing the root's trigger replaces those of all partitions. */
static void
PutTriggers(const AttachedTable *table)
{
	ListCell   *lc;
	bool		track_is_whole = true;

	foreach(lc, PartitionTree(table->table_id, NoLock))
	{
		Relation	rel = relation_open(lfirst_oid(lc), NoLock);

		track_is_whole = track_is_whole && HasTrackTrigger(rel, table);
		relation_close(rel, NoLock);
		PutMarkTrigger(lfirst_oid(lc), false);
	}
	if (!track_is_whole)
		PutTrackTrigger(table);
}

/*
 * The triggers that guard our own tables are ENABLE ALWAYS, but a restore with
 * --disable-triggers leaves them as ordinary ones.
 */
static void
PutGuards(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	bool		row = false;
	bool		truncate = false;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (trigger->tgenabled != TRIGGER_FIRES_ALWAYS)
			continue;
		row |= strcmp(trigger->tgname, GUARD_ROW_NAME) == 0;
		truncate |= strcmp(trigger->tgname, GUARD_TRUNCATE_NAME) == 0;
	}
	if (!row)
		PutTrigger(rel, GUARD_ROW_NAME, ExtTablesRequire()->guard_own_table, true, true,
				   TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE, NIL);
	if (!truncate)
		PutTrigger(rel, GUARD_TRUNCATE_NAME, ExtTablesRequire()->guard_own_table, false, true,
				   TRIGGER_TYPE_TRUNCATE, NIL);
	table_close(rel, NoLock);
}

void
LockDefinitions(void)
{
	LockRelationOid(ExtTablesRequire()->section, ShareRowExclusiveLock);
}

/*
 * Lock the tree; what the catalogs then say stays true.  Accepting happens
 * explicitly, because a lock that the transaction holds already accepts
 * nothing.
 */
static void
LockTree(Oid root, LOCKMODE lockmode)
{
	LockRelationOid(root, lockmode);
	(void) PartitionTree(root, lockmode);
	AcceptInvalidationMessages();
}

static void
RequireOwner(Oid relid)
{
	if (!compat_owns_class(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
}

/* The row of an attached table, as committed now; NULL if there is none. */
static AttachedTable *
FindAttached(Oid relid)
{
	return FindAttachedTable(ReadAttachedTables(SnapshotSelf), relid);
}

/*
 * Make the table well, and cover it as this row says.  The tree is locked.
 * Returns NULL, or why it can't be done.  Then nothing has changed, or the
 * triggers, which may watch less than the row that stays says, and a hole.
 */
static char *
Cover(const AttachedTable *table)
{
	VersionWriter *writer;
	char	   *fault = TableKindFault(table);

	if (fault != NULL)
		return fault;
	PutTriggers(table);
	fault = TableFault(table);
	ChangeMarkAll();
	if (fault == NULL)
	{
		PutAttachedTable(table);
		WitnessPut(table->table_id);
	}
	writer = VersionBeginWrite();
	if (fault == NULL)
		VersionDelete(writer, table->table_id, false);
	VersionInsert(writer, fault == NULL ? VERSION_COVERAGE : VERSION_HOLE, table->table_id);
	VersionEndWrite(writer);
	CommandCounterIncrement();
	return fault;
}

/* A table's name in quotes, or its Oid where the table is gone. */
static char *
NameForPeople(Oid relid)
{
	char	   *name = get_rel_name(relid);

	return name != NULL ? psprintf("\"%s\"", name) : psprintf("%u", relid);
}

static void
RequireTable(Oid relid)
{
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid),
				 errhint("Name the table, as in clarify_cache.attach('schema.table').")));
}

Datum
clarify_attach(PG_FUNCTION_ARGS)
{
	Oid			root;
	AttachedTable table = {0};
	AttachedTable *attached;
	char	   *fault;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("relation must not be null")));
	PreventCommandIfReadOnly("clarify_cache.attach()");
	(void) ExtTablesRequireCurrent();
	root = PG_GETARG_OID(0);
	table.table_id = root;
	table.key_column = PG_ARGISNULL(1) ? NULL : pstrdup(NameStr(*PG_GETARG_NAME(1)));

	RequireTable(root);
	RequireOwner(root);
	LockDefinitions();
	LockTree(root, ShareRowExclusiveLock);
	RequireTable(root);
	attached = FindAttached(root);
	if (attached != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("table \"%s\" is already attached", get_rel_name(root)),
				 attached->key_column != NULL ?
				 errdetail("Its key column is \"%s\".", attached->key_column) :
				 errdetail("Any change of it concerns every user."),
				 errhint("Use clarify_cache.repair() to put its triggers right, or clarify_cache.detach() first to attach it with another key.")));

	/* Sections may outlive a detach(), and their tables' names move. */
	table.columns = ColumnsToWatch(CollectColumnsOfSections(), root, table.key_column);
	fault = Cover(&table);
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot attach \"%s\"", get_rel_name(root)),
				 errdetail("%s", fault),
				 errhint("Attach ordinary or partitioned, permanent tables, at the root of their partition tree, "
						 "by a uuid column that is not generated.")));
	PG_RETURN_VOID();
}

/* Cover a table, or say why that can't be done, and leave it alone. */
static void
CoverOrWarn(const AttachedTable *table)
{
	char	   *fault = Cover(table);

	if (fault != NULL)
		ereport(WARNING,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("could not repair the attachment of table %s", NameForPeople(table->table_id)),
				 errdetail("%s", fault),
				 errhint("Sections that read it are built on every call. Put the table right and call repair() again, or detach it.")));
}

/*
 * Is there nothing to repair, and the row as it is to be?  Locks the tree as a
 * reader would.
 */
static bool
IsInOrder(const AttachedTable *table, List *columns)
{
	VersionReader reader;
	VersionRows rows = {0};
	TableVersion version;
	bool		known;

	LockTree(table->table_id, AccessShareLock);
	if (!VersionOpen(&reader))
		return false;
	known = VersionProbe(&reader, SnapshotSelf, USER_KEY_HASH_TABLE, &rows);
	VersionClose(&reader);
	VersionOfTable(&rows, table->table_id, &version);
	return known && version.covered && !version.has_hole &&
		equal(table->columns, columns) && TableFault(table) == NULL &&
		WitnessAgrees(table->table_id);
}

/* Repair one table, to watch just what is read of it. */
static void
RepairTable(AttachedTable *table, List *reads)
{
	Oid			root = table->table_id;

	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(root)))
		RequireOwner(root);

	/*
	 * Most need nothing, and should neither hold writers up nor lose their
	 * entries.  What becomes unwell from here on gets a hole of its own.
	 */
	if (IsInOrder(table, ColumnsToWatch(reads, root, table->key_column)))
		return;
	LockTree(root, ShareRowExclusiveLock);
	table = FindAttached(root);
	if (table == NULL)
		return;
	table->columns = ColumnsToWatch(reads, root, table->key_column);
	CoverOrWarn(table);
}

/*
 * Event triggers that a superuser has switched off, or that a restore left so, see
 * nothing.  What has passed meanwhile is mended; what comes is not watched.
 */
static void
WarnOfEventTrigger(const char *name)
{
	HeapTuple	tuple = SearchSysCache1(EVENTTRIGGERNAME, CStringGetDatum(name));
	bool		always = HeapTupleIsValid(tuple) &&
		((Form_pg_event_trigger) GETSTRUCT(tuple))->evtenabled == TRIGGER_FIRES_ALWAYS;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	if (!always)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("event trigger \"%s\" is not enabled always", name),
				 errdetail("Changes of attached tables' definitions are not noticed when they are made."),
				 errhint("As a superuser, run ALTER EVENT TRIGGER %s ENABLE ALWAYS, then clarify_cache.repair() again.", name)));
}

Datum
clarify_repair(PG_FUNCTION_ARGS)
{
	const ExtTables *ext = ExtTablesRequireCurrent();
	Oid			own[] = {ext->version, ext->instance, ext->attached_table, ext->section,
		ext->witness};
	List	   *reads;
	ListCell   *lc;

	PreventCommandIfReadOnly("clarify_cache.repair()");
	LockDefinitions();
	reads = CollectColumnsOfSections();
	for (int i = 0; i < (int) lengthof(own); i++)
		PutGuards(own[i]);
	WarnOfEventTrigger("clarify_cache_ddl_start");
	WarnOfEventTrigger("clarify_cache_ddl_end");
	foreach(lc, ReadAttachedTables(SnapshotSelf))
		RepairTable(lfirst(lc), reads);
	ChangeRecordDefinitions(ExtTablesRequire()->section);
	PG_RETURN_VOID();
}

static Oid
OwnerOf(Oid relid)
{
	Relation	rel = relation_open(relid, NoLock);
	Oid			owner = rel->rd_rel->relowner;

	relation_close(rel, NoLock);
	return owner;
}

/*
 * CoverOrWarn with the rights of the table's owner, which a superuser does not
 * need.  An error in between has its abort restore the caller's.
 */
static void
CoverAsOwner(const AttachedTable *table)
{
	Oid			caller;
	int			security_context;

	GetUserIdAndSecContext(&caller, &security_context);
	if (!superuser())
		SetUserIdAndSecContext(OwnerOf(table->table_id),
							   security_context | SECURITY_LOCAL_USERID_CHANGE);
	CoverOrWarn(table);
	SetUserIdAndSecContext(caller, security_context);
}

static int
CompareTables(const ListCell *a, const ListCell *b)
{
	Oid			left = ((const ReadColumns *) lfirst(a))->table_id;
	Oid			right = ((const ReadColumns *) lfirst(b))->table_id;

	return left < right ? -1 : left > right;
}

void
LockToWatch(List *reads)
{
	ListCell   *lc;

	list_sort(reads, CompareTables);
	foreach(lc, reads)
	{
		const ReadColumns *read = lfirst(lc);
		AttachedTable *table = FindAttached(read->table_id);

		if (table != NULL && !ColumnsAreWatched(table, read))
			LockTree(read->table_id, ShareRowExclusiveLock);
	}
}

void
WatchColumns(List *reads)
{
	ListCell   *lc;

	foreach(lc, reads)
	{
		const ReadColumns *read = lfirst(lc);
		ReadColumns before = {.table_id = read->table_id};
		AttachedTable *table = FindAttached(read->table_id);

		if (table != NULL && ColumnsAreWatched(table, read))
			continue;
		LockTree(read->table_id, ShareRowExclusiveLock);
		table = FindAttached(read->table_id);
		if (table == NULL || ColumnsAreWatched(table, read))
			continue;
		before.columns = table->columns;
		table->columns = ColumnsToWatch(list_make2(&before, unconstify(ReadColumns *, read)),
										read->table_id, table->key_column);
		CoverAsOwner(table);
	}
}

/* Drop every trigger that calls a function of ours, whatever its shape. */
static void
DropTriggers(Oid relid)
{
	const ExtTables *ext = ExtTablesRequire();
	Relation	rel = relation_open(relid, NoLock);
	ObjectAddresses *triggers = new_object_addresses();

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];
		ObjectAddress address;

		if ((trigger->tgfoid != ext->mark_change && trigger->tgfoid != ext->track_change) ||
			trigger->tgisclone)
			continue;
		ObjectAddressSet(address, TriggerRelationId, trigger->tgoid);
		add_exact_object_address(&address, triggers);
	}
	relation_close(rel, NoLock);
	performMultipleDeletions(triggers, DROP_RESTRICT, 0);
	free_object_addresses(triggers);
	CommandCounterIncrement();
}

Datum
clarify_detach(PG_FUNCTION_ARGS)
{
	Oid			root = PG_GETARG_OID(0);
	VersionWriter *writer;
	ListCell   *lc;

	PreventCommandIfReadOnly("clarify_cache.detach()");
	(void) ExtTablesRequireCurrent();
	RequireTable(root);
	RequireOwner(root);
	LockDefinitions();
	LockTree(root, AccessExclusiveLock);
	if (!DeleteAttachedTable(root))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table %s is not attached", NameForPeople(root)),
				 errdetail("Nobody watches its changes."),
				 errhint("clarify_cache.attached_table lists the tables that are.")));

	ChangeMarkAll();
	foreach(lc, PartitionTree(root, NoLock))
		DropTriggers(lfirst_oid(lc));
	writer = VersionBeginWrite();
	VersionDelete(writer, root, true);
	VersionEndWrite(writer);
	WitnessDelete(root);
	CommandCounterIncrement();
	PG_RETURN_VOID();
}
