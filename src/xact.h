/*-------------------------------------------------------------------------
 *
 * xact.h
 *	  What happens at the end of a transaction, and in which order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_XACT_H
#define CLARIFY_XACT_H

#include "base/compat.h"

/* Register the transaction callbacks; called from _PG_init only. */
extern void XactInit(void);

#endif							/* CLARIFY_XACT_H */
