/*-------------------------------------------------------------------------
 *
 * check.h
 *	  What a section's query may be: the same for every caller, made of
 *	  nothing but one user's rows of attached tables.
 *
 * The checks walk the analyzed, not yet rewritten query.  They prove that the
 * result depends on nothing but: the rows of attached tables that bumps
 * announce, $1, the time, the settings pinned while building (ground/pin.c), and what
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

#include "base/compat.h"

#include "section/rule.h"

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
