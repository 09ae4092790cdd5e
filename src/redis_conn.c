/*-------------------------------------------------------------------------
 *
 * redis_conn.c
 *	  How do bytes get to Redis and back, in bounded time?  See redis_conn.h
 *	  for the rule about unfinished exchanges.
 *
 * From top to bottom: the state; closing; waiting; addresses; connecting;
 * TLS; replies; exchanges; the functions of the header.
 *
 * hiredis parses replies and buffers what is sent; its memory is malloc'd, so
 * whatever of it could be lost when an error jumps hangs on a static variable
 * here.  The sockets are made here, because hiredis would resolve names each
 * time and would let programs that the server starts inherit them.
 *
 * Replies come in the order of the commands, of which there are three sorts:
 * AUTH and SELECT first, then what was sent without waiting, then the
 * exchange under way.  Counting what is due of each says what a reply is for.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifdef CLARIFY_WITH_TLS
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#endif

#include "common/ip.h"
#include "port.h"
#include "portability/instr_time.h"
#include "redis_conn.h"
#include "redis_url.h"
#include "settings.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"

/* Addresses of one host name that are tried. */
#define MAX_ADDRESSES 8

/* Bytes of a reply to a command whose reply is not wanted. */
#define PLAIN_REPLY_MAX 65536

/* Reads in a row before looking at the clock again; one is up to 16 kB. */
#define MAX_READS_IN_A_ROW 4

typedef enum ConnState
{
	CONN_CLOSED,
	CONN_CONNECTING,			/* started, and nothing was written yet */
	CONN_OPEN
} ConnState;

typedef enum ConnResult
{
	CONN_OK,
	CONN_FAILED,
	CONN_LOST					/* the other side is gone */
} ConnResult;

typedef struct Connection
{
	ConnState	state;
	redisContext *ctx;			/* owns the socket */
	WaitEventSet *waits;		/* latch, postmaster, and the socket */
	int			socket_pos;		/* the socket's place in waits */
	uint32		socket_events;	/* what waits waits for on the socket */
	bool		counted;		/* as one of the server's file descriptors */
	bool		busy;			/* see redis_conn.h */
	bool		doubtful;		/* to be replaced when nothing is due on it */
	bool		greeted;		/* AUTH and SELECT, if any, were written */
	int			greetings_due;	/* replies due to AUTH and SELECT, */
	int			fills_due;		/* then to what nobody waited for, */
	int			own_due;		/* then to the exchange under way */
	int64		started_at;		/* when connecting began */
} Connection;

typedef struct Address
{
	struct sockaddr_storage sockaddr;
	socklen_t	len;
} Address;

static Connection conn;
static redisReply *held_reply = NULL;	/* what RedisConnAsk returned */
static RedisReplyLimits limits;			/* of the exchange under way */

/* Where Redis is: setting_redis_url as of url_generation, and its addresses. */
static RedisUrl url;
static uint64 url_generation = 0;
static Address addresses[MAX_ADDRESSES];
static int	naddresses = 0;
static int	first_address = 0;	/* which to try first */
static bool addresses_doubtful = false; /* something failed since */
static int64 resolve_after = 0; /* don't resolve again before */

/* A command nobody waited for was refused, and how; not yet reported. */
static bool refused = false;
static char error_text[128];

/* What RedisConnPrepare was given; it belongs to the transaction. */
static StringInfo prepared = NULL;
static int	nprepared = 0;

/*
 * Microseconds of a clock that nobody sets: deadlines must not move.
 */
static int64
NowMicros(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (int64) INSTR_TIME_GET_MICROSEC(now);
}

/*----------
 * Closing
 *----------
 */

static void
FreeHeldReply(void)
{
	if (held_reply != NULL)
		freeReplyObject(held_reply);
	held_reply = NULL;
}

