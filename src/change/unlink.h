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
#ifndef CLARIFY_CHANGE_UNLINK_H
#define CLARIFY_CHANGE_UNLINK_H

#include "base/compat.h"

/*
 * Before the commit, after ChangeWriteTokens: give RedisTierPrepareUnlink what
 * RedisTierSendUnlink sends at commit, the entries of the changed users in the
 * sections that read one of the tables that changed.  Does not wait for Redis.
 */
extern void UnlinkPrepare(void);

#endif							/* CLARIFY_CHANGE_UNLINK_H */
