/*-------------------------------------------------------------------------
 *
 * caller.c
 *	  May this caller have a section from the cache, and is what was built still
 *	  of this caller's view?  See caller.h.
 *
 * The question is asked before any tier is, or who may not read would learn what is
 * cached: from the time until the error, and from which table it names.  A REVOKE
 * takes no lock on the table, so it may come at any moment: the question is asked
 * again on every hit, after invalidations were accepted.  The answer, if it is yes,
 * is remembered for one role until an invalidation says that something it was made
 * of has changed: a role or its memberships, the database's owner, a function;
 * tables, columns and schemas end the section's whole analysis.  (Not where another
 * library has a say in the checks, which is then asked each time, and more than
 * once.)  The catalog caches, which the question is answered from, are kept up to
 * date by the same invalidations, so what is remembered is as fresh as what would be
 * looked up.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "call/caller.h"
#include "change/change.h"
#include "executor/executor.h"
#include "section/analysis.h"
#include "section/outside.h"
#include "section/privilege.h"
#include "utils/acl.h"
#include "utils/inval.h"

static bool
MayUseSchemas(const Section *section)
{
	ListCell   *lc;

	foreach(lc, section->namespaces)
	{
		if (compat_namespace_aclcheck(lfirst_oid(lc)) != ACLCHECK_OK)
			return false;
	}
	return true;
}

static bool
MayRead(const Section *section)
{
	ListCell   *lc;

	if (!MayUseSchemas(section) || !compat_check_permissions(section->permissions))
		return false;
	foreach(lc, section->functions)
	{
		if (compat_function_aclcheck(lfirst_oid(lc)) != ACLCHECK_OK)
			return false;
	}
	return true;
}

/*
 * Not where a check by the system goes on, for which owners are not held to
 * policies, nor where other libraries are to be asked.
 */
static bool
MayRemember(void)
{
	return !InNoForceRLSOperation() && ExecutorCheckPerms_hook == NULL;
}

static bool
IsKnownReader(const Section *section)
{
	uint64		changes = PrivilegeChanges();	/* which are counted from here on */

	return section->readable_by == GetUserId() && section->readable_at == changes &&
		MayRemember();
}

BypassReason
BypassReasonOfCaller(Section *section)
{
	/* Before the checks, which accept invalidations on their way. */
	uint64		changes = PrivilegeChanges();

	if (IsKnownReader(section))
		return BYPASS_NONE;
	if (RowSecurityApplies(section->relations))
		return BYPASS_ROW_SECURITY;
	if (!MayRead(section))
		return BYPASS_PRIVILEGE;
	if (MayRemember())
	{
		section->readable_by = GetUserId();
		section->readable_at = changes;
	}
	return BYPASS_NONE;
}

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
