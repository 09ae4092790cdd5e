/*-------------------------------------------------------------------------
 *
 * section_uses.h
 *	  What a section's query uses: tables, functions, collations, time
 *	  zones, the time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SECTION_USES_H
#define CLARIFY_SECTION_USES_H

#include "compat.h"

/*
 * For the checks that a hit must make and for the fingerprint.  All lists are
 * palloc'd in the current context, each member once.
 */
typedef struct SectionUses
{
	List	   *relations;		/* Oids of the tables */
	List	   *functions;		/* Oids of functions that the executor would
								 * check EXECUTE on, operators' included */
	List	   *collations;		/* Oids; the default one is the first in any
								 * case, without InvalidOid */
	uint64		meaning;		/* a hash of what the names in the text and the
								 * types without a name were resolved to; not of
								 * tables and columns */
	List	   *zones;			/* palloc'd names of time zones that stand in it */
	bool		any_zone;		/* and others may come from data, or
								 * abbreviations */
	bool		reads_time;		/* at another time the same rows may give another
								 * text; rather too often than too seldom */
} SectionUses;

/*
 * Collect what an analyzed query uses, at every level: the author's query that
 * passed the check, or that query wrapped in what makes JSON of it.
 */
extern void SectionCollectUses(Query *query, SectionUses *uses);

/*
 * Why a query that passed the check can't be cached for what it uses, palloc'd;
 * or NULL.  The check does not look into functions that are written in SQL; what
 * they call is among what the query uses.
 */
extern char *SectionUsesFault(const SectionUses *uses);

#endif							/* CLARIFY_SECTION_USES_H */
