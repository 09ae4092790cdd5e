/*-------------------------------------------------------------------------
 *
 * section_check.c
 *	  What a section's query may be: the walk over the analyzed query.
 *
 * Everything is refused but what is known to be the same for every caller.
 * The walk must therefore see each node of the query at least once, and what a
 * node does must be judged from the node alone: which functions it calls, of
 * which type and collation its value is.  Functions that take any type look up
 * how to print or compare a value by its type when they are called, which is
 * why the types of all expressions are checked, and the default operator
 * classes of those types.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/transam.h"
#include "builtin.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "section_check.h"
#include "section_key.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/typcache.h"

typedef struct CheckContext
{
	AttachedLookup lookup;
	void	   *arg;
	List	   *levels;			/* the queries we are in, innermost first */
	SectionFault *fault;		/* set when the walk stops */
} CheckContext;

/* A function of the walk returns true to stop it: a fault was found. */
static bool
Refuse(CheckContext *context, int sqlstate, char *message, const char *hint)
{
	SectionFault *fault = palloc(sizeof(SectionFault));

	fault->sqlstate = sqlstate;
	fault->message = message;
	fault->hint = hint ? pstrdup(hint) : NULL;
	context->fault = fault;
	return true;
}

static char *
QualifiedRelationName(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

/* Signature as check_functions_in_node wants it. */
static bool
CheckFunction(Oid funcid, void *context)
{
	switch (BuiltinFunctionVerdict(funcid))
	{
		case FUNCTION_OK:
			return false;
		case FUNCTION_NOT_BUILTIN:
			return Refuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
						  psprintf("Function %s is not one of PostgreSQL's own.",
								   format_procedure(funcid)),
						  "Nothing would tell the cache that the function was changed.");
		case FUNCTION_VOLATILE:
			return Refuse(context, ERRCODE_INVALID_OBJECT_DEFINITION,
						  psprintf("Function %s is volatile.",
								   format_procedure(funcid)),
						  get_func_rettype(funcid) == TIMESTAMPTZOID ?
						  "For the current time use now()." : NULL);
		case FUNCTION_NOT_SAME:
			break;
	}
	return Refuse(context, ERRCODE_INVALID_OBJECT_DEFINITION,
				  psprintf("Function %s may depend on more than its arguments and the time.",
						   format_procedure(funcid)),
				  "A cached section is given to every caller, so it may not depend on who calls, on settings or on the catalogs.");
}

static bool
CheckOperator(Oid opno, CheckContext *context)
{
	if (opno >= FirstGenbkiObjectId)
		return Refuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
					  psprintf("Operator %s is not one of PostgreSQL's own.",
							   format_operator(opno)),
					  "To name PostgreSQL's own write, for example, OPERATOR(pg_catalog.=).");
	return CheckFunction(get_opcode(opno), context);
}

static bool
CheckCollation(Oid collation, CheckContext *context)
{
	if (collation >= FirstNormalObjectId)
		return Refuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
					  psprintf("Collation \"%s\" was not made with the database.",
							   get_collation_name(collation)),
					  "Use one of the collations that initdb created.");
	return false;
}

static bool
CheckCollations(List *collations, CheckContext *context)
{
	ListCell   *lc;

	foreach(lc, collations)
	{
		if (CheckCollation(lfirst_oid(lc), context))
			return true;
	}
	return false;
}

/*
 * How values of the type are compared inside arrays and records, and by
 * GREATEST, is looked up when they are.  A built-in type without a default
 * operator class can have been given one.
 */
static bool
CheckOperatorClass(Oid type, CheckContext *context)
{
	TypeCacheEntry *entry = lookup_type_cache(type,
											  TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR |
											  TYPECACHE_GT_OPR | TYPECACHE_CMP_PROC |
											  TYPECACHE_HASH_PROC |
											  TYPECACHE_HASH_EXTENDED_PROC);

	if (entry->eq_opr >= FirstGenbkiObjectId ||
		entry->lt_opr >= FirstGenbkiObjectId ||
		entry->gt_opr >= FirstGenbkiObjectId ||
		entry->cmp_proc >= FirstGenbkiObjectId ||
		entry->hash_proc >= FirstGenbkiObjectId ||
		entry->hash_extended_proc >= FirstGenbkiObjectId)
		return Refuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
					  psprintf("The default operator class of type %s is not one of PostgreSQL's own.",
							   format_type_be(type)),
					  NULL);
	return false;
}

