/*-------------------------------------------------------------------------
 *
 * caller.h
 *	  May this caller have a section from the cache, and is what was built still
 *	  of this caller's view?
 *
 * A build is checked by the executor.  A hit has to ask for the same, since
 * nothing is executed.
 *
 * The other two questions are asked after builds whose results are to be kept,
 * which may otherwise be of another caller's view; together with the fill guard
 * (build.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_CALL_CALLER_H
#define CLARIFY_CALL_CALLER_H

#include "base/compat.h"

#include "call/call.h"

/*
 * Why may the caller not have the section from the cache?  BYPASS_ROW_SECURITY if
 * row-level security applies to one of its tables, whatever the privileges;
 * BYPASS_PRIVILEGE if the caller lacks one that executing it would ask for, on tables,
 * columns, functions, schemas; BYPASS_NONE if it may.  Raises nothing.  The section
 * is analyzed, its tables are locked and invalidations are accepted.
 */
extern BypassReason BypassReasonOfCaller(Section *section);

/*
 * Is it still the caller for whom row-level security was found not to apply,
 * and has nobody else's code changed what builds depend on?  Else a build may have
 * been held to policies, or be of another's making.  Accepts invalidations.
 */
extern bool CallerIsStillTheSame(const ContextCall *call);

/*
 * Is the section's analysis still of now, and what it found outside the
 * database, and has this transaction not changed one of its tables?  Accepts
 * invalidations.
 */
extern bool SectionIsUndisturbed(Section *section);

#endif							/* CLARIFY_CALL_CALLER_H */
