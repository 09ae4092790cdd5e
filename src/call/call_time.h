/*-------------------------------------------------------------------------
 *
 * call_time.h
 *	  How long a call took, in all and by stage.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_CALL_TIME_H
#define CLARIFY_CALL_TIME_H

#include "base/compat.h"

typedef enum CallStage
{
	STAGE_VERSIONS,				/* version rows */
	STAGE_SECTIONS,				/* definitions, locks, analysis */
	STAGE_LOCAL,				/* reading the local tier, checking its hits */
	STAGE_REDIS,				/* the same for Redis */
	STAGE_WAIT,					/* for what another backend builds */
	STAGE_BUILD,
	STAGE_FILL,
	STAGE_AUDIT,
	STAGE_ASSEMBLE,
	STAGE_NUM
} CallStage;

typedef struct CallTime
{
	bool		by_stage;		/* is anybody interested? */
	int64		start;			/* nanoseconds, like all of these */
	int64		stage_start;
	int64		stages[STAGE_NUM];
} CallTime;

/* The call begins. */
extern void CallTimeBegin(CallTime *time);

/* What was done since the last of these, or since the beginning, is `stage`. */
extern void CallTimeStage(CallTime *time, CallStage stage);

#endif							/* CLARIFY_CALL_TIME_H */
