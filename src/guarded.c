/*-------------------------------------------------------------------------
 *
 * guarded.c
 *	  Trying something that may raise, and leaving no trace of it.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "guarded.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* Roll back the subtransaction, and be where it was begun. */
static void
EndGuard(MemoryContext context, ResourceOwner owner)
{
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

static bool
IsOfTheMoment(int sqlstate)
{
	return sqlstate == ERRCODE_QUERY_CANCELED ||
		sqlstate == ERRCODE_OUT_OF_MEMORY ||
		sqlstate == ERRCODE_LOCK_NOT_AVAILABLE ||
		sqlstate == ERRCODE_T_R_DEADLOCK_DETECTED;
}

ErrorData *
RunGuarded(void (*function) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		function(arg);
		EndGuard(context, owner);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		EndGuard(context, owner);
		if (IsOfTheMoment(error->sqlerrcode))
			ReThrowError(error);
	}
	PG_END_TRY();
	return error;
}
