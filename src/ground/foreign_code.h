/*-------------------------------------------------------------------------
 *
 * foreign_code.h
 *	  May code that is not the server's have run?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_GROUND_FOREIGN_CODE_H
#define CLARIFY_GROUND_FOREIGN_CODE_H

#include "base/compat.h"

/* Install the tripwire; called from _PG_init only. */
extern void ForeignCodeInit(void);

/*
 * A number that is another whenever a function that is not the server's own was
 * looked up to be called or inlined, or was called, in this backend.
 */
extern uint64 ForeignCodeCount(void);

#endif							/* CLARIFY_GROUND_FOREIGN_CODE_H */
