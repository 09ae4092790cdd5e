/*-------------------------------------------------------------------------
 *
 * outside.c
 *	  What does a section read outside the database?
 *
 * Files and libraries have no versions that commit.  So each kind of them that a
 * section's functions read is one of these:
 *
 *	in the fingerprint	the very content or version that this process goes by,
 *						so that processes and servers share entries only if
 *						they have the same;
 *	constant			the same in all processes of all servers with the same
 *						fingerprint;
 *	refused				no section reads it (builtin.c).
 *
 *	kind							read by						what is done
 *	------------------------------	--------------------------	--------------
 *	the server's program: Unicode	normalize(), unistr(), all	in the fingerprint: version(), which
 *	  tables, SQL/JSON paths, ...								  names the platform, too
 *	libc: case and classes of		lower(), ILIKE, regular		in the fingerprint: its version
 *	  characters, libm				  expressions, exp(), ...
 *	collations, of libc and ICU		ORDER BY, <, lower(), ...	in the fingerprint: the provider's
 *																  version, the default one's always
 *	time zones, named in the query	AT TIME ZONE 'x', ...		in the fingerprint: what the zone means
 *																  to this process (zone.c)
 *	time zones named in data,		AT TIME ZONE column, text	in the fingerprint: all the files,
 *	  abbreviations					  read as a date or time,	  while they are those that the server
 *									  JSON paths, to_date(),	  started with; else refused
 *									  to_timestamp()			  (zone_files.c)
 *	the session's zone				timestamptz, date_trunc()	constant: pinned to UTC, which has no
 *																  transitions
 *	lc_time, lc_numeric,			to_char(), to_number(),		constant: pinned to C, which is in libc's
 *	  lc_monetary					  money						  code
 *	text search: dictionaries,		to_tsvector(), ts_headline()	refused: the functions are STABLE, or have
 *	  stop words, synonyms			  and what has regconfig	  an argument of a type that is refused
 *	libxml							xml							refused
 *	conversions of encodings		convert(), convert_from(),	refused: STABLE, by pg_conversion
 *									  convert_to()
 *	... for \u in JSON and			json, unistr(), where the	constant: chosen as the session begins;
 *	  unistr()						  encoding is not UTF8		  all that the server has for a pair of
 *																  encodings do the same
 *	the clock						now(), ...					documented: as of the build
 *
 * Left to the reader of README.md: locale definitions that somebody compiles
 * under a libc of the same version, and functions of libm that differ in the last
 * digit between processors.
 *
 * Of the IMMUTABLE functions with plain types, those in builtin.c's list
 * immutable_in_name were found to read catalogs, files or what the server is
 * doing.  Looked at and found to read nothing: pg_size_pretty() and
 * pg_size_bytes() (units are in the code), to_ascii() and chr() (tables, the
 * database's encoding), pg_encoding_max_length(), pg_snapshot_* and txid_* (of
 * their argument), inet and cidr (no names are resolved), cash_words(),
 * tsvector and tsquery with their operators, ts_rank() and ts_rewrite() of
 * tsquery alone (no dictionary), parse_ident() (libc's case), hash functions.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "common/hashfn.h"
#include "section/outside.h"
#include "section/zone.h"
#include "section/zone_files.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* Of other C libraries no version is to be had; the server knows none either. */
static const char *
LibcVersion(void)
{
#ifdef __GLIBC__
	return gnu_get_libc_version();
#else
	return "";
#endif
}

static uint64
AddText(uint64 digest, const char *text)
{
	return hash_combine64(digest, hash_bytes_extended((const unsigned char *) text,
													  strlen(text), 0));
}

void
OutsideLook(const SectionUses *uses, Outside *outside)
{
	bool		complete = true;
	ListCell   *lc;

	outside->fault = NULL;
	outside->digest = AddText(0, TextDatumGetCString(DirectFunctionCall1(pgsql_version, 0)));
	outside->digest = AddText(outside->digest, LibcVersion());
	foreach(lc, uses->zones)
		outside->digest = hash_combine64(outside->digest, ZoneDigest(lfirst(lc), &complete));

	outside->zone_files = uses->any_zone || !complete;
	if (!outside->zone_files)
		return;
	outside->fault = ZoneFilesFault();
	if (outside->fault == NULL)
		outside->digest = hash_combine64(outside->digest, ZoneFilesDigest());
}

bool
OutsideIsUnchanged(const Section *section, bool at_this_moment)
{
	return !section->zone_files || ZoneFilesAreUnchanged(at_this_moment);
}
