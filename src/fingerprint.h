/*-------------------------------------------------------------------------
 *
 * fingerprint.h
 *	  All that a section's text depends on besides the data, in 64 bits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_FINGERPRINT_H
#define CLARIFY_FINGERPRINT_H

#include "compat.h"

#include "section.h"
#include "section_uses.h"

/*
 * The fingerprint of a section whose query, wrapped in what makes JSON of it,
 * uses `uses`, and reads outside what `outside` stands for.
 */
extern uint64 SectionFingerprint(const Section *section, const SectionUses *uses,
								 uint64 outside);

#endif							/* CLARIFY_FINGERPRINT_H */
