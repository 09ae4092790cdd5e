/*-------------------------------------------------------------------------
 *
 * text.h
 *	  How long a text is to those who read prompts, and where it may be cut.
 *
 * They are JavaScript, where the length of a string is its number of UTF-16
 * code units: two for a character beyond U+FFFF, else one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_PROMPT_TEXT_H
#define CLARIFY_PROMPT_TEXT_H

#include "base/compat.h"

/* More than any text has. */
#define PROMPT_TEXT_ALL PG_UINT64_MAX

/*
 * A NUL-terminated text of the server in UTF-8, the encoding of all prompt
 * text, and back.  Returns its argument where there is nothing to convert;
 * bytes in SQL_ASCII are left as they are.  Raises where the server can't
 * convert its own text.
 */
extern char *PromptTextFromServer(char *text);
extern char *PromptTextToServer(char *text);

/*
 * The number of bytes in the longest prefix of at most max_units UTF-16 code
 * units that splits no character, and in *units its number of units.  A byte
 * that is not of a valid UTF-8 sequence counts as a character of one unit.
 * Never raises.
 */
extern Size PromptTextPrefix(const char *text, Size len, uint64 max_units, uint64 *units);

#endif							/* CLARIFY_PROMPT_TEXT_H */
