/*-------------------------------------------------------------------------
 *
 * ext_rows.h
 *	  The rows of the extension's own tables, as structs.
 *
 * They are read and written below SQL, so neither the caller's privileges nor its
 * search_path matter.  (Those of clarify_cache.version: version/.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_META_EXT_ROWS_H
#define CLARIFY_META_EXT_ROWS_H

#include "base/compat.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/snapshot.h"

/* The rows, as far as C code looks at them. */
typedef struct AttachedTable
{
	Oid			table_id;
	char	   *key_column;		/* NULL: any change concerns every user */
	List	   *columns;		/* whose change, besides the key's, is watched: String
								 * nodes, sorted, each once */
} AttachedTable;

typedef struct SectionRow
{
	char	   *name;
	int			ordinal;
	char	   *query;
	Interval	ttl;
	int64		ttl_us;			/* the same in microseconds, months of 30 days */
	bool		single_row;
	int			max_items;		/* -1: no limit */
	List	   *tables;			/* Oids */
} SectionRow;

/* What a member of an attached table's partition tree was made of (witness.h). */
typedef struct WitnessRow
{
	Oid			table_id;
	Oid			member_id;
	uint64		digest;
} WitnessRow;

/*
 * Is the (root) table attached?  The caller holds a lock on it that conflicts
 * with attach().
 */
extern bool TableIsAttached(Oid table_id);

/*
 * All rows that the snapshot sees, palloc'd; sections in their order.  The
 * tables are opened with AccessShareLock, which is released.  If `wait` is
 * false and the lock is not to be had at once, *ok is set to false; with
 * `wait`, ok may be NULL.  Raises if the extension is not there.
 */
extern List *ReadAttachedTables(Snapshot snapshot);
extern List *ReadSections(Snapshot snapshot, bool wait, bool *ok);

/* Those of one attached table; none if the extension's objects are older. */
extern List *ReadWitness(Oid table_id, Snapshot snapshot, bool wait, bool *ok);

/* The table's among those rows, or NULL. */
extern AttachedTable *FindAttachedTable(List *attached, Oid table_id);

/* An interval in microseconds, months of 30 days; the nearest that there is. */
extern int64 IntervalMicroseconds(const Interval *interval);

/*
 * Write rows.  Deletes see what is committed now and return whether there was
 * a row; whoever changes sections has announced it with ChangeRecordDefinitions.
 * PutAttachedTable replaces the row that is there; like DeleteAttachedTable, it
 * wants a lock on the table that keeps others from its row.
 */
extern void PutAttachedTable(const AttachedTable *table);
extern bool DeleteAttachedTable(Oid table_id);
extern void InsertWitness(Oid table_id, Oid member_id, uint64 digest);
extern bool DeleteWitness(Oid table_id, Oid member_id); /* InvalidOid: all members' */
extern void InsertSection(const SectionRow *row);
extern bool DeleteSection(const char *name);

#endif							/* CLARIFY_META_EXT_ROWS_H */
