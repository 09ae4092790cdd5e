/*-------------------------------------------------------------------------
 *
 * storage.h
 *	  Has a relation had its present storage since before a snapshot?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_META_STORAGE_H
#define CLARIFY_META_STORAGE_H

#include "base/compat.h"

#include "nodes/pg_list.h"
#include "utils/snapshot.h"

/*
 * The relation's indexes, a palloc'd list of their Oids, those that are not valid too;
 * NIL if there is no such relation.  As the catalogs say it now, as below.
 */
extern List *StorageIndexes(Oid relid);

/*
 * The latest transaction that may have given storage to this relation or to one of
 * its indexes; InvalidTransactionId if that is long ago, or if there is no such
 * relation.  As the catalogs say it now: the caller holds a lock on the relation and
 * has accepted invalidations, and asks again after one of the relation.
 */
extern TransactionId StorageXid(Oid relid);

/* The later one of two such transactions. */
extern TransactionId StorageLater(TransactionId a, TransactionId b);

/*
 * Was the transaction over when the MVCC snapshot was taken?  If not, the snapshot
 * is older than the storage, and may see rows there that it should not, or miss some.
 */
extern bool StorageIsOlder(TransactionId xid, Snapshot snapshot);

/*
 * The same question about all of the extension's own tables that readers look at:
 * versions, definitions, attachments.  Asked after they were read, with invalidations
 * accepted since.  False if the extension is not there.
 */
extern bool StorageOfExtIsOlder(Snapshot snapshot);

#endif							/* CLARIFY_META_STORAGE_H */
