/*-------------------------------------------------------------------------
 *
 * attach.h
 *	  The parts of attach() that the event triggers and add_section() use too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_ATTACH_H
#define CLARIFY_ATTACH_H

#include "base/compat.h"

#include "nodes/pg_list.h"

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

#endif							/* CLARIFY_ATTACH_H */
