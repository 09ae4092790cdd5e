/*-------------------------------------------------------------------------
 *
 * table_fault.h
 *	  Does every change of an attached table pass by our triggers, and if not,
 *	  why?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_DDL_TABLE_FAULT_H
#define CLARIFY_DDL_TABLE_FAULT_H

#include "base/compat.h"

#include "meta/ext_rows.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

/* The names that attach() gives to its triggers. */
#define MARK_TRIGGER_NAME	"clarify_cache_mark"
#define TRACK_TRIGGER_NAME	"clarify_cache_track"

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

/* Does this one relation have that trigger of ours, in full shape? */
extern bool HasMarkTrigger(Relation rel);
extern bool HasTrackTrigger(Relation rel, const AttachedTable *table);

/* The arguments that the row trigger of such a table has: a list of String nodes. */
extern List *TrackTriggerArguments(const AttachedTable *table);

#endif							/* CLARIFY_DDL_TABLE_FAULT_H */
