/*-------------------------------------------------------------------------
 *
 * query.h
 *	  From the text of a section to a query that the server has analyzed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SECTION_QUERY_H
#define CLARIFY_SECTION_QUERY_H

#include "base/compat.h"

/*
 * Parse and analyze one statement with $1 the user's id.  The caller has pinned
 * the settings.  Raises what is wrong with it; keeps locks on what it names.
 */
extern Query *SectionAnalyzeText(const char *sql);

/* The SQL that builds what a section's payload is made of: JSON of each row. */
extern char *SectionBuildQuery(const char *query);

/* The SQL for the rows themselves, of which row_to_json() makes the same. */
extern char *SectionRowsQuery(const char *query);

/*
 * The author's query in what SectionBuildQuery has made of it, analyzed: analyzed but
 * once, as that is most of what an analysis takes.  What is one statement by itself
 * can't have closed the parentheses around it, so this raises if it is not.
 */
extern Query *SectionAuthorsQuery(const char *query, Query *built);

#endif							/* CLARIFY_SECTION_QUERY_H */
