/*-------------------------------------------------------------------------
 *
 * read.c
 *	  Which version has the data under this snapshot?  Reading
 *	  clarify_cache.version; write.c changes it.
 *
 * The version of (table, user) under a snapshot is the XOR of all tokens
 * visible in it, of the user's rows and of the table-level rows.  Each
 * changing transaction contributes one fresh random token, in the same commit
 * as the data.  Hence, for two snapshots:
 *
 *	- The same changes visible: the same tokens, so the same version.
 *	- Other changes visible: other tokens, so another version, but for a
 *	  chance of 2^-64.  Tokens never repeat (FreshToken), not even after a
 *	  crash that lost commits or in a copy of the database.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/relscan.h"
#include "meta/ext_tables.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "version/fetch.h"
#include "version/memo.h"
#include "version/read.h"

/*
 * Index entries that a probe looks at before it gives up.  A hot user under a
 * very old snapshot leaves a long trail of dead ones, and a build costs less
 * than walking it.
 */
#define MAX_PROBED_ENTRIES 2000

bool
VersionOpen(VersionReader *reader)
{
	const ExtTables *ext = ExtTablesGet();
	Oid			heap_id;

	if (ext == NULL)
		return false;
	reader->scan = NULL;
	heap_id = ext->version;
	if (!ConditionalLockRelationOid(heap_id, AccessShareLock))
		return false;

	reader->heap = try_relation_open(heap_id, NoLock);
	if (reader->heap == NULL)
	{
		UnlockRelationOid(heap_id, AccessShareLock);
		return false;
	}
	/* The columns may be others, now that it is locked. */
	if (ExtTablesGet() == NULL)
	{
		relation_close(reader->heap, AccessShareLock);
		return false;
	}
	reader->index = VersionOpenIndex(reader->heap);
	if (reader->index == NULL)
	{
		relation_close(reader->heap, AccessShareLock);
		return false;
	}
	return true;
}

void
VersionClose(VersionReader *reader)
{
	if (reader->scan != NULL)
		index_endscan(reader->scan);
	relation_close(reader->index, AccessShareLock);
	relation_close(reader->heap, AccessShareLock);
}

/* Read them from the table. */
static bool
Probe(VersionReader *reader, Snapshot snapshot, int64 key_hash, VersionRows *rows)
{
	IndexScanDesc scan = reader->scan;
	Buffer		buffer = InvalidBuffer;
	ScanKeyData key;
	VersionFetched fetched = VERSION_NOT_SEEN;
	int			probed = 0;

	if (scan == NULL)
		scan = reader->scan = compat_index_beginscan(reader->heap, reader->index, snapshot, 1);
	Assert(scan->xs_snapshot == snapshot);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(key_hash));
	index_rescan(scan, &key, 1, NULL, 0);
	while (fetched != VERSION_FOREIGN && probed <= MAX_PROBED_ENTRIES &&
		   index_getnext_tid(scan, ForwardScanDirection) != NULL)
	{
		VersionFound found;

		fetched = VersionFetch(scan, &buffer, false, &found);
		if (fetched == VERSION_FETCHED)
			VersionRowsAdd(rows, found.kind, &found.tokens);
		probed++;
	}
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	return fetched != VERSION_FOREIGN && probed <= MAX_PROBED_ENTRIES;
}

bool
VersionProbe(VersionReader *reader, Snapshot snapshot, int64 key_hash,
			 VersionRows *rows)
{
	Oid			heap = RelationGetRelid(reader->heap);

	Assert(rows->nrows == 0);
	Assert(!IsolationIsSerializable() || !IsMVCCSnapshot(snapshot));

	if (key_hash != USER_KEY_HASH_TABLE)
		return Probe(reader, snapshot, key_hash, rows);
	if (VersionMemoRecall(heap, snapshot, rows))
		return true;
	if (!Probe(reader, snapshot, key_hash, rows))
		return false;
	VersionMemoKeep(heap, snapshot, rows);
	return true;
}
