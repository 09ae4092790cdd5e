/*-------------------------------------------------------------------------
 *
 * context_sql.c
 *	  clarify_context(), clarify_contexts() and warm().
 *
 * Many users are answered in batches, each of which takes one exchange with
 * Redis: large enough to save the round trips, small enough for one
 * command_timeout and for memory.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "call/context.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

CLARIFY_FUNCTION(clarify_context);
CLARIFY_FUNCTION(clarify_contexts);
CLARIFY_FUNCTION(clarify_warm);

/* Users of a batch. */
#define BATCH_USERS 100

/* So many users are given a large block of memory at once. */
#define MANY_USERS 20
#define MANY_USERS_BYTES (2 * 1024 * 1024)

Datum
clarify_context(PG_FUNCTION_ARGS)
{
	const char *current_session = NULL;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(1))
		current_session = DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(1)));
	PG_RETURN_TEXT_P(ContextOfUser(PG_GETARG_DATUM(0), current_session));
}

/* The ids of an array of uuids, of whatever dimensions, some of them NULL. */
typedef struct UserIds
{
	Datum	   *values;
	bool	   *nulls;
	int			n;
} UserIds;

static void
ReadUserIds(ArrayType *array, UserIds *ids)
{
	deconstruct_array(array, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR,
					  &ids->values, &ids->nulls, &ids->n);
}

/*
 * The users of a batch of ids: each once, however often it comes, lest it be
 * built as often.
 */
typedef struct Batch
{
	UserKey		keys[BATCH_USERS];
	int			nkeys;
	int			places[BATCH_USERS];	/* of each id among the keys; not of a NULL */
} Batch;

static int
FindKey(const Batch *batch, const UserKey *key)
{
	int			i = 0;

	while (i < batch->nkeys &&
		   (batch->keys[i].hash != key->hash || batch->keys[i].len != key->len ||
			memcmp(batch->keys[i].bytes, key->bytes, key->len) != 0))
		i++;
	return i;
}

/* Make a batch of ids[from .. to - 1]. */
static void
MakeBatch(const UserIds *ids, int from, int to, Batch *batch)
{
	batch->nkeys = 0;
	for (int i = from; i < to; i++)
	{
		UserKey		key;
		int			place;

		if (ids->nulls[i])
			continue;
		UserKeyFromDatum(&key, UUIDOID, ids->values[i]);
		place = FindKey(batch, &key);
		if (place == batch->nkeys)
			batch->keys[batch->nkeys++] = key;
		batch->places[i - from] = place;
	}
}

/* Rows for ids[from .. to - 1], in their order. */
static void
PutContexts(ReturnSetInfo *rsinfo, const UserIds *ids, int from, int to,
			const Batch *batch, ContextCall *call)
{
	for (int i = from; i < to; i++)
	{
		Datum		values[2] = {ids->values[i]};
		bool		nulls[2] = {ids->nulls[i], ids->nulls[i]};

		if (!ids->nulls[i])
			values[1] = PointerGetDatum(ContextAssemble(call, batch->places[i - from], NULL));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);

		/* The next one is to have the same memory, not fresh pages. */
		if (!nulls[1])
			pfree(DatumGetPointer(values[1]));
	}
}

static int
CountFilled(const ContextCall *call)
{
	int			filled = 0;

	for (int u = 0; u < call->nusers; u++)
	{
		for (int s = 0; s < call->nsections; s++)
			filled += call->users[u].answers[s].filled;
	}
	return filled;
}

/*
 * Memory for batches, which each one leaves to the next.  For many users it is one
 * large block: an allocator that sees such a block come back keeps it, while it
 * returns small ones to the system, of which fresh pages would cost more than
 * all the rest.
 */
static MemoryContext
MakeBatchContext(int nids)
{
	return nids < MANY_USERS ?
		AllocSetContextCreate(CurrentMemoryContext, "clarify_cache batch",
							  ALLOCSET_DEFAULT_SIZES) :
		AllocSetContextCreate(CurrentMemoryContext, "clarify_cache batch",
							  MANY_USERS_BYTES, MANY_USERS_BYTES, 4 * MANY_USERS_BYTES);
}

/*
 * Answer for all of them, batch by batch.  The contexts go to rsinfo, if there
 * is one.  Returns how many entries were made.
 */
static int64
AnswerInBatches(const UserIds *ids, ReturnSetInfo *rsinfo)
{
	MemoryContext batch_context = MakeBatchContext(ids->n);
	MemoryContext old_context = MemoryContextSwitchTo(batch_context);
	int64		filled = 0;

	for (int from = 0; from < ids->n; from += BATCH_USERS)
	{
		int			to = Min(ids->n, from + BATCH_USERS);
		Batch		batch;
		ContextCall call;

		CHECK_FOR_INTERRUPTS();
		MakeBatch(ids, from, to, &batch);
		ContextBegin(&call, batch.keys, batch.nkeys);
		if (rsinfo != NULL)
			PutContexts(rsinfo, ids, from, to, &batch, &call);
		filled += CountFilled(&call);
		ContextEnd(&call);
		MemoryContextReset(batch_context);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(batch_context);
	return filled;
}

Datum
clarify_contexts(PG_FUNCTION_ARGS)
{
	UserIds		ids;

	InitMaterializedSRF(fcinfo, 0);
	ReadUserIds(PG_GETARG_ARRAYTYPE_P(0), &ids);
	(void) AnswerInBatches(&ids, (ReturnSetInfo *) fcinfo->resultinfo);
	return (Datum) 0;
}

Datum
clarify_warm(PG_FUNCTION_ARGS)
{
	UserIds		ids;

	ReadUserIds(PG_GETARG_ARRAYTYPE_P(0), &ids);
	PG_RETURN_INT64(AnswerInBatches(&ids, NULL));
}
