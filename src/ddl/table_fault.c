/*-------------------------------------------------------------------------
 *
 * table_fault.c
 *	  Does every change of an attached table pass by our triggers, and if not,
 *	  why?
 *
 * A trigger is ours by its function, never by its name.  It is in full shape
 * if it fires for every row or statement, in every session_replication_role,
 * at once, and, on rows, with just the key column and the watched columns of
 * the row in attached_table as its arguments.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/relation.h"
#include "base/user_key.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "ddl/table_fault.h"
#include "meta/ext_rows.h"
#include "meta/ext_tables.h"
#include "meta/partition_tree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define MARK_TRIGGER_TYPE \
	(TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_DELETE | \
	 TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_TRUNCATE)
#define TRACK_TRIGGER_TYPE \
	(TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_DELETE | TRIGGER_TYPE_UPDATE)

static bool
HasDetachingPartition(Oid parent)
{
	bool		detaching = false;
	TransactionId xmin;

	(void) find_inheritance_children_extended(parent, false, NoLock, &detaching, &xmin);
	return detaching;
}

/* Judge one member of the tree; its kind only. */
static char *
MemberKindFault(Relation rel)
{
	char	   *name = RelationGetRelationName(rel);

	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
			if (find_inheritance_children(RelationGetRelid(rel), NoLock) != NIL)
				return psprintf("Table \"%s\" has inheritance children.", name);
			break;
		case RELKIND_PARTITIONED_TABLE:
			if (HasDetachingPartition(RelationGetRelid(rel)))
				return psprintf("A partition of table \"%s\" is being detached.", name);
			break;
		case RELKIND_FOREIGN_TABLE:
			return psprintf("\"%s\" is a foreign table, whose changes nobody announces.", name);
		default:
			return psprintf("\"%s\" is not a table.", name);
	}

	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		return psprintf("Table \"%s\" is temporary.", name);
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED)
		return psprintf("Table \"%s\" is unlogged: a crash empties it unannounced.", name);
	return NULL;
}

static char *
KeyColumnFault(Relation rel, const char *key_column)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(rel), key_column);
	Form_pg_attribute attr;

	if (attnum == InvalidAttrNumber)
		return psprintf("Table \"%s\" has no column \"%s\".",
						RelationGetRelationName(rel), key_column);
	if (attnum < 0)
		return psprintf("\"%s\" is a system column.", key_column);
	attr = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	if (attr->attgenerated != '\0')
		return psprintf("Key column \"%s\" is generated.", key_column);
	if (!UserKeyTypeSupported(attr->atttypid))
		return psprintf("Key column \"%s\" is of type %s; a key is of type uuid.", key_column,
						format_type_be(attr->atttypid));
	return NULL;
}

/* Judge the root as such, and as a member. */
static char *
RootKindFault(Relation rel, const char *key_column)
{
	char	   *fault = MemberKindFault(rel);

	if (fault != NULL)
		return fault;
	if (RelationGetNamespace(rel) == ExtTablesRequire()->namespace_id)
		return psprintf("\"%s\" is one of clarify_cache's own tables.",
						RelationGetRelationName(rel));
	if (rel->rd_rel->relispartition)
		return psprintf("\"%s\" is a partition.", RelationGetRelationName(rel));
	if (has_superclass(RelationGetRelid(rel)))
		return psprintf("\"%s\" is an inheritance child.", RelationGetRelationName(rel));
	return key_column == NULL ? NULL : KeyColumnFault(rel, key_column);
}

/* Does the trigger fire always, whatever the row, and at once? */
static bool
TriggerIsWhole(const Trigger *trigger, Oid function, int16 type)
{
	return trigger->tgfoid == function && trigger->tgtype == type &&
		trigger->tgenabled == TRIGGER_FIRES_ALWAYS &&
		trigger->tgqual == NULL && trigger->tgnattr == 0 &&
		!OidIsValid(trigger->tgconstraint) && !trigger->tgdeferrable &&
		trigger->tgoldtable == NULL && trigger->tgnewtable == NULL;
}

bool
HasMarkTrigger(Relation rel)
{
	Oid			function = ExtTablesRequire()->mark_change;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		if (TriggerIsWhole(&rel->trigdesc->triggers[i], function, MARK_TRIGGER_TYPE))
			return true;
	}
	return false;
}

List *
TrackTriggerArguments(const AttachedTable *table)
{
	return lcons(makeString(pstrdup(table->key_column != NULL ? table->key_column : "")),
				 list_copy(table->columns));
}

static bool
HasArguments(const Trigger *trigger, List *arguments)
{
	ListCell   *lc;

	if (trigger->tgnargs != list_length(arguments))
		return false;
	foreach(lc, arguments)
	{
		if (strcmp(trigger->tgargs[foreach_current_index(lc)], strVal(lfirst(lc))) != 0)
			return false;
	}
	return true;
}

bool
HasTrackTrigger(Relation rel, const AttachedTable *table)
{
	Oid			function = ExtTablesRequire()->track_change;
	List	   *arguments = TrackTriggerArguments(table);

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (!TriggerIsWhole(trigger, function, TRACK_TRIGGER_TYPE))
			continue;
		if (HasArguments(trigger, arguments))
			return true;
	}
	return false;
}

static char *
TriggerFault(Relation rel, const AttachedTable *table)
{
	if (!HasMarkTrigger(rel) || !HasTrackTrigger(rel, table))
		return psprintf("The triggers on table \"%s\" are missing, changed or disabled.",
						RelationGetRelationName(rel));
	return NULL;
}

/* Judge the members of the tree, or those that we hold, until one is at fault. */
static char *
FirstFault(const AttachedTable *table, bool with_triggers, bool held_only)
{
	Oid			root = table->table_id;
	ListCell   *lc;

	foreach(lc, PartitionTree(root, NoLock))
	{
		Oid			member = lfirst_oid(lc);
		Relation	rel;
		char	   *fault;

		if (held_only && !HoldsRelation(member, ShareUpdateExclusiveLock))
			continue;
		rel = try_relation_open(member, NoLock);
		if (rel == NULL)
			return pstrdup("The table or a partition of it does not exist.");
		fault = member == root ? RootKindFault(rel, table->key_column) : MemberKindFault(rel);
		if (fault == NULL && with_triggers)
			fault = TriggerFault(rel, table);
		relation_close(rel, NoLock);
		if (fault != NULL)
			return fault;
	}
	return NULL;
}

char *
TableKindFault(const AttachedTable *table)
{
	return FirstFault(table, false, false);
}

char *
TableFault(const AttachedTable *table)
{
	return FirstFault(table, true, false);
}

char *
TableFaultOfHeld(const AttachedTable *table)
{
	return FirstFault(table, true, true);
}
