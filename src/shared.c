/*-------------------------------------------------------------------------
 *
 * shared.c
 *	  Where the state lives that backends share.  See shared.h.
 *
 * There is one pointer and one struct.  Preloaded, the postmaster points it
 * into shared memory, and every backend inherits that; else a backend points
 * it to memory of its own when it first asks.  The struct's members guard
 * themselves (atomics, a spinlock), so no lock is needed here.  The local
 * tier's memory is a piece of its own, which local_tier.c knows the inside of.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/settings.h"
#include "shared.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "tier/local_tier.h"
#include "utils/memutils.h"

static SharedState *shared_state = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void
SharedStateInit(SharedState *state)
{
	BreakerInit(&state->breaker);
	StatsInit(&state->stats);
}

static void
SharedRequest(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	RequestAddinShmemSpace(MAXALIGN(sizeof(SharedState)));
	if (LocalTierLocks() > 0)
	{
		RequestAddinShmemSpace(LocalTierShmemSize());
		RequestNamedLWLockTranche(SHARED_NAME, LocalTierLocks());
	}
}

static void
LocalTierStartup(void)
{
	bool		found;
	void	   *memory = ShmemInitStruct(SHARED_NAME " local tier", LocalTierShmemSize(), &found);

	LocalTierUseShmem(memory, GetNamedLWLockTranche(SHARED_NAME), !found);
}

static void
SharedStartup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared_state = ShmemInitStruct(SHARED_NAME, sizeof(SharedState), &found);
	if (!found)
		SharedStateInit(shared_state);
	if (LocalTierLocks() > 0)
		LocalTierStartup();
	LWLockRelease(AddinShmemInitLock);
}

void
SharedInit(void)
{
	if (!setting_is_preloaded)
		return;

	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = SharedRequest;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = SharedStartup;
}

SharedState *
Shared(void)
{
	if (unlikely(shared_state == NULL))
	{
		SharedState *state = MemoryContextAllocZero(TopMemoryContext,
													sizeof(SharedState));

		SharedStateInit(state);
		shared_state = state;
	}
	return shared_state;
}
