/*-------------------------------------------------------------------------
 *
 * expr.c
 *	  What an expression in a section may be.
 *
 * A node is judged from itself alone: which functions it calls, of which type
 * and collation its value is.  Functions that take any type look up how to
 * print or compare a value by its type when they are called, which is why the
 * types of all expressions are checked, and the default operator classes of
 * those types.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "section/builtin.h"
#include "section/expr.h"
#include "section/key.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/typcache.h"

bool
SectionRefuse(SectionContext *context, int sqlstate, char *message, const char *hint)
{
	SectionFault *fault = palloc(sizeof(SectionFault));

	fault->sqlstate = sqlstate;
	fault->message = message;
	fault->hint = hint ? pstrdup(hint) : NULL;
	context->fault = fault;
	return true;
}

char *
SectionRelationName(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

bool
SectionCheckFunction(Oid funcid, void *context)
{
	switch (BuiltinFunctionVerdict(funcid))
	{
		case FUNCTION_OK:
			return false;
		case FUNCTION_NOT_BUILTIN:
			return SectionRefuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
								 psprintf("Function %s is not one of PostgreSQL's own.",
										  format_procedure(funcid)),
								 "Nothing would tell the cache that the function was changed.");
		case FUNCTION_VOLATILE:
			return SectionRefuse(context, ERRCODE_INVALID_OBJECT_DEFINITION,
								 psprintf("Function %s is volatile.",
										  format_procedure(funcid)),
								 get_func_rettype(funcid) == TIMESTAMPTZOID ?
								 "For the current time use now()." : NULL);
		case FUNCTION_NOT_SAME:
			break;
	}
	return SectionRefuse(context, ERRCODE_INVALID_OBJECT_DEFINITION,
						 psprintf("Function %s may depend on more than its arguments and the time.",
								  format_procedure(funcid)),
						 "A cached section is given to every caller, so it may not depend on who calls, on settings or on the catalogs.");
}

bool
SectionCheckOperator(Oid opno, SectionContext *context)
{
	if (opno >= FirstGenbkiObjectId)
		return SectionRefuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
							 psprintf("Operator %s is not one of PostgreSQL's own.",
									  format_operator(opno)),
							 "To name PostgreSQL's own write, for example, OPERATOR(pg_catalog.=).");
	return SectionCheckFunction(get_opcode(opno), context);
}

bool
SectionCheckCollation(Oid collation, SectionContext *context)
{
	if (collation >= FirstNormalObjectId)
		return SectionRefuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
							 psprintf("Collation \"%s\" was not made with the database.",
									  get_collation_name(collation)),
							 "Use one of the collations that initdb created.");
	return false;
}

bool
SectionCheckCollations(List *collations, SectionContext *context)
{
	ListCell   *lc;

	foreach(lc, collations)
	{
		if (SectionCheckCollation(lfirst_oid(lc), context))
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
CheckOperatorClass(Oid type, SectionContext *context)
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
		return SectionRefuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
							 psprintf("The default operator class of type %s is not one of PostgreSQL's own.",
									  format_type_be(type)),
							 NULL);
	return false;
}

bool
SectionCheckType(Oid type, SectionContext *context)
{
	Oid			element = get_element_type(type);

	if (OidIsValid(element))
		type = element;
	if (BuiltinTypeIsPlain(type))
		return CheckOperatorClass(type, context);
	return SectionRefuse(context, ERRCODE_WRONG_OBJECT_TYPE,
						 psprintf("Values of type %s can't be cached.", format_type_be(type)),
						 "A section may use PostgreSQL's own types, except those whose text depends on more than the value.");
}

/* The cast as it is now: a user's own may be dropped and mean another then. */
static bool
CheckCast(Oid source, Oid target, SectionContext *context)
{
	if (get_cast_oid(source, target, true) >= FirstNormalObjectId)
		return SectionRefuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
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
CheckJoinVar(Var *var, RangeTblEntry *rte, SectionContext *context)
{
	if (var->varattno < 1 || var->varattno > rte->joinmergedcols)
		return SectionRefuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
							 psprintf("The row of join \"%s\" is used as a whole.",
									  rte->eref->aliasname),
							 "Name the columns, or make the row in a subquery that names them.");
	return false;
}

