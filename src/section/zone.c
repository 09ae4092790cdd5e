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

/* What the abbreviation means in the zone at that time, where that changes. */
static uint64
AddAbbreviation(uint64 digest, const char *abbreviation, pg_time_t at, pg_tz *zone)
{
	long int	offset = 0;
	int			is_dst = 0;

	if (abbreviation == NULL ||
		!pg_interpret_timezone_abbrev(abbreviation, &at, &offset, &is_dst, zone))
		return Add(digest, -1);
	return Add(Add(digest, offset), is_dst);
}

/* All transitions; of an abbreviation that goes by the zone, its meaning too. */
static uint64
AddTransitions(uint64 digest, pg_tz *zone, const char *abbreviation)
{
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
		digest = AddAbbreviation(digest, abbreviation, at, zone);
		if (found > 0)
			digest = Add(Add(Add(digest, boundary), after), is_dst_after);
		at = boundary;
	} while (found > 0 && at < LAST_TIME);
	return Add(digest, found);
}

/*
 * The same, without an abbreviation, remembered: what is loaded stays, and to
 * follow it takes longer than to analyze a small query.
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
		uint64		digest = AddTransitions(0, zone, NULL);

		entry = hash_search(digests, &zone, HASH_ENTER, NULL);
		entry->digest = digest;
	}
	return entry->digest;
}

/* Names are looked up in the server's order: abbreviations come first. */
uint64
ZoneDigest(const char *name, bool *complete)
{
	uint64		digest = hash_bytes_extended((const unsigned char *) name, strlen(name), 0);
	char		clipped[TZ_STRLEN_MAX + 1];
	char	   *lower;
	int			type;
	int			offset = 0;
	pg_tz	   *zone = NULL;

	/* as the server clips it */
	strlcpy(clipped, name, sizeof(clipped));
	lower = downcase_truncate_identifier(clipped, strlen(clipped), false);
	compat_decode_abbreviation(lower, &type, &offset, &zone);
	digest = Add(digest, type);
	if (type == TZ || type == DTZ)
		return Add(digest, offset);
	if (type != DYNTZ)
		zone = pg_tzset(clipped);
	if (zone == NULL)
		return digest;
	*complete &= pg_tz_acceptable(zone);
	if (type == DYNTZ)
		return AddTransitions(digest, zone, lower);
	return hash_combine64(digest, DigestOfZone(zone));
}
