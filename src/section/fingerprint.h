/*-------------------------------------------------------------------------
 *
 * fingerprint.h
 *	  All that a section's text depends on besides the data, in 64 bits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SECTION_FINGERPRINT_H
#define CLARIFY_SECTION_FINGERPRINT_H

#include "base/compat.h"

#include "section/section.h"
#include "section/uses.h"

/*
 * The fingerprint of a section whose query, wrapped in what makes JSON of it, was
 * analyzed to `query`, uses `uses`, and reads outside what `outside` stands for.
 */
extern uint64 SectionFingerprint(const Section *section, Query *query,
								 const SectionUses *uses, uint64 outside);

#endif							/* CLARIFY_SECTION_FINGERPRINT_H */
