/*-------------------------------------------------------------------------
 *
 * analysis.h
 *	  What is found in a section's query, and is it still so?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SECTION_ANALYSIS_H
#define CLARIFY_SECTION_ANALYSIS_H

#include "base/compat.h"

#include "section/section.h"

/*
 * Lock the section's tables in AccessShareLock, as a SELECT would, and see to
 * it that the analysis is of now.  False if a lock is not to be had at once,
 * or if invalidations keep arriving.  Raises what parsing the query may raise,
 * as a plain SELECT would.
 */
extern bool SectionLockAndAnalyze(Section *section, Snapshot snapshot,
								  const VersionRows *rows);

/*
 * Is the analysis still of now?  Accepts invalidations first.  The tables'
 * locks are held.
 */
extern bool SectionIsCurrent(Section *section);

/*
 * Has all that the section reads, indexes and partitions included, had its storage since
 * before the snapshot?  Else what is built under it may not be what its version stands
 * for.  While the analysis is of now.
 */
extern bool SectionStorageIsOlder(const Section *section, Snapshot snapshot);

/*
 * Check a definition, as add_section does: raise the first fault, else return
 * the query with every name qualified.  *tables is set to the tables' Oids,
 * *reads to what it reads of them (columns.h).
 */
extern char *SectionValidate(const char *name, const char *query, List **tables,
							 List **reads);

#endif							/* CLARIFY_SECTION_ANALYSIS_H */
