/*-------------------------------------------------------------------------
 *
 * planned_code.c
 *	  Which functions of others does the server evaluate or inline when a query on a
 *	  table is planned?
 *
 * What becomes of them, the session's relation cache keeps for indexes and partition
 * keys, as they were under the settings of the moment.  The catalogs have what they
 * were made of, so these are asked.  With functions of others count those of the server
 * that make text of a value by the session's settings, and classes of operators whose
 * support functions are not in C.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/transam.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_index.h"
#include "catalog/pg_language.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_type.h"
#include "meta/partition_tree.h"
#include "meta/planned_code.h"
#include "meta/storage.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

static bool
IsForeign(Oid function, void *context)
{
	return function >= FirstNormalObjectId;
}

/*
 * Is the text of the type's values the same under all settings?  Of the functions that
 * count as IMMUTABLE, those that make text of others, or read it, are not.
 */
static bool
TypeHasOneText(Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case NUMERICOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case CHAROID:
		case UUIDOID:
		case JSONOID:
		case JSONBOID:
		case INETOID:
		case CIDROID:
			return true;
		default:
			return false;
	}
}

/* A node whose value is not the server's alone to say, or not under all settings. */
static bool
NodeIsForeign(Node *node)
{
	if (IsA(node, CoerceViaIO))
		return !TypeHasOneText(exprType((Node *) ((CoerceViaIO *) node)->arg)) ||
			!TypeHasOneText(((CoerceViaIO *) node)->resulttype);
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcresulttype == CSTRINGOID)
		return true;
	/* A domain's constraint may be any expression. */
	return IsA(node, CoerceToDomain);
}

static bool
ForeignWalker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return check_functions_in_node(node, IsForeign, context) || NodeIsForeign(node) ||
		expression_tree_walker(node, ForeignWalker, context);
}

/* Are there support functions of the class that are not in C? */
static bool
ClassIsForeign(Oid opclass)
{
	CatCList   *list;
	bool		result = false;

	list = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(get_opclass_family(opclass)));
	for (int i = 0; i < list->n_members && !result; i++)
	{
		Oid			function = ((Form_pg_amproc) GETSTRUCT(&list->members[i]->tuple))->amproc;
		HeapTuple	tuple;

		if (function < FirstNormalObjectId)
			continue;
		tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
		result = !HeapTupleIsValid(tuple) ||
			(((Form_pg_proc) GETSTRUCT(tuple))->prolang != ClanguageId &&
			 ((Form_pg_proc) GETSTRUCT(tuple))->prolang != INTERNALlanguageId);
		if (HeapTupleIsValid(tuple))
			ReleaseSysCache(tuple);
	}
	ReleaseSysCacheList(list);
	return result;
}

/* The same of an oidvector of classes that a catalog has in a column. */
static bool
ClassesAreForeign(int cache, HeapTuple tuple, AttrNumber column)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(cache, tuple, column, &isnull);
	oidvector  *classes = (oidvector *) DatumGetPointer(value);

	for (int i = 0; !isnull && i < classes->dim1; i++)
	{
		if (ClassIsForeign(classes->values[i]))
			return true;
	}
	return false;
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
	/* What is not valid, no plan uses, and the planner does not look into. */
	result = ((Form_pg_index) GETSTRUCT(tuple))->indisvalid &&
		(ColumnIsForeign(INDEXRELID, tuple, Anum_pg_index_indpred) ||
		 ColumnIsForeign(INDEXRELID, tuple, Anum_pg_index_indexprs) ||
		 ClassesAreForeign(INDEXRELID, tuple, Anum_pg_index_indclass));
	ReleaseSysCache(tuple);
	return result;
}

List *
PlannedCodeIndexes(Oid relid)
{
	List	   *indexes = StorageIndexes(relid);
	List	   *result = NIL;
	ListCell   *lc;

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
	result = ColumnIsForeign(PARTRELID, tuple, Anum_pg_partitioned_table_partexprs) ||
		ClassesAreForeign(PARTRELID, tuple, Anum_pg_partitioned_table_partclass);
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

/* Domains, and what may have them in it. */
static bool
TypeMayHaveConstraints(Oid type)
{
	Oid			element = get_base_element_type(type);
	char		typtype = get_typtype(OidIsValid(element) ? element : type);

	return type >= FirstNormalObjectId &&
		(typtype == TYPTYPE_DOMAIN || typtype == TYPTYPE_COMPOSITE);
}

static bool
RangeTableEntryIsForeign(RangeTblEntry *rte)
{
	ListCell   *lc;
	ListCell   *lc_type;

	/* A view's functions may ask for the caller's settings. */
	if (rte->relkind == RELKIND_VIEW)
		return true;
	foreach(lc, rte->functions)
	{
		foreach(lc_type, ((RangeTblFunction *) lfirst(lc))->funccoltypes)
		{
			if (TypeMayHaveConstraints(lfirst_oid(lc_type)))
				return true;
		}
	}
	return rte->rtekind == RTE_RELATION && RelationIsForeign(rte->relid);
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
		return RangeTableEntryIsForeign((RangeTblEntry *) node);
	return check_functions_in_node(node, IsForeign, context) ||
		IsA(node, CoerceToDomain) ||
		(IsA(node, CoerceViaIO) && TypeMayHaveConstraints(((CoerceViaIO *) node)->resulttype)) ||
		(IsA(node, FuncExpr) && TypeMayHaveConstraints(((FuncExpr *) node)->funcresulttype)) ||
		expression_tree_walker(node, QueryWalker, context);
}

bool
PlannedCodeInQuery(Query *query)
{
	return QueryWalker((Node *) query, NULL);
}
