/*-------------------------------------------------------------------------
 *
 * redis_url.h
 *	  Parsing of clarify_cache.redis_url.
 *
 *	  redis://[[user]:password@]host[:port][/db]
 *	  rediss://...				the same over TLS, where hiredis has it
 *	  unix:///path[?db=n]		also unix://[[user]:password@]/path[?db=n]
 *
 * User, password and path may be percent-encoded.  An IPv6 address stands in
 * brackets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_REDIS_URL_H
#define CLARIFY_REDIS_URL_H

#include "base/compat.h"

#define REDIS_URL_MAX_PART 256	/* bytes of a host, path, user or password */

typedef struct RedisUrl
{
	bool		is_unix;
	bool		use_tls;
	char		host[REDIS_URL_MAX_PART];	/* or the socket's path */
	int			port;
	char		user[REDIS_URL_MAX_PART];	/* "" if none */
	char		password[REDIS_URL_MAX_PART];	/* "" if none */
	int			db;
} RedisUrl;

/*
 * Parse text into *url.  True if it is well-formed; else false, with *detail
 * set to a constant string for errdetail that never quotes the password.
 * Neither allocates nor raises, so a GUC check hook may call it.
 */
extern bool RedisUrlParse(const char *text, RedisUrl *url, const char **detail);

/*
 * The URL without user and password, for people to see; it can be parsed, and
 * is printable ASCII.  Writes at most size bytes to buf and returns buf.  None is
 * longer than 2 * REDIS_URL_MAX_PART.
 */
extern char *RedisUrlForDisplay(const RedisUrl *url, char *buf, Size size);

#endif							/* CLARIFY_REDIS_URL_H */
