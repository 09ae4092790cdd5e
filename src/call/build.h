/*-------------------------------------------------------------------------
 *
 * build.h
 *	  Building sections from the tables, as the caller, in the active snapshot.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_CALL_BUILD_H
#define CLARIFY_CALL_BUILD_H

#include "base/compat.h"

#include "base/user_key.h"
#include "ground/ground.h"
#include "section/section.h"
#include "version/rows.h"

typedef struct BuildState
{
	MemoryContext result_context;	/* where payloads go */
	Ground		ground;
	bool		may_keep;		/* what was built last; see BuildSection */
} BuildState;

/*
 * Builds happen between these two, which connect SPI and take and leave the
 * ground.  An error in between needs no clean-up beyond the (sub)transaction's
 * own.  lock_timeout is pinned, too, unless it is NULL.
 */
extern void BuildBegin(BuildState *state, const Caller *caller, const char *lock_timeout);
extern void BuildEnd(BuildState *state);

/*
 * Build one section for a user, with the privileges of the caller and under the
 * caller's snapshot, which is the active one.  Returns the payload, palloc'd in
 * the context that was current at BuildBegin, not null-terminated, and its
 * length.  Raises what the query may raise.
 *
 * Unless it is bypassed, the section's analysis is of the call, and its tables
 * are locked.  What is bypassed may be built by a plan that the section keeps as
 * well, but is never for others.
 *
 * Afterwards state->may_keep says whether nobody else's code can have had a
 * part in it, as far as BuildIsOfVersion and caller.h do not say more.  If
 * such code has changed what is pinned, the role or the like, then
 * state->ground.disturbed is set, and stays: of the whole call nothing may
 * be kept that is not yet, and BuildEnd may still set it.
 */
extern char *BuildSection(BuildState *state, Section *section,
						  const UserKey *user, bool bypassed, Size *len);

/*
 * The fill guard, first half: take a fresh snapshot and read the table-level
 * rows under it.  False if that can't be had: in parallel mode, if
 * clarify_cache.version is locked, or if too many row versions are met.
 */
extern bool BuildGuardRows(VersionRows *now);

/*
 * Second half: is what was built under `rows`, the table-level rows of the
 * caller's snapshot, what their version stands for?  `now` are the rows that
 * BuildGuardRows read after the build.  Not if they tell of a change.
 */
extern bool BuildIsOfVersion(const Section *section, const VersionRows *rows,
							 const VersionRows *now);

/*
 * May it be put into the cache?  Not if it is not of its version, nor if the
 * transaction is older than the section's ttl.
 */
extern bool BuildMayFill(const Section *section, const VersionRows *rows,
						 const VersionRows *now);

#endif							/* CLARIFY_CALL_BUILD_H */
