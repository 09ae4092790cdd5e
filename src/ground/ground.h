/*-------------------------------------------------------------------------
 *
 * ground.h
 *	  The ground that a section is built on: settings, role, snapshot.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_GROUND_H
#define CLARIFY_GROUND_H

#include "base/compat.h"

/* As whom a call began, and under which snapshot. */
typedef struct Caller
{
	Oid			user;
	int			sec_context;
	Oid			session_user;
	bool		row_security;	/* the setting */
	Snapshot	snapshot;		/* the active one */
} Caller;

/* Note who is calling now.  There is an active snapshot, which stays the caller's. */
extern void CallerRemember(Caller *caller);

/* Whose search_path is in force? */
typedef enum GroundPath
{
	PATH_PINNED,				/* PostgreSQL's own objects alone */
	PATH_OF_CALLER
} GroundPath;

typedef struct Ground
{
	const Caller *caller;
	const char *lock_timeout;	/* pinned besides, or NULL */
	int			nest_level;		/* of the pinned settings, */
	int			path_level;		/* and of the pinned search_path; 0 if it is not */
	char	   *search_path;	/* the caller's */
	Oid			user;			/* as whom to go on afterwards */
	int			sec_context;
	uint64		foreign_calls;
	bool		foreign;		/* other people's code may have run since GroundBegin,
								 * or since this was cleared */
	bool		disturbed;		/* it was found to have changed something; stays */
} Ground;

/*
 * From Begin to End the ground is the session's.  End leaves it as other code
 * would have left it without us.  An error in between needs no clean-up beyond
 * the (sub)transaction's own.  `ground` is in the current memory context.
 */
extern void GroundBegin(Ground *ground, const Caller *caller, const char *lock_timeout);
extern void GroundEnd(Ground *ground);

/*
 * Before each step of a build, and after the last: notes whether other people's
 * code may have run or has changed anything since the last of these, and sees to
 * it that the next step begins as the first did, under this search_path.
 */
extern void GroundTake(Ground *ground, GroundPath path);

/* The same with a look at all settings: before the first step of each build. */
extern void GroundTakeAll(Ground *ground, GroundPath path);

/*
 * Between these two the settings are the caller's, as other code has left them, and the
 * role is the one that the call began as: for what must not happen under pins.
 */
extern void GroundStepOff(Ground *ground);
extern void GroundStepOn(Ground *ground);

#endif							/* CLARIFY_GROUND_H */
