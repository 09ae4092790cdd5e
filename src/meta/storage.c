/*-------------------------------------------------------------------------
 *
 * storage.c
 *	  Has a relation had its present storage since before a snapshot?
 *
 * A snapshot says which transactions it sees; that rows are found by it rests on
 * the storage telling by whom they were written.  Whatever writes a table's or an
 * index's storage anew may break that for snapshots from before:
 *
 *	VACUUM FULL, CLUSTER	freeze what is old to the server that runs them.  The WAL
 *							has no conflict for it, so on a standby that sends no
 *							feedback an older snapshot sees rows from after it.
 *	REINDEX, CREATE INDEX	leave out rows that are dead to the server that runs
 *							them; an older snapshot on such a standby misses rows.
 *	TRUNCATE, ALTER TABLE, COPY FREEZE
 *							show any snapshot the rows of after.
 *	pg_repack and its like	insert all rows anew, and swap the storage below SQL: an
 *							older snapshot finds nothing.
 *
 * They need not be known one by one, nor seen by a trigger.  What names a relation's
 * storage is its row in pg_class, and to name another is to write a new version of
 * that row; so no storage is younger than the transaction of the row's xmin.  If a
 * snapshot sees that transaction, it is younger than the storage, and sees in it what
 * it should.  If not, the row may also have changed for another reason: then an older
 * snapshot is doubted for nothing, once.  (A row is frozen, and moved by VACUUM FULL of
 * pg_class, with its xmin left as it is.  An index that is made CONCURRENTLY has its
 * row in pg_class before it is filled, so its row in pg_index, which is written when it
 * becomes valid, counts as well.  Catalogs whose storage pg_class does not
 * name are none of ours.  A TOAST table is read by pointers, whoever asks.)
 *
 * What stays in its place and is frozen there, by VACUUM, carries a conflict in the
 * WAL, which ends older snapshots on a standby before it is replayed.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "meta/ext_tables.h"
#include "meta/storage.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/*
 * Transaction ids come around again.  One that is not in the past, of all that there
 * were, is from the time before that.
 */
static bool
IsLongAgo(TransactionId xid)
{
	return !TransactionIdIsNormal(xid) ||
		!TransactionIdPrecedes(xid, ReadNextTransactionId());
}

TransactionId
StorageLater(TransactionId a, TransactionId b)
{
	if (!TransactionIdIsNormal(a))
		return b;
	if (!TransactionIdIsNormal(b))
		return a;
	return TransactionIdPrecedes(a, b) ? b : a;
}

/* That wrote a row of a catalog. */
static TransactionId
RowXid(int cache, Oid key)
{
	HeapTuple	tuple = SearchSysCache1(cache, ObjectIdGetDatum(key));
	TransactionId xid;

	if (!HeapTupleIsValid(tuple))
		return InvalidTransactionId;
	xid = HeapTupleHeaderGetRawXmin(tuple->t_data);
	ReleaseSysCache(tuple);
	return IsLongAgo(xid) ? InvalidTransactionId : xid;
}

List *
StorageIndexes(Oid relid)
{
	Relation	rel = RelationIdGetRelation(relid);
	List	   *indexes;

	if (rel == NULL)
		return NIL;
	indexes = RelationGetIndexList(rel);
	RelationClose(rel);
	return indexes;
}

TransactionId
StorageXid(Oid relid)
{
	List	   *indexes = StorageIndexes(relid);
	TransactionId latest = RowXid(RELOID, relid);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		latest = StorageLater(latest, RowXid(RELOID, lfirst_oid(lc)));
		latest = StorageLater(latest, RowXid(INDEXRELID, lfirst_oid(lc)));
	}
	list_free(indexes);
	return latest;
}

bool
StorageIsOlder(TransactionId xid, Snapshot snapshot)
{
	if (!TransactionIdIsNormal(xid) || TransactionIdPrecedes(xid, snapshot->xmin))
		return true;
	return IsLongAgo(xid) || !XidInMVCCSnapshot(xid, snapshot);
}

/*----------
 * The extension's own tables
 *----------
 */

static TransactionId own_xid = InvalidTransactionId;
static bool own_is_known = false;
static ExtTables own_of = {0};	/* what is looked up, or was */
static uint64 own_changes = 0;	/* invalidations of it */

/* An index's storage is announced with its table's, too. */
static void
ForgetOnRelcache(Datum arg, Oid relid)
{
	if (relid != InvalidOid && relid != own_of.version && relid != own_of.section &&
		relid != own_of.attached_table && relid != own_of.witness)
		return;
	own_is_known = false;
	own_changes++;
}

/*
 * Looked up without locks.  What gets other storage announces it before its lock is
 * released, and whoever reads it afterwards waits for that, and then asks again.
 */
static void
LookUpOwn(const ExtTables *ext)
{
	static bool registered = false;
	uint64		before;
	TransactionId xid;

	if (!registered)
		CacheRegisterRelcacheCallback(ForgetOnRelcache, (Datum) 0);
	registered = true;

	own_is_known = false;
	own_of = *ext;
	before = own_changes;
	xid = StorageXid(own_of.version);
	xid = StorageLater(xid, StorageXid(own_of.section));
	xid = StorageLater(xid, StorageXid(own_of.attached_table));
	own_xid = StorageLater(xid, StorageXid(own_of.witness));
	own_is_known = (before == own_changes);
}

bool
StorageOfExtIsOlder(Snapshot snapshot)
{
	const ExtTables *ext = ExtTablesGet();

	if (ext == NULL)
		return false;
	if (!own_is_known || own_of.version != ext->version)
		LookUpOwn(ext);
	return StorageIsOlder(own_xid, snapshot);
}
