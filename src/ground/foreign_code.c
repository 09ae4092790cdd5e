/*-------------------------------------------------------------------------
 *
 * foreign_code.c
 *	  May code that is not the server's have run?
 *
 * Whoever owns a table has code run in the sessions that merely plan a query on
 * it: functions in the predicates and expressions of its indexes, its statistics
 * and its constraints are evaluated or inlined by the planner.  Such code can do
 * anything in between and take it back before anybody looks.  So it is not
 * looked for by its effects, but at the one way to it.  The server has two hooks
 * there, and asks them for every function that is not one of its built-in ones:
 *
 *	- needs_fmgr_hook when a function is looked up to be called, and before one
 *	  in SQL is inlined; but not for one that is SECURITY DEFINER or has settings
 *	  of its own;
 *	- fmgr_hook when one of those is called.
 *
 * To be asked is all that is needed: the answers are those that would be given
 * without us, so that nothing is called or inlined otherwise than it would be.
 *
 * A function that was looked up need not have been called: the count may move
 * where nothing has happened, never the other way round.  Code in C, which only
 * a superuser may bring in, can get round it.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/transam.h"
#include "ground/foreign_code.h"

static uint64 count = 0;
static needs_fmgr_hook_type previous_needs_hook = NULL;
static fmgr_hook_type previous_hook = NULL;

/* Functions that came with the database cluster are the server's. */
static void
CountIfForeign(Oid function)
{
	if (function >= FirstNormalObjectId)
		count++;
}

static bool
CountLookup(Oid function)
{
	CountIfForeign(function);
	return previous_needs_hook != NULL && previous_needs_hook(function);
}

static void
CountCall(FmgrHookEventType event, FmgrInfo *flinfo, Datum *arg)
{
	if (event == FHET_START)
		CountIfForeign(flinfo->fn_oid);
	if (previous_hook != NULL)
		previous_hook(event, flinfo, arg);
}

void
ForeignCodeInit(void)
{
	previous_needs_hook = needs_fmgr_hook;
	needs_fmgr_hook = CountLookup;
	previous_hook = fmgr_hook;
	fmgr_hook = CountCall;
}

uint64
ForeignCodeCount(void)
{
	return count;
}
