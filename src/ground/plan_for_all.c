/*-------------------------------------------------------------------------
 *
 * plan_for_all.c
 *	  Planning what others will be given, too.
 *
 * What a session knows of an index' predicate and expressions, and of a partition
 * key, is what became of them when the functions in them were inlined or
 * evaluated; and that happened under the search_path of whoever first had the
 * session plan a query on the table.  A function with a name in it that is not
 * qualified then means what the caller has put into a schema of his own.  His
 * session takes a partial index to hold all of the rows that a query asks
 * for, and rows are missing: in his own answers, which is his business, but also
 * in what he fills the cache with.
 *
 * So a plan whose result may be kept does without indexes in which there are
 * functions that are not the server's: it gives the same rows, maybe slower.
 * The catalog tells whether there are, since the session's own version has lost
 * them.  Without a partition key it can't do; if there are such functions in it,
 * that is noted, and the result is not kept.  Statistics only guide the choice
 * between plans, and constraints are not looked at (pin.c).
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "ground/plan_for_all.h"
#include "meta/planned_code.h"
#include "nodes/pathnodes.h"
#include "optimizer/plancat.h"

static bool for_all = false;
static PlanForAllCounts counts = {0};
static get_relation_info_hook_type previous_hook = NULL;

static void
LeaveOutForeign(PlannerInfo *root, Oid table, bool inhparent, RelOptInfo *rel)
{
	ListCell   *lc;

	if (previous_hook != NULL)
		previous_hook(root, table, inhparent, rel);
	if (!for_all)
		return;
	foreach(lc, rel->indexlist)
	{
		if (!PlannedCodeInIndex(((IndexOptInfo *) lfirst(lc))->indexoid))
			continue;
		rel->indexlist = foreach_delete_current(rel->indexlist, lc);
		counts.left_out++;
	}
	if (inhparent && PlannedCodeInPartitionKey(table))
		counts.failures++;
}

void
PlanForAllInit(void)
{
	previous_hook = get_relation_info_hook;
	get_relation_info_hook = LeaveOutForeign;
}

bool
PlanForAllBegin(void)
{
	bool		before = for_all;

	for_all = true;
	return before;
}

void
PlanForAllEnd(bool before)
{
	for_all = before;
}

PlanForAllCounts
PlanForAllCount(void)
{
	return counts;
}
