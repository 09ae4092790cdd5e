/*-------------------------------------------------------------------------
 *
 * compact.c
 *	  compact(): fewer rows in clarify_cache.version, the same versions.
 *
 * Writers that meet, and all writers above READ COMMITTED, leave a row each.
 * Too many rows of one user make readers give up (version.c).
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "change/change.h"
#include "meta/ext_tables.h"
#include "version/read.h"

CLARIFY_FUNCTION(clarify_compact);

Datum
clarify_compact(PG_FUNCTION_ARGS)
{
	VersionWriter *writer;
	int64		removed;

	PreventCommandIfReadOnly("clarify_cache.compact()");
	(void) ExtTablesRequireCurrent();
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("clarify_cache.compact() needs READ COMMITTED"),
				 errdetail("An older snapshot does not see the rows that are to be folded."),
				 errhint("Run it in a transaction of its own at READ COMMITTED.")));

	ChangeMarkAll();
	writer = VersionBeginWrite();
	removed = VersionCompact(writer);
	VersionEndWrite(writer);
	CommandCounterIncrement();
	PG_RETURN_INT64(removed);
}
