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

#include "compat.h"

#include "entry.h"
#include "user_key.h"

/* One entry that is wanted or offered. */
typedef struct TierItem
{
	const UserKey *user;
	const char *section;		/* the section's name */
	int			stats_slot;		/* of the section, for StatsCount */
	EntryHeader header;			/* version and fingerprint: as the caller sees
								 * them; the times: of the entry */
	bool		found;			/* set by a read: payload and times are valid */
	const char *payload;		/* read: palloc'd in the caller's context;
								 * fill: the caller's */
	Size		payload_len;
} TierItem;

/* Is Redis configured?  If not, a connection still open is closed. */
extern bool RedisTierEnabled(void);

/*
 * Look all items up with one MGET.  Sets found, payload and the header's
 * times of each hit.  Returns whether Redis answered, which is when a fill is
 * worth trying.
 */
extern bool RedisTierRead(TierItem *items, int nitems);

/*
 * Offer entries (SET ... PX), without waiting for the answer, but as long as
 * command_timeout for each batch of bytes to leave.  An item larger than
 * max_entry_size, or already expired, is skipped.  Counts fills.
 */
extern void RedisTierFill(TierItem *items, int nitems);

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

/* At the end of a transaction: close a connection left in mid-exchange. */
extern void RedisTierAtEndOfXact(void);

#endif							/* CLARIFY_REDIS_TIER_H */
