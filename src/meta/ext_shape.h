/*-------------------------------------------------------------------------
 *
 * ext_shape.h
 *	  Are the installed SQL objects those that this library knows?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_META_EXT_SHAPE_H
#define CLARIFY_META_EXT_SHAPE_H

#include "base/compat.h"

#define CLARIFY_EXTENSION "clarify_cache"
#define CLARIFY_SCHEMA "clarify_cache"

/*
 * The version of the SQL objects that this library is made for: default_version
 * in clarify_cache.control.
 */
#define CLARIFY_SQL_VERSION "1.1"

/* Versions are names; of longer ones the beginning is kept. */
#define EXT_VERSION_MAX 32

typedef enum ExtState
{
	EXT_ABSENT,					/* not there, or not completely, or misplaced */
	EXT_STRANGE,				/* a table has other columns than are known here */
	EXT_OLDER,					/* of an older version, which differs in nothing that
								 * writers need */
	EXT_NEWER,					/* likewise */
	EXT_CURRENT					/* of CLARIFY_SQL_VERSION */
} ExtState;

/*
 * Set *version to the version that is installed, as of now; false if none is.
 * Reads a catalog, so needs a transaction.
 */
extern bool ExtInstalledVersion(char version[EXT_VERSION_MAX]);

/* Which of EXT_OLDER, EXT_NEWER and EXT_CURRENT is a version?  Pure. */
extern ExtState ExtCompareVersion(const char *version);

/*
 * Has this relation, which is to be the extension's table of that name, the columns
 * that this library reads and writes?  What others have added behind them does not
 * matter.  Answered from the catalog caches.
 */
extern bool ExtTableIsKnown(const char *name, Oid relid);

#endif							/* CLARIFY_META_EXT_SHAPE_H */
