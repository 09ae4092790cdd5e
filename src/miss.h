/*-------------------------------------------------------------------------
 *
 * miss.h
 *	  Answering what no tier has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_MISS_H
#define CLARIFY_MISS_H

#include "compat.h"

#include "context.h"

/*
 * Give every answer that has none a payload, and the tiers what may be kept of
 * what was built.  `items` has room for all answers, and holds the nmissing
 * that a tier might have had.  Raises what building may raise.
 */
extern void AnswerMissing(ContextCall *call, TierItem **items, int nmissing);

#endif							/* CLARIFY_MISS_H */
