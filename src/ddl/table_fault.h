/*-------------------------------------------------------------------------
 *
 * table_shape.h
 *	  What an attached table looks like: its partition tree, and whether
 *	  every change of it passes by our triggers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_TABLE_SHAPE_H
#define CLARIFY_TABLE_SHAPE_H

#include "base/compat.h"

#include "meta/ext_tables.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

/* The names that attach() gives to its triggers. */
#define MARK_TRIGGER_NAME	"clarify_cache_mark"
#define TRACK_TRIGGER_NAME	"clarify_cache_track"

/*
 * The root of the partition tree a relation is in; itself if it is no
 * partition.  The caller holds a lock on the relation.
 */
extern Oid	PartitionRoot(Relation rel);

/* The same by Oid and without a lock, from the catalogs as of now. */
extern Oid	PartitionRootById(Oid relid);

/*
 * Oids of the table and all its partitions at all levels, those that are
 * being detached too.  Locks the partitions in lockmode (NoLock: doesn't).
 */
extern List *PartitionTree(Oid root, LOCKMODE lockmode);

/*
 * May this relation be attached at all, triggers aside?  Returns NULL, or
 * why not, as a palloc'd clause in errdetail style.  The catalogs are read as
 * of now.  The caller holds a lock on the whole tree.
 */
extern char *TableKindFault(const AttachedTable *table);

/*
 * Is the table well: TableKindFault finds nothing, and every member has our
 * triggers in full shape?  Returns NULL, or why not.  The caller holds a lock
 * on the whole tree.
 */
extern char *TableFault(const AttachedTable *table);

/*
 * The same for the members alone that this transaction holds locked in
 * ShareUpdateExclusiveLock or stronger, which are those whose shape it can
 * have changed.  Takes no locks.
 */
extern char *TableFaultOfHeld(const AttachedTable *table);

/* Does this transaction hold the relation in this lock mode or a stronger one? */
extern bool HoldsRelation(Oid relid, LOCKMODE lockmode);

/* Does this one relation have that trigger of ours, in full shape? */
extern bool HasMarkTrigger(Relation rel);
extern bool HasTrackTrigger(Relation rel, const AttachedTable *table);

/* The arguments that the row trigger of such a table has: a list of String nodes. */
extern List *TrackTriggerArguments(const AttachedTable *table);

#endif							/* CLARIFY_TABLE_SHAPE_H */
