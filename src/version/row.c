/*-------------------------------------------------------------------------
 *
 * row.c
 *	  What does a row of clarify_cache.version look like?  See row.h.
 *
 * Who looks for a user's versions wants those of all tables, and a row that holds
 * them side by side takes one look, where a row for each table would take as many,
 * at pages that lie apart.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "utils/array.h"
#include "version/row.h"

int
VersionTokensFind(const VersionTokens *tokens, Oid table_id)
{
	for (int i = 0; i < tokens->n; i++)
	{
		if (tokens->tables[i] == table_id)
			return i;
	}
	return -1;
}

bool
VersionTokensAdd(VersionTokens *tokens, Oid table_id, uint64 token)
{
	int			i = VersionTokensFind(tokens, table_id);

	if (i >= 0)
	{
		tokens->tokens[i] ^= token;
		return true;
	}
	if (tokens->n == VERSION_MAX_TABLES)
		return false;
	tokens->tables[tokens->n] = table_id;
	tokens->tokens[tokens->n] = token;
	tokens->n++;
	return true;
}

bool
VersionTokensRemove(VersionTokens *tokens, Oid table_id)
{
	int			i = VersionTokensFind(tokens, table_id);

	if (i < 0)
		return false;
	tokens->n--;
	tokens->tables[i] = tokens->tables[tokens->n];
	tokens->tokens[i] = tokens->tokens[tokens->n];
	return true;
}

/* The elements of an array of one dimension without NULLs. */
static char *
Elements(ArrayType *array)
{
	return (char *) array + ARR_OVERHEAD_NONULLS(1);
}

/* An attribute that is such an array, or NULL. */
static ArrayType *
PlainArray(HeapTuple tuple, int attnum, TupleDesc desc, Oid element_type)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);
	ArrayType  *array;

	if (isnull)
		return NULL;
	array = DatumGetArrayTypeP(value);
	return ARR_NDIM(array) == 1 && !ARR_HASNULL(array) &&
		ARR_ELEMTYPE(array) == element_type ? array : NULL;
}

bool
VersionRowRead(HeapTuple tuple, TupleDesc desc, char *kind, VersionTokens *tokens)
{
	ArrayType  *tables = PlainArray(tuple, ANUM_TABLES, desc, OIDOID);
	ArrayType  *numbers = PlainArray(tuple, ANUM_TOKENS, desc, INT8OID);
	bool		isnull;

	if (tables == NULL || numbers == NULL || ARR_DIMS(tables)[0] != ARR_DIMS(numbers)[0] ||
		ARR_DIMS(tables)[0] < 1 || ARR_DIMS(tables)[0] > VERSION_MAX_TABLES)
		return false;
	*kind = DatumGetChar(heap_getattr(tuple, ANUM_KIND, desc, &isnull));
	tokens->n = ARR_DIMS(tables)[0];
	memcpy(tokens->tables, Elements(tables), tokens->n * sizeof(Oid));
	memcpy(tokens->tokens, Elements(numbers), tokens->n * sizeof(uint64));
	return true;
}

void
VersionRowStore(TupleTableSlot *slot, char kind, int64 key_hash, const VersionTokens *tokens)
{
	Datum		tables[VERSION_MAX_TABLES];
	Datum		numbers[VERSION_MAX_TABLES];
	int			natts = slot->tts_tupleDescriptor->natts;
	Datum	   *values = palloc0(natts * sizeof(Datum));
	bool	   *nulls = palloc(natts * sizeof(bool));

	/* Somebody may have added columns of their own. */
	memset(nulls, true, natts * sizeof(bool));
	memset(nulls, false, VERSION_NATTS * sizeof(bool));
	values[ANUM_KEY_HASH - 1] = Int64GetDatum(key_hash);
	values[ANUM_KIND - 1] = CharGetDatum(kind);
	for (int i = 0; i < tokens->n; i++)
	{
		tables[i] = ObjectIdGetDatum(tokens->tables[i]);
		numbers[i] = Int64GetDatum((int64) tokens->tokens[i]);
	}
	values[ANUM_TABLES - 1] =
		PointerGetDatum(construct_array(tables, tokens->n, OIDOID,
										sizeof(Oid), true, TYPALIGN_INT));
	values[ANUM_TOKENS - 1] =
		PointerGetDatum(construct_array(numbers, tokens->n, INT8OID,
										sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	ExecForceStoreHeapTuple(heap_form_tuple(slot->tts_tupleDescriptor, values, nulls),
							slot, true);
	pfree(DatumGetPointer(values[ANUM_TABLES - 1]));
	pfree(DatumGetPointer(values[ANUM_TOKENS - 1]));
	pfree(values);
	pfree(nulls);
}
