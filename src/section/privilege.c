/*-------------------------------------------------------------------------
 *
 * privilege.c
 *	  May this caller have a section from the cache?
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

#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "section/privilege.h"
#include "section/section.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"

static bool
CollectWalker(Node *node, List **permissions)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		ListCell   *lc;

		foreach(lc, compat_permission_nodes(query))
		{
			Node	   *permission = lfirst(lc);

			if (!IsA(permission, RangeTblEntry) ||
				((RangeTblEntry *) permission)->rtekind == RTE_RELATION)
				*permissions = lappend(*permissions, permission);
		}
		return query_tree_walker(query, CollectWalker, permissions, 0);
	}
	return expression_tree_walker(node, CollectWalker, permissions);
}

List *
CollectPermissions(Query *query)
{
	List	   *permissions = NIL;

	(void) CollectWalker((Node *) query, &permissions);
	return permissions;
}

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

bool
RowSecurityApplies(const List *relations)
{
	ListCell   *lc;

	foreach(lc, relations)
	{
		if (check_enable_rls(lfirst_oid(lc), InvalidOid, true) == RLS_ENABLED)
			return true;
	}
	return false;
}

/* Counts what may change the answer for a section that stays as it is. */
static uint64 changes = 0;

static void
CountOnSyscache(Datum arg, int cacheid, uint32 hashvalue)
{
	changes++;
}

static void
WatchChanges(void)
{
	static bool registered = false;

	if (registered)
		return;
	CacheRegisterSyscacheCallback(PROCOID, CountOnSyscache, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, CountOnSyscache, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, CountOnSyscache, (Datum) 0);
	CacheRegisterSyscacheCallback(DATABASEOID, CountOnSyscache, (Datum) 0);
	registered = true;
}

uint64
PrivilegeChanges(void)
{
	WatchChanges();
	return changes;
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
	return section->readable_by == GetUserId() && section->readable_at == changes &&
		MayRemember();
}

BypassReason
BypassReasonOfCaller(Section *section)
{
	if (IsKnownReader(section))
		return BYPASS_NONE;
	WatchChanges();
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

void
RequireSchemaUsage(const List *namespaces)
{
	ListCell   *lc;

	foreach(lc, namespaces)
	{
		AclResult	result = compat_namespace_aclcheck(lfirst_oid(lc));

		if (result != ACLCHECK_OK)
			aclcheck_error(result, OBJECT_SCHEMA, get_namespace_name(lfirst_oid(lc)));
	}
}
