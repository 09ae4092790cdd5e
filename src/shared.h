/*-------------------------------------------------------------------------
 *
 * shared.h
 *	  What all backends share when the library is preloaded, and each backend
 *	  has for itself when not.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SHARED_H
#define CLARIFY_SHARED_H

#include "base/compat.h"

/*
 * Ask for shared memory if preloaded, else hand out memory of our own; called from
 * _PG_init only.
 */
extern void SharedInit(void);

#endif							/* CLARIFY_SHARED_H */