static bool
CheckType(Oid type, CheckContext *context)
{
	Oid			element = get_element_type(type);

	if (OidIsValid(element))
		type = element;
	if (BuiltinTypeIsPlain(type))
		return CheckOperatorClass(type, context);
	return Refuse(context, ERRCODE_WRONG_OBJECT_TYPE,
				  psprintf("Values of type %s can't be cached.", format_type_be(type)),
				  "A section may use PostgreSQL's own types, except those whose text depends on more than the value.");
}

/* The cast as it is now: a user's own may be dropped and mean another then. */
static bool
CheckCast(Oid source, Oid target, CheckContext *context)
{
	if (get_cast_oid(source, target, true) >= FirstNormalObjectId)
		return Refuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
					  psprintf("The cast from type %s to type %s is not one of PostgreSQL's own.",
							   format_type_be(source), format_type_be(target)),
					  NULL);
	return false;
}

/*
 * A join's own columns are those merged by USING, and CheckJoinColumns looks
 * at these.  Its row as a whole would have all columns of the joined tables.
 */
static bool
CheckJoinVar(Var *var, RangeTblEntry *rte, CheckContext *context)
{
	if (var->varattno < 1 || var->varattno > rte->joinmergedcols)
		return Refuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
					  psprintf("The row of join \"%s\" is used as a whole.",
							   rte->eref->aliasname),
					  "Name the columns, or make the row in a subquery that names them.");
	return false;
}

static bool
CheckVar(Var *var, CheckContext *context)
{
	Query	   *query;
	RangeTblEntry *rte;

	if ((int) var->varlevelsup >= list_length(context->levels))
		elog(ERROR, "column reference to a query level that does not exist");
	query = list_nth_node(Query, context->levels, var->varlevelsup);
	rte = rt_fetch(var->varno, query->rtable);
	if (rte->rtekind == RTE_JOIN)
		return CheckJoinVar(var, rte, context);
	if (rte->rtekind != RTE_RELATION)
		return false;

	if (var->varattno < 0)
		return Refuse(context, ERRCODE_INVALID_COLUMN_REFERENCE,
					  psprintf("System column \"%s\" says where a row is stored, which may change without notice.",
							   get_attname(rte->relid, var->varattno, false)),
					  NULL);
	if (var->varattno == 0)
		return Refuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
					  psprintf("The row of table %s is used as a whole.",
							   QualifiedRelationName(rte->relid)),
					  "Name the columns, or make the row in a subquery that names them.");
	if (get_attgenerated(rte->relid, var->varattno) == COMPAT_ATTGENERATED_VIRTUAL)
		return Refuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
					  psprintf("Column \"%s\" of table %s is a virtual generated column.",
							   get_attname(rte->relid, var->varattno, false),
							   QualifiedRelationName(rte->relid)),
					  "Write its expression in the query, or make the column STORED.");
	return false;
}

/* $1, or one that stands for a column of a subquery in "x IN (SELECT ...)". */
static bool
CheckParam(Param *param, CheckContext *context)
{
	if (param->paramkind == PARAM_SUBLINK || IsUserIdParam((Node *) param))
		return false;
	return Refuse(context, ERRCODE_UNDEFINED_PARAMETER,
				  psprintf("There is no parameter $%d.", param->paramid),
				  "$1, the user's id, is the only one.");
}

static bool
CheckSqlValueFunction(SQLValueFunction *function, CheckContext *context)
{
	switch (function->op)
	{
		case SVFOP_CURRENT_DATE:
		case SVFOP_CURRENT_TIME:
		case SVFOP_CURRENT_TIME_N:
		case SVFOP_CURRENT_TIMESTAMP:
		case SVFOP_CURRENT_TIMESTAMP_N:
		case SVFOP_LOCALTIME:
		case SVFOP_LOCALTIME_N:
		case SVFOP_LOCALTIMESTAMP:
		case SVFOP_LOCALTIMESTAMP_N:
			return false;
		default:
			return Refuse(context, ERRCODE_INVALID_OBJECT_DEFINITION,
						  pstrdup("The query asks who calls, by CURRENT_USER or the like."),
						  "A cached section is given to every caller.");
	}
}

