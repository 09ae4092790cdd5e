/*-------------------------------------------------------------------------
 *
 * xact.c
 *	  What happens at the end of a transaction, and in which order.
 *
 * Before a commit or PREPARE, what may raise: the tokens, then what Redis is to be
 * told.  The tokens of a prepared transaction wait with it; whoever commits it knows
 * of no users, so Redis is told nothing.  Afterwards, what can't raise: Redis is told,
 * a try or an exchange that an error has left is ended, sections are released, and
 * what was noted is forgotten.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/xact.h"
#include "change/change.h"
#include "change/unlink.h"
#include "redis/redis_tier.h"
#include "section/section.h"
#include "xact.h"

static void
OnTransactionEvent(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			ChangeWriteTokens();
			UnlinkPrepare();
			break;
		case XACT_EVENT_PRE_PREPARE:
			ChangeWriteTokens();
			break;
		case XACT_EVENT_COMMIT:
			RedisTierSendUnlink();
			RedisTierAtEndOfXact();
			SectionsAtEndOfXact();
			ChangeForget();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			RedisTierDiscardUnlink();
			RedisTierAtEndOfXact();
			SectionsAtEndOfXact();
			ChangeForget();
			break;
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			break;
	}
}

/*
 * What the subtransaction had begun and an error has left.  Nothing of ours goes
 * on below a subtransaction that has not begun in it, but a call: an audit runs
 * in one, and so may a policy's function.  Nothing here may raise.
 */
static void
OnSubTransactionEvent(SubXactEvent event, SubTransactionId id, SubTransactionId parent,
					  void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	RedisTierAtSubAbort();
	SectionsAtSubAbort(GetCurrentTransactionNestLevel());
}

void
XactInit(void)
{
	RegisterXactCallback(OnTransactionEvent, NULL);
	RegisterSubXactCallback(OnSubTransactionEvent, NULL);
}
