/*-------------------------------------------------------------------------
 *
 * ground.c
 *	  The ground that a section is built on: settings, role, snapshot.
 *
 * Parsing, planning and running a section may each run other people's code: the
 * functions of a policy, of a view, or, while it is planned, of an index or
 * of statistics on a table that somebody else owns.  If what such code leaves
 * behind decided how the rest is parsed and run, whoever owns one table would
 * decide what the cache holds of the others.  So between any two steps it is
 * asked whether such code may have run (foreign_code.h) and whether anything that
 * a build depends on differs from what it was set to.  The two are independent:
 * the first sees also what was changed and taken back, the second also what was
 * done by functions of the server (set_config() in a policy).  Either way what
 * was built is the caller's, to whom plain queries would have done the same, and
 * nobody else's; and the next step stands on the same ground as the first.
 *
 * What other code leaves in the session is not ours to undo.  Pins are put upon
 * it in a nest level of their own, never within one in which such code has SET
 * something: the pinned value would then stay when the level ends.  A role that
 * it has taken on is put aside, and is back at the end.
 *
 * Nor may what the session keeps be made on this ground: what the relation cache has of
 * an index, what a domain's or a function's cached expressions became, would then hold
 * for later queries of the session, under settings that are not its own, and rows would
 * be missing, or be left out of an index for good.  So other people's code is run on
 * the caller's (GroundStepOff): what is built for the caller alone, and the indexes of a
 * table, once, before a query on it is planned here.
 *
 * search_path has a second nest level upon the other settings', since some
 * steps are to see the caller's own.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "catalog/namespace.h"
#include "ground/foreign_code.h"
#include "ground/ground.h"
#include "ground/pin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rls.h"

void
CallerRemember(Caller *caller)
{
	GetUserIdAndSecContext(&caller->user, &caller->sec_context);
	caller->session_user = GetSessionUserId();
	caller->row_security = row_security;
	caller->snapshot = GetActiveSnapshot();
}

static bool
IsCaller(const Caller *caller)
{
	Oid			user;
	int			sec_context;

	GetUserIdAndSecContext(&user, &sec_context);
	return user == caller->user && sec_context == caller->sec_context;
}

static bool
SearchPathHolds(const Ground *ground)
{
	return ground->path_level != 0 ? SearchPathPinHolds() :
		strcmp(namespace_search_path, ground->search_path) == 0;
}

/* All that CallerRemember noted. */
static bool
CallerHolds(const Caller *caller)
{
	return IsCaller(caller) && row_security == caller->row_security &&
		GetSessionUserId() == caller->session_user &&
		GetActiveSnapshot() == caller->snapshot;
}

static bool
Holds(const Ground *ground, bool all)
{
	return SearchPathHolds(ground) && PinsHold(all) && CallerHolds(ground->caller);
}

/* Has other people's code had an opportunity since this was asked last? */
static void
NoteForeignCalls(Ground *ground)
{
	uint64		foreign_calls = ForeignCodeCount();

	if (foreign_calls != ground->foreign_calls)
		ground->foreign = true;
	ground->foreign_calls = foreign_calls;
}

/* A role that is not the caller's is what the session is to go on as. */
static void
NoteRole(Ground *ground)
{
	if (!IsCaller(ground->caller))
		GetUserIdAndSecContext(&ground->user, &ground->sec_context);
}

/* Put everything in place but search_path, which becomes known. */
static void
Stand(Ground *ground)
{
	const Caller *caller = ground->caller;

	NoteRole(ground);
	SetUserIdAndSecContext(caller->user, caller->sec_context);
	ground->search_path = MemoryContextStrdup(GetMemoryChunkContext(ground->search_path),
											  namespace_search_path);
	ground->nest_level = PinSettingsButSearchPath();
	ground->path_level = 0;
	if (row_security != caller->row_security)
		PinSetting("row_security", caller->row_security ? "on" : "off");
	if (ground->lock_timeout != NULL)
		PinSetting("lock_timeout", ground->lock_timeout);
}

static void
SetPath(Ground *ground, GroundPath path)
{
	if (path == PATH_PINNED && ground->path_level == 0)
	{
		ground->path_level = NewGUCNestLevel();
		PinSearchPath();
	}
	else if (path == PATH_OF_CALLER && ground->path_level != 0)
	{
		UnpinSettings(ground->path_level);
		ground->path_level = 0;
	}
}

/* Take the pins away, and leave in the session what other code has left there. */
static void
Leave(Ground *ground)
{
	const char *others[3] = {0};
	int			n = 0;

	if (!SearchPathHolds(ground))
		others[n++] = "search_path";
	if (row_security != ground->caller->row_security)
		others[n++] = "row_security";
	UnpinAndLeave(ground->nest_level, others);
}

static void
Take(Ground *ground, GroundPath path, bool all)
{
	NoteForeignCalls(ground);
	if (!Holds(ground, all || ground->foreign))
	{
		ground->foreign = true;
		ground->disturbed = true;
		Leave(ground);
		Stand(ground);
	}
	SetPath(ground, path);
}

void
GroundTake(Ground *ground, GroundPath path)
{
	Take(ground, path, false);
}

void
GroundTakeAll(Ground *ground, GroundPath path)
{
	Take(ground, path, true);
}

void
GroundStepOff(Ground *ground)
{
	GroundTakeAll(ground, PATH_PINNED);
	UnpinSettings(ground->nest_level);
}

/* What other code has done meanwhile is for the next step to stand upon, or not. */
void
GroundStepOn(Ground *ground)
{
	NoteForeignCalls(ground);
	if (!CallerHolds(ground->caller))
		ground->disturbed = true;
	Stand(ground);
	SetPath(ground, PATH_PINNED);
}

void
GroundBegin(Ground *ground, const Caller *caller, const char *lock_timeout)
{
	ground->caller = caller;
	ground->lock_timeout = lock_timeout;
	ground->foreign_calls = ForeignCodeCount();
	ground->foreign = false;
	ground->disturbed = (GetActiveSnapshot() != caller->snapshot);
	GetUserIdAndSecContext(&ground->user, &ground->sec_context);
	ground->search_path = pstrdup(namespace_search_path);
	Stand(ground);
}

void
GroundEnd(Ground *ground)
{
	if (Holds(ground, true))
		UnpinSettings(ground->nest_level);
	else
	{
		ground->disturbed = true;
		NoteRole(ground);
		Leave(ground);
	}
	SetUserIdAndSecContext(ground->user, ground->sec_context);
}
