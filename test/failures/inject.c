/*-------------------------------------------------------------------------
 *
 * inject.c
 *	  An error at a chosen one of the extension's calls into the server.
 *
 * The test build links the extension so that each of its calls of a function of
 * the server, but those in "never", goes by a piece of assembler made by run.sh,
 * which asks clarify_failure_point() first.  So a point lies before the call.
 *
 * Armed with n, the n-th point from there on raises.  Armed with none, places are
 * noted instead: from which instructions points were passed, first and last.  Not where an error could not
 * come from the server either: in a critical section, or outside a transaction.  Nor
 * in callbacks that must not raise (the end of a transaction or a subtransaction,
 * an invalidation): there, any point is noted as a finding.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"

#include "redis/breaker.h"

CLARIFY_FUNCTION(clarify_failure_arm);
CLARIFY_FUNCTION(clarify_failure_report);
CLARIFY_FUNCTION(clarify_failure_places);

#define MAX_CALLBACKS 16
#define MAX_PLACES 4096

/* Called by the assembler, with the address that the call will return to. */
extern void clarify_failure_point(const char *function, const void *from);

/* The linker's names for the real ones, and for what takes their place. */
extern void __real_RegisterXactCallback(XactCallback callback, void *arg);
extern void __wrap_RegisterXactCallback(XactCallback callback, void *arg);
extern void __real_RegisterSubXactCallback(SubXactCallback callback, void *arg);
extern void __wrap_RegisterSubXactCallback(SubXactCallback callback, void *arg);
extern void __real_CacheRegisterRelcacheCallback(RelcacheCallbackFunction callback, Datum arg);
extern void __wrap_CacheRegisterRelcacheCallback(RelcacheCallbackFunction callback, Datum arg);
extern void __real_CacheRegisterSyscacheCallback(int cache, SyscacheCallbackFunction callback,
												 Datum arg);
extern void __wrap_CacheRegisterSyscacheCallback(int cache, SyscacheCallbackFunction callback,
												 Datum arg);

/* Somewhere in the extension that a point was passed from. */
typedef struct Place
{
	const void *from;
	int64		first;
	int64		last;
} Place;

#define NOTE_PLACES (-1)

static int64 armed = 0;			/* 0: not */
static int64 passed = 0;		/* points since it was armed */
static const char *fired = NULL;	/* where, since it was armed */
static const char *finding = NULL;	/* the last call where nothing may raise */
static const char *forbidden = NULL;	/* in which callback, where nothing may raise */
static const char *finding_in = NULL;

static Place places[MAX_PLACES];
static int	nplaces = 0;

static void
NotePlace(const void *from)
{
	int			i = 0;

	while (i < nplaces && places[i].from != from)
		i++;
	if (i == MAX_PLACES)
		return;
	if (i == nplaces)
	{
		nplaces++;
		places[i].from = from;
		places[i].first = passed;
	}
	places[i].last = passed;
}

void
clarify_failure_point(const char *function, const void *from)
{
	if (forbidden != NULL)
	{
		/* As the callbacks use it, to find something, it can't. */
		if (strcmp(function, "hash_search") == 0)
			return;
		finding = function;
		finding_in = forbidden;
		return;
	}
	if (armed == 0 || CritSectionCount > 0 || !IsTransactionState())
		return;
	passed++;
	if (armed == NOTE_PLACES)
		NotePlace(from);
	if (passed != armed)
		return;
	armed = 0;
	fired = function;
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("injected failure at %s", function)));
}

/*----------
 * Callbacks that must not raise
 *----------
 */

static XactCallback xact_callback;
static SubXactCallback subxact_callback;
static RelcacheCallbackFunction relcache_callbacks[MAX_CALLBACKS];
static int	nrelcache_callbacks = 0;
static SyscacheCallbackFunction syscache_callbacks[MAX_CALLBACKS];
static int	nsyscache_callbacks = 0;

