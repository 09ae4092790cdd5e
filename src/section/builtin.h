/*-------------------------------------------------------------------------
 *
 * builtin.h
 *	  Which of PostgreSQL's own functions and types give every caller the same.
 *
 * "PostgreSQL's own" are objects whose OID was assigned by hand, in the
 * server's sources, and which are still written in C or in SQL.  They change
 * with the server's version, or when a superuser replaces them, which the
 * fingerprint shows (fingerprint.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SECTION_BUILTIN_H
#define CLARIFY_SECTION_BUILTIN_H

#include "base/compat.h"

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
 * May the function, one of those that are FUNCTION_OK, give something else at
 * another time?  Those written in SQL are to be judged by what they call.
 */
extern bool BuiltinFunctionReadsTime(Oid funcid);

/*
 * May the same text mean something else at another time, when it is read as a
 * value of the type?  As 'today' does of a date.
 */
extern bool BuiltinTypeReadsTime(Oid type);

/*
 * The number, from 0, of the function's argument that names a time zone; -1 if
 * it has none.
 */
extern int	BuiltinZoneArgument(Oid funcid);

/*
 * May the function, one of those that are FUNCTION_OK, read a time zone's name
 * or abbreviation in the text of another argument?
 */
extern bool BuiltinFunctionReadsZones(Oid funcid);

/*
 * Is a time zone's name or abbreviation understood when text is read as a value
 * of the type?
 */
extern bool BuiltinTypeReadsZones(Oid type);

/*
 * Is it a plain type of PostgreSQL's own: a base, range or multirange type
 * whose text depends on the value and pinned settings only, record, or the
 * type of an untyped literal?  For an array type ask about its elements.
 */
extern bool BuiltinTypeIsPlain(Oid type);

#endif							/* CLARIFY_SECTION_BUILTIN_H */
