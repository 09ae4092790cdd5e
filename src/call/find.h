/*-------------------------------------------------------------------------
 *
 * find.h
 *	  Looking for answers in the tiers.
 *
 * "Missing" is an answer without payload that a tier might have, so not one
 * that is bypassed.  `items` is the caller's array, with room for all answers
 * of the call; it is set to those that are still missing, and their number is
 * returned.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_CALL_FIND_H
#define CLARIFY_CALL_FIND_H

#include "base/compat.h"

#include "call/call.h"

/*
 * Look for what is missing: in the local tier; in Redis, for the nitems items
 * that are.  What Redis has goes into the local tier.  What the caller may not
 * have becomes a bypass.  With `count`, entries that do not fit are counted.
 */
extern int	FindLocal(ContextCall *call, TierItem **items, bool count);
extern int	FindRedis(ContextCall *call, TierItem **items, int nitems, bool count);

#endif							/* CLARIFY_CALL_FIND_H */