static void
OnXact(XactEvent event, void *arg)
{
	bool		may_raise = event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE ||
		event == XACT_EVENT_PARALLEL_PRE_COMMIT;

	forbidden = may_raise ? NULL : "the end of a transaction";
	xact_callback(event, arg);
	forbidden = NULL;
}

void
__wrap_RegisterXactCallback(XactCallback callback, void *arg)
{
	Assert(xact_callback == NULL);
	xact_callback = callback;
	__real_RegisterXactCallback(OnXact, arg);
}

static void
OnSubXact(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	forbidden = event == SUBXACT_EVENT_ABORT_SUB ? "a failed subtransaction" : NULL;
	subxact_callback(event, id, parent, arg);
	forbidden = NULL;
}

void
__wrap_RegisterSubXactCallback(SubXactCallback callback, void *arg)
{
	Assert(subxact_callback == NULL);
	subxact_callback = callback;
	__real_RegisterSubXactCallback(OnSubXact, arg);
}

/* Invalidations come in the middle of anything, also of the callbacks above. */
static void
OnRelcache(Datum arg, Oid relid)
{
	const char *outer = forbidden;

	forbidden = "an invalidation";
	relcache_callbacks[DatumGetInt32(arg)] (0, relid);
	forbidden = outer;
}

void
__wrap_CacheRegisterRelcacheCallback(RelcacheCallbackFunction callback, Datum arg)
{
	if (nrelcache_callbacks == MAX_CALLBACKS)
		elog(FATAL, "too many callbacks");
	relcache_callbacks[nrelcache_callbacks] = callback;
	__real_CacheRegisterRelcacheCallback(OnRelcache, Int32GetDatum(nrelcache_callbacks++));
}

static void
OnSyscache(Datum arg, int cache, uint32 hash)
{
	const char *outer = forbidden;

	forbidden = "an invalidation";
	syscache_callbacks[DatumGetInt32(arg)] (0, cache, hash);
	forbidden = outer;
}

void
__wrap_CacheRegisterSyscacheCallback(int cache, SyscacheCallbackFunction callback, Datum arg)
{
	if (nsyscache_callbacks == MAX_CALLBACKS)
		elog(FATAL, "too many callbacks");
	syscache_callbacks[nsyscache_callbacks] = callback;
	__real_CacheRegisterSyscacheCallback(cache, OnSyscache, Int32GetDatum(nsyscache_callbacks++));
}

/*----------
 * For the driver
 *----------
 */

/* arm(n bigint): the n-th point from now on raises; -1: note places; 0: do nothing. */
Datum
clarify_failure_arm(PG_FUNCTION_ARGS)
{
	armed = PG_GETARG_INT64(0);
	passed = 0;
	fired = NULL;
	nplaces = 0;
	PG_RETURN_VOID();
}

/*
 * report(): disarms, and says the points passed since arm(), where it raised, tries
 * of Redis that are under way, and what was called where nothing may raise.
 */
Datum
clarify_failure_report(PG_FUNCTION_ARGS)
{
	char		text[512];
	BreakerInfo redis;

	armed = 0;
	BreakerGetInfo(&redis);
	snprintf(text, sizeof(text), INT64_FORMAT "|%s|%u|%s", passed, fired == NULL ? "" : fired,
			 redis.tries,
			 finding == NULL ? "" : finding);
	if (finding != NULL)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " in %s", finding_in);
	finding = NULL;
	PG_RETURN_TEXT_P(cstring_to_text(text));
}

/*
 * places(): each that was noted, the same in every process, and its first and last
 * point.
 */
Datum
clarify_failure_places(PG_FUNCTION_ARGS)
{
	StringInfoData text;

	armed = 0;
	initStringInfo(&text);
	for (int i = 0; i < nplaces; i++)
		appendStringInfo(&text, INT64_FORMAT " " INT64_FORMAT " " INT64_FORMAT " ",
						 (int64) ((const char *) places[i].from - (const char *) clarify_failure_point),
						 places[i].first, places[i].last);
	PG_RETURN_TEXT_P(cstring_to_text(text.data));
}
