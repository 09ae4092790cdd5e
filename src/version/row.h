/*-------------------------------------------------------------------------
 *
 * row.h
 *	  The form of a row of clarify_cache.version.
 *
 * A row says of a user, or of all users together, what it adds to the versions
 * of one or more tables: a token for each.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_VERSION_ROW_H
#define CLARIFY_VERSION_ROW_H

#include "base/compat.h"

#include "access/htup.h"
#include "base/user_key.h"
#include "executor/tuptable.h"

/* Attributes of clarify_cache.version; the first two are its index's. */
#define ANUM_KEY_HASH	1
#define ANUM_KIND		2
#define ANUM_TABLES		3		/* oid[] */
#define ANUM_TOKENS		4		/* bigint[], one for each of them */
#define VERSION_NATTS	4

/* What a row is about.  All but the last have key_hash USER_KEY_HASH_TABLE. */
#define VERSION_COVERAGE	'c' /* the table is watched, from here on */
#define VERSION_HOLE		'h' /* a change may have passed unseen */
#define VERSION_BUMP		'b' /* something changed for every user */
#define VERSION_USER		'u' /* something of one user changed */

/*
 * Tables that one row has tokens of at most: some 850 bytes, so that it is never
 * TOASTed, and its page has room for later versions of it.
 */
#define VERSION_MAX_TABLES 64

typedef struct VersionTokens
{
	int			n;
	Oid			tables[VERSION_MAX_TABLES]; /* each once */
	uint64		tokens[VERSION_MAX_TABLES];
} VersionTokens;

/* Where the table's token is, or -1. */
extern int	VersionTokensFind(const VersionTokens *tokens, Oid table_id);

/* XOR a token in.  False, and nothing done, if there is no room for the table. */
extern bool VersionTokensAdd(VersionTokens *tokens, Oid table_id, uint64 token);

/* Leave the table out; false if it is not there. */
extern bool VersionTokensRemove(VersionTokens *tokens, Oid table_id);

/*
 * What a row says.  False if it is none that this library writes; never raises because
 * of that.
 */
extern bool VersionRowRead(HeapTuple tuple, TupleDesc desc, char *kind, VersionTokens *tokens);

/* Put a row with these into a slot for heap tuples. */
extern void VersionRowStore(TupleTableSlot *slot, char kind, int64 key_hash,
							const VersionTokens *tokens);

#endif							/* CLARIFY_VERSION_ROW_H */
