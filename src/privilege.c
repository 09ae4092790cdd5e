/*-------------------------------------------------------------------------
 *
 * privilege.c
 *	  May this caller have a section from the cache?
 *
 * The catalogs are asked on every hit: a REVOKE takes no lock on the table,
 * so nothing remembered from an earlier call could be trusted.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "privilege.h"
#include "section.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

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

bool
CallerMayRead(const Section *section)
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

void
RequireSchemaUsage(const Section *section)
{
	ListCell   *lc;

	foreach(lc, section->namespaces)
	{
		AclResult	result = compat_namespace_aclcheck(lfirst_oid(lc));

		if (result != ACLCHECK_OK)
			aclcheck_error(result, OBJECT_SCHEMA, get_namespace_name(lfirst_oid(lc)));
	}
}
