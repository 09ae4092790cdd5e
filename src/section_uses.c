/*-------------------------------------------------------------------------
 *
 * section_uses.c
 *	  What a section's query uses: tables, functions, collations, time
 *	  zones, the time.
 *
 * Rather too much than too little: a hit must be refused to whoever the
 * executor would refuse, and an entry must not outlive a collation's version.
 * So this names the functions that the executor checks EXECUTE on in some plan
 * or other, those behind GROUP BY, DISTINCT and set operations among them.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "builtin.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "common/hashfn.h"
#include "nodes/nodeFuncs.h"
#include "section_expr.h"
#include "section_uses.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static bool UsesWalker(Node *node, SectionUses *uses);

static void
Note(SectionUses *uses, uint32 value)
{
	uses->meaning = hash_combine64(uses->meaning, murmurhash32(value));
}

static void UseFunction(SectionUses *uses, Oid funcid);

/*
 * Some of PostgreSQL's own functions are written in SQL, and what they call is
 * checked against the caller like what the query calls.  Four of them are text
 * that is parsed anew for each type of argument.
 */
static void
UseFunctionBody(SectionUses *uses, Oid funcid)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Datum		body;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		return;					/* dropped meanwhile, so not one of the server's own */
	if (((Form_pg_proc) GETSTRUCT(tuple))->prolang == SQLlanguageId)
	{
		body = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosqlbody, &isnull);
		if (!isnull)
			UsesWalker(stringToNode(TextDatumGetCString(body)), uses);
	}
	ReleaseSysCache(tuple);

	if (funcid == F_TEXTANYCAT || funcid == F_ANYTEXTCAT)
		UseFunction(uses, F_TEXTCAT);
	else if (funcid == F_QUOTE_LITERAL_ANYELEMENT)
		UseFunction(uses, F_QUOTE_LITERAL_TEXT);
	else if (funcid == F_QUOTE_NULLABLE_ANYELEMENT)
		UseFunction(uses, F_QUOTE_NULLABLE_TEXT);
}

static void
UseFunction(SectionUses *uses, Oid funcid)
{
	Note(uses, funcid);
	if (!OidIsValid(funcid) || list_member_oid(uses->functions, funcid))
		return;
	uses->functions = lappend_oid(uses->functions, funcid);
	uses->reads_time |= BuiltinFunctionReadsTime(funcid);
	uses->any_zone |= BuiltinFunctionReadsZones(funcid);
	UseFunctionBody(uses, funcid);
}

static void
UseOperator(SectionUses *uses, Oid opno)
{
	Note(uses, opno);
	if (OidIsValid(opno))
		UseFunction(uses, get_opcode(opno));
}

static void
UseCollation(SectionUses *uses, Oid collation)
{
	Note(uses, collation);
	if (OidIsValid(collation))
		uses->collations = list_append_unique_oid(uses->collations, collation);
}

static void
UseCollations(SectionUses *uses, List *collations)
{
	ListCell   *lc;

	foreach(lc, collations)
		UseCollation(uses, lfirst_oid(lc));
}

static bool
UseFunctionOfNode(Oid funcid, void *context)
{
	UseFunction((SectionUses *) context, funcid);
	return false;
}

/*
 * A long "= ANY (constants)" is executed by hashing, with the operator's hash
 * function, and NOT IN by its negator: the executor checks those.
 */
static void
UseArrayOperator(SectionUses *uses, ScalarArrayOpExpr *expr)
{
	Oid			left_hash;
	Oid			right_hash;

	if (get_op_hash_functions(expr->opno, &left_hash, &right_hash))
	{
		UseFunction(uses, left_hash);
		UseFunction(uses, right_hash);
	}
	else if (OidIsValid(get_negator(expr->opno)) &&
			 get_op_hash_functions(get_negator(expr->opno), &left_hash, &right_hash))
	{
		UseFunction(uses, left_hash);
		UseFunction(uses, right_hash);
	}
	UseOperator(uses, get_negator(expr->opno));
}

static void
UseInputOf(SectionUses *uses, Oid type)
{
	uses->reads_time |= BuiltinTypeReadsTime(type);
	uses->any_zone |= BuiltinTypeReadsZones(type);
}

/* What is read from text, or from the members of a JSON value, as these types. */
static void
UseInput(SectionUses *uses, List *types)
{
	ListCell   *lc;

	foreach(lc, types)
		UseInputOf(uses, lfirst_oid(lc));
}

/*
 * A zone's name that stands in the query is known; any other expression may be
 * any name.  Arguments given by name are in the order in which they were given.
 */
