/*-------------------------------------------------------------------------
 *
 * bypass.c
 *	  Why a section is built without reading or filling the cache.
 *
 * A bypass is always right, so a doubt is a bypass.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/parallel.h"
#include "base/bypass.h"
#include "base/settings.h"
#include "change/change.h"
#include "meta/ext_tables.h"
#include "replication/logicalworker.h"
#include "utils/snapshot.h"

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

BypassReason
BypassReasonOfCall(Snapshot snapshot)
{
	if (!setting_enabled)
		return BYPASS_DISABLED;

	/*
	 * A parallel worker does not know what its leader wrote.  In a logical
	 * replication worker no statement triggers fire.
	 */
	if (IsParallelWorker() || IsLogicalWorker())
		return BYPASS_WORKER;

	/* Rows that an old snapshot needs may be gone without an error from us. */
	if (snapshot->snapshot_type != SNAPSHOT_MVCC || compat_snapshots_can_expire())
		return BYPASS_SNAPSHOT;

	/*
	 * A probe would take predicate locks on index pages that hold other
	 * users' rows too, and fail transactions that plain queries would not.
	 */
	if (IsolationIsSerializable())
		return BYPASS_SERIALIZABLE;

	if (ChangeAllMarked())
		return BYPASS_CHANGED;

	/* Where there are none, the build will tell. */
	if (ExtTablesState() != EXT_CURRENT)
		return BYPASS_UPGRADE;
	return BYPASS_NONE;
}
