/*-------------------------------------------------------------------------
 *
 * invalidate.c
 *	  invalidate() and invalidate_all(): outdated by word, not by change.
 *
 * They are transactional like any write: the same tokens, in the same commit.
 * Until then, this transaction builds.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/user_key.h"
#include "catalog/pg_type.h"
#include "change/change.h"
#include "meta/ext_tables.h"

CLARIFY_FUNCTION(clarify_invalidate);
CLARIFY_FUNCTION(clarify_invalidate_all);

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
