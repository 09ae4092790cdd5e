/*-------------------------------------------------------------------------
 *
 * socket.h
 *	  This backend's socket to Redis: addresses, connecting, TLS, waiting.
 *
 * It knows nothing of commands and replies; conn.c, the only caller,
 * does.  Failures are return values with *why set to a constant or static
 * string.  Only RedisSocketOpen and RedisSocketWait wait; they may raise on an
 * interrupt, and RedisSocketOpen and RedisSocketStart when memory or file
 * descriptors run out.  The caller must then close.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_REDIS_SOCKET_H
#define CLARIFY_REDIS_SOCKET_H

#include "base/compat.h"

#include "base/redis_url.h"

typedef enum SocketState
{
	SOCKET_CLOSED,
	SOCKET_CONNECTING,
	SOCKET_OPEN
} SocketState;

/* Close, and from now on connect to this URL. */
extern void RedisSocketSetUrl(const RedisUrl *new_url);

/*
 * Open the socket under connect_timeout, trying each address in turn, or
 * finish what RedisSocketStart began.  May resolve the host name first.
 */
extern bool RedisSocketOpen(const char **why);

/*
 * Start to connect, without waiting; false with *why NULL if that can't be
 * (a host name not resolved yet, or TLS).  CheckStarted then looks how it is
 * going: false if it has failed or takes too long, and was closed.
 */
extern bool RedisSocketStart(const char **why);
extern bool RedisSocketCheckStarted(const char **why);

/*
 * Wait until one of the WL_SOCKET_* events may have come.  False if the
 * deadline, by MonotonicMicros, has passed before that.
 */
extern bool RedisSocketWait(uint32 events, int64 deadline);

/* From whatever state.  Never raises. */
extern void RedisSocketClose(void);

/* Resolve the name again before the next connect, if it is not too soon. */
extern void RedisSocketDoubtAddresses(void);

/* What state it is in; changed by the functions above alone. */
extern SocketState RedisSocketState(void);

/* For hiredis's buffers and parser.  Not NULL while open. */
extern redisContext *RedisSocketContext(void);

#endif							/* CLARIFY_REDIS_SOCKET_H */
