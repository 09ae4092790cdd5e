/*-------------------------------------------------------------------------
 *
 * rule.h
 *	  What the rules for sections' queries know of tables, and say of faults.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SECTION_RULE_H
#define CLARIFY_SECTION_RULE_H

#include "base/compat.h"

/* Why a query can't be a section, or can't be cached. */
typedef struct SectionFault
{
	int			sqlstate;		/* an errcode */
	char	   *message;		/* palloc'd: a sentence, for errdetail */
	char	   *hint;			/* palloc'd: sentences, for errhint; or NULL */
} SectionFault;

/* How the checks learn what is attached; the caller looks it up. */
typedef struct AttachedKey
{
	bool		attached;
	bool		keyed;			/* false: attached with a NULL key */
	AttrNumber	attnum;			/* of the key column in that relation */
} AttachedKey;

typedef AttachedKey (*AttachedLookup) (Oid relid, void *arg);

#endif							/* CLARIFY_SECTION_RULE_H */
