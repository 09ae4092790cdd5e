/*-------------------------------------------------------------------------
 *
 * instance.h
 *	  Who this database is to Redis: a random id, and a secret for MACs.
 *
 * Both are drawn at CREATE EXTENSION and never dumped, so a restored copy of
 * the database shares no key with the original.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_META_INSTANCE_H
#define CLARIFY_META_INSTANCE_H

#include "base/compat.h"

#define INSTANCE_ID_LEN 16		/* characters, lower-case hexadecimal */
#define INSTANCE_SECRET_LEN 32	/* bytes */

typedef struct Instance
{
	char		id[INSTANCE_ID_LEN + 1];
	uint8		secret[INSTANCE_SECRET_LEN];
} Instance;

/*
 * This database's instance, remembered for as long as clarify_cache.instance
 * is the same table.  NULL if there is none (the row is missing, or its table
 * is locked by DDL): then Redis can't be used.  Needs a transaction; may raise
 * only what any catalog access may.
 */
extern const Instance *InstanceGet(void);

#endif							/* CLARIFY_META_INSTANCE_H */
