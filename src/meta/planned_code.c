/*-------------------------------------------------------------------------
 *
 * planned_code.c
 *	  Which functions of others does the server evaluate or inline when a query on a
 *	  table is planned?
 *
 * What becomes of them, the session's relation cache keeps for indexes and partition
 * keys, as they were under the settings of the moment.  The catalogs have what they
 * were made of, so these are asked.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/transam.h"
#include "catalog/pg_index.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_statistic_ext.h"
#include "meta/partition_tree.h"
#include "meta/planned_code.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

static bool
IsForeign(Oid function, void *context)
{
	return function >= FirstNormalObjectId;
}

/* A domain's constraint may be any expression. */
static bool
ForeignWalker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return check_functions_in_node(node, IsForeign, context) ||
		IsA(node, CoerceToDomain) ||
		expression_tree_walker(node, ForeignWalker, context);
}

/* Is the tree that a catalog has in a column, if any, one with such a function? */
static bool
ColumnIsForeign(int cache, HeapTuple tuple, AttrNumber column)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(cache, tuple, column, &isnull);

	return !isnull && ForeignWalker(stringToNode(TextDatumGetCString(value)), NULL);
}

bool
PlannedCodeInIndex(Oid index)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return true;
	result = ColumnIsForeign(INDEXRELID, tuple, Anum_pg_index_indpred) ||
		ColumnIsForeign(INDEXRELID, tuple, Anum_pg_index_indexprs);
	ReleaseSysCache(tuple);
	return result;
}

List *
PlannedCodeIndexes(Oid relid)
{
	Relation	rel = RelationIdGetRelation(relid);
	List	   *result = NIL;
	List	   *indexes;
	ListCell   *lc;

	if (rel == NULL)
		return NIL;
	indexes = RelationGetIndexList(rel);
	RelationClose(rel);
	foreach(lc, indexes)
	{
		if (PlannedCodeInIndex(lfirst_oid(lc)))
			result = lappend_oid(result, lfirst_oid(lc));
	}
	list_free(indexes);
	return result;
}

bool
PlannedCodeInPartitionKey(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(PARTRELID, ObjectIdGetDatum(relid));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ColumnIsForeign(PARTRELID, tuple, Anum_pg_partitioned_table_partexprs);
	ReleaseSysCache(tuple);
	return result;
}

bool
PlannedCodeInStatistics(Oid relid)
{
	Relation	rel = RelationIdGetRelation(relid);
	List	   *statistics;
	ListCell   *lc;
	bool		result = false;

	if (rel == NULL)
		return false;
	statistics = RelationGetStatExtList(rel);
	RelationClose(rel);
	foreach(lc, statistics)
	{
		HeapTuple	tuple = SearchSysCache1(STATEXTOID, ObjectIdGetDatum(lfirst_oid(lc)));

		if (!HeapTupleIsValid(tuple))
			continue;
		result |= ColumnIsForeign(STATEXTOID, tuple, Anum_pg_statistic_ext_stxexprs);
		ReleaseSysCache(tuple);
	}
	list_free(statistics);
	return result;
}

static bool
RelationIsForeign(Oid relid)
{
	ListCell   *lc;

	foreach(lc, PartitionTree(relid, NoLock))
	{
		Oid			member = lfirst_oid(lc);

		if (PlannedCodeInPartitionKey(member) || PlannedCodeInStatistics(member) ||
			PlannedCodeIndexes(member) != NIL)
			return true;
	}
	return false;
}

static bool
QueryWalker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return ((Query *) node)->hasRowSecurity ||
			query_tree_walker((Query *) node, QueryWalker, context, QTW_EXAMINE_RTES_BEFORE);
	if (IsA(node, RangeTblEntry))
		return ((RangeTblEntry *) node)->rtekind == RTE_RELATION &&
			RelationIsForeign(((RangeTblEntry *) node)->relid);
	return check_functions_in_node(node, IsForeign, context) ||
		IsA(node, CoerceToDomain) ||
		expression_tree_walker(node, QueryWalker, context);
}

bool
PlannedCodeInQuery(Query *query)
{
	return QueryWalker((Node *) query, NULL);
}
