/*-------------------------------------------------------------------------
 *
 * undisturbed.c
 *	  Has something come between a call's judgement of a section and what was
 *	  built of it?  See undisturbed.h.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "change.h"
#include "outside.h"
#include "privilege.h"
#include "undisturbed.h"
#include "utils/inval.h"

bool
CallerIsStillTheSame(const ContextCall *call)
{
	AcceptInvalidationMessages();
	return !call->disturbed && GetUserId() == call->caller.user &&
		PrivilegeChanges() == call->privilege_changes;
}

/*
 * Has this transaction changed a table of the section by now?  A function of
 * other people's may have done so in the middle of the builds.
 */
static bool
IsMarked(const Section *section)
{
	ListCell   *lc;

	foreach(lc, section->relations)
	{
		if (ChangeIsMarked(lfirst_oid(lc)))
			return true;
	}
	return ChangeAllMarked();
}

bool
SectionIsUndisturbed(Section *section)
{
	return SectionIsCurrent(section) && !IsMarked(section) && OutsideIsUnchanged(section, true);
}
