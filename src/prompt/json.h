/*-------------------------------------------------------------------------
 *
 * json.h
 *	  A context's sections, items and members, looked up by name.
 *
 * Sections may be anybody's, so nothing is taken for granted: what is not
 * there, or is of another shape, is not found.  All memory is of the current
 * context, and lives as long as it does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_PROMPT_JSON_H
#define CLARIFY_PROMPT_JSON_H

#include "base/compat.h"

#include "utils/jsonb.h"

/*
 * A context, as call/context.h gives it, in a form to look things up in.  No
 * content of json columns makes it raise; more than jsonb can hold (256 MB in
 * one section) does.
 */
extern JsonbContainer *PromptJsonParse(const text *context);

/* A section, if it is an object; else NULL. */
extern JsonbContainer *PromptJsonObject(JsonbContainer *context, const char *section);

/*
 * The items of a section that are objects, if it is an array, and in *nitems
 * how many they are; else none.
 */
extern JsonbContainer **PromptJsonItems(JsonbContainer *context, const char *section,
										int *nitems);

/*
 * A member of an object as text, in UTF-8: strings, numbers as they were
 * written, true and false.  NULL if there is none, or if it is null, the empty
 * string, an object or an array.
 */
extern char *PromptJsonText(JsonbContainer *object, const char *key);

#endif							/* CLARIFY_PROMPT_JSON_H */
