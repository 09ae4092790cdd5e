/*-------------------------------------------------------------------------
 *
 * zone.c
 *	  What does a time zone mean to this process?
 *
 * A process that has loaded a zone keeps it for life, the postmaster hands what
 * it has loaded to every process that it starts, and others load zones when
 * they first need them.  So after an update of the time zone files, processes
 * of one server go by different data, and no file says which has which.  Hence
 * the zone is asked itself: all its transitions, with the offsets on either
 * side, are all that turning a time into another zone reads of it.
 *
 * The transitions are followed until a year by which every rule has repeated:
 * files list them up to 2037, and a rule for the time after that repeats every
 * 400 years.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "common/hashfn.h"
#include "parser/scansup.h"
#include "pgtime.h"
#include "section/zone.h"
#include "utils/datetime.h"
#include "utils/hsearch.h"

/* In seconds since 1970: before the first timestamp there is, and the year 2500. */
#define FIRST_TIME	(-INT64CONST(211000000000))
#define LAST_TIME	INT64CONST(16725225600)

static uint64
Add(uint64 digest, int64 value)
{
	return hash_combine64(digest, hash_bytes_extended((unsigned char *) &value,
													  sizeof(value), 0));
}

static uint64
FollowTransitions(pg_tz *zone)
{
	uint64		digest = 0;
	pg_time_t	at = FIRST_TIME;
	int			found;

	do
	{
		long int	before = 0;
		long int	after = 0;
		int			is_dst_before = 0;
		int			is_dst_after = 0;
		pg_time_t	boundary = 0;

		found = pg_next_dst_boundary(&at, &before, &is_dst_before, &boundary,
									 &after, &is_dst_after, zone);
		digest = Add(Add(digest, before), is_dst_before);
		if (found > 0)
			digest = Add(Add(Add(digest, boundary), after), is_dst_after);
		at = boundary;
	} while (found > 0 && at < LAST_TIME);
	return Add(digest, found);
}

/*
 * Remembered, as what is loaded stays, and to follow it takes longer than to
 * analyze a small query.
 */
static uint64
DigestOfZone(pg_tz *zone)
{
	static HTAB *digests = NULL;
	typedef struct
	{
		pg_tz	   *zone;
		uint64		digest;
	} ZoneEntry;
	ZoneEntry  *entry;

	if (digests == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(pg_tz *), .entrysize = sizeof(ZoneEntry)};

		digests = hash_create("clarify_cache time zones", 16, &control, HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(digests, &zone, HASH_FIND, NULL);
	if (entry == NULL)
	{
		uint64		digest = FollowTransitions(zone);

		entry = hash_search(digests, &zone, HASH_ENTER, NULL);
		entry->digest = digest;
	}
	return entry->digest;
}

/*
 * Abbreviations come first, as for the server.  Their table is read again when a
 * session that has set timezone_abbreviations builds, so what they mean now is
 * not for life; but some mean the same in any table.
 */
static bool
IsAbbreviation(const char *name, bool *is_constant)
{
	static const char *const constant[] = {"utc", "gmt", "z"};
	char	   *lower = downcase_truncate_identifier(name, strlen(name), false);
	int			type;
	int			offset;
	pg_tz	   *zone;

	*is_constant = false;
	for (int i = 0; i < (int) lengthof(constant); i++)
		*is_constant |= (strcmp(lower, constant[i]) == 0);
	compat_decode_abbreviation(lower, &type, &offset, &zone);
	return type == TZ || type == DTZ || type == DYNTZ;
}

uint64
ZoneDigest(const char *name, bool *complete)
{
	char		clipped[TZ_STRLEN_MAX + 1];
	bool		is_constant;
	uint64		digest;
	pg_tz	   *zone;

	/* as the server clips it */
	strlcpy(clipped, name, sizeof(clipped));
	digest = hash_bytes_extended((unsigned char *) clipped, strlen(clipped), 0);
	if (IsAbbreviation(clipped, &is_constant))
	{
		*complete &= is_constant;
		return digest;
	}
	zone = pg_tzset(clipped);
	*complete &= (zone != NULL && pg_tz_acceptable(zone));
	if (zone == NULL)
		return digest;
	return hash_combine64(digest, DigestOfZone(zone));
}
