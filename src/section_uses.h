/*-------------------------------------------------------------------------
 *
 * section_uses.h
 *	  What a section's query uses: tables, functions, collations, the time.
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
	bool		reads_time;		/* at another time the same rows may give another
								 * text; rather too often than too seldom */
} SectionUses;

/*
 * Collect what an analyzed query uses, at every level: the author's query that
 * passed the check, or that query wrapped in what makes JSON of it.
 */
extern void SectionCollectUses(Query *query, SectionUses *uses);

#endif							/* CLARIFY_SECTION_USES_H */
