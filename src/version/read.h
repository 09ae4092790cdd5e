/*-------------------------------------------------------------------------
 *
 * version.h
 *	  Rows of clarify_cache.version: reading them under a snapshot, adding
 *	  tokens to them in the running transaction.
 *
 * version.c says why equal versions mean equal data, version_write.c why no
 * token gets lost.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_VERSION_H
#define CLARIFY_VERSION_H

#include "base/compat.h"

#include "base/user_key.h"
#include "nodes/pg_list.h"
#include "version/row.h"

/* What rows of one kind say of one table. */
typedef struct VersionRow
{
	Oid			table_id;
	char		kind;
	uint64		token;			/* XOR of the rows' */
} VersionRow;

typedef struct VersionRows
{
	int			nrows;
	int			capacity;
	VersionRow *rows;			/* users and bumps: each table once; palloc'd; NULL
								 * while empty */
} VersionRows;

/* A table's table-level rows, in one. */
typedef struct TableVersion
{
	bool		covered;
	bool		has_hole;
	uint64		coverage;		/* XOR of coverage tokens alone */
	uint64		all;			/* XOR of all tokens, holes included */
} TableVersion;

/* An open clarify_cache.version; the scan is begun by the first probe. */
typedef struct VersionReader
{
	Relation	heap;
	Relation	index;
	struct IndexScanDescData *scan;
} VersionReader;

/*
 * Open for reading, without waiting for a lock.  False if a lock is not to be
 * had at once, if the extension is not there or strange, or if no index can serve every
 * snapshot of this transaction.  Close releases the locks.
 */
extern bool VersionOpen(VersionReader *reader);
extern void VersionClose(VersionReader *reader);

/*
 * Put what the rows with this key_hash that the snapshot sees say of each table
 * into *rows, which is empty, in the current memory context.  False if more row
 * versions were met than is reasonable, or one that is not the library's; *rows is
 * then useless.  All probes of a reader have the same snapshot.  Not under
 * SERIALIZABLE, where it would take predicate locks on pages that users share, but
 * with SnapshotSelf, which takes none.
 */
extern bool VersionProbe(VersionReader *reader, Snapshot snapshot,
						 int64 key_hash, VersionRows *rows);

/* Append one that is not there yet, in the context of *rows or the current one. */
extern void VersionRowsAppend(VersionRows *rows, const VersionRow *row);

/* Add the tokens of a row. */
extern void VersionRowsAdd(VersionRows *rows, char kind, const VersionTokens *tokens);

/*
 * Open an index of clarify_cache.version that can answer for every snapshot that
 * this transaction may have, with AccessShareLock, without waiting; NULL if there
 * is none.
 */
extern Relation VersionOpenIndex(Relation heap);

/* Sum up a table's table-level rows.  Pure. */
extern void VersionOfTable(const VersionRows *rows, Oid table_id,
						   TableVersion *version);

/* The XOR of a table's user rows.  Pure. */
extern uint64 VersionOfUser(const VersionRows *rows, Oid table_id);

/*
 * For writers: a session of changes to clarify_cache.version, palloc'd.  Begin
 * raises if the extension is not there or strange, and takes RowExclusiveLock until the
 * end of the transaction, so it waits for DDL on that table (REINDEX, VACUUM
 * FULL), but for no writer.  An error in between needs no clean-up beyond the
 * transaction's own.  A later session can replace or delete what this one wrote
 * only after CommandCounterIncrement.  While the index for look-ups is locked
 * (ALTER INDEX), rows are inserted, VersionDelete takes everything, and
 * VersionCompact nothing.
 */
typedef struct VersionWriter VersionWriter;

extern VersionWriter *VersionBeginWrite(void);
extern void VersionEndWrite(VersionWriter *writer);

/*
 * Add a fresh token to each of these tables, each named once, for (kind, hash).
 * Never waits for a writer.  Uses the array up.
 */
extern void VersionAddTokens(VersionWriter *writer, char kind, int64 key_hash,
							 Oid *tables, int ntables);

/* Insert a row of its own, for coverage and holes. */
extern void VersionInsert(VersionWriter *writer, char kind, Oid table_id);

/*
 * Delete what there is of a table: coverage and holes, or everything.  The caller
 * holds a lock on the table that keeps its writers, and DDL, out.
 */
extern void VersionDelete(VersionWriter *writer, Oid table_id, bool everything);

/*
 * Fold the rows of each key that has several, as far as nobody is at them.
 * Changes no version, waits for nobody.  Returns how many rows there are less.
 * Only at READ COMMITTED.  The caller calls ChangeMarkAll, as a transaction
 * that has folded rows can't trust its own view of versions.
 */
extern int64 VersionCompact(VersionWriter *writer);

#endif							/* CLARIFY_VERSION_H */
