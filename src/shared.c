/*-------------------------------------------------------------------------
 *
 * shared.c
 *	  Where the state lives that backends share.  See shared.h.
 *
 * Each part is handed its memory, and knows alone what is inside.  Preloaded, the
 * postmaster hands out shared memory, and every backend inherits the pointers;
 * else a backend has memory of its own, which is there from the beginning, so
 * that to count never allocates.  The parts guard themselves (atomics, a
 * spinlock), so no lock is needed here.  The local tier has a piece for itself,
 * and none without shared memory.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/settings.h"
#include "base/stats.h"
#include "redis/breaker.h"
#include "shared.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "tier/local_tier.h"

/* The name of our shared memory and of the local tier's locks. */
#define SHARED_NAME "clarify_cache"

typedef struct SharedState
{
	Breaker		breaker;
	StatsTable	stats;
} SharedState;

/* Used if the library is not preloaded. */
static SharedState own_state;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void
HandOut(SharedState *state, bool initialize)
{
	BreakerUse(&state->breaker, initialize);
	StatsUse(&state->stats, initialize);
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
	SharedState *state;
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	state = ShmemInitStruct(SHARED_NAME, sizeof(SharedState), &found);
	HandOut(state, !found);
	if (LocalTierLocks() > 0)
		LocalTierStartup();
	LWLockRelease(AddinShmemInitLock);
}

void
SharedInit(void)
{
	if (!setting_is_preloaded)
	{
		HandOut(&own_state, true);
		return;
	}

	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = SharedRequest;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = SharedStartup;
}
