/*-------------------------------------------------------------------------
 *
 * event_trigger.c
 *	  The event triggers: DDL that concerns an attached table makes its
 *	  entries unreachable.
 *
 * From ddl_command_start on, the transaction itself reads nothing from the
 * cache.  At ddl_command_end, each attached table falls in one of these cases,
 * told apart by the locks that this transaction holds rather than by what the
 * command means (but for ATTACH and DETACH PARTITION), since a dropped
 * partition, say, has already lost its parent:
 *
 *	The table is gone.  Its row and its versions go too.
 *
 *	A partition is attached or detached without AccessExclusiveLock on its
 *	parent.  Readers run at the same time, with catalogs that may be older or
 *	newer than their snapshot: one whose snapshot sees the commit may not know
 *	the partition yet.  A hole.  (That the partition itself is locked keeps no
 *	such reader out.)
 *
 *	AccessExclusiveLock on a member of the partition tree.  Whoever builds
 *	from that member waits for the lock, and so for our invalidations, which
 *	are out before it is released.  If the table is well, a whole-table bump
 *	is enough; if not, a hole.
 *
 *	A weaker lock that DDL takes (ShareUpdateExclusiveLock or stronger).  If a
 *	member that we hold is no longer well, a hole.  Else nothing: what is left
 *	(indexes, statistics, comments, foreign keys, storage parameters, other
 *	people's triggers) changes no answer.
 *
 * What a table that is well is made of from here on is written down, for later readers
 * to compare (meta/witness.c).
 *
 * Holes are only ever inserted here, never deleted but with their table, and
 * only members that we hold locked are judged.  So two DDL transactions never
 * wait for each other here, and neither takes back what the other found out.
 * A well table can become unwell only in a command that holds the member it
 * happens to, so that command's end sees it.
 *
 * DETACH PARTITION CONCURRENTLY commits in its middle, and from then on new
 * snapshots lack the partition; its hole is inserted at ddl_command_start, to
 * be committed by its first transaction, and stays if it is cancelled.  The
 * command's own lock on the parent is taken before, so that attach() has either
 * committed and is seen, or comes after that transaction, and that the name
 * means the same table to the command.
 *
 * A table without a coverage row, as after a restore, has nothing to lose.
 *
 * DDL that locks the table of the sections counts as a change of theirs: it
 * may have disabled the guards that announce one.
 *
 * A DROP is seen at ddl_command_end as well, so there is no sql_drop trigger.
 * Event triggers run in CREATE EXTENSION and pg_restore too, when the
 * extension's tables may not be there yet: then there is nothing to do.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "catalog/namespace.h"
#include "change/change.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "commands/tablecmds.h"
#include "ddl/cover.h"
#include "ddl/table_fault.h"
#include "meta/ext_rows.h"
#include "meta/ext_tables.h"
#include "meta/partition_tree.h"
#include "meta/witness.h"
#include "utils/syscache.h"
#include "version/read.h"
#include "version/write.h"

CLARIFY_FUNCTION(clarify_on_ddl_command_start);
CLARIFY_FUNCTION(clarify_on_ddl_command_end);

static EventTriggerData *
RequireEventTrigger(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by event trigger manager")));
	return (EventTriggerData *) fcinfo->context;
}

static void
InsertHole(Oid table_id)
{
	VersionWriter *writer = VersionBeginWrite();

	VersionInsert(writer, VERSION_HOLE, table_id);
	VersionEndWrite(writer);
	CommandCounterIncrement();
}

/*
 * The table to or from which an ALTER TABLE attaches or detaches a partition,
 * or from which it detaches one concurrently, if only that is of interest;
 * InvalidOid if it does not.  Locks the table in lockmode, as its owner only.
 */
static Oid
PartitionedByCommand(Node *parsetree, bool concurrently_only, LOCKMODE lockmode)
{
	AlterTableStmt *stmt = (AlterTableStmt *) parsetree;
	bool		partitioning = false;
	ListCell   *lc;

	if (parsetree == NULL || !IsA(parsetree, AlterTableStmt))
		return InvalidOid;
	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_DetachPartition)
			partitioning |= !concurrently_only || ((PartitionCmd *) cmd->def)->concurrent;
		else if (cmd->subtype == AT_AttachPartition || cmd->subtype == AT_DetachPartitionFinalize)
			partitioning |= !concurrently_only;
	}
	return !partitioning ? InvalidOid :
		RangeVarGetRelidExtended(stmt->relation, lockmode, RVR_MISSING_OK,
								 lockmode == NoLock ? NULL : RangeVarCallbackOwnsRelation, NULL);
}

/* Has the command changed the tree below root while readers could run? */
static bool
PartitionedUnderReaders(Node *parsetree, Oid root)
{
	Oid			parent = PartitionedByCommand(parsetree, false, NoLock);

	return OidIsValid(parent) && PartitionRootById(parent) == root &&
		!HoldsRelation(parent, AccessExclusiveLock);
}

static bool
HoldsMember(List *tree, LOCKMODE lockmode)
{
	ListCell   *lc;

	foreach(lc, tree)
	{
		if (HoldsRelation(lfirst_oid(lc), lockmode))
			return true;
	}
	return false;
}

