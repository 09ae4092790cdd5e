/*-------------------------------------------------------------------------
 *
 * guarded.h
 *	  Trying something that may raise, and leaving no trace of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_GUARDED_H
#define CLARIFY_GUARDED_H

#include "base/compat.h"

/* Is this SQLSTATE of the moment (no memory, a deadlock), not of what was tried? */
extern bool ErrorIsOfTheMoment(int sqlstate);

/*
 * Call function(arg) in a subtransaction that is rolled back in any case, so
 * that no lock it takes, nor setting it pins, outlives it.  What it pallocs in
 * the current context does.  Returns NULL, or the error it raised, palloc'd.
 *
 * What says nothing about the matter itself (a cancel, no memory, a lock not
 * had in time, a deadlock) is raised on.
 */
extern ErrorData *RunGuarded(void (*function) (void *arg), void *arg);

/*
 * The same, but all that is raised on is what ends the statement from outside:
 * a cancel, a time-out of it, the end of the session (class 57).
 */
extern ErrorData *RunGuardedFully(void (*function) (void *arg), void *arg);

#endif							/* CLARIFY_GUARDED_H */
