/*-------------------------------------------------------------------------
 *
 * conn.c
 *	  How are commands exchanged for replies?  See conn.h for the rule
 *	  about unfinished exchanges.
 *
 * hiredis parses replies and buffers what is sent; a reply is malloc'd, so it
 * hangs on a static variable here, lest an error that jumps lose it.  Whatever else
 * such an error leaves half done, "busy" tells, and is closed.
 *
 * Replies come in the order of the commands, of which there are three sorts:
 * AUTH and SELECT first, then what was sent without waiting, then the
 * exchange under way.  Counting what is due of each says what a reply is for.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/redis_url.h"
#include "base/settings.h"
#include "base/stats.h"
#include "redis/conn.h"
#include "redis/polling.h"
#include "redis/socket.h"
#include "storage/latch.h"

/* Bytes of a reply to a command whose reply is not wanted. */
#define PLAIN_REPLY_MAX 65536

/* Reads in a row before looking at the clock again; one is up to 16 kB. */
#define MAX_READS_IN_A_ROW 4

typedef enum ConnResult
{
	CONN_OK,
	CONN_FAILED,
	CONN_LOST					/* the other side is gone */
} ConnResult;

typedef struct Connection
{
	bool		busy;			/* see conn.h */
	bool		doubtful;		/* to be replaced when nothing is due on it */
	bool		greeted;		/* AUTH and SELECT, if any, were written */
	int			greetings_due;	/* replies due to AUTH and SELECT, */
	int			fills_due;		/* then to what nobody waited for, */
	int			own_due;		/* then to the exchange under way */
} Connection;

static Connection conn;
static redisReply *held_reply = NULL;	/* what RedisConnAsk returned */
static RedisReplyLimits limits;			/* of the exchange under way */

/* setting_redis_url as of url_generation. */
static RedisUrl url;
static uint64 url_generation = 0;

/* A command nobody waited for was refused, and how; not yet reported. */
static bool refused = false;
static char error_text[128];

/* What RedisConnPrepare was given; it belongs to the transaction. */
static StringInfo prepared = NULL;
static int	nprepared = 0;

static void
FreeHeldReply(void)
{
	if (held_reply != NULL)
		freeReplyObject(held_reply);
	held_reply = NULL;
}

static void
ConnClose(void)
{
	RedisSocketClose();
	memset(&conn, 0, sizeof(conn));
	PollingForget();
}

/*
 * Bring the state in line with the settings, and close what can't be reused.
 * False if the URL is none.
 */
static bool
ConnConfigure(const char **why)
{
	const char *detail;

	*why = NULL;
	if (conn.busy || url_generation != setting_redis_url_generation)
		ConnClose();
	if (url_generation == setting_redis_url_generation)
		return true;

	if (!RedisUrlParse(setting_redis_url, &url, &detail))
	{
		*why = "clarify_cache.redis_url is not valid";
		return false;
	}
	RedisSocketSetUrl(&url);
	refused = false;
	url_generation = setting_redis_url_generation;
	return true;
}

/*----------
 * Replies
 *----------
 */

/*
 * Makes no more of an array than was asked for: Redis might claim to send a
 * billion elements, and hiredis would believe it.  NULL is an error to it.
 */
static redisReplyObjectFunctions reply_functions;
static void *(*create_array) (const redisReadTask *, compat_reply_count);

static void *
CreateBoundedArray(const redisReadTask *task, compat_reply_count elements)
{
	if (task->parent != NULL || (Size) elements > limits.elements)
		return NULL;
	return create_array(task, elements);
}

