/*-------------------------------------------------------------------------
 *
 * outside.h
 *	  What does a section read outside the database?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SECTION_OUTSIDE_H
#define CLARIFY_SECTION_OUTSIDE_H

#include "base/compat.h"

#include "section/section.h"
#include "section/uses.h"

/* What is read outside, as this process has it. */
typedef struct Outside
{
	const char *fault;			/* why that can't be said: a constant sentence; or NULL */
	uint64		digest;
	bool		zone_files;		/* it holds while OutsideIsUnchanged */
} Outside;

/*
 * Look at it.  May raise for want of memory, or, where a zone that an
 * abbreviation goes by is not there, what the server raises.
 */
extern void OutsideLook(const SectionUses *uses, Outside *outside);

/*
 * Is what the analysis found outside still so?  If not, it is to be made anew.
 * Who is about to fill asks as of this moment; for a hit the statement's
 * beginning will do, as of which its snapshot is.  Does not raise.
 */
extern bool OutsideIsUnchanged(const Section *section, bool at_this_moment);

#endif							/* CLARIFY_SECTION_OUTSIDE_H */
