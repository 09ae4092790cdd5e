/*-------------------------------------------------------------------------
 *
 * socket.c
 *	  How does this backend get a socket to Redis, and wait on it, in bounded
 *	  time?  See socket.h.
 *
 * hiredis's memory is malloc'd, so whatever of it could be lost when an error
 * jumps hangs on the static variable.  The socket is made here, because
 * hiredis would resolve the name each time, and programs that the server
 * starts would inherit the descriptor.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

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

#include "base/clock.h"
#include "base/settings.h"
#include "base/stats.h"
#include "common/ip.h"
#include "port.h"
#include "redis/socket.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"

/* Addresses of one host name that are tried. */
#define MAX_ADDRESSES 8

typedef struct Socket
{
	SocketState state;
	redisContext *ctx;			/* owns the descriptor */
	WaitEventSet *waits;		/* latch, postmaster, and the socket */
	int			socket_pos;		/* the socket's place in waits */
	uint32		socket_events;	/* what waits waits for on the socket */
	bool		counted;		/* as one of the server's file descriptors */
	int64		started_at;		/* when connecting began */
} Socket;

typedef struct Address
{
	struct sockaddr_storage sockaddr;
	socklen_t	len;
} Address;

static Socket sock;

/* Where Redis is. */
static RedisUrl url;
static Address addresses[MAX_ADDRESSES];
static int	naddresses = 0;
static int	first_address = 0;	/* which to try first */
static bool addresses_doubtful = false; /* something failed since */
static int64 resolve_after = 0; /* don't resolve again before */

static char connect_error[128];

/*----------
 * Waiting
 *----------
 */

/*
 * A set that lives as long as the connection: WaitLatchOrSocket would make
 * and destroy one for each wait, which costs more than all else in a hit.
 */
