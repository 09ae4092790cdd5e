/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  What the rows that were read say, in sum.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_VERSION_ROWS_H
#define CLARIFY_VERSION_ROWS_H

#include "base/compat.h"

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

/* Append one that is not there yet, in the context of *rows or the current one. */
extern void VersionRowsAppend(VersionRows *rows, const VersionRow *row);

/* Add the tokens of a row. */
extern void VersionRowsAdd(VersionRows *rows, char kind, const VersionTokens *tokens);

/* Sum up a table's table-level rows.  Pure. */
extern void VersionOfTable(const VersionRows *rows, Oid table_id,
						   TableVersion *version);

/* The XOR of a table's user rows.  Pure. */
extern uint64 VersionOfUser(const VersionRows *rows, Oid table_id);

#endif							/* CLARIFY_VERSION_ROWS_H */
