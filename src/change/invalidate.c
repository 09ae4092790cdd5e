/*-------------------------------------------------------------------------
 *
 * invalidate.c
 *	  invalidate(), invalidate_all() and compact(): versions changed by command.
 *
 * They are transactional like any write.  invalidate() and invalidate_all() leave
 * the tokens that a change of the rows would, in the same commit; until then, this
 * transaction builds.
 *
 * compact() leaves fewer rows in clarify_cache.version, and the same versions.
 * Writers that meet, and all writers above READ COMMITTED, leave a row each.
 * Too many rows of one user make readers give up (version/read.c).
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/user_key.h"
#include "catalog/pg_type.h"
#include "change/change.h"
#include "meta/ext_rows.h"
#include "meta/ext_tables.h"
#include "version/fold.h"

CLARIFY_FUNCTION(clarify_invalidate);
CLARIFY_FUNCTION(clarify_invalidate_all);
CLARIFY_FUNCTION(clarify_compact);

Datum
clarify_invalidate(PG_FUNCTION_ARGS)
{
	UserKey		user;
	ListCell   *lc;

	PreventCommandIfReadOnly("clarify_cache.invalidate()");
	UserKeyFromDatum(&user, UUIDOID, PG_GETARG_DATUM(0));
	foreach(lc, ReadAttachedTables(SnapshotSelf))
	{
		AttachedTable *table = lfirst(lc);

		ChangeMarkTable(table->table_id);
		ChangeRecordUser(table->table_id, &user);
	}
	PG_RETURN_VOID();
}

Datum
clarify_invalidate_all(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	PreventCommandIfReadOnly("clarify_cache.invalidate_all()");
	foreach(lc, ReadAttachedTables(SnapshotSelf))
	{
		AttachedTable *table = lfirst(lc);

		ChangeMarkTable(table->table_id);
		ChangeRecordTable(table->table_id);
	}
	PG_RETURN_VOID();
}

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
