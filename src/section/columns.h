/*-------------------------------------------------------------------------
 *
 * columns.h
 *	  Which columns of which tables sections read, and whether their changes
 *	  are watched.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SECTION_COLUMNS_H
#define CLARIFY_SECTION_COLUMNS_H

#include "base/compat.h"

#include "meta/ext_rows.h"
#include "nodes/pg_list.h"

/* The columns that are read of a table. */
typedef struct ReadColumns
{
	Oid			table_id;
	List	   *columns;		/* String nodes, each once */
} ReadColumns;

/*
 * What an analyzed query reads, at every level: a list of ReadColumns, one for
 * each table.  The query is the author's own, not yet rewritten, and its tables
 * are still locked.  All is palloc'd.
 */
extern List *CollectColumns(Query *query);

/*
 * What all sections together read, as they are committed now, and as names
 * mean now.  A query that does not work any more reads nothing.  Waits for the
 * sections' tables as a SELECT would, and keeps no lock on them.
 */
extern List *CollectColumnsOfSections(void);

/*
 * The same of a query as its author writes it, which is not defined yet; NIL if
 * it can't be parsed.  Keeps no locks on the tables.
 */
extern List *CollectColumnsOfDraft(const char *query);

/*
 * The columns of a table, attached by this key (or NULL), whose changes must be
 * watched for what is read: sorted, each once, as in attached_table.  Pure.
 */
extern List *ColumnsToWatch(List *reads, Oid table_id, const char *key_column);

/* Are the changes of all of these columns watched?  Pure. */
extern bool ColumnsAreWatched(const AttachedTable *table, const ReadColumns *read);

/*
 * Why a section that reads this can't be cached where these are the attached
 * tables: a palloc'd sentence that names a column which is not watched, or
 * NULL.
 */
extern char *UnwatchedColumnFault(List *reads, List *attached);

#endif							/* CLARIFY_SECTION_COLUMNS_H */
