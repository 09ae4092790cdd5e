/*-------------------------------------------------------------------------
 *
 * key.h
 *	  Is every keyed table of a query level held to the user's own rows?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SECTION_KEY_H
#define CLARIFY_SECTION_KEY_H

#include "base/compat.h"

#include "section/rule.h"

/* Is this $1, the user's id? */
extern bool IsUserIdParam(Node *node);

/*
 * The range table index of a relation of this query level that is attached
 * with a key but not proved to give the rows of user $1 only, or 0 if there is
 * none.  Subqueries are levels of their own.
 */
extern int	FindUnkeyedRelation(Query *query, AttachedLookup lookup, void *arg);

#endif							/* CLARIFY_SECTION_KEY_H */
