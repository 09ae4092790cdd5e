/*-------------------------------------------------------------------------
 *
 * privilege.c
 *	  Which privileges does a section ask for, and when may they have changed?
 *
 * What a build is checked by, collected and asked once more; and when the answers
 * may have become others.  Invalidations of roles, of their memberships, of the
 * database's owner and of functions are counted here; those of tables, columns and
 * schemas end a section's whole analysis (section.c).
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "nodes/nodeFuncs.h"
#include "section/privilege.h"
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