/*
 * Functions in SQL that cast an argument of any type to text: the cast is
 * chosen when they are planned, for the type that the argument has.
 */
static bool
CheckHiddenCast(Oid funcid, List *args, CheckContext *context)
{
	switch (funcid)
	{
		case F_TEXTANYCAT:
			return CheckCast(exprType(lsecond(args)), TEXTOID, context);
		case F_ANYTEXTCAT:
		case F_QUOTE_LITERAL_ANYELEMENT:
		case F_QUOTE_NULLABLE_ANYELEMENT:
			return CheckCast(exprType(linitial(args)), TEXTOID, context);
		default:
			return false;
	}
}

static bool
CheckCastOfNode(Node *node, CheckContext *context)
{
	switch (nodeTag(node))
	{
		case T_RelabelType:
			return CheckCast(exprType((Node *) ((RelabelType *) node)->arg),
							 exprType(node), context);
		case T_CoerceViaIO:
			return CheckCast(exprType((Node *) ((CoerceViaIO *) node)->arg),
							 exprType(node), context);
		case T_FuncExpr:
			return CheckHiddenCast(((FuncExpr *) node)->funcid,
								   ((FuncExpr *) node)->args, context);
		case T_OpExpr:
			return CheckHiddenCast(get_opcode(((OpExpr *) node)->opno),
								   ((OpExpr *) node)->args, context);
		default:
			return false;
	}
}

bool
SectionExprIsKnown(Node *node)
{
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Const:
		case T_Param:
		case T_Aggref:
		case T_GroupingFunc:
		case T_WindowFunc:
		case T_SubscriptingRef:
		case T_FuncExpr:
		case T_NamedArgExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_BoolExpr:
		case T_SubLink:
		case T_FieldSelect:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_CoerceToDomain:	/* refused for its type */
		case T_ConvertRowtypeExpr:	/* likewise */
		case T_CollateExpr:
		case T_CaseExpr:
		case T_CaseTestExpr:
		case T_ArrayExpr:
		case T_RowExpr:
		case T_RowCompareExpr:
		case T_CoalesceExpr:
		case T_MinMaxExpr:
		case T_SQLValueFunction:
		case T_NullTest:
		case T_BooleanTest:
			return true;
		default:
			return compat_is_json_constructor(nodeTag(node));
	}
}

/* The operators of nodes for which check_functions_in_node has functions only. */
static bool
CheckOperatorsOfNode(Node *node, CheckContext *context)
{
	ListCell   *lc;

	switch (nodeTag(node))
	{
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			return CheckOperator(((OpExpr *) node)->opno, context);
		case T_ScalarArrayOpExpr:
			return CheckOperator(((ScalarArrayOpExpr *) node)->opno, context);
		case T_RowCompareExpr:
			foreach(lc, ((RowCompareExpr *) node)->opnos)
			{
				if (CheckOperator(lfirst_oid(lc), context))
					return true;
			}
			return CheckCollations(((RowCompareExpr *) node)->inputcollids, context);
		default:
			return false;
	}
}

/* One expression, without those that it is made of. */
static bool
CheckExpression(Node *node, CheckContext *context)
{
	if (IsA(node, XmlExpr))
		return CheckType(XMLOID, context);
	if (!SectionExprIsKnown(node))
		return Refuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
					  psprintf("The query has an expression of a kind that is not supported (%d).",
							   (int) nodeTag(node)),
					  NULL);

	/* first what has the better message */
	if (IsA(node, Var) && CheckVar((Var *) node, context))
		return true;
	if (IsA(node, Param) && CheckParam((Param *) node, context))
		return true;
	if (IsA(node, SQLValueFunction) &&
		CheckSqlValueFunction((SQLValueFunction *) node, context))
		return true;
	return CheckOperatorsOfNode(node, context) ||
		CheckType(exprType(node), context) ||
		check_functions_in_node(node, CheckFunction, context) ||
		CheckCastOfNode(node, context) ||
		CheckCollation(exprCollation(node), context) ||
		CheckCollation(exprInputCollation(node), context);
}

