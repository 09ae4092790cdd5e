/*-------------------------------------------------------------------------
 *
 * audit.h
 *	  Is what the tiers had what building would have given?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_CALL_AUDIT_H
#define CLARIFY_CALL_AUDIT_H

#include "base/compat.h"

#include "call/call.h"

/*
 * Build a share of what was found (clarify_cache.audit_rate) again, under the
 * call's snapshot, and compare.  What differs is counted and logged at WARNING,
 * and becomes what was built, in the answer and in the tiers.
 *
 * Comes after all that is not bypassed has its payload, and before what is
 * bypassed is built.  Raises only what ends the statement, and on a standby what
 * building may raise.
 */
extern void AuditFinds(ContextCall *call);

#endif							/* CLARIFY_CALL_AUDIT_H */
