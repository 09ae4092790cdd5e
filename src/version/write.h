/*-------------------------------------------------------------------------
 *
 * write.h
 *	  Adding tokens to clarify_cache.version, in the running transaction.
 *
 * write.c says why no token gets lost.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_VERSION_WRITE_H
#define CLARIFY_VERSION_WRITE_H

#include "base/compat.h"

#include "version/table.h"

/*
 * Add a fresh token to each of these tables, each named once, for (kind, hash).
 * Never waits for a writer.  Uses the array up.
 */
extern void VersionAddTokens(VersionWriter *writer, char kind, int64 key_hash,
							 Oid *tables, int ntables);

/* Insert a row of its own, for coverage and holes. */
extern void VersionInsert(VersionWriter *writer, char kind, Oid table_id);

/*
 * Delete what there is of a table: coverage and holes, or everything.  The caller
 * holds a lock on the table that keeps its writers, and DDL, out.
 */
extern void VersionDelete(VersionWriter *writer, Oid table_id, bool everything);

#endif							/* CLARIFY_VERSION_WRITE_H */
