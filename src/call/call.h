/*-------------------------------------------------------------------------
 *
 * call.h
 *	  What is known of a call: its users, its sections, an answer for each.
 *
 * The files of this folder pass it on, and each says which members it sets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_CALL_H
#define CLARIFY_CALL_H

#include "base/compat.h"

#include "base/bypass.h"
#include "base/user_key.h"
#include "call/call_time.h"
#include "ground/ground.h"
#include "section/section.h"
#include "tier/tier.h"
#include "version/rows.h"

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
	uint64		privilege_changes;	/* and as of when judged; see section/privilege.h */
	bool		disturbed;		/* other people's code has changed something: no
								 * more is kept; see ground/ground.h */
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

#endif							/* CLARIFY_CALL_H */
