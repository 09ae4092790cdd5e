/*-------------------------------------------------------------------------
 *
 * context.h
 *	  A user's context, for whoever makes something else of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_CONTEXT_H
#define CLARIFY_CONTEXT_H

#include "compat.h"

/*
 * What clarify_context() returns: the JSON, as text in the current memory
 * context, in the database's encoding.  user_id is a uuid that is not NULL;
 * current_session the canonical text of a uuid, or NULL.  Needs an active
 * snapshot, and raises what clarify_context() raises: no section is defined,
 * or what the caller may not read.
 */
extern text *ContextOfUser(Datum user_id, const char *current_session);

#endif							/* CLARIFY_CONTEXT_H */
