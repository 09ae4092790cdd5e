/*-------------------------------------------------------------------------
 *
 * bypass.h
 *	  Why a section is built without reading or filling the cache.
 *
 * A bypass is always right, so a doubt is a bypass.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_BYPASS_H
#define CLARIFY_BYPASS_H

#include "base/compat.h"

typedef enum BypassReason
{
	BYPASS_NONE,				/* no bypass */
	BYPASS_DISABLED,			/* clarify_cache.enabled is off */
	BYPASS_WORKER,				/* in a parallel or logical replication worker */
	BYPASS_SNAPSHOT,			/* no ordinary snapshot, or it can become too old */
	BYPASS_SERIALIZABLE,
	BYPASS_CHANGED,				/* this transaction changed a table or a schema,
								 * or may have, unseen by its snapshot */
	BYPASS_LOCKED,				/* a lock is not to be had at once */
	BYPASS_INVALIDATED,			/* a table or schema changed while Redis was asked */
	BYPASS_HISTORY,				/* too many row versions in clarify_cache.version */
	BYPASS_UNCACHEABLE,			/* the query is not, or no longer, a section's */
	BYPASS_NOT_COVERED,			/* a table is not attached in the snapshot */
	BYPASS_HOLE,				/* a schema change; repair() mends it */
	BYPASS_ROW_SECURITY,		/* row-level security applies to the caller */
	BYPASS_PRIVILEGE,			/* the caller lacks one; the build will tell */
	BYPASS_UPGRADE,				/* the SQL objects are not of the library's version */
	BYPASS_NUM_REASONS
} BypassReason;

/* The reason as the views and explain() show it; "none" for BYPASS_NONE. */
extern const char *BypassReasonName(BypassReason reason);

#endif							/* CLARIFY_BYPASS_H */
