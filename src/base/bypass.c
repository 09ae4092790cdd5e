/*-------------------------------------------------------------------------
 *
 * bypass.c
 *	  The names of the reasons.  See bypass.h.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/bypass.h"

static const char *const reason_names[BYPASS_NUM_REASONS] = {
	[BYPASS_NONE] = "none",
	[BYPASS_DISABLED] = "disabled",
	[BYPASS_WORKER] = "worker",
	[BYPASS_SNAPSHOT] = "snapshot",
	[BYPASS_SERIALIZABLE] = "serializable",
	[BYPASS_CHANGED] = "changed",
	[BYPASS_LOCKED] = "locked",
	[BYPASS_INVALIDATED] = "invalidated",
	[BYPASS_HISTORY] = "history",
	[BYPASS_UNCACHEABLE] = "uncacheable",
	[BYPASS_NOT_COVERED] = "not_covered",
	[BYPASS_HOLE] = "hole",
	[BYPASS_ROW_SECURITY] = "row_security",
	[BYPASS_PRIVILEGE] = "privilege",
	[BYPASS_UPGRADE] = "upgrade",
};

const char *
BypassReasonName(BypassReason reason)
{
	return reason_names[reason];
}
