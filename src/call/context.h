/*-------------------------------------------------------------------------
 *
 * context.h
 *	  The way of a call, from users' ids to their contexts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_CONTEXT_H
#define CLARIFY_CONTEXT_H

#include "base/compat.h"

#include "base/bypass.h"
#include "base/user_key.h"
#include "call/call_time.h"
#include "ground/ground.h"
#include "section/section.h"
#include "tier/tier.h"
#include "version/read.h"

/* Where a section of a user comes from. */
typedef enum AnswerSource
{
	SOURCE_NONE,				/* not known yet */
	SOURCE_LOCAL,
	SOURCE_REDIS,
	SOURCE_BUILD
} AnswerSource;

/* One section of one user. */
typedef struct Answer
{
	TierItem	item;			/* its payload is NULL until found or built;
								 * its times are valid if found or filled */
	BypassReason bypass;
	AnswerSource source;
	bool		checked;		/* it was judged whether the caller may have what
								 * was found */
	bool		may_keep;		/* what was built, as far as BuildSection knows */
	bool		filled;			/* what was built is in a tier */
} Answer;

/* One section, for all users of the call. */
typedef struct SectionCall
{
	Section    *section;
	BypassReason bypass;		/* of all users */
	uint64		version;		/* of what concerns all users; unless bypassed */
} SectionCall;

/* One user. */
typedef struct UserCall
{
	UserKey		user;
	VersionRows rows;			/* the user's own version rows */
	BypassReason bypass;		/* of all sections */
	Answer	   *answers;		/* one for each section, in their order */
} UserCall;

typedef struct ContextCall
{
	Snapshot	snapshot;
	BypassReason bypass;		/* of everything */
	VersionRows tables;			/* table-level rows under the snapshot */
	VersionRows tables_now;		/* the same as of now, where that matters */
	SectionCall *sections;
	int			nsections;
	UserCall   *users;
	int			nusers;
	Caller		caller;			/* as whom the sections are judged and built, */
	uint64		privilege_changes;	/* and as of when judged; see privilege.h */
	bool		disturbed;		/* other people's code has changed something: no
								 * more is kept; see ground.h */
	bool		redis_asked;
	bool		redis_answered;
	CallTime	time;
} ContextCall;

/* For every answer of a call: call->users[u].answers[s]. */
#define foreach_answer(call, u, s) \
	for (int u = 0; u < (call)->nusers; u++) \
		for (int s = 0; s < (call)->nsections; s++)

/* The answer that an item is the first member of. */
static inline Answer *
AnswerOf(TierItem *item)
{
	StaticAssertStmt(offsetof(Answer, item) == 0, "an item must begin its answer");
	return (Answer *) item;
}

/*
 * Answer for these users, under the active snapshot, as the caller: every
 * answer then has a payload.  All is palloc'd in the current context.  Raises
 * what plain queries would, and if no section is defined.  Between this and
 * ContextEnd the sections stay valid.
 */
extern void ContextBegin(ContextCall *call, const UserKey *users, int nusers);

/*
 * The JSON document of the n-th user, palloc'd.  current_session, the text of
 * a uuid or NULL, is left out of the sessions.
 */
extern text *ContextAssemble(ContextCall *call, int n, const char *current_session);

/* Done: count and, if it took long, log. */
extern void ContextEnd(ContextCall *call);

/* All of it for one user, given as a uuid. */
extern text *ContextOfUser(Datum user_id, const char *current_session);

#endif							/* CLARIFY_CONTEXT_H */
