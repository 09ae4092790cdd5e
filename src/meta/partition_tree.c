/*-------------------------------------------------------------------------
 *
 * partition_tree.c
 *	  Which tables are one with a partition, and which of them do we hold?
 *
 * A partition that is being detached is a member until it is gone: older snapshots
 * read it through the tree.  The server's own functions leave it out.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "meta/partition_tree.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

Oid
PartitionRoot(Relation rel)
{
	return rel->rd_rel->relispartition ? PartitionRootById(RelationGetRelid(rel)) :
		RelationGetRelid(rel);
}

/* The table of which a relation is a partition, also while it is being detached. */
static Oid
PartitionParent(Oid relid)
{
	Relation	inherits;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			parent = InvalidOid;

	if (!get_rel_relispartition(relid))
		return InvalidOid;
	inherits = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		parent = ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent;
	systable_endscan(scan);
	table_close(inherits, AccessShareLock);
	return parent;
}

/*
 * get_partition_ancestors would do, but it stops at a partition that is being
 * detached, which is part of the tree to older snapshots.
 */
Oid
PartitionRootById(Oid relid)
{
	Oid			parent;

	while (OidIsValid(parent = PartitionParent(relid)))
		relid = parent;
	return relid;
}

List *
PartitionLineage(Oid relid)
{
	List	   *lineage = NIL;
	Oid			parent;

	while (OidIsValid(parent = PartitionParent(relid)))
	{
		lineage = lappend_oid(lineage, relid);
		relid = parent;
	}
	return lineage;
}

/*
 * find_all_inheritors would do, but it leaves out partitions that are being
 * detached concurrently.  A member that is gone by now has no children, but to
 * ask for them would be an error.
 */
List *
PartitionTree(Oid root, LOCKMODE lockmode)
{
	List	   *tree = list_make1_oid(root);

	for (int i = 0; i < list_length(tree); i++)
	{
		Oid			member = list_nth_oid(tree, i);

		if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(member)))
			tree = list_concat_unique_oid(tree,
										  find_inheritance_children_extended(member, false, lockmode,
																			 NULL, NULL));
	}
	return tree;
}

bool
HoldsRelation(Oid relid, LOCKMODE lockmode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
	return compat_lock_held(&tag, lockmode);
}
