/*-------------------------------------------------------------------------
 *
 * plan_for_all.h
 *	  Planning what others will be given, too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_GROUND_PLAN_FOR_ALL_H
#define CLARIFY_GROUND_PLAN_FOR_ALL_H

#include "base/compat.h"

/* Install the hook; called from _PG_init only. */
extern void PlanForAllInit(void);

/*
 * From Begin to End, plans do without what this session may have been made to
 * misunderstand.  End must be called also if an error jumps; it takes what Begin
 * returned.  They nest.
 */
extern bool PlanForAllBegin(void);
extern void PlanForAllEnd(bool before);

/*
 * Numbers that are others when plans in between have left out indexes, or could
 * not do without something: their results may be kept for nobody.
 */
typedef struct PlanForAllCounts
{
	uint64		left_out;
	uint64		failures;
} PlanForAllCounts;

/* As they are now, in this backend. */
extern PlanForAllCounts PlanForAllCount(void);

#endif							/* CLARIFY_GROUND_PLAN_FOR_ALL_H */