static void
UseZone(SectionUses *uses, FuncExpr *expr)
{
	int			argument = BuiltinZoneArgument(expr->funcid);
	Node	   *zone = NULL;
	ListCell   *lc;

	if (argument < 0)
		return;
	foreach(lc, expr->args)
	{
		Node	   *node = lfirst(lc);

		if (IsA(node, NamedArgExpr) ? ((NamedArgExpr *) node)->argnumber == argument :
			foreach_current_index(lc) == argument)
			zone = node;
	}
	while (zone != NULL && (IsA(zone, NamedArgExpr) || IsA(zone, RelabelType)))
		zone = IsA(zone, NamedArgExpr) ? (Node *) ((NamedArgExpr *) zone)->arg :
			(Node *) ((RelabelType *) zone)->arg;
	if (zone == NULL || !IsA(zone, Const))
		uses->any_zone = true;
	else if (!((Const *) zone)->constisnull)
		uses->zones = lappend(uses->zones,
							  TextDatumGetCString(((Const *) zone)->constvalue));
}

static void
UseSortGroup(SectionUses *uses, SortGroupClause *clause)
{
	UseOperator(uses, clause->eqop);
	UseOperator(uses, clause->sortop);
}

static void
UseSetOperation(SectionUses *uses, SetOperationStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->groupClauses)
		UseSortGroup(uses, lfirst_node(SortGroupClause, lc));
	UseCollations(uses, stmt->colCollations);
}

static bool
UsesWalker(Node *node, SectionUses *uses)
{
	if (node == NULL)
		return false;

	/* A column is what the text says it is; some stand here unsaid. */
	if (!IsA(node, Var))
		Note(uses, nodeTag(node));
	if (SectionExprIsKnown(node))
	{
		if (!IsA(node, Var))
			Note(uses, exprType(node));
		check_functions_in_node(node, UseFunctionOfNode, uses);
		UseCollation(uses, exprCollation(node));
		UseCollation(uses, exprInputCollation(node));
	}

	switch (nodeTag(node))
	{
		case T_Query:
			check_stack_depth();
			return query_tree_walker((Query *) node, UsesWalker, (void *) uses,
									 QTW_EXAMINE_RTES_BEFORE |
									 QTW_EXAMINE_SORTGROUP);
		case T_RangeTblEntry:
			if (((RangeTblEntry *) node)->rtekind == RTE_RELATION)
				uses->relations = list_append_unique_oid(uses->relations,
														 ((RangeTblEntry *) node)->relid);
			/* query_tree_walker goes on to what is in it */
			return false;
		case T_SQLValueFunction:
			/* CURRENT_DATE and its like; who calls, nobody may ask */
			uses->reads_time = true;
			break;
		case T_CoerceViaIO:
			UseInputOf(uses, ((CoerceViaIO *) node)->resulttype);
			break;
		case T_FuncExpr:
			UseZone(uses, (FuncExpr *) node);
			break;
		case T_ScalarArrayOpExpr:
			UseArrayOperator(uses, (ScalarArrayOpExpr *) node);
			break;
		case T_RowCompareExpr:
			UseCollations(uses, ((RowCompareExpr *) node)->inputcollids);
			break;
		case T_SortGroupClause:
			UseSortGroup(uses, (SortGroupClause *) node);
			break;
		case T_SetOperationStmt:
			UseSetOperation(uses, (SetOperationStmt *) node);
			break;
		case T_WindowClause:
			UseFunction(uses, ((WindowClause *) node)->startInRangeFunc);
			UseFunction(uses, ((WindowClause *) node)->endInRangeFunc);
			UseCollation(uses, ((WindowClause *) node)->inRangeColl);
			break;
		case T_RangeTblFunction:
			UseCollations(uses, ((RangeTblFunction *) node)->funccolcollations);
			UseInput(uses, ((RangeTblFunction *) node)->funccoltypes);
			break;
		default:
			break;
	}
	return expression_tree_walker(node, UsesWalker, (void *) uses);
}

void
SectionCollectUses(Query *query, SectionUses *uses)
{
	uses->relations = NIL;
	uses->functions = NIL;
	/* jsonb and jsonpath compare by it without saying so. */
	uses->collations = list_make1_oid(DEFAULT_COLLATION_OID);
	uses->meaning = 0;
	uses->zones = NIL;
	uses->any_zone = false;
	uses->reads_time = false;
	UsesWalker((Node *) query, uses);
}

char *
SectionUsesFault(const SectionUses *uses)
{
	SectionContext context = {0};
	ListCell   *lc;

	foreach(lc, uses->functions)
	{
		if (SectionCheckFunction(lfirst_oid(lc), &context))
			return context.fault->message;
	}
	return NULL;
}
