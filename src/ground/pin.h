/*-------------------------------------------------------------------------
 *
 * pin.h
 *	  The settings that a section is analyzed, planned and built under,
 *	  whatever the caller's are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_GROUND_PIN_H
#define CLARIFY_GROUND_PIN_H

#include "base/compat.h"

/*
 * Pin them.  Returns what UnpinSettings takes.  If an error jumps, the abort of
 * the (sub)transaction restores the caller's settings.
 */
extern int	PinSettings(void);
extern void UnpinSettings(int nest_level);

/*
 * The same but for search_path, for reading a query that names its tables as
 * its author sees them.
 */
extern int	PinSettingsButSearchPath(void);

/* Pin search_path alone, to what PinSettings gives it. */
extern void PinSearchPath(void);

/* Pin one more setting, until the UnpinSettings that is due next. */
extern void PinSetting(const char *name, const char *value);

/*
 * Are they, but for search_path, as they were pinned, or has other code set
 * them?  Without `all`, the one that takes as long to look at as all the others
 * together is left out.
 */
extern bool PinsHold(bool all);
extern bool SearchPathPinHolds(void);

/*
 * UnpinSettings for when they do not hold: what other code has set is left
 * as it would have been without pins, for the session or for the transaction.
 * (But a SET LOCAL to just what is pinned is forgotten.)  `others` are the names
 * of one or two settings that were pinned besides and do not hold either, ended
 * by NULL.
 */
extern void UnpinAndLeave(int nest_level, const char *const *others);

#endif							/* CLARIFY_GROUND_PIN_H */
