/*-------------------------------------------------------------------------
 *
 * build.h
 *	  Building sections from the tables, as the caller, in the active snapshot.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_BUILD_H
#define CLARIFY_BUILD_H

#include "compat.h"

#include "section.h"
#include "user_key.h"
#include "version.h"

/*
 * Builds happen between these two, which connect SPI and pin the settings.
 * An error in between needs no clean-up beyond the transaction's own.
 */
typedef struct BuildState
{
	MemoryContext result_context;	/* where payloads go */
	char	   *search_path;	/* the caller's */
	int			nest_level;
} BuildState;

extern void BuildBegin(BuildState *state);
extern void BuildEnd(BuildState *state);

/*
 * Build one section for a user, with the caller's privileges, under the active
 * snapshot.  Returns the payload, palloc'd in the context that was current at
 * BuildBegin, not null-terminated, and its length.  Raises what the query may
 * raise.
 */
extern char *BuildSection(BuildState *state, Section *section,
						  const UserKey *user, Size *len);

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

#endif							/* CLARIFY_BUILD_H */