/* Put an error reply's first word, which is its code, into error_text. */
static void
NoteErrorReply(const redisReply *reply)
{
	int			len = (int) strspn(reply->str, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	snprintf(error_text, sizeof(error_text), "Redis answered with the error %.*s",
			 len == 0 ? 7 : Min(len, 32), len == 0 ? "unknown" : reply->str);
}

/*
 * Find out what a reply is for.  Takes ownership.  False, and *why set, if
 * the connection can't go on.
 */
static bool
ConnTakeReply(redisReply *reply, const char **why)
{
	bool		is_error = reply->type == REDIS_REPLY_ERROR;

	if (conn.greetings_due > 0)
	{
		conn.greetings_due--;
		if (is_error)
			*why = "AUTH or SELECT was refused";
	}
	else if (conn.fills_due > 0)
	{
		conn.fills_due--;
		if (is_error)
		{
			NoteErrorReply(reply);
			refused = true;
		}
	}
	else if (conn.own_due == 0)
		*why = "Redis sent more replies than there were commands";
	else if (--conn.own_due == 0)
	{
		FreeHeldReply();
		held_reply = reply;
		return true;
	}

	freeReplyObject(reply);
	return *why == NULL;
}

/* Take all replies that have arrived in full. */
static bool
ConnTakeReplies(const char **why)
{
	for (;;)
	{
		void	   *reply = NULL;

		if (redisGetReplyFromReader(RedisSocketContext(), &reply) != REDIS_OK)
		{
			*why = "Redis sent what is no valid reply";
			return false;
		}
		if (reply == NULL)
			return true;
		if (!ConnTakeReply(reply, why))
			return false;
	}
}

/* Bytes that have arrived and were not taken yet. */
static Size
ConnUntaken(void)
{
	return RedisSocketContext()->reader->len - RedisSocketContext()->reader->pos;
}

static ConnResult
ConnBroken(const char **why)
{
	if (RedisSocketContext()->err == REDIS_ERR_IO || RedisSocketContext()->err == REDIS_ERR_EOF)
	{
		*why = "the connection was lost";
		return CONN_LOST;
	}
	*why = "hiredis is out of memory";
	return CONN_FAILED;
}

/*
 * Read what has arrived, without waiting.  Goes on as long as there is more
 * and a reply is due, but comes back in between for a look at the clock.
 */
static ConnResult
ConnReceive(const char **why)
{
	for (int i = 0; i < MAX_READS_IN_A_ROW; i++)
	{
		Size		before = RedisSocketContext()->reader->len;

		if (redisBufferRead(RedisSocketContext()) != REDIS_OK)
			return ConnBroken(why);
		if (RedisSocketContext()->reader->len == before)
			return CONN_OK;		/* nothing there */

		if (!ConnTakeReplies(why))
			return CONN_FAILED;
		if (conn.greetings_due + conn.fills_due + conn.own_due == 0)
		{
			if (ConnUntaken() == 0)
				return CONN_OK;
			*why = "Redis sent more than was asked for";
			return CONN_FAILED;
		}
		if (ConnUntaken() > limits.bytes)
		{
			*why = "Redis sent a reply that is too large";
			return CONN_FAILED;
		}
	}
	return CONN_OK;
}

/*----------
 * Exchanges
 *----------
 */

/* Once a connection: bound its replies, and queue AUTH and SELECT. */
static bool
ConnGreet(void)
{
	static bool greeted_before = false;
	redisReader *reader = RedisSocketContext()->reader;

	if (conn.greeted)
		return true;
	conn.greeted = true;
	StatsCountRedis(REDIS_CONNECTS, 1);
	if (greeted_before)
		StatsCountRedis(REDIS_RECONNECTS, 1);
	greeted_before = true;

	reply_functions = *reader->fn;
	create_array = reply_functions.createArray;
	reply_functions.createArray = CreateBoundedArray;
	reader->fn = &reply_functions;

	if (url.user[0] != '\0')
	{
		conn.greetings_due++;
		if (redisAppendCommand(RedisSocketContext(), "AUTH %s %s", url.user, url.password) != REDIS_OK)
			return false;
	}
	else if (url.password[0] != '\0')
	{
		conn.greetings_due++;
		if (redisAppendCommand(RedisSocketContext(), "AUTH %s", url.password) != REDIS_OK)
			return false;
	}
	if (url.db != 0)
	{
		conn.greetings_due++;
		if (redisAppendCommand(RedisSocketContext(), "SELECT %d", url.db) != REDIS_OK)
			return false;
	}
	return true;
}

static bool
ConnQueue(StringInfo commands, int ncommands)
{
	StatsCountRedis(REDIS_COMMANDS, ncommands);
	return ConnGreet() &&
		redisAppendFormattedCommand(RedisSocketContext(), commands->data, commands->len) == REDIS_OK;
}

/* Write what the kernel will take now. */
static ConnResult
ConnWrite(bool *done, const char **why)
{
	int			flushed = 0;

	/* hiredis 0.14 does not notice that it found no memory for a new buffer */
	if (redisBufferWrite(RedisSocketContext(), &flushed) != REDIS_OK || RedisSocketContext()->obuf == NULL)
		return ConnBroken(why);
	*done = (flushed != 0);
	return CONN_OK;
}

/*
 * Write all that is queued, then wait for the replies due to this exchange.
 * While the kernel takes no more, read: Redis does not either if nobody reads
 * its replies.
 *
 * A Redis on this machine answers sooner than a process is put to sleep and
 * woken again, so look for the reply for a moment first.
 */
static ConnResult
ConnRun(int64 deadline, const char **why)
{
	bool		written = false;
	int64		poll_until = PollingBegin();

	for (;;)
	{
		ConnResult	result;

		if (!written && (result = ConnWrite(&written, why)) != CONN_OK)
			return result;
		if (written && conn.own_due == 0)
			return CONN_OK;

		if (written && MonotonicMicros() < poll_until)
			PollingYield(&poll_until);
		else if (!RedisSocketWait(written ? WL_SOCKET_READABLE :
								  WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE, deadline))
		{
			*why = "Redis did not answer in time";
			return CONN_FAILED;
		}
		if ((result = ConnReceive(why)) != CONN_OK)
			return result;
	}
}

/*
 * Before an exchange, see to what came while nobody looked: replies that are
 * due, what nobody asked for, the end of the connection.  Afterwards it is
 * either fit for use or closed.  False if that was a failure.
 *
 * An error reply makes a connection doubtful: it may be to the wrong server
 * (READONLY after a failover) or lack the right (NOAUTH after a new password).
 * It still serves until the replies due on it are read, or refusals that they
 * bring would never be counted.
 */
static bool
ConnCatchUp(const char **why)
{
	ConnResult	result = conn.greeted ? ConnReceive(why) : CONN_OK;

	if (result != CONN_OK)
		ConnClose();
	else if (conn.doubtful && conn.fills_due == 0)
	{
		ConnClose();
		RedisSocketDoubtAddresses();
	}

	if (result == CONN_FAILED)
		return false;
	*why = NULL;				/* closing while idle is no failure */
	return true;
}

/* One try of an exchange on the open connection. */
static ConnResult
ConnExchange(StringInfo commands, int ncommands, int64 deadline, const char **why)
{
	int64		start = MonotonicMicros();
	ConnResult	result;

	conn.own_due = ncommands;
	if (!ConnQueue(commands, ncommands))
		return ConnBroken(why);
	result = ConnRun(deadline, why);
	PollingEnd(MonotonicMicros() - start);
	return result;
}

/* Has any byte of an answer to the exchange under way arrived? */
static bool
ConnWasAnswered(int ncommands)
{
	return conn.own_due < ncommands || ConnUntaken() > 0;
}

static void
ReportRefusal(const char **why)
{
	if (!refused)
		return;
	*why = error_text;
	refused = false;
	conn.doubtful = true;
}

redisReply *
RedisConnAsk(StringInfo commands, int ncommands,
			 const RedisReplyLimits *reply_limits, const char **why)
{
	int64		deadline = MonotonicMicros() + (int64) setting_command_timeout * 1000;

	Assert(ncommands > 0);
	FreeHeldReply();
	if (!ConnConfigure(why))
		return NULL;
	limits = *reply_limits;

	if (RedisSocketState() == SOCKET_OPEN && !ConnCatchUp(why))
		return NULL;
	for (;;)
	{
		bool		reused = RedisSocketState() == SOCKET_OPEN;
		bool		retry;
		ConnResult	result;

		conn.busy = true;
		if (!reused)
		{
			int64		start = MonotonicMicros();

			if (!RedisSocketOpen(why))
				return NULL;
			deadline += MonotonicMicros() - start;
		}

		result = ConnExchange(commands, ncommands, deadline, why);
		if (result == CONN_OK)
			break;

		/* Closed while idle?  Then it is nobody's failure: once more. */
		retry = result == CONN_LOST && reused && !ConnWasAnswered(ncommands);
		ConnClose();
		if (!retry)
		{
			refused = false;	/* one failure is enough */
			return NULL;
		}
		*why = NULL;
	}

	conn.busy = false;
	if (held_reply->type == REDIS_REPLY_ERROR)
	{
		NoteErrorReply(held_reply);
		FreeHeldReply();
		refused = true;
	}
	ReportRefusal(why);
	return held_reply;
}

bool
RedisConnSend(StringInfo commands, int ncommands, const char **why)
{
	int64		deadline = MonotonicMicros() + (int64) setting_command_timeout * 1000;

	if (!ConnConfigure(why) || RedisSocketState() != SOCKET_OPEN)
		return false;

	conn.busy = true;
	conn.fills_due += ncommands;
	if (!ConnQueue(commands, ncommands))
		(void) ConnBroken(why);
	else if (ConnRun(deadline, why) == CONN_OK)
	{
		conn.busy = false;
		return true;
	}
	ConnClose();
	return false;
}

/*----------
 * The end of a writing transaction
 *----------
 */

bool
RedisConnPrepare(StringInfo commands, int ncommands, const char **why)
{
	RedisConnDiscardPrepared();
	if (!ConnConfigure(why))
		return false;
	limits = (RedisReplyLimits) {.elements = 0, .bytes = PLAIN_REPLY_MAX};

	if (RedisSocketState() == SOCKET_OPEN && !ConnCatchUp(why))
		return false;
	if (RedisSocketState() == SOCKET_CLOSED)
	{
		bool		started;

		conn.busy = true;		/* should an error jump */
		started = RedisSocketStart(why);
		conn.busy = false;
		if (!started)
			return false;
	}
	if (!RedisSocketCheckStarted(why))
		return false;

	prepared = commands;
	nprepared = ncommands;
	ReportRefusal(why);
	return true;
}

void
RedisConnSendPrepared(void)
{
	const char *why = NULL;
	bool		done = false;

	if (prepared == NULL)
		return;

	/* Not connected yet: the next transaction will have the connection. */
	(void) RedisSocketCheckStarted(&why);

	if (RedisSocketState() == SOCKET_OPEN && !conn.busy)
	{
		conn.fills_due += nprepared;
		if (!ConnQueue(prepared, nprepared) || ConnWrite(&done, &why) != CONN_OK || !done)
			ConnClose();
	}
	RedisConnDiscardPrepared();
}

void
RedisConnDiscardPrepared(void)
{
	prepared = NULL;
	nprepared = 0;
}

void
RedisConnAtSubAbort(void)
{
	FreeHeldReply();
	if (conn.busy)
		ConnClose();
}

void
RedisConnAtEndOfXact(void)
{
	RedisConnDiscardPrepared();
	RedisConnAtSubAbort();
}

void
RedisConnClose(void)
{
	ConnClose();
}

bool
RedisConnIsOpen(void)
{
	return RedisSocketState() == SOCKET_OPEN &&
		url_generation == setting_redis_url_generation;
}
