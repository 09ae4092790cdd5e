/*-------------------------------------------------------------------------
 *
 * tier.h
 *	  What the tiers, local and Redis, are asked for and offered.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_TIER_H
#define CLARIFY_TIER_H

#include "base/compat.h"

#include "base/user_key.h"
#include "datatype/timestamp.h"

/* What an entry is of, and for how long. */
typedef struct EntryHeader
{
	uint64		version;
	uint64		fingerprint;
	TimestampTz built_at;
	TimestampTz expires_at;
} EntryHeader;

/* What a tier has under a key. */
typedef enum EntryVerdict
{
	ENTRY_ABSENT,
	ENTRY_OK,
	ENTRY_OTHER_VERSION,		/* authentic, but of other data */
	ENTRY_OTHER_DEFINITION,		/* authentic, but of another fingerprint */
	ENTRY_EXPIRED,				/* its time is over, or has not come */
	ENTRY_CORRUPT				/* not ours: bad form or MAC */
} EntryVerdict;

/* One entry that is wanted or offered. */
typedef struct TierItem
{
	const UserKey *user;
	const char *section;		/* the section's name */
	int64		ttl_us;			/* the section's ttl */
	EntryHeader header;			/* version and fingerprint: as the caller sees
								 * them; the times: of the entry */
	EntryVerdict verdict;		/* set by a read; if ENTRY_OK, payload and
								 * times are valid */
	const char *payload;		/* read: palloc'd in the caller's context;
								 * fill: the caller's */
	Size		payload_len;
	bool		stored;			/* set by a fill: the tier took it */
} TierItem;

/*
 * So far may the clock of who built an entry be ahead, in microseconds: servers that
 * share a Redis have clocks of their own, and a clock is set right in steps.
 */
#define ENTRY_CLOCK_TOLERANCE (5 * USECS_PER_SEC)

/*
 * Has an entry of these times a place in the cache now?  It holds expressions of the
 * time as of built_at.  Built later than now, while the clock was ahead, it would be
 * shown until the clock has come to its expiry: for longer than a ttl.
 */
static inline bool
EntryIsTimely(const EntryHeader *header, int64 ttl_us, TimestampTz now)
{
	return header->expires_at > now &&
		header->built_at <= now + ENTRY_CLOCK_TOLERANCE &&
		header->expires_at - header->built_at <= ttl_us;
}

/*
 * Judge an authentic entry: `found` is its header, `want` says which version
 * and fingerprint are current.
 */
static inline EntryVerdict
EntryJudge(const EntryHeader *found, const EntryHeader *want, int64 ttl_us, TimestampTz now)
{
	if (found->fingerprint != want->fingerprint)
		return ENTRY_OTHER_DEFINITION;
	if (found->version != want->version)
		return ENTRY_OTHER_VERSION;
	if (!EntryIsTimely(found, ttl_us, now))
		return ENTRY_EXPIRED;
	return ENTRY_OK;
}

#endif							/* CLARIFY_TIER_H */
