/*-------------------------------------------------------------------------
 *
 * undisturbed.h
 *	  Has something come between a call's judgement of a section and what was
 *	  built of it?
 *
 * To be asked after builds whose results are to be kept, which may otherwise be
 * of another caller's view; together with the fill guard (build.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_UNDISTURBED_H
#define CLARIFY_UNDISTURBED_H

#include "base/compat.h"

#include "call/context.h"

/*
 * Is it still the caller for whom row-level security was found not to apply,
 * and has nobody else's code changed what builds depend on?  Else a build may have
 * been held to policies, or be of another's making.  Accepts invalidations.
 */
extern bool CallerIsStillTheSame(const ContextCall *call);

/*
 * Is the section's analysis still of now, and what it found outside the
 * database, and has this transaction not changed one of its tables?  Accepts invalidations.
 */
extern bool SectionIsUndisturbed(Section *section);

#endif							/* CLARIFY_UNDISTURBED_H */