/*
 * A new partition gets the row trigger from its parent, but not the other one.
 * Locks nothing anew, as a created or attached partition is held exclusively.
 */
static void
CompleteNewPartitions(Oid root, List *tree)
{
	ListCell   *lc;

	foreach(lc, tree)
	{
		Oid			member = lfirst_oid(lc);

		if (member != root && HoldsRelation(member, AccessExclusiveLock))
			PutMarkTrigger(member, true);
	}
}

static void
ForgetDroppedTable(Oid table_id)
{
	VersionWriter *writer;

	DeleteAttachedTable(table_id);
	writer = VersionBeginWrite();
	VersionDelete(writer, table_id, true);
	VersionEndWrite(writer);
	WitnessDelete(table_id);
	CommandCounterIncrement();
}

/* What does the DDL command that ends now mean for this table? */
static void
JudgeTable(const AttachedTable *table, const TableVersion *version, Node *parsetree)
{
	Oid			root = table->table_id;
	List	   *tree;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(root)))
	{
		ForgetDroppedTable(root);
		return;
	}

	/*
	 * One hole is as good as many.  One that we see stays: only repair() takes
	 * it away, and the locks that we hold keep that out.
	 */
	if (!version->covered || version->has_hole)
		return;

	tree = PartitionTree(root, NoLock);
	if (HoldsMember(tree, AccessExclusiveLock))
	{
		CompleteNewPartitions(root, tree);
		if (PartitionedUnderReaders(parsetree, root) ||
			TableFaultOfHeld(table) != NULL)
			InsertHole(root);
		else
		{
			(void) WitnessPutHeld(root, tree);
			ChangeRecordTable(root);
		}
	}
	else if (HoldsMember(tree, ShareUpdateExclusiveLock))
	{
		if (PartitionedUnderReaders(parsetree, root) ||
			TableFaultOfHeld(table) != NULL)
			InsertHole(root);
		else if (WitnessPutHeld(root, tree))
			ChangeRecordTable(root);
	}
}

/* The table-level rows as of now; false if they can't be read. */
static bool
ReadTableRows(VersionRows *rows)
{
	VersionReader reader;
	bool		ok;

	if (!VersionOpen(&reader))
		return false;
	ok = VersionProbe(&reader, SnapshotSelf, USER_KEY_HASH_TABLE, rows);
	VersionClose(&reader);
	return ok;
}

Datum
clarify_on_ddl_command_start(PG_FUNCTION_ARGS)
{
	EventTriggerData *trigdata = RequireEventTrigger(fcinfo);
	Oid			parent;
	ListCell   *lc;

	ChangeMarkAll();
	parent = PartitionedByCommand(trigdata->parsetree, true, ShareUpdateExclusiveLock);
	if (OidIsValid(parent) && ExtTablesGet() != NULL)
	{
		Oid			root = PartitionRootById(parent);

		foreach(lc, ReadAttachedTables(SnapshotSelf))
		{
			if (((AttachedTable *) lfirst(lc))->table_id == root)
				InsertHole(root);
		}
	}
	PG_RETURN_VOID();
}

/*
 * While the extension's tables have other columns than the library knows, nothing is
 * recorded; so nobody makes them so, even for a moment.  (What they have come from, an
 * update script or a library of before, is not this transaction's doing.)
 */
static void
RefuseStrangeTables(void)
{
	if (!creating_extension && ExtTablesMadeStrange())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("tables of extension \"%s\" can't be given other columns", CLARIFY_EXTENSION),
				 errdetail("Changes of attached tables could not be recorded."),
				 errhint("Columns may be added behind the others.")));
}

Datum
clarify_on_ddl_command_end(PG_FUNCTION_ARGS)
{
	EventTriggerData *trigdata = RequireEventTrigger(fcinfo);
	VersionRows rows = {0};
	List	   *tables;
	bool		known;
	ListCell   *lc;

	if (ExtTablesAreMisplaced())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("objects of extension \"%s\" can't be renamed, moved or dropped", CLARIFY_EXTENSION),
				 errdetail("Changes of attached tables could not be recorded."),
				 errhint("Use DROP EXTENSION to remove them all.")));
	RefuseStrangeTables();
	if (ExtTablesGet() == NULL)
		PG_RETURN_VOID();

	/* A restore may have disabled our guards while it wrote the sections. */
	if (!creating_extension &&
		HoldsRelation(ExtTablesGet()->section, ShareRowExclusiveLock))
		ChangeRecordDefinitions(ExtTablesGet()->section);

	tables = ReadAttachedTables(SnapshotSelf);
	if (tables == NIL)
		PG_RETURN_VOID();

	known = ReadTableRows(&rows);
	foreach(lc, tables)
	{
		AttachedTable *table = lfirst(lc);
		TableVersion version;

		VersionOfTable(&rows, table->table_id, &version);
		if (!known)
			version.covered = true; /* assume the worst */
		JudgeTable(table, &version, trigdata->parsetree);
	}
	PG_RETURN_VOID();
}
