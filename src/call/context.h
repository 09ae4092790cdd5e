/*-------------------------------------------------------------------------
 *
 * context.h
 *	  The way of a call, from users' ids to their contexts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_CALL_CONTEXT_H
#define CLARIFY_CALL_CONTEXT_H

#include "base/compat.h"

#include "call/call.h"

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

#endif							/* CLARIFY_CALL_CONTEXT_H */