static bool
CheckSortGroup(SortGroupClause *clause, CheckContext *context)
{
	if (OidIsValid(clause->eqop) && CheckOperator(clause->eqop, context))
		return true;
	return OidIsValid(clause->sortop) && CheckOperator(clause->sortop, context);
}

static bool
CheckSetOperation(SetOperationStmt *stmt, CheckContext *context)
{
	ListCell   *lc;

	foreach(lc, stmt->groupClauses)
	{
		if (CheckSortGroup(lfirst_node(SortGroupClause, lc), context))
			return true;
	}
	return CheckCollations(stmt->colCollations, context);
}

static bool
CheckWindow(WindowClause *window, CheckContext *context)
{
	if (OidIsValid(window->startInRangeFunc) &&
		CheckFunction(window->startInRangeFunc, context))
		return true;
	if (OidIsValid(window->endInRangeFunc) &&
		CheckFunction(window->endInRangeFunc, context))
		return true;
	return CheckCollation(window->inRangeColl, context);
}

/* The rewriter turns SEARCH and CYCLE into expressions that we do not see. */
static bool
CheckCte(CommonTableExpr *cte, CheckContext *context)
{
	if (cte->search_clause != NULL || cte->cycle_clause != NULL)
		return Refuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
					  psprintf("WITH query \"%s\" has a SEARCH or CYCLE clause.",
							   cte->ctename),
					  NULL);
	return false;
}

/* A function in FROM, and the columns that its caller says it has. */
static bool
CheckRangeFunction(RangeTblFunction *function, CheckContext *context)
{
	ListCell   *lc;

	foreach(lc, function->funccoltypes)
	{
		if (CheckType(lfirst_oid(lc), context))
			return true;
	}
	return CheckCollations(function->funccolcollations, context);
}

static bool
CheckRelation(RangeTblEntry *rte, CheckContext *context)
{
	char	   *name = QualifiedRelationName(rte->relid);

	if (rte->tablesample != NULL)
		return Refuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
					  psprintf("Table %s is read with TABLESAMPLE.", name), NULL);
	if (rte->relid < FirstNormalObjectId)
		return Refuse(context, ERRCODE_WRONG_OBJECT_TYPE,
					  psprintf("%s is a system catalog.", name), NULL);
	if (rte->relkind != RELKIND_RELATION &&
		rte->relkind != RELKIND_PARTITIONED_TABLE)
		return Refuse(context, ERRCODE_WRONG_OBJECT_TYPE,
					  psprintf("%s is not an ordinary or partitioned table.", name),
					  rte->relkind == RELKIND_VIEW ?
					  "Write what the view does in the query." : NULL);
	if (!context->lookup(rte->relid, context->arg).attached)
		return Refuse(context, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
					  psprintf("Table %s is not attached.", name),
					  "Attach it with clarify_cache.attach().");
	return false;
}

/* What FROM names; what is in it is left to the walk. */
static bool
CheckRangeTable(Query *query, CheckContext *context)
{
	ListCell   *lc;

	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		switch (rte->rtekind)
		{
			case RTE_RELATION:
				if (CheckRelation(rte, context))
					return true;
				break;
			case RTE_SUBQUERY:
			case RTE_JOIN:
			case RTE_FUNCTION:
			case RTE_VALUES:
			case RTE_CTE:
				break;
			case RTE_TABLEFUNC:
				return Refuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
							  pstrdup("XMLTABLE and JSON_TABLE are not supported."),
							  NULL);
			default:
				if (compat_is_rte_group(rte->rtekind))
					break;
				return Refuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
							  psprintf("\"%s\" in FROM is of a kind that is not supported.",
									   rte->eref->aliasname),
							  NULL);
		}
	}
	return false;
}

