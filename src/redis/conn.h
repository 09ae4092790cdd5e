/*-------------------------------------------------------------------------
 *
 * conn.h
 *	  This backend's connection to Redis: one, opened when first needed.
 *
 * The rule that holds for every function: a connection on which an exchange
 * did not end properly (time-out, cancel, error in the middle, short write)
 * is closed and never reused, since a reply left in it would answer the next
 * question, perhaps another user's.  "busy" is set before the first byte of
 * an exchange and cleared after the last reply; whoever finds it set closes.
 *
 * Waits are for the latch and a non-blocking socket, under one deadline for
 * the whole exchange, with CHECK_FOR_INTERRUPTS.  As long as Redis answers within
 * 100 microseconds, a wait begins with so long a poll.  Failures of Redis are
 * return values, never errors; only interrupts, out-of-memory and a server that
 * is out of file descriptors raise.
 *
 * Every function with a `why` sets it to NULL, or to a constant or static
 * string (without the password) if something is to be counted as a failure.
 * That may be so beside a good result: commands sent without waiting may have
 * been refused, which shows only when their replies are read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_REDIS_CONN_H
#define CLARIFY_REDIS_CONN_H

#include "base/compat.h"

#include "lib/stringinfo.h"

struct redisReply;

/* What a reply may be at most; more is not ours, and a failure. */
typedef struct RedisReplyLimits
{
	Size		elements;		/* of an array; arrays in arrays never */
	Size		bytes;			/* of the whole reply */
} RedisReplyLimits;

/*
 * Send the commands in `commands` (already in the Redis protocol, one reply
 * each, only the last reply is wanted) and wait for the last reply.
 *
 * Opens the connection if needed, under connect_timeout; the exchange then
 * has command_timeout.  AUTH and SELECT travel in the same write, so a frozen
 * server costs one command_timeout, not two.  Replies still outstanding from
 * RedisConnSend are read and judged first.  A connection that turns out to
 * have been closed while it was idle is reopened once.
 *
 * Returns the reply, owned by this module and valid until the next call here,
 * the end of the transaction or the failure of a subtransaction, or NULL with *why
 * set.  An error reply is a failure, too.
 */
extern struct redisReply *RedisConnAsk(StringInfo commands, int ncommands,
									   const RedisReplyLimits *limits,
									   const char **why);

/*
 * Send commands without waiting for their replies, which the next
 * RedisConnAsk reads first.  Waits for buffer space at most command_timeout.
 * False if there is no open connection (*why is NULL then: no failure) or the
 * bytes would not go out.
 */
extern bool RedisConnSend(StringInfo commands, int ncommands, const char **why);

/*
 * For the end of a writing transaction.  Prepare drains replies that have
 * arrived, and if there is no connection starts one, unless that might wait
 * (a host name, or TLS).  It keeps a pointer to `commands`, which must live
 * until the transaction ends.  False if there is nothing to send them on.
 *
 * SendPrepared may run at XACT_EVENT_COMMIT: one non-blocking write of what
 * was prepared, nothing palloc'd, no error; after a short write the
 * connection is closed.  Discard forgets what was prepared.
 */
extern bool RedisConnPrepare(StringInfo commands, int ncommands,
							 const char **why);
extern void RedisConnSendPrepared(void);
extern void RedisConnDiscardPrepared(void);

/*
 * When a subtransaction fails: close the connection if busy, free the reply.  At
 * the end of a transaction, either way: also forget what was prepared.  Never
 * raise.
 */
extern void RedisConnAtSubAbort(void);
extern void RedisConnAtEndOfXact(void);

/*
 * Close, because a reply did not fit its question: then the next might not,
 * either.  The reply held stays valid.  Never raises.
 */
extern void RedisConnClose(void);

/* Is a connection open, to where the settings say now? */
extern bool RedisConnIsOpen(void);

#endif							/* CLARIFY_REDIS_CONN_H */
