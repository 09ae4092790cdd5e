/*-------------------------------------------------------------------------
 *
 * key.c
 *	  Is every keyed table of a query level held to the user's own rows?
 *
 * A level depends on no other user's rows of relation r if the conjunct
 * "r.key = $1" stands in WHERE, or in the ON of an inner join with r under it.
 * Why: take the rows that come out of the joins below that filter with a
 * certain row t of r in them.  Whatever the joins are, inner or outer, t makes
 * them alone, whichever rows r has besides.  What the joins make of r's
 * absence, which does depend on its other rows, has a NULL for r.key, and the
 * filter drops it.  So the filter lets pass the same if r holds this user's
 * rows only, and what is above can't tell.  One relation after the other, that
 * goes for all.
 *
 * The ON of an outer join is no filter, and HAVING comes after other rows have
 * been counted.  Nothing is derived from a.key = b.key: it would be sound in
 * some joins and not in others.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/bitmapset.h"
#include "parser/parsetree.h"
#include "section/key.h"
#include "utils/lsyscache.h"

typedef struct KeySearch
{
	Query	   *query;
	AttachedLookup lookup;
	void	   *arg;
	Bitmapset  *keyed;			/* range table indexes proved so far */
} KeySearch;

bool
IsUserIdParam(Node *node)
{
	Param	   *param = (Param *) node;

	return IsA(node, Param) && param->paramkind == PARAM_EXTERN &&
		param->paramid == 1 && param->paramtype == UUIDOID;
}

/*
 * If the qual is "key = $1" or "$1 = key", the key's range table index; else 0.
 * The operator must be the one that compares bytes.
 */
static int
KeyedByQual(Node *qual, KeySearch *search)
{
	OpExpr	   *op = (OpExpr *) qual;
	Node	   *left;
	Node	   *right;
	Var		   *var;
	RangeTblEntry *rte;
	AttachedKey key;

	if (!IsA(qual, OpExpr) || list_length(op->args) != 2 ||
		op->opno >= FirstGenbkiObjectId || get_opcode(op->opno) != F_UUID_EQ)
		return 0;
	left = linitial(op->args);
	right = lsecond(op->args);
	if (IsA(left, Var) && IsUserIdParam(right))
		var = (Var *) left;
	else if (IsA(right, Var) && IsUserIdParam(left))
		var = (Var *) right;
	else
		return 0;

	/* A column merged by USING in a full join is a Var of the join. */
	if (var->varlevelsup != 0 || var->varno < 1 ||
		(int) var->varno > list_length(search->query->rtable))
		return 0;
	rte = rt_fetch(var->varno, search->query->rtable);
	if (rte->rtekind != RTE_RELATION)
		return 0;
	key = search->lookup(rte->relid, search->arg);
	if (!key.attached || !key.keyed || key.attnum != var->varattno)
		return 0;
	return var->varno;
}

/* Note what the conjuncts of a filter prove about the relations below it. */
static void
SearchQual(Node *qual, Bitmapset *below, KeySearch *search)
{
	if (qual == NULL)
		return;
	check_stack_depth();
	if (IsA(qual, BoolExpr) && ((BoolExpr *) qual)->boolop == AND_EXPR)
	{
		ListCell   *lc;

		foreach(lc, ((BoolExpr *) qual)->args)
			SearchQual((Node *) lfirst(lc), below, search);
	}
	else
	{
		int			rti = KeyedByQual(qual, search);

		if (rti > 0 && bms_is_member(rti, below))
			search->keyed = bms_add_member(search->keyed, rti);
	}
}

/* Search a part of the join tree; returns the relations in it. */
static Bitmapset *
SearchJoinTree(Node *node, KeySearch *search)
{
	Bitmapset  *below = NULL;

	if (node == NULL)
		return NULL;
	check_stack_depth();
	if (IsA(node, RangeTblRef))
		return bms_make_singleton(((RangeTblRef *) node)->rtindex);
	if (IsA(node, FromExpr))
	{
		FromExpr   *from = (FromExpr *) node;
		ListCell   *lc;

		foreach(lc, from->fromlist)
			below = bms_join(below, SearchJoinTree(lfirst(lc), search));
		SearchQual(from->quals, below, search);
	}
	else if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;

		below = bms_join(SearchJoinTree(join->larg, search),
						 SearchJoinTree(join->rarg, search));
		if (join->jointype == JOIN_INNER)
			SearchQual(join->quals, below, search);
	}
	return below;
}

int
FindUnkeyedRelation(Query *query, AttachedLookup lookup, void *arg)
{
	KeySearch	search = {.query = query, .lookup = lookup, .arg = arg};
	ListCell   *lc;

	SearchJoinTree((Node *) query->jointree, &search);

	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		int			rti = foreach_current_index(lc) + 1;

		if (rte->rtekind == RTE_RELATION && lookup(rte->relid, arg).keyed &&
			!bms_is_member(rti, search.keyed))
			return rti;
	}
	return 0;
}
