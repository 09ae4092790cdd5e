/*-------------------------------------------------------------------------
 *
 * guarded.c
 *	  Trying something that may raise, and leaving no trace of it.
 *
 * An error is copied when the subtransaction is gone: if that fails in its turn,
 * whoever catches it must not be left in a subtransaction that nobody ends.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/guarded.h"
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

bool
ErrorIsOfTheMoment(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:	/* class 40 */
		case ERRCODE_INSUFFICIENT_RESOURCES:	/* 53 */
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:	/* 54 */
		case ERRCODE_SYSTEM_ERROR:	/* 58 */
			return true;
		default:
			return sqlstate == ERRCODE_LOCK_NOT_AVAILABLE;
	}
}

static bool
EndsStatement(int sqlstate)
{
	return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_OPERATOR_INTERVENTION;
}

static bool
ProvesNothing(int sqlstate)
{
	return ErrorIsOfTheMoment(sqlstate) || EndsStatement(sqlstate) ||
		ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_INTERNAL_ERROR;
}

static ErrorData *
Run(void (*function) (void *arg), void *arg, bool (*is_raised_on) (int sqlstate))
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
		EndGuard(context, owner);
		error = CopyErrorData();
		FlushErrorState();
		if (is_raised_on(error->sqlerrcode))
			ReThrowError(error);
	}
	PG_END_TRY();
	return error;
}

ErrorData *
RunGuarded(void (*function) (void *arg), void *arg)
{
	return Run(function, arg, ProvesNothing);
}

ErrorData *
RunGuardedFully(void (*function) (void *arg), void *arg)
{
	return Run(function, arg, EndsStatement);
}
