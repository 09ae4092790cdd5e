/*-------------------------------------------------------------------------
 *
 * check.c
 *	  What a section's query may be: the walk over the analyzed query.
 *
 * Everything is refused but what is known to be the same for every caller.
 * The walk must therefore see each node of the query at least once; this file
 * says which levels, tables and clauses a query may have, key.c
 * whether a level is held to one user's rows, and expr.c what an
 * expression may be.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/transam.h"
#include "catalog/pg_class.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "section/check.h"
#include "section/expr.h"
#include "section/key.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static bool
CheckSortGroup(SortGroupClause *clause, SectionContext *context)
{
	if (OidIsValid(clause->eqop) && SectionCheckOperator(clause->eqop, context))
		return true;
	return OidIsValid(clause->sortop) && SectionCheckOperator(clause->sortop, context);
}

static bool
CheckSetOperation(SetOperationStmt *stmt, SectionContext *context)
{
	ListCell   *lc;

	foreach(lc, stmt->groupClauses)
	{
		if (CheckSortGroup(lfirst_node(SortGroupClause, lc), context))
			return true;
	}
	return SectionCheckCollations(stmt->colCollations, context);
}

static bool
CheckWindow(WindowClause *window, SectionContext *context)
{
	if (OidIsValid(window->startInRangeFunc) &&
		SectionCheckFunction(window->startInRangeFunc, context))
		return true;
	if (OidIsValid(window->endInRangeFunc) &&
		SectionCheckFunction(window->endInRangeFunc, context))
		return true;
	return SectionCheckCollation(window->inRangeColl, context);
}

/* The rewriter turns SEARCH and CYCLE into expressions that we do not see. */
static bool
CheckCte(CommonTableExpr *cte, SectionContext *context)
{
	if (cte->search_clause != NULL || cte->cycle_clause != NULL)
		return SectionRefuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
							 psprintf("WITH query \"%s\" has a SEARCH or CYCLE clause.",
									  cte->ctename),
							 NULL);
	return false;
}

/* A function in FROM, and the columns that its caller says it has. */
static bool
CheckRangeFunction(RangeTblFunction *function, SectionContext *context)
{
	ListCell   *lc;

	foreach(lc, function->funccoltypes)
	{
		if (SectionCheckType(lfirst_oid(lc), context))
			return true;
	}
	return SectionCheckCollations(function->funccolcollations, context);
}

static bool
CheckRelation(RangeTblEntry *rte, SectionContext *context)
{
	char	   *name = SectionRelationName(rte->relid);

	if (rte->tablesample != NULL)
		return SectionRefuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
							 psprintf("Table %s is read with TABLESAMPLE.", name), NULL);
	if (rte->relid < FirstNormalObjectId)
		return SectionRefuse(context, ERRCODE_WRONG_OBJECT_TYPE,
							 psprintf("%s is a system catalog.", name), NULL);
	if (rte->relkind != RELKIND_RELATION &&
		rte->relkind != RELKIND_PARTITIONED_TABLE)
		return SectionRefuse(context, ERRCODE_WRONG_OBJECT_TYPE,
							 psprintf("%s is not an ordinary or partitioned table.", name),
							 rte->relkind == RELKIND_VIEW ?
							 "Write what the view does in the query." : NULL);
	if (!context->lookup(rte->relid, context->arg).attached)
		return SectionRefuse(context, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
							 psprintf("Table %s is not attached.", name),
							 "Attach it with clarify_cache.attach().");
	return false;
}

/* What FROM names; what is in it is left to the walk. */
static bool
CheckRangeTable(Query *query, SectionContext *context)
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
				return SectionRefuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
									 pstrdup("XMLTABLE and JSON_TABLE are not supported."),
									 NULL);
			default:
				if (compat_is_rte_group(rte->rtekind))
					break;
				return SectionRefuse(context, ERRCODE_FEATURE_NOT_SUPPORTED,
									 psprintf("\"%s\" in FROM is of a kind that is not supported.",
											  rte->eref->aliasname),
									 NULL);
		}
	}
	return false;
}

static bool
CheckKeys(Query *query, SectionContext *context)
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
	return SectionRefuse(context, ERRCODE_INVALID_OBJECT_DEFINITION,
						 psprintf("Table %s, as \"%s\", is not restricted to the user's own rows.",
								  SectionRelationName(rte->relid), rte->eref->aliasname),
						 psprintf("Add \"%s.%s = $1\" with AND to the WHERE clause of the SELECT whose FROM names the table. "
								  "USING, HAVING and the ON of an outer join do not count.",
								  table, column));
}

static bool
CheckIsPlainSelect(Query *query, SectionContext *context)
{
	if (query->commandType != CMD_SELECT || query->utilityStmt != NULL ||
		query->hasModifyingCTE)
		return SectionRefuse(context, ERRCODE_INVALID_OBJECT_DEFINITION,
							 pstrdup("The query is not a plain SELECT."), NULL);
	if (query->rowMarks != NIL || query->hasForUpdate)
		return SectionRefuse(context, ERRCODE_INVALID_OBJECT_DEFINITION,
							 pstrdup("The query locks rows, by FOR UPDATE or FOR SHARE."), NULL);
	return false;
}

static bool CheckWalker(Node *node, SectionContext *context);

/*
 * The columns merged by USING: in a full join they are expressions that stand
 * nowhere else.  The other columns of a join are not its own, and most of them
 * nobody asked for.
 */
static bool
CheckJoinColumns(Query *query, SectionContext *context)
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
CheckQuery(Query *query, SectionContext *context)
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
CheckNode(Node *node, SectionContext *context)
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
			return SectionCheckExpr(node, context);
	}
}

static bool
CheckWalker(Node *node, SectionContext *context)
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
	SectionContext context = {.lookup = lookup, .arg = arg};

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
