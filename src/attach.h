/*-------------------------------------------------------------------------
 *
 * attach.h
 *	  The part of attach() that the event triggers use too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_ATTACH_H
#define CLARIFY_ATTACH_H

#include "compat.h"

/*
 * Put the BEFORE STATEMENT trigger on one relation, if it lacks it, with
 * ShareRowExclusiveLock.  If a foreign trigger has its name: does nothing if
 * lenient, else raises.
 */
extern void PutMarkTrigger(Oid relid, bool lenient);

#endif							/* CLARIFY_ATTACH_H */
