/*-------------------------------------------------------------------------
 *
 * redis_tier.c
 *	  Which entries does Redis have, and what do we tell it?  See
 *	  redis_tier.h.
 *
 * Commands are built in the Redis protocol here, keys and values being binary
 * to it.  Whatever comes back that is not an authentic entry of the version
 * and definition that was asked for is a miss.
 *
 * Each try ends in exactly one of BreakerSuccess, BreakerFailure and, where an
 * error has jumped (a cancel), which says nothing about Redis, BreakerAbandon: when
 * the transaction or subtransaction ends that the error has ended, since a session
 * that goes on after a ROLLBACK TO may never ask Redis again, and a try that stays
 * counted keeps others from it.  No subtransaction begins or ends in a try.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/settings.h"
#include "meta/instance.h"
#include "redis/breaker.h"
#include "redis/conn.h"
#include "redis/entry.h"
#include "redis/redis_tier.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Keys of one UNLINK; what a transaction changes beyond that just expires. */
#define MAX_UNLINK_KEYS 1000

/* Fills are sent when that many bytes have come together. */
#define FILL_BATCH_BYTES (64 * 1024)

/*
 * A reply is allowed at least so many bytes, whatever max_entry_size is in
 * this session: larger entries may be left from a time when it was higher.
 */
#define MIN_REPLY_LIMIT ((Size) 16 * 1024 * 1024)

bool
RedisTierEnabled(void)
{
	if (setting_redis_url[0] != '\0')
		return true;

	/* Emptied by a reload: what it allowed before ends now. */
	RedisConnClose();
	return false;
}

/* The largest payload that is cached, in bytes. */
static Size
MaxPayload(void)
{
	return (Size) setting_max_entry_size * 1024;
}

/*----------
 * The protocol: a command is an array of bulk strings.
 *----------
 */

/* A line that is a type byte and a number. */
static void
AppendNumberLine(StringInfo buf, char type, uint64 number)
{
	char		line[MAXINT8LEN + 4];
	int			len = 0;

	line[len++] = type;
	len += pg_ulltoa_n(number, line + len);
	line[len++] = '\r';
	line[len++] = '\n';
	appendBinaryStringInfo(buf, line, len);
}

static void
AppendArgument(StringInfo buf, const char *data, Size len)
{
	AppendNumberLine(buf, '$', len);
	appendBinaryStringInfo(buf, data, len);
	appendBinaryStringInfo(buf, "\r\n", 2);
}

static void
AppendCommand(StringInfo buf, const char *name, int narguments)
{
	AppendNumberLine(buf, '*', narguments + 1);
	AppendArgument(buf, name, strlen(name));
}

/*----------
 * Reading
 *----------
 */

/* The keys of the items, one after the other; ends[i] is where i's ends. */
static void
AppendKeys(StringInfo keys, int *ends, TierItem **items, int nitems,
		   const Instance *instance)
{
	for (int i = 0; i < nitems; i++)
	{
		EntryAppendKey(keys, instance, items[i]->user, items[i]->section);
		ends[i] = keys->len;
	}
}

static void
AppendMget(StringInfo command, const StringInfoData *keys, const int *ends, int nitems)
{
	int			start = 0;

	enlargeStringInfo(command, keys->len + 16 * nitems + 64);
	AppendCommand(command, "MGET", nitems);
	for (int i = 0; i < nitems; i++)
	{
		AppendArgument(command, keys->data + start, ends[i] - start);
		start = ends[i];
	}
}

/* Judge what was found under an item's key. */
static void
TakeValue(TierItem *item, EntryHasher *hasher, const Instance *instance,
		  const char *key, Size key_len,
		  const redisReply *value, TimestampTz now)
{
	const char *payload;
	Size		payload_len;
	char	   *copy;

	item->verdict = EntryParse(hasher, instance, key, key_len, value->str, value->len,
							   &item->header, item->ttl_us, now, &item->header, &payload, &payload_len);
	if (item->verdict != ENTRY_OK)
		return;
	copy = palloc(payload_len);
	memcpy(copy, payload, payload_len);
	item->payload = copy;
	item->payload_len = payload_len;
}

static void
TakeValues(TierItem **items, int nitems, const Instance *instance,
		   const StringInfoData *keys, const int *ends, const redisReply *reply)
{
	TimestampTz now = GetCurrentTimestamp();
	EntryHasher *hasher = EntryBegin();
	int			start = 0;

	for (int i = 0; i < nitems; i++)
	{
		const redisReply *value = reply->element[i];

		/* nil: no such key, or one of another type */
		if (value->type == REDIS_REPLY_STRING)
			TakeValue(items[i], hasher, instance, keys->data + start, ends[i] - start,
					  value, now);
		start = ends[i];
	}
	EntryEnd(hasher);
}

bool
RedisTierRead(TierItem **items, int nitems)
{
	const Instance *current;
	Instance	instance;
	StringInfoData keys;
	StringInfoData command;
	int		   *ends;
	RedisReplyLimits limits;
	redisReply *reply;
	const char *why;

	for (int i = 0; i < nitems; i++)
		items[i]->verdict = ENTRY_ABSENT;

	if (nitems == 0 || !RedisTierEnabled() ||
		(current = InstanceGet()) == NULL || !BreakerAdmits())
		return false;
	instance = *current;		/* the wait below may bring another */

	initStringInfo(&keys);
	initStringInfo(&command);
	ends = palloc(nitems * sizeof(int));
	AppendKeys(&keys, ends, items, nitems, &instance);
	AppendMget(&command, &keys, ends, nitems);

	limits.elements = nitems;
	limits.bytes = Max(MIN_REPLY_LIMIT, nitems * (MaxPayload() + ENTRY_LINE_MAX + 64));
	reply = RedisConnAsk(&command, 1, &limits, &why);

	if (reply != NULL &&
		(reply->type != REDIS_REPLY_ARRAY || reply->elements != (size_t) nitems))
	{
		reply = NULL;
		why = "Redis answered MGET with something else";
		RedisConnClose();
	}
	if (why != NULL)
		BreakerFailure(why);
	else
		BreakerSuccess();
	if (reply != NULL)
		TakeValues(items, nitems, &instance, &keys, ends, reply);

	pfree(command.data);
	pfree(keys.data);
	pfree(ends);
	return reply != NULL;
}

