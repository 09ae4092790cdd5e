/*-------------------------------------------------------------------------
 *
 * attach.c
 *	  attach(), detach(), repair().
 *
 * attach() and repair() cover a table (cover.c), and watch what the sections read of
 * it, no more; add_section() adds what its section reads; drop_section() leaves it to
 * the next repair().
 *
 * Lock order: the table of the sections, then attached tables, then their
 * partitions.  So the sections stay as they are while one is at work, and two
 * of attach(), detach(), repair(), add_section() and drop_section() never
 * wait for each other in a circle, also several of them in a transaction.
 *
 * detach() takes AccessExclusiveLock on the tree, as dropping triggers does.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "catalog/pg_event_trigger.h"
#include "change/change.h"
#include "commands/trigger.h"
#include "ddl/cover.h"
#include "ddl/table_fault.h"
#include "meta/ext_rows.h"
#include "meta/ext_tables.h"
#include "meta/partition_tree.h"
#include "meta/witness.h"
#include "section/columns.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "version/read.h"
#include "version/write.h"

CLARIFY_FUNCTION(clarify_attach);
CLARIFY_FUNCTION(clarify_detach);
CLARIFY_FUNCTION(clarify_repair);

static void
RequireOwner(Oid relid)
{
	if (!compat_owns_class(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
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
		WitnessAgrees(table->table_id, NULL);
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