static void
SocketMakeWaitSet(void)
{
	sock.waits = compat_create_wait_event_set(3);
	AddWaitEventToSet(sock.waits, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	if (IsUnderPostmaster)
		AddWaitEventToSet(sock.waits, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET,
						  NULL, NULL);
	sock.socket_events = WL_SOCKET_READABLE;
	sock.socket_pos = AddWaitEventToSet(sock.waits, sock.socket_events,
										sock.ctx->fd, NULL, NULL);
}

/*
 * Wait until one of the events may have come on the socket.  False if the
 * deadline has passed before that.  May raise on an interrupt.
 */
bool
RedisSocketWait(uint32 events, int64 deadline)
{
	static uint32 wait_event_info = 0;
	int64		left = deadline - MonotonicMicros();
	WaitEvent	event;

	if (left <= 0)
	{
		StatsCountRedis(REDIS_TIMEOUTS, 1);
		return false;
	}

	if (wait_event_info == 0)
		wait_event_info = compat_wait_event("ClarifyCacheRedis");

	if (events != sock.socket_events)
	{
		ModifyWaitEvent(sock.waits, sock.socket_pos, events, NULL);
		sock.socket_events = events;
	}

	if (WaitEventSetWait(sock.waits, (long) ((left + 999) / 1000), &event, 1,
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
		(url.is_unix || !addresses_doubtful || !may_wait || MonotonicMicros() < resolve_after))
		return true;
	if (url.is_unix)
	{
		ResolveUnix();
		return true;
	}

	*why = "the host name could not be resolved";
	if (may_wait && MonotonicMicros() < resolve_after)
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
		resolve_after = MonotonicMicros() + (int64) setting_breaker_recovery * 1000;
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

/* Give a new socket to sock.ctx, ready to connect.  False without memory. */
static bool
SocketAdopt(int fd)
{
	int			on = 1;

	sock.ctx = redisConnectFd(fd);
	if (sock.ctx == NULL || sock.ctx->err != 0 || sock.ctx->reader == NULL)
	{
		if (sock.ctx == NULL)
			close(fd);
		return false;
	}
	sock.ctx->flags &= ~REDIS_BLOCK;

	if (!url.is_unix)
		(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && pg_set_noblock(fd);
}

static bool
SocketFailed(int error, const char **why)
{
	snprintf(connect_error, sizeof(connect_error), "could not connect: %s", strerror(error));
	*why = connect_error;
	return false;
}

/*
 * A set of events to wait for takes a descriptor, and making one without it
 * raises: so see first whether there is another one besides fd.
 */
static bool
DescriptorIsLeft(int fd)
{
	int			copy;

	if (!AcquireExternalFD())
		return false;
	copy = dup(fd);
	if (copy >= 0)
		close(copy);
	ReleaseExternalFD();
	return copy >= 0;
}

/*
 * Start to connect to an address.  False, and *why set, if that fails at
 * once.  The caller must close after a failure, and also should an error jump
 * from here.
 */
static bool
SocketStart(const Address *address, const char **why)
{
	int			fd;

	Assert(sock.ctx == NULL);
	sock.started_at = MonotonicMicros();

	sock.counted = AcquireExternalFD();
	if (!sock.counted)
		return SocketFailed(EMFILE, why);
	fd = socket(address->sockaddr.ss_family, SOCK_STREAM, 0);
	if (fd < 0)
		return SocketFailed(errno, why);
	if (!SocketAdopt(fd))
		return SocketFailed(ENOMEM, why);
	if (!DescriptorIsLeft(fd))
		return SocketFailed(EMFILE, why);

	if (connect(fd, (const struct sockaddr *) &address->sockaddr, address->len) == 0)
		sock.state = SOCKET_OPEN;
	else if (errno == EINPROGRESS || errno == EINTR)
		sock.state = SOCKET_CONNECTING;
	else
		return SocketFailed(errno, why);

	SocketMakeWaitSet();
	return true;
}

/* Has connecting come to an end?  False, and *why set, if it has failed. */
static bool
SocketPoll(const char **why)
{
	struct pollfd poll_fd = {.fd = sock.ctx->fd, .events = POLLOUT};
	int			error = 0;
	socklen_t	len = sizeof(error);

	if (poll(&poll_fd, 1, 0) <= 0)
		return true;
	if (getsockopt(sock.ctx->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0)
		return SocketFailed(error, why);

	sock.state = SOCKET_OPEN;
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
SocketSecure(int64 deadline, const char **why)
{
	SSL		   *ssl = TlsMakeSession();

	*why = "the TLS handshake failed";
	if (ssl == NULL)
		return false;
	ERR_clear_error();
	if (redisInitiateSSL(sock.ctx, ssl) != REDIS_OK)
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
		if (!RedisSocketWait(events, deadline))
		{
			*why = "the TLS handshake timed out";
			return false;
		}
	}
}

#else							/* RedisUrlParse lets no such URL pass */

static bool
SocketSecure(int64 deadline, const char **why)
{
	*why = "this build has no TLS";
	return false;
}

#endif							/* CLARIFY_WITH_TLS */

/* Bring a started connection to its end. */
static bool
SocketFinish(int64 deadline, const char **why)
{
	while (sock.state == SOCKET_CONNECTING)
	{
		if (!SocketPoll(why))
			return false;
		if (sock.state == SOCKET_CONNECTING &&
			!RedisSocketWait(WL_SOCKET_WRITEABLE, deadline))
		{
			*why = "connecting timed out";
			return false;
		}
	}
	return !url.use_tls || SocketSecure(deadline, why);
}

/* Close, and try the next address first: this one may use up all the time. */
static void
SocketGiveUp(void)
{
	RedisSocketClose();
	first_address = (first_address + 1) % naddresses;
}

bool
RedisSocketOpen(const char **why)
{
	int64		deadline = MonotonicMicros() + (int64) setting_connect_timeout * 1000;

	if (sock.state == SOCKET_CONNECTING)
	{
		if (SocketFinish(deadline, why))
			return true;
		RedisSocketClose();
	}

	if (!ResolveAddresses(true, why))
		return false;
	for (int i = 0; i < naddresses; i++)
	{
		if (SocketStart(&addresses[first_address], why) && SocketFinish(deadline, why))
		{
			*why = NULL;
			return true;
		}
		SocketGiveUp();
	}
	addresses_doubtful = true;
	return false;
}

/*----------
 * Connecting without waiting
 *----------
 */

bool
RedisSocketStart(const char **why)
{
	if (url.use_tls || !ResolveAddresses(false, why))
	{
		*why = NULL;
		return false;
	}
	if (SocketStart(&addresses[first_address], why))
		return true;

	SocketGiveUp();
	addresses_doubtful = true;
	return false;
}

bool
RedisSocketCheckStarted(const char **why)
{
	bool		ok = sock.state != SOCKET_CONNECTING || SocketPoll(why);

	if (ok && sock.state == SOCKET_CONNECTING &&
		MonotonicMicros() - sock.started_at > (int64) setting_connect_timeout * 1000)
	{
		*why = "connecting timed out";
		ok = false;
	}
	if (!ok)
	{
		RedisSocketClose();
		addresses_doubtful = true;
	}
	return ok;
}

/*----------
 * The state
 *----------
 */

void
RedisSocketSetUrl(const RedisUrl *new_url)
{
	RedisSocketClose();
	url = *new_url;
	naddresses = 0;
	addresses_doubtful = false;
	resolve_after = 0;
}

void
RedisSocketDoubtAddresses(void)
{
	addresses_doubtful = true;
}

SocketState
RedisSocketState(void)
{
	return sock.state;
}

redisContext *
RedisSocketContext(void)
{
	return sock.ctx;
}

/* From whatever state, also a half-made one. */
void
RedisSocketClose(void)
{
	if (sock.waits != NULL)
		FreeWaitEventSet(sock.waits);
	if (sock.ctx != NULL)
		redisFree(sock.ctx);	/* closes the descriptor */
	if (sock.counted)
		ReleaseExternalFD();
	memset(&sock, 0, sizeof(sock));
}
