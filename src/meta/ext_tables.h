/*-------------------------------------------------------------------------
 *
 * ext_tables.h
 *	  The extension's own tables: where they are, and their rows as structs.
 *
 * They are read and written below SQL, so neither the caller's privileges
 * nor its search_path matter.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_EXT_TABLES_H
#define CLARIFY_EXT_TABLES_H

#include "base/compat.h"

#include "meta/ext_shape.h"
#include "nodes/pg_list.h"
#include "utils/timestamp.h"

#define CLARIFY_EXTENSION "clarify_cache"
#define CLARIFY_SCHEMA "clarify_cache"

typedef struct ExtTables
{
	Oid			namespace_id;
	Oid			version;
	Oid			instance;
	Oid			attached_table;
	Oid			section;
	Oid			witness;		/* InvalidOid before version 1.1 */
	Oid			mark_change;	/* the trigger functions */
	Oid			track_change;
	Oid			guard_own_table;
} ExtTables;

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
 * The Oids, for writers: of objects of any version, as long as this library knows
 * the tables' columns.  Remembered until one of the tables changes.  NULL while the
 * extension is not, or not completely, there, or its tables are strange (ext_shape.h);
 * the event triggers meet the former in the middle of CREATE and DROP EXTENSION.
 * Whoever opens one of the tables asks again once it is locked: with the lock,
 * invalidations were accepted.  Needs a transaction.
 */
extern const ExtTables *ExtTablesGet(void);

/* The same, but raises if there is none. */
extern const ExtTables *ExtTablesRequire(void);

/* For management: raises as well if the objects are not of this library's version. */
extern const ExtTables *ExtTablesRequireCurrent(void);

/* How does what is installed fit this library? */
extern ExtState ExtTablesState(void);

/* In words, for an EXT_OLDER, EXT_NEWER or EXT_STRANGE; a palloc'd clause. */
extern char *ExtTablesMismatch(void);

/*
 * The table of the sections, which readers build by even if other tables are
 * strange.  Raises if it is not there, or strange itself.
 */
extern Oid	ExtTablesSections(void);

/*
 * Are the Oids not to be found though the extension is installed?  Somebody has
 * renamed or moved its objects: changes could not be recorded.
 */
extern bool ExtTablesAreMisplaced(void);

/*
 * Changes can't be recorded, since the tables are strange: say so in the log, once a
 * session.  Does nothing if they are not.
 */
extern void ExtTablesLogStrange(void);

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

#endif							/* CLARIFY_EXT_TABLES_H */