/*----------
 * Filling
 *----------
 */

/* SET key value PX ms, or nothing if the item is not to be cached. */
static bool
AppendFill(StringInfo commands, const TierItem *item, EntryHasher *hasher,
		   const Instance *instance, TimestampTz now)
{
	int64		ttl = (item->header.expires_at - now) / 1000;
	char		line[ENTRY_LINE_MAX];
	Size		line_len;
	StringInfoData key;
	char		ms[MAXINT8LEN + 1];

	if (ttl <= 0 || item->payload_len > MaxPayload() ||
		!EntryIsTimely(&item->header, item->ttl_us, now))
		return false;

	initStringInfo(&key);
	EntryAppendKey(&key, instance, item->user, item->section);
	line_len = EntryMakeLine(line, hasher, instance, key.data, key.len, &item->header,
							 item->payload, item->payload_len);
	if (line_len > 0)
	{
		enlargeStringInfo(commands, (int) (item->payload_len + line_len + key.len + 128));
		AppendCommand(commands, "SET", 4);
		AppendArgument(commands, key.data, key.len);
		AppendNumberLine(commands, '$', line_len + item->payload_len);
		appendBinaryStringInfo(commands, line, line_len);
		appendBinaryStringInfo(commands, item->payload, item->payload_len);
		appendBinaryStringInfo(commands, "\r\n", 2);
		AppendArgument(commands, "PX", 2);
		AppendArgument(commands, ms, pg_lltoa(ttl, ms));
	}
	pfree(key.data);
	return line_len > 0;
}

/* Send what was collected of items[from .. to - 1]. */
static bool
SendFills(StringInfo commands, int ncommands, TierItem **items, int from, int to)
{
	const char *why;
	bool		sent = RedisConnSend(commands, ncommands, &why);

	if (!sent && why != NULL)
		BreakerFailure(why);
	for (int i = from; i < to && !sent; i++)
		items[i]->stored = false;
	return sent;
}

void
RedisTierFill(TierItem **items, int nitems)
{
	const Instance *instance;
	StringInfoData commands;
	EntryHasher *hasher;
	TimestampTz now;
	int			from = 0;
	int			ncommands = 0;

	for (int i = 0; i < nitems; i++)
		items[i]->stored = false;
	if (nitems == 0 || !RedisTierEnabled() || !RedisConnIsOpen() ||
		!BreakerIsClosed() || (instance = InstanceGet()) == NULL)
		return;

	initStringInfo(&commands);
	hasher = EntryBegin();
	now = GetCurrentTimestamp();
	for (int i = 0; i < nitems; i++)
	{
		items[i]->stored = AppendFill(&commands, items[i], hasher, instance, now);
		ncommands += items[i]->stored;

		if (ncommands > 0 && (commands.len >= FILL_BATCH_BYTES || i == nitems - 1))
		{
			if (!SendFills(&commands, ncommands, items, from, i + 1))
				break;
			resetStringInfo(&commands);
			from = i + 1;
			ncommands = 0;
		}
	}
	EntryEnd(hasher);
	pfree(commands.data);
}

/*----------
 * The end of a writing transaction
 *----------
 */

static void
AppendUnlink(StringInfo command, const UserKey *users, int nusers,
			 const char *const *sections, int nsections, const Instance *instance)
{
	StringInfoData key;

	AppendCommand(command, "UNLINK", nusers * nsections);
	initStringInfo(&key);
	for (int u = 0; u < nusers; u++)
	{
		for (int s = 0; s < nsections; s++)
		{
			resetStringInfo(&key);
			EntryAppendKey(&key, instance, &users[u], sections[s]);
			AppendArgument(command, key.data, key.len);
		}
	}
	pfree(key.data);
}

void
RedisTierPrepareUnlink(const UserKey *users, int nusers,
					   const char *const *sections, int nsections)
{
	const Instance *instance;
	MemoryContext old_context;
	StringInfo	command;
	const char *why;

	RedisConnDiscardPrepared();
	if (!setting_enabled || !RedisTierEnabled() || nusers == 0 || nsections == 0 ||
		nsections > MAX_UNLINK_KEYS || !BreakerIsClosed() ||
		(instance = InstanceGet()) == NULL)
		return;

	/* It is sent from a callback that runs before this context goes. */
	old_context = MemoryContextSwitchTo(TopTransactionContext);
	command = makeStringInfo();
	AppendUnlink(command, users, Min(nusers, MAX_UNLINK_KEYS / nsections),
				 sections, nsections, instance);
	MemoryContextSwitchTo(old_context);

	(void) RedisConnPrepare(command, 1, &why);
	if (why != NULL)
		BreakerFailure(why);
}

void
RedisTierSendUnlink(void)
{
	RedisConnSendPrepared();
}

void
RedisTierDiscardUnlink(void)
{
	RedisConnDiscardPrepared();
}

void
RedisTierAtSubAbort(void)
{
	RedisConnAtSubAbort();
	BreakerAbandon();
}

void
RedisTierAtEndOfXact(void)
{
	RedisConnAtEndOfXact();
	BreakerAbandon();
}