static bool
CheckVar(Var *var, SectionContext *context)
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
		return SectionRefuse(context, ERRCODE_INVALID_COLUMN_REFERENCE,
							 psprintf("System column \"%s\" says where a row is stored, which may change without notice.",
									  get_attname(rte->relid, var->varattno, false)),
							 NULL);
	if (var->varattno == 0)
		return SectionRefuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
							 psprintf("The row of table %s is used as a whole.",
									  SectionRelationName(rte->relid)),
							 "Name the columns, or make the row in a subquery that names them.");
	if (get_attgenerated(rte->relid, var->varattno) == COMPAT_ATTGENERATED_VIRTUAL)
		return SectionRefuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
							 psprintf("Column \"%s\" of table %s is a virtual generated column.",
									  get_attname(rte->relid, var->varattno, false),
									  SectionRelationName(rte->relid)),
							 "Write its expression in the query, or make the column STORED.");
	return false;
}

/*
 * ROW() names its fields f1, f2, ...  Other names are those of a join whose row
 * is used as a whole, and deparsing would lose them.
 */
static bool
CheckRow(RowExpr *row, SectionContext *context)
{
	ListCell   *lc;
	int			i = 1;

	foreach(lc, row->colnames)
	{
		if (strcmp(strVal(lfirst(lc)), psprintf("f%d", i++)) != 0)
			return SectionRefuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
								 pstrdup("The row of a join is used as a whole."),
								 "Name the columns, or make the row in a subquery that names them.");
	}
	return false;
}

/* $1, or one that stands for a column of a subquery in "x IN (SELECT ...)". */
static bool
CheckParam(Param *param, SectionContext *context)
{
	if (param->paramkind == PARAM_SUBLINK || IsUserIdParam((Node *) param))
		return false;
	return SectionRefuse(context, ERRCODE_UNDEFINED_PARAMETER,
						 psprintf("There is no parameter $%d.", param->paramid),
						 "$1, the user's id, is the only one.");
}

static bool
CheckSqlValueFunction(SQLValueFunction *function, SectionContext *context)
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
			return SectionRefuse(context, ERRCODE_INVALID_OBJECT_DEFINITION,
								 pstrdup("The query asks who calls, by CURRENT_USER or the like."),
								 "A cached section is given to every caller.");
	}
}

/*
 * Functions in SQL that cast an argument of any type to text: the cast is
 * chosen when they are planned, for the type that the argument has.
 */
static bool
CheckHiddenCast(Oid funcid, List *args, SectionContext *context)
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
CheckCastOfNode(Node *node, SectionContext *context)
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
CheckOperatorsOfNode(Node *node, SectionContext *context)
{
	ListCell   *lc;

	switch (nodeTag(node))
	{
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			return SectionCheckOperator(((OpExpr *) node)->opno, context);
		case T_ScalarArrayOpExpr:
			return SectionCheckOperator(((ScalarArrayOpExpr *) node)->opno, context);
		case T_RowCompareExpr:
			foreach(lc, ((RowCompareExpr *) node)->opnos)
			{
				if (SectionCheckOperator(lfirst_oid(lc), context))
					return true;
			}
			return SectionCheckCollations(((RowCompareExpr *) node)->inputcollids, context);
		default:
			return false;
	}
}

bool
SectionCheckExpr(Node *node, SectionContext *context)
{
	if (IsA(node, XmlExpr))
		return SectionCheckType(XMLOID, context);
	if (!SectionExprIsKnown(node))
		return SectionRefuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
							 psprintf("The query has an expression of a kind that is not supported (%d).",
									  (int) nodeTag(node)),
							 NULL);

	/* first what has the better message */
	if (IsA(node, Var) && CheckVar((Var *) node, context))
		return true;
	if (IsA(node, RowExpr) && CheckRow((RowExpr *) node, context))
		return true;
	if (IsA(node, Param) && CheckParam((Param *) node, context))
		return true;
	if (IsA(node, SQLValueFunction) &&
		CheckSqlValueFunction((SQLValueFunction *) node, context))
		return true;
	return CheckOperatorsOfNode(node, context) ||
		SectionCheckType(exprType(node), context) ||
		check_functions_in_node(node, SectionCheckFunction, context) ||
		CheckCastOfNode(node, context) ||
		SectionCheckCollation(exprCollation(node), context) ||
		SectionCheckCollation(exprInputCollation(node), context);
}
