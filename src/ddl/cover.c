/*-------------------------------------------------------------------------
 *
 * cover.c
 *	  Our triggers on a table, and the coverage row that says so to every snapshot.
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
 * put together with the coverage row, here and nowhere else.
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
#include "catalog/pg_trigger.h"
#include "change/change.h"
#include "commands/trigger.h"
#include "ddl/cover.h"
#include "ddl/table_fault.h"
#include "meta/ext_rows.h"
#include "meta/ext_tables.h"
#include "meta/partition_tree.h"
#include "meta/witness.h"
#include "nodes/makefuncs.h"
#include "section/columns.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "version/write.h"

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

void
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

void
LockTree(Oid root, LOCKMODE lockmode)
{
	LockRelationOid(root, lockmode);
	(void) PartitionTree(root, lockmode);
	AcceptInvalidationMessages();
}

AttachedTable *
FindAttached(Oid relid)
{
	return FindAttachedTable(ReadAttachedTables(SnapshotSelf), relid);
}

char *
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

char *
NameForPeople(Oid relid)
{
	char	   *name = get_rel_name(relid);

	return name != NULL ? psprintf("\"%s\"", name) : psprintf("%u", relid);
}

void
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

void
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
