/*-------------------------------------------------------------------------
 *
 * ext_tables.h
 *	  The extension's own tables: where are they, and are they those that this
 *	  library knows?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_META_EXT_TABLES_H
#define CLARIFY_META_EXT_TABLES_H

#include "base/compat.h"

#include "meta/ext_shape.h"

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

/* Are the tables strange, and is it this transaction that has changed one of them? */
extern bool ExtTablesMadeStrange(void);

/*
 * A number that is another whenever an invalidation of one of the tables has arrived:
 * for what is remembered of their rows.
 */
extern uint64 ExtTablesChanges(void);

/*
 * Changes can't be recorded, since the tables are strange: say so in the log, once a
 * session.  Does nothing if they are not.
 */
extern void ExtTablesLogStrange(void);

#endif							/* CLARIFY_META_EXT_TABLES_H */
