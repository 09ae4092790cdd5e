/*-------------------------------------------------------------------------
 *
 * cover.h
 *	  Our triggers on a table, and the coverage row that says so to every snapshot.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_DDL_COVER_H
#define CLARIFY_DDL_COVER_H

#include "base/compat.h"

#include "meta/ext_rows.h"
#include "nodes/pg_list.h"
#include "storage/lock.h"

/*
 * Put the BEFORE STATEMENT trigger on one relation, if it lacks it, with
 * ShareRowExclusiveLock.  If a foreign trigger has its name: does nothing if
 * lenient, else raises.
 */
extern void PutMarkTrigger(Oid relid, bool lenient);

/*
 * Keep everybody else from defining sections and from attaching tables until
 * the end of the transaction.  What holds this lock and locks attached tables
 * has taken this one first.
 */
extern void LockDefinitions(void);

/*
 * Lock the attached tables that WatchColumns will have to change, in
 * ShareRowExclusiveLock and in the order of their Oids.  To be called before
 * anything else locks them in this transaction: a lock that grows can deadlock
 * with a writer.
 */
extern void LockToWatch(List *reads);

/*
 * See to it that the changes of all columns that a section reads (a list of
 * ReadColumns) are watched.  A table of which that is not so is covered anew,
 * under ShareRowExclusiveLock on its partition tree; one that can't be is
 * reported.  Acts as the table's owner, so the caller needs no privileges on it.
 * The caller holds LockDefinitions, and some lock on each table.
 */
extern void WatchColumns(List *reads);

/*
 * Lock a partition tree; what the catalogs then say stays true.  Accepting happens
 * explicitly, because a lock that the transaction holds already accepts
 * nothing.
 */
extern void LockTree(Oid root, LOCKMODE lockmode);

/* The row of an attached table, as committed now, palloc'd; NULL if there is none. */
extern AttachedTable *FindAttached(Oid relid);

/*
 * Make the table well, and cover it as this row says.  The tree is locked in
 * ShareRowExclusiveLock.  Returns NULL, or why it can't be done, as a palloc'd clause.
 * Then nothing has changed, or the triggers, which may watch less than the row that
 * stays says, and a hole.  Raises if another's trigger has the name of one of ours.
 */
extern char *Cover(const AttachedTable *table);

/* The same, but warns of why that can't be done, and leaves the table alone. */
extern void CoverOrWarn(const AttachedTable *table);

/*
 * The triggers that guard our own tables are ENABLE ALWAYS, but a restore with
 * --disable-triggers leaves them as ordinary ones: put them right on this one.
 */
extern void PutGuards(Oid relid);

/*
 * Drop every trigger on the relation that calls a function of ours, whatever its
 * shape.  The tree is locked in AccessExclusiveLock.
 */
extern void DropTriggers(Oid relid);

/* A table's name in quotes, or its Oid where the table is gone; palloc'd. */
extern char *NameForPeople(Oid relid);

#endif							/* CLARIFY_DDL_COVER_H */
