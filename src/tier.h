/*-------------------------------------------------------------------------
 *
 * tier.h
 *	  What the tiers, local and Redis, are asked for and offered.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_TIER_H
#define CLARIFY_TIER_H

#include "compat.h"

#include "datatype/timestamp.h"
#include "user_key.h"

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
	ENTRY_EXPIRED,
	ENTRY_CORRUPT				/* not ours: bad form or MAC */
} EntryVerdict;

/* One entry that is wanted or offered. */
typedef struct TierItem
{
	const UserKey *user;
	const char *section;		/* the section's name */
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
 * Judge an authentic entry: `found` is its header, `want` says which version
 * and fingerprint are current; `now` what is past.
 */
static inline EntryVerdict
EntryJudge(const EntryHeader *found, const EntryHeader *want, TimestampTz now)
{
	if (found->fingerprint != want->fingerprint)
		return ENTRY_OTHER_DEFINITION;
	if (found->version != want->version)
		return ENTRY_OTHER_VERSION;
	if (found->expires_at <= now)
		return ENTRY_EXPIRED;
	return ENTRY_OK;
}

#endif							/* CLARIFY_TIER_H */