static bool
CheckKeys(Query *query, CheckContext *context)
{
	int			rti = FindUnkeyedRelation(query, context->lookup, context->arg);
	RangeTblEntry *rte;
	const char *table;
	const char *column;

	if (rti == 0)
		return false;
	rte = rt_fetch(rti, query->rtable);
	table = quote_identifier(rte->eref->aliasname);
	column = quote_identifier(get_attname(rte->relid,
										  context->lookup(rte->relid, context->arg).attnum,
										  false));
	return Refuse(context, ERRCODE_INVALID_OBJECT_DEFINITION,
				  psprintf("Table %s, as \"%s\", is not restricted to the user's own rows.",
						   QualifiedRelationName(rte->relid), rte->eref->aliasname),
				  psprintf("Add \"%s.%s = $1\" with AND to the WHERE clause of the SELECT whose FROM names the table. "
						   "USING, HAVING and the ON of an outer join do not count.",
						   table, column));
}

static bool
CheckIsPlainSelect(Query *query, CheckContext *context)
{
	if (query->commandType != CMD_SELECT || query->utilityStmt != NULL ||
		query->hasModifyingCTE)
		return Refuse(context, ERRCODE_INVALID_OBJECT_DEFINITION,
					  pstrdup("The query is not a plain SELECT."), NULL);
	if (query->rowMarks != NIL || query->hasForUpdate)
		return Refuse(context, ERRCODE_INVALID_OBJECT_DEFINITION,
					  pstrdup("The query locks rows, by FOR UPDATE or FOR SHARE."), NULL);
	return false;
}

static bool CheckWalker(Node *node, CheckContext *context);

/*
 * The columns merged by USING: in a full join they are expressions that stand
 * nowhere else.  The other columns of a join are not its own, and most of them
 * nobody asked for.
 */
static bool
CheckJoinColumns(Query *query, CheckContext *context)
{
	ListCell   *lc;

	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		for (int i = 0; rte->rtekind == RTE_JOIN && i < rte->joinmergedcols; i++)
		{
			if (CheckWalker(list_nth(rte->joinaliasvars, i), context))
				return true;
		}
	}
	return false;
}

/* A query level: first as a whole, for the better messages, then its parts. */
static bool
CheckQuery(Query *query, CheckContext *context)
{
	bool		found;

	/* subqueries in FROM nest without passing expression_tree_walker */
	check_stack_depth();
	if (CheckIsPlainSelect(query, context) ||
		CheckRangeTable(query, context) ||
		CheckKeys(query, context))
		return true;

	context->levels = lcons(query, context->levels);
	found = CheckJoinColumns(query, context) ||
		query_tree_walker(query, CheckWalker, (void *) context,
						  QTW_EXAMINE_SORTGROUP | QTW_IGNORE_JOINALIASES);
	context->levels = list_delete_first(context->levels);
	return found;
}

/* True if this node does not pass; judges it without its children. */
static bool
CheckNode(Node *node, CheckContext *context)
{
	switch (nodeTag(node))
	{
		case T_List:
		case T_TargetEntry:
		case T_FromExpr:
		case T_JoinExpr:
		case T_RangeTblRef:
			return false;
		case T_SortGroupClause:
			return CheckSortGroup((SortGroupClause *) node, context);
		case T_SetOperationStmt:
			return CheckSetOperation((SetOperationStmt *) node, context);
		case T_WindowClause:
			return CheckWindow((WindowClause *) node, context);
		case T_CommonTableExpr:
			return CheckCte((CommonTableExpr *) node, context);
		case T_RangeTblFunction:
			return CheckRangeFunction((RangeTblFunction *) node, context);
		default:
			return CheckExpression(node, context);
	}
}

static bool
CheckWalker(Node *node, CheckContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return CheckQuery((Query *) node, context);
	if (CheckNode(node, context))
		return true;
	return expression_tree_walker(node, CheckWalker, (void *) context);
}

SectionFault *
SectionCheck(Query *query, AttachedLookup lookup, void *arg)
{
	CheckContext context = {.lookup = lookup, .arg = arg};

	CheckQuery(query, &context);
	return context.fault;
}

bool
SectionNameIsValid(const char *name)
{
	size_t		len = strlen(name);

	return len > 0 && len < NAMEDATALEN &&
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len &&
		!(name[0] >= '0' && name[0] <= '9');
}
