/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  What the rows that were read say, in sum.
 *
 * Tokens are summed up by XOR, in which the order of rows plays no part, nor how tokens
 * are spread over rows.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "version/rows.h"

void
VersionRowsAppend(VersionRows *rows, const VersionRow *row)
{
	if (rows->nrows == rows->capacity)
	{
		int			capacity = Max(16, rows->capacity * 2);

		rows->rows = rows->rows == NULL ?
			palloc(capacity * sizeof(VersionRow)) :
			repalloc(rows->rows, capacity * sizeof(VersionRow));
		rows->capacity = capacity;
	}
	rows->rows[rows->nrows++] = *row;
}

static VersionRow *
FindRow(const VersionRows *rows, char kind, Oid table_id)
{
	for (int i = 0; i < rows->nrows; i++)
	{
		if (rows->rows[i].table_id == table_id && rows->rows[i].kind == kind)
			return &rows->rows[i];
	}
	return NULL;
}

void
VersionRowsAdd(VersionRows *rows, char kind, const VersionTokens *tokens)
{
	/* Of coverage and holes there are many that differ, and few that are the same. */
	bool		merge = kind == VERSION_USER || kind == VERSION_BUMP;

	for (int i = 0; i < tokens->n; i++)
	{
		VersionRow *found = merge ? FindRow(rows, kind, tokens->tables[i]) : NULL;
		VersionRow	row = {tokens->tables[i], kind, tokens->tokens[i]};

		if (found != NULL)
			found->token ^= row.token;
		else
			VersionRowsAppend(rows, &row);
	}
}

void
VersionOfTable(const VersionRows *rows, Oid table_id, TableVersion *version)
{
	memset(version, 0, sizeof(*version));
	for (int i = 0; i < rows->nrows; i++)
	{
		const VersionRow *row = &rows->rows[i];

		if (row->table_id != table_id || row->kind == VERSION_USER)
			continue;
		version->all ^= row->token;
		switch (row->kind)
		{
			case VERSION_COVERAGE:
				version->covered = true;
				version->coverage ^= row->token;
				break;
			case VERSION_HOLE:
				version->has_hole = true;
				break;
		}
	}
}

uint64
VersionOfUser(const VersionRows *rows, Oid table_id)
{
	const VersionRow *row = FindRow(rows, VERSION_USER, table_id);

	return row == NULL ? 0 : row->token;
}
