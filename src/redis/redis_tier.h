/*-------------------------------------------------------------------------
 *
 * redis_tier.h
 *	  The Redis tier: entries of many sections, and users, in one exchange.
 *
 * Exactness does not rest on anything Redis does: an entry is taken only if
 * its MAC, fingerprint and version are the caller's.  No function raises
 * because of Redis.  Every function does nothing when no URL is set.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_REDIS_TIER_H
#define CLARIFY_REDIS_TIER_H

#include "base/compat.h"

#include "base/user_key.h"
#include "tier/tier.h"

/* Is Redis configured?  If not, a connection still open is closed. */
extern bool RedisTierEnabled(void);

/*
 * Look all items up with one MGET.  Sets the verdict of each, and payload and
 * the header's times of each hit.  Returns whether Redis answered, which is
 * when a fill is worth trying.
 */
extern bool RedisTierRead(TierItem **items, int nitems);

/*
 * Offer entries (SET ... PX), without waiting for the answer, but as long as
 * command_timeout for each batch of bytes to leave.  An item is not stored if
 * it is larger than max_entry_size or has expired, or if that did not work.
 */
extern void RedisTierFill(TierItem **items, int nitems);

/*
 * Hygiene at the end of a writing transaction: UNLINK the entries of these
 * users and sections.  Prepare (at pre-commit) makes the bytes; Send (at
 * XACT_EVENT_COMMIT) neither blocks, allocates nor raises; Discard forgets.
 * More than a bounded number of keys are left to their TTL.
 */
extern void RedisTierPrepareUnlink(const UserKey *users, int nusers,
								   const char *const *sections, int nsections);
extern void RedisTierSendUnlink(void);
extern void RedisTierDiscardUnlink(void);

/*
 * At the end of a transaction, and when a subtransaction fails: let go of a try
 * that an error has left, and close a connection left in mid-exchange.  Never
 * raise.
 */
extern void RedisTierAtEndOfXact(void);
extern void RedisTierAtSubAbort(void);

#endif							/* CLARIFY_REDIS_TIER_H */