/* From whatever state, also a half-made one.  Never raises. */
static void
ConnClose(void)
{
	if (conn.waits != NULL)
		FreeWaitEventSet(conn.waits);
	if (conn.ctx != NULL)
		redisFree(conn.ctx);	/* closes the socket */
	if (conn.counted)
		ReleaseExternalFD();
	memset(&conn, 0, sizeof(conn));
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

	naddresses = 0;
	addresses_doubtful = false;
	resolve_after = 0;
	refused = false;
	if (!RedisUrlParse(setting_redis_url, &url, &detail))
	{
		*why = "clarify_cache.redis_url is not valid";
		return false;
	}
	url_generation = setting_redis_url_generation;
	return true;
}

/*----------
 * Waiting
 *----------
 */

/*
 * A set that lives as long as the connection: WaitLatchOrSocket would make
 * and destroy one for each wait, which costs more than all else in a hit.
 */
static void
ConnMakeWaitSet(void)
{
	conn.waits = compat_create_wait_event_set(3);
	AddWaitEventToSet(conn.waits, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	if (IsUnderPostmaster)
		AddWaitEventToSet(conn.waits, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET,
						  NULL, NULL);
	conn.socket_events = WL_SOCKET_READABLE;
	conn.socket_pos = AddWaitEventToSet(conn.waits, conn.socket_events,
										conn.ctx->fd, NULL, NULL);
}

/*
 * Wait until one of the events may have come on the socket.  False if the
 * deadline has passed before that.  May raise on an interrupt.
 */
static bool
ConnWait(uint32 events, int64 deadline)
{
	static uint32 wait_event_info = 0;
	int64		left = deadline - NowMicros();
	WaitEvent	event;

	if (left <= 0)
		return false;

	if (wait_event_info == 0)
		wait_event_info = compat_wait_event("ClarifyCacheRedis");

	if (events != conn.socket_events)
	{
		ModifyWaitEvent(conn.waits, conn.socket_pos, events, NULL);
		conn.socket_events = events;
	}

	if (WaitEventSetWait(conn.waits, (long) ((left + 999) / 1000), &event, 1,
						 wait_event_info) > 0 &&
		(event.events & WL_LATCH_SET) != 0)
		ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();

	return true;
}

/*----------
 * Addresses
 *----------
 */

static void
ResolveUnix(void)
{
	struct sockaddr_un *sun = (struct sockaddr_un *) &addresses[0].sockaddr;

	memset(&addresses[0], 0, sizeof(Address));
	sun->sun_family = AF_UNIX;
	strlcpy(sun->sun_path, url.host, sizeof(sun->sun_path));
	addresses[0].len = sizeof(struct sockaddr_un);
	naddresses = 1;
	first_address = 0;
}

/*
 * Make sure that there are addresses to try.  The name service can't be given
 * a deadline, so it is asked when there are none, and after a failure, and at
 * most once in a recovery period; addresses that worked once serve until there
 * are better ones.  may_wait = false asks it nothing.
 */
static bool
ResolveAddresses(bool may_wait, const char **why)
{
	struct addrinfo hints;
	struct addrinfo *found = NULL;
	char		port[12];
	int			n = 0;

	if (naddresses > 0 &&
		(url.is_unix || !addresses_doubtful || !may_wait || NowMicros() < resolve_after))
		return true;
	if (url.is_unix)
	{
		ResolveUnix();
		return true;
	}

	*why = "the host name could not be resolved";
	if (may_wait && NowMicros() < resolve_after)
		return false;

	memset(&hints, 0, sizeof(hints));
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_NUMERICSERV | (may_wait ? 0 : AI_NUMERICHOST);
	snprintf(port, sizeof(port), "%d", url.port);
	if (pg_getaddrinfo_all(url.host, port, &hints, &found) == 0)
	{
		for (struct addrinfo *ai = found; ai != NULL && n < MAX_ADDRESSES; ai = ai->ai_next)
		{
			memcpy(&addresses[n].sockaddr, ai->ai_addr, ai->ai_addrlen);
			addresses[n++].len = ai->ai_addrlen;
		}
	}
	if (found != NULL)
		pg_freeaddrinfo_all(hints.ai_family, found);

	if (may_wait)
		resolve_after = NowMicros() + (int64) setting_breaker_recovery * 1000;
	if (n > 0)
	{
		naddresses = n;
		first_address = 0;
		addresses_doubtful = false;
	}
	if (naddresses == 0)
		return false;
	*why = NULL;
	return true;
}

/*----------
 * Connecting
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

/* Give a new socket to conn.ctx, ready to connect.  False without memory. */
static bool
ConnAdoptSocket(int fd)
{
	int			on = 1;

	conn.ctx = redisConnectFd(fd);
	if (conn.ctx == NULL || conn.ctx->err != 0 || conn.ctx->reader == NULL)
	{
		if (conn.ctx == NULL)
			close(fd);
		return false;
	}
	conn.ctx->flags &= ~REDIS_BLOCK;

	reply_functions = *conn.ctx->reader->fn;
	create_array = reply_functions.createArray;
	reply_functions.createArray = CreateBoundedArray;
	conn.ctx->reader->fn = &reply_functions;

	if (!url.is_unix)
		(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && pg_set_noblock(fd);
}

static bool
ConnFailedToConnect(int error, const char **why)
{
	refused = false;			/* error_text serves one message at a time */
	snprintf(error_text, sizeof(error_text), "could not connect: %s", strerror(error));
	*why = error_text;
	return false;
}

/*
 * Start to connect to an address.  False, and *why set, if that fails at
 * once.  The caller must close after a failure, and clear busy, which is set
 * because an error may jump from here, too.
 */
static bool
ConnStart(const Address *address, const char **why)
{
	int			fd;

	Assert(conn.ctx == NULL);
	conn.busy = true;
	conn.started_at = NowMicros();

	conn.counted = AcquireExternalFD();
	if (!conn.counted)
		return ConnFailedToConnect(EMFILE, why);
	fd = socket(address->sockaddr.ss_family, SOCK_STREAM, 0);
	if (fd < 0)
		return ConnFailedToConnect(errno, why);
	if (!ConnAdoptSocket(fd))
		return ConnFailedToConnect(ENOMEM, why);

	if (connect(fd, (const struct sockaddr *) &address->sockaddr, address->len) == 0)
		conn.state = CONN_OPEN;
	else if (errno == EINPROGRESS || errno == EINTR)
		conn.state = CONN_CONNECTING;
	else
		return ConnFailedToConnect(errno, why);

	ConnMakeWaitSet();
	return true;
}

/* Has connecting come to an end?  False, and *why set, if it has failed. */
static bool
ConnPoll(const char **why)
{
	struct pollfd poll_fd = {.fd = conn.ctx->fd, .events = POLLOUT};
	int			error = 0;
	socklen_t	len = sizeof(error);

	if (poll(&poll_fd, 1, 0) <= 0)
		return true;
	if (getsockopt(conn.ctx->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0)
		return ConnFailedToConnect(error, why);

	conn.state = CONN_OPEN;
	return true;
}

#ifdef CLARIFY_WITH_TLS

/*
 * hiredis can make the SSL object itself, but would then trust no authority by
 * default and take any host's certificate for the one that was meant.
 */
static SSL *
TlsMakeSession(void)
{
	static SSL_CTX *context = NULL;
	struct in6_addr binary;
	SSL		   *ssl;
	bool		ok;

	if (context == NULL)
	{
		context = SSL_CTX_new(TLS_client_method());
		if (context == NULL)
			return NULL;
		SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
		SSL_CTX_set_default_verify_paths(context);
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	}

	ssl = SSL_new(context);
	if (ssl == NULL)
		return NULL;

	if (inet_pton(AF_INET, url.host, &binary) == 1 ||
		inet_pton(AF_INET6, url.host, &binary) == 1)
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), url.host) == 1;
	else
		ok = SSL_set_tlsext_host_name(ssl, url.host) == 1 &&
			SSL_set1_host(ssl, url.host) == 1;
	if (!ok)
	{
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

static bool
ConnSecure(int64 deadline, const char **why)
{
	SSL		   *ssl = TlsMakeSession();

	*why = "the TLS handshake failed";
	if (ssl == NULL)
		return false;
	ERR_clear_error();
	if (redisInitiateSSL(conn.ctx, ssl) != REDIS_OK)
	{
		SSL_free(ssl);
		return false;
	}

	/* From here on the context owns ssl. */
	for (;;)
	{
		int			result;
		uint32		events;

		ERR_clear_error();
		result = SSL_do_handshake(ssl);
		if (result == 1)
		{
			*why = NULL;
			return true;
		}

		switch (SSL_get_error(ssl, result))
		{
			case SSL_ERROR_WANT_READ:
				events = WL_SOCKET_READABLE;
				break;
			case SSL_ERROR_WANT_WRITE:
				events = WL_SOCKET_WRITEABLE;
				break;
			default:
				if (SSL_get_verify_result(ssl) != X509_V_OK)
					*why = "the server's TLS certificate is not trusted";
				return false;
		}
		if (!ConnWait(events, deadline))
		{
			*why = "the TLS handshake timed out";
			return false;
		}
	}
}

#else							/* RedisUrlParse lets no such URL pass */

static bool
ConnSecure(int64 deadline, const char **why)
{
	*why = "this build has no TLS";
	return false;
}

#endif							/* CLARIFY_WITH_TLS */

/* Bring a started connection to its end. */
static bool
ConnFinish(int64 deadline, const char **why)
{
	while (conn.state == CONN_CONNECTING)
	{
		if (!ConnPoll(why))
			return false;
		if (conn.state == CONN_CONNECTING &&
			!ConnWait(WL_SOCKET_WRITEABLE, deadline))
		{
			*why = "connecting timed out";
			return false;
		}
	}
	return !url.use_tls || ConnSecure(deadline, why);
}

/*
 * Open the connection, trying each address in turn, or finish one that
 * RedisConnPrepare has started.  Leaves it busy.
 */
static bool
ConnOpen(const char **why)
{
	int64		deadline = NowMicros() + (int64) setting_connect_timeout * 1000;

	if (conn.state == CONN_CONNECTING)
	{
		conn.busy = true;
		if (ConnFinish(deadline, why))
			return true;
		ConnClose();
	}

	if (!ResolveAddresses(true, why))
		return false;
	for (int i = 0; i < naddresses; i++)
	{
		if (ConnStart(&addresses[first_address], why) && ConnFinish(deadline, why))
		{
			*why = NULL;
			return true;
		}
		ConnClose();

		/* Next time, too: this one may have used up all the time. */
		first_address = (first_address + 1) % naddresses;
	}
	addresses_doubtful = true;
	return false;
}

/*----------
 * Replies
 *----------
 */

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

		if (redisGetReplyFromReader(conn.ctx, &reply) != REDIS_OK)
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
	return conn.ctx->reader->len - conn.ctx->reader->pos;
}

static ConnResult
ConnBroken(const char **why)
{
	if (conn.ctx->err == REDIS_ERR_IO || conn.ctx->err == REDIS_ERR_EOF)
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
		Size		before = conn.ctx->reader->len;

		if (redisBufferRead(conn.ctx) != REDIS_OK)
			return ConnBroken(why);
		if (conn.ctx->reader->len == before)
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

/* Queue AUTH and SELECT, once a connection; the text is malloc'd only. */
static bool
ConnGreet(void)
{
	if (conn.greeted)
		return true;
	conn.greeted = true;

	if (url.user[0] != '\0')
	{
		conn.greetings_due++;
		if (redisAppendCommand(conn.ctx, "AUTH %s %s", url.user, url.password) != REDIS_OK)
			return false;
	}
	else if (url.password[0] != '\0')
	{
		conn.greetings_due++;
		if (redisAppendCommand(conn.ctx, "AUTH %s", url.password) != REDIS_OK)
			return false;
	}
	if (url.db != 0)
	{
		conn.greetings_due++;
		if (redisAppendCommand(conn.ctx, "SELECT %d", url.db) != REDIS_OK)
			return false;
	}
	return true;
}

static bool
ConnQueue(StringInfo commands)
{
	return ConnGreet() &&
		redisAppendFormattedCommand(conn.ctx, commands->data, commands->len) == REDIS_OK;
}

/* Write what the kernel will take now. */
static ConnResult
ConnWrite(bool *done, const char **why)
{
	int			flushed = 0;

	/* hiredis 0.14 does not notice that it found no memory for a new buffer */
	if (redisBufferWrite(conn.ctx, &flushed) != REDIS_OK || conn.ctx->obuf == NULL)
		return ConnBroken(why);
	*done = (flushed != 0);
	return CONN_OK;
}

/*
 * Write all that is queued, then wait for the replies due to this exchange.
 * While the kernel takes no more, read: Redis does not either if nobody reads
 * its replies.
 */
static ConnResult
ConnRun(int64 deadline, const char **why)
{
	bool		written = false;

	for (;;)
	{
		ConnResult	result;

		if (!written && (result = ConnWrite(&written, why)) != CONN_OK)
			return result;
		if (written && conn.own_due == 0)
			return CONN_OK;

		if (!ConnWait(written ? WL_SOCKET_READABLE :
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
		addresses_doubtful = true;
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
	conn.own_due = ncommands;
	if (!ConnQueue(commands))
		return ConnBroken(why);
	return ConnRun(deadline, why);
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
	int64		deadline = NowMicros() + (int64) setting_command_timeout * 1000;

	Assert(ncommands > 0);
	FreeHeldReply();
	if (!ConnConfigure(why))
		return NULL;
	limits = *reply_limits;

	if (conn.state == CONN_OPEN && !ConnCatchUp(why))
		return NULL;
	for (;;)
	{
		bool		reused = conn.state == CONN_OPEN;
		bool		retry;
		ConnResult	result;

		conn.busy = true;
		if (!reused)
		{
			int64		start = NowMicros();

			if (!ConnOpen(why))
				return NULL;
			deadline += NowMicros() - start;
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
	int64		deadline = NowMicros() + (int64) setting_command_timeout * 1000;

	if (!ConnConfigure(why) || conn.state != CONN_OPEN)
		return false;

	conn.busy = true;
	conn.fills_due += ncommands;
	if (!ConnQueue(commands))
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

/* Start to connect, if that can't wait. */
static bool
ConnStartWithoutWaiting(const char **why)
{
	if (url.use_tls || !ResolveAddresses(false, why))
	{
		*why = NULL;
		return false;
	}
	if (ConnStart(&addresses[first_address], why))
	{
		conn.busy = false;
		return true;
	}
	ConnClose();
	first_address = (first_address + 1) % naddresses;
	addresses_doubtful = true;
	return false;
}

/* See whether a connection that was started earlier is worth keeping. */
static bool
ConnCheckStarted(const char **why)
{
	if (!ConnPoll(why))
	{
		ConnClose();
		addresses_doubtful = true;
		return false;
	}
	if (conn.state == CONN_CONNECTING &&
		NowMicros() - conn.started_at > (int64) setting_connect_timeout * 1000)
	{
		*why = "connecting timed out";
		ConnClose();
		addresses_doubtful = true;
		return false;
	}
	return true;
}

bool
RedisConnPrepare(StringInfo commands, int ncommands, const char **why)
{
	RedisConnDiscardPrepared();
	if (!ConnConfigure(why))
		return false;
	limits = (RedisReplyLimits) {.elements = 0, .bytes = PLAIN_REPLY_MAX};

	if (conn.state == CONN_OPEN && !ConnCatchUp(why))
		return false;
	if (conn.state == CONN_CLOSED && !ConnStartWithoutWaiting(why))
		return false;
	if (conn.state == CONN_CONNECTING && !ConnCheckStarted(why))
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
	if (conn.state == CONN_CONNECTING && !ConnPoll(&why))
		ConnClose();

	if (conn.state == CONN_OPEN && !conn.busy)
	{
		conn.fills_due += nprepared;
		if (!ConnQueue(prepared) || ConnWrite(&done, &why) != CONN_OK || !done)
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
RedisConnAtEndOfXact(void)
{
	RedisConnDiscardPrepared();
	FreeHeldReply();
	if (conn.busy)
		ConnClose();
}

void
RedisConnClose(void)
{
	ConnClose();
}

bool
RedisConnIsOpen(void)
{
	return conn.state == CONN_OPEN;
}
