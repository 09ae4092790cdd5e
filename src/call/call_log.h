/*-------------------------------------------------------------------------
 *
 * call_log.h
 *	  The end of a call: it is counted, and a slow one logged.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_CALL_LOG_H
#define CLARIFY_CALL_LOG_H

#include "base/compat.h"

#include "call/call.h"

/* The call is over: count it, and log it if it took log_min_duration or longer. */
extern void CallTimeEnd(const ContextCall *call);

#endif							/* CLARIFY_CALL_LOG_H */
