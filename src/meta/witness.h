/*-------------------------------------------------------------------------
 *
 * witness.h
 *	  Is an attached table still what it was when its changes were last known to
 *	  be watched?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_META_WITNESS_H
#define CLARIFY_META_WITNESS_H

#include "base/compat.h"

#include "nodes/pg_list.h"
#include "utils/snapshot.h"

/*
 * Write down what the table and each of its partitions are made of, in place of all
 * that was written before.  The caller holds ShareRowExclusiveLock or more on the
 * whole tree, has accepted invalidations, and found the table well.
 */
extern void WitnessPut(Oid root);

/*
 * The same at the end of DDL that leaves the table well, for those members of the tree
 * that this transaction holds in a lock that nobody else can have at the same time, and
 * that are not what was written down; and forget those that it has taken out of the
 * tree, or dropped.  True if anything was written: then every user of the table must
 * get a fresh token, since nobody knows whether all that differs was seen.
 */
extern bool WitnessPutHeld(Oid root, List *tree);

/* Forget what was written of a table. */
extern void WitnessDelete(Oid root);

/*
 * Are the table and its partitions, as the catalogs have them now, what was written
 * down?  False if a member is, or is gone, or has come, without that.  The caller has
 * a lock on the table, and has accepted invalidations; the answer holds until the next
 * one of a member, which WitnessRootOf tells.  But if what was written down could not be
 * read at once, then *known (may be NULL) is set to false, and the answer holds for now.
 */
extern bool WitnessAgrees(Oid root, bool *known);

/*
 * The same for a table of which WitnessAgrees has said yes before: looks again only at
 * members of which an invalidation has arrived since.
 */
extern bool WitnessStillAgrees(Oid root, bool *known);

/*
 * Were they so when this MVCC snapshot was taken?  Reads all of it, and remembers
 * nothing.
 */
extern bool WitnessAgreed(Oid root, Snapshot snapshot);

/*
 * The root of the tree of which this relation was a member when it was last looked at,
 * or InvalidOid.  For callbacks of invalidations: does nothing but look it up.
 */
extern Oid	WitnessRootOf(Oid relid);

/*
 * The latest transaction that may have given storage to a member of the tree, or to an
 * index of one (storage.h).  After WitnessAgrees.
 */
extern TransactionId WitnessStorageXid(Oid root);

/*
 * Functions of others that planning a query on the tree may run (planned_code.h):
 * appends the indexes that have any to *indexes, in the current context, and returns a
 * member that has any elsewhere, or InvalidOid.  After WitnessAgrees.
 */
extern Oid	WitnessPlannedCode(Oid root, List **indexes);

#endif							/* CLARIFY_META_WITNESS_H */
