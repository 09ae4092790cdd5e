/*-------------------------------------------------------------------------
 *
 * unlink.h
 *	  Hygiene: which entries may Redis forget when this transaction commits?
 *
 * They can't be reached any more, but hold memory, and perhaps what a person
 * wanted deleted.  Nothing of the cache's exactness depends on it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_UNLINK_H
#define CLARIFY_UNLINK_H

#include "base/compat.h"

#include "change/change.h"
#include "nodes/pg_list.h"

/* Is there a Redis that would have to be told? */
extern bool UnlinkIsWanted(void);

/*
 * At pre-commit: give RedisTierPrepareUnlink what RedisTierSendUnlink sends at
 * commit, the entries of the changed users in the sections that read one of the
 * changed tables (Oids).  Does not wait for Redis.
 */
extern void UnlinkPrepare(const UserChange *changes, int nchanges, List *tables);

/* The sections have changed: let all backends read anew which tables they read. */
extern void UnlinkSectionsChanged(Oid section_table_id);

#endif							/* CLARIFY_UNLINK_H */
