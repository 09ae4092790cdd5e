/*-------------------------------------------------------------------------
 *
 * items.h
 *	  Leaving items out of a section's payload.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_CALL_ITEMS_H
#define CLARIFY_CALL_ITEMS_H

#include "base/compat.h"

#include "lib/stringinfo.h"

/* The section and item key by which the current session is left out. */
#define SESSIONS_SECTION	"sessions"
#define SESSION_ID_KEY		"id"

/*
 * Append a payload, a JSON array as we built it, without the objects whose
 * top-level member "id" is the string `leave_out` (NULL: none), and at most
 * max_items items (-1: all).
 */
extern void AppendItems(StringInfo buf, const char *payload, Size len,
						const char *leave_out, int max_items);

#endif							/* CLARIFY_CALL_ITEMS_H */
