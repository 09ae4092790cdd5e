/*-------------------------------------------------------------------------
 *
 * section_check.h
 *	  What a section's query may be: the same for every caller, made of
 *	  nothing but one user's rows of attached tables.
 *
 * The checks walk the analyzed, not yet rewritten query.  They prove that the
 * result depends on nothing but: the rows of attached tables that bumps
 * announce, $1, the time, the settings pinned while building (pin.c), and what
 * the fingerprint stands for: the meaning of the text, and files and libraries
 * outside the database (fingerprint.c, outside.c).
 *
 * Of the settings that anybody may set, what passes depends on these, which
 * are therefore to be pinned whenever a section is deparsed, analyzed or run:
 * TimeZone, timezone_abbreviations, DateStyle, IntervalStyle, lc_time,
 * lc_numeric, lc_monetary, extra_float_digits, bytea_output, array_nulls,
 * quote_all_identifiers, standard_conforming_strings, transform_null_equals,
 * gin_fuzzy_search_limit and search_path.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SECTION_CHECK_H
#define CLARIFY_SECTION_CHECK_H

#include "compat.h"

/* Why a query can't be a section, or can't be cached. */
typedef struct SectionFault
{
	int			sqlstate;		/* an errcode */
	char	   *message;		/* palloc'd: a sentence, for errdetail */
	char	   *hint;			/* palloc'd: sentences, for errhint; or NULL */
} SectionFault;

/* How the checks learn what is attached; the caller looks it up. */
typedef struct AttachedKey
{
	bool		attached;
	bool		keyed;			/* false: attached with a NULL key */
	AttrNumber	attnum;			/* of the key column in that relation */
} AttachedKey;

typedef AttachedKey (*AttachedLookup) (Oid relid, void *arg);

/*
 * Check an analyzed query, the author's own, with one parameter of type uuid.
 * What is to be checked is what will be run: the analysis of the stored text,
 * under the settings and the search_path under which it is run.
 *
 * Returns NULL if it may be cached, else the first fault found, palloc'd.
 * Takes no locks beyond those of the analysis, and reads the catalogs only.
 */
extern SectionFault *SectionCheck(Query *query, AttachedLookup lookup, void *arg);

/* Check a section's name: [a-z_][a-z0-9_]*, shorter than NAMEDATALEN. */
extern bool SectionNameIsValid(const char *name);

#endif							/* CLARIFY_SECTION_CHECK_H */
