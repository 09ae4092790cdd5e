/*
 * The least that a trigger of a row can cost: one in C that does nothing.
 */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(empty_trigger);

Datum
empty_trigger(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(NULL);	/* by the protocol of triggers not an SQL NULL */
}
