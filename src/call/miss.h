/*-------------------------------------------------------------------------
 *
 * miss.h
 *	  Answering what no tier has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_CALL_MISS_H
#define CLARIFY_CALL_MISS_H

#include "base/compat.h"

#include "call/call.h"

/*
 * Give every answer that has none and is not bypassed a payload, and the tiers
 * what may be kept of what was built.  `items` has room for all answers, and
 * holds the nmissing that a tier might have had.  Raises what building may raise.
 */
extern void AnswerMissing(ContextCall *call, TierItem **items, int nmissing);

/*
 * Build what is bypassed.  It comes last: it may be held to policies, or wait for
 * a lock, and neither is to concern what others are given.
 */
extern void AnswerBypassed(ContextCall *call);

#endif							/* CLARIFY_CALL_MISS_H */
