/*-------------------------------------------------------------------------
 *
 * partition_tree.h
 *	  Which tables are one with a partition, and which of them do we hold?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_META_PARTITION_TREE_H
#define CLARIFY_META_PARTITION_TREE_H

#include "base/compat.h"

#include "nodes/pg_list.h"
#include "utils/relcache.h"

/*
 * The root of the partition tree a relation is in; itself if it is no
 * partition.  The caller holds a lock on the relation.
 */
extern Oid	PartitionRoot(Relation rel);

/* The same by Oid and without a lock, from the catalogs as of now. */
extern Oid	PartitionRootById(Oid relid);

/*
 * The Oids of a partition and of all that it is a partition of, but for the root; NIL for
 * what is no partition.  As PartitionRootById.
 */
extern List *PartitionLineage(Oid relid);

/*
 * Oids of the table and all its partitions at all levels, those that are
 * being detached too.  Locks the partitions in lockmode (NoLock: doesn't).
 */
extern List *PartitionTree(Oid root, LOCKMODE lockmode);

/* Does this transaction hold the relation in this lock mode or a stronger one? */
extern bool HoldsRelation(Oid relid, LOCKMODE lockmode);

#endif							/* CLARIFY_META_PARTITION_TREE_H */
