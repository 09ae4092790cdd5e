/*-------------------------------------------------------------------------
 *
 * late_query.c
 *	  A library for 080_query_after_the_flush.pl, which compiles it: runs a
 *	  query in a callback of its own while a transaction commits or prepares.
 *
 * Callbacks run in the opposite order of their registration.  So what is loaded
 * before clarify_cache runs its query after the tokens were written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

static char *query = NULL;

static void
OnTransactionEvent(XactEvent event, void *arg)
{
	if (query[0] == '\0' ||
		(event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PRE_PREPARE))
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT || SPI_execute(query, false, 0) < 0)
		elog(ERROR, "the late query failed");
	SPI_finish();
	PopActiveSnapshot();
}

void
_PG_init(void)
{
	DefineCustomStringVariable("late_query.query", "What to run at the end of a transaction.",
							   NULL, &query, "", PGC_USERSET, 0, NULL, NULL, NULL);
	RegisterXactCallback(OnTransactionEvent, NULL);
}
