/*
 * callgrind_mark() writes what callgrind has counted in this backend since the
 * last one, and starts from zero.  The first switches counting on.  Without
 * Valgrind it does nothing.
 */
#include "postgres.h"

#include <valgrind/callgrind.h>

#include "fmgr.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(callgrind_mark);

Datum
callgrind_mark(PG_FUNCTION_ARGS)
{
	CALLGRIND_START_INSTRUMENTATION;
	CALLGRIND_DUMP_STATS;
	PG_RETURN_VOID();
}
