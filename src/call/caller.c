/*-------------------------------------------------------------------------
 *
 * undisturbed.c
 *	  Has something come between a call's judgement of a section and what was
 *	  built of it?  See undisturbed.h.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "call/caller.h"
#include "change/change.h"
#include "section/outside.h"
#include "section/privilege.h"
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
