/*-------------------------------------------------------------------------
 *
 * pin.h
 *	  The settings that a section is analyzed, planned and built under,
 *	  whatever the caller's are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_PIN_H
#define CLARIFY_PIN_H

#include "compat.h"

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

/* Pin them all again, within the same nest level: other code may have set them. */
extern void PinSettingsAgain(void);

/* Pin search_path alone, to what PinSettings gives it. */
extern void PinSearchPath(void);

/* Pin one more setting, until the UnpinSettings that is due next. */
extern void PinSetting(const char *name, const char *value);

#endif							/* CLARIFY_PIN_H */
