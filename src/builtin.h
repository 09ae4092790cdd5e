/*-------------------------------------------------------------------------
 *
 * builtin.h
 *	  Which of PostgreSQL's own functions and types give every caller the same.
 *
 * "PostgreSQL's own" are objects whose OID was assigned by hand, in the
 * server's sources: only these change with nothing but the server's version.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_BUILTIN_H
#define CLARIFY_BUILTIN_H

#include "compat.h"

typedef enum FunctionVerdict
{
	FUNCTION_OK,
	FUNCTION_NOT_BUILTIN,
	FUNCTION_VOLATILE,
	FUNCTION_NOT_SAME			/* its result depends on the catalogs, on who
								 * calls, or on a setting that is not pinned */
} FunctionVerdict;

/* Does the function depend on its arguments, the time and pinned settings only? */
extern FunctionVerdict BuiltinFunctionVerdict(Oid funcid);

/*
 * Is it a plain type of PostgreSQL's own: a base, range or multirange type
 * whose text depends on the value and pinned settings only, record, or the
 * type of an untyped literal?  For an array type ask about its elements.
 */
extern bool BuiltinTypeIsPlain(Oid type);

#endif							/* CLARIFY_BUILTIN_H */
