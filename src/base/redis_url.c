/*-------------------------------------------------------------------------
 *
 * redis_url.c
 *	  Where is Redis, and who are we to it?  See redis_url.h.
 *
 * The whole text must fit the grammar; nothing is guessed, and nothing that
 * was not understood is ignored.  Details name the part that is wrong but
 * quote nothing, since any part might be a piece of the password.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include <sys/un.h>

#include "base/redis_url.h"

#define REDIS_DEFAULT_PORT 6379
#define REDIS_MAX_DB 999999

/* A part of the text that is being parsed. */
typedef struct Span
{
	const char *start;
	const char *end;
} Span;

static Size
SpanLength(Span span)
{
	return span.end - span.start;
}

/* The first c in the span, or its end. */
static const char *
SpanFind(Span span, char c)
{
	const char *p = memchr(span.start, c, SpanLength(span));

	return p != NULL ? p : span.end;
}

static bool
SpanEquals(Span span, const char *text)
{
	return SpanLength(span) == strlen(text) &&
		memcmp(span.start, text, SpanLength(span)) == 0;
}

static int
HexDigitValue(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Copy a span, undoing percent-encoding, to a buffer of REDIS_URL_MAX_PART. */
static bool
SpanDecode(Span span, char *out, const char **detail)
{
	Size		len = 0;

	for (const char *p = span.start; p < span.end; p++)
	{
		char		c = *p;

		if (c == '%')
		{
			int			high = span.end - p > 2 ? HexDigitValue(p[1]) : -1;
			int			low = span.end - p > 2 ? HexDigitValue(p[2]) : -1;

			if (high < 0 || low < 0 || (high == 0 && low == 0))
			{
				*detail = "A percent sign must be followed by two hexadecimal digits, not both zero.";
				return false;
			}
			c = (char) (high << 4 | low);
			p += 2;
		}
		if (len == REDIS_URL_MAX_PART - 1)
		{
			*detail = "A host, path, user or password is limited to 255 bytes.";
			return false;
		}
		out[len++] = c;
	}
	out[len] = '\0';
	return true;
}

/*
 * The reverse, to a buffer of 3 * REDIS_URL_MAX_PART: what would not be read as
 * itself is encoded, and what might not be a character of the database's
 * encoding, or could be mistaken on a screen.
 */
static const char *
PathEncode(const char *path, char *out)
{
	char	   *p = out;

	for (; *path != '\0'; path++)
	{
		unsigned char c = (unsigned char) *path;

		if (c <= ' ' || c >= 0x7F || c == '%' || c == '?')
			p += sprintf(p, "%%%02X", c);
		else
			*p++ = c;
	}
	*p = '\0';
	return out;
}

/* A decimal number from 0 to max, nothing else, or -1. */
static int
SpanNumber(Span span, int max)
{
	int			value = 0;

	if (span.start == span.end)
		return -1;
	for (const char *p = span.start; p < span.end; p++)
	{
		if (*p < '0' || *p > '9')
			return -1;
		value = value * 10 + (*p - '0');
		if (value > max)
			return -1;
	}
	return value;
}

static bool
ParseDatabase(Span number, RedisUrl *url, const char **detail)
{
	url->db = SpanNumber(number, REDIS_MAX_DB);
	if (url->db >= 0)
		return true;
	*detail = "The database must be a number.";
	return false;
}

/* [[user]:password@] at the front of *authority, which is moved past it. */
static bool
ParseCredentials(Span *authority, RedisUrl *url, const char **detail)
{
	const char *at = authority->end;
	const char *colon;

	/* The last one: a password may have been pasted with its own. */
	while (at > authority->start && at[-1] != '@')
		at--;
	if (at == authority->start)
		return true;

	colon = SpanFind((Span) {authority->start, at - 1}, ':');
	if (colon == at - 1)
	{
		*detail = "Credentials are written as \":password@\" or \"user:password@\".";
		return false;
	}
	if (!SpanDecode((Span) {authority->start, colon}, url->user, detail) ||
		!SpanDecode((Span) {colon + 1, at - 1}, url->password, detail))
		return false;

	authority->start = at;
	return true;
}

/* host[:port], the host being a name, an IPv4 address, or [an IPv6 address] */
static bool
ParseHost(Span authority, RedisUrl *url, const char **detail)
{
	Span		host = authority;
	const char *rest;

	if (host.start < host.end && *host.start == '[')
	{
		host.start++;
		host.end = SpanFind(host, ']');
		rest = host.end == authority.end ? NULL : host.end + 1;
	}
	else
	{
		host.end = SpanFind(host, ':');
		rest = host.end;
	}

	if (rest == NULL || SpanLength(host) == 0 ||
		strspn(host.start, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			   "0123456789.-_:%") < SpanLength(host))
	{
		*detail = "The host must be a name, an IPv4 address, or an IPv6 address in brackets.";
		return false;
	}
	if (SpanLength(host) >= REDIS_URL_MAX_PART)
	{
		*detail = "A host, path, user or password is limited to 255 bytes.";
		return false;
	}
	memcpy(url->host, host.start, SpanLength(host));

	url->port = REDIS_DEFAULT_PORT;
	if (rest < authority.end)
	{
		url->port = *rest == ':' ? SpanNumber((Span) {rest + 1, authority.end}, 65535) : -1;
		if (url->port <= 0)
		{
			*detail = "The port must be a number from 1 to 65535.";
			return false;
		}
	}
	return true;
}

/* [[user]:password@]/path[?db=n] */
static bool
ParseUnix(Span rest, RedisUrl *url, const char **detail)
{
	const char *slash = SpanFind(rest, '/');
	const char *query = SpanFind((Span) {slash, rest.end}, '?');
	Span		authority = {rest.start, slash};

	url->is_unix = true;
	if (!ParseCredentials(&authority, url, detail))
		return false;
	if (SpanLength(authority) != 0 || query - slash < 2)
	{
		*detail = "A socket is written as \"unix:///path\", with an absolute path.";
		return false;
	}
	if (!SpanDecode((Span) {slash, query}, url->host, detail))
		return false;
	if (strlen(url->host) >= sizeof(((struct sockaddr_un *) NULL)->sun_path))
	{
		*detail = "The path is too long for a socket.";
		return false;
	}
	if (query == rest.end)
		return true;

	if (rest.end - query < 4 || !SpanEquals((Span) {query + 1, query + 4}, "db="))
	{
		*detail = "The only option after the path is \"?db=\" and a number.";
		return false;
	}
	return ParseDatabase((Span) {query + 4, rest.end}, url, detail);
}

/* [[user]:password@]host[:port][/db] */
static bool
ParseTcp(Span rest, RedisUrl *url, const char **detail)
{
	const char *slash = SpanFind(rest, '/');
	Span		authority = {rest.start, slash};

	if (!ParseCredentials(&authority, url, detail) ||
		!ParseHost(authority, url, detail))
		return false;
	if (rest.end - slash < 2)
		return true;			/* no database, or an empty one */
	return ParseDatabase((Span) {slash + 1, rest.end}, url, detail);
}

bool
RedisUrlParse(const char *text, RedisUrl *url, const char **detail)
{
	static const char separator[] = "://";
	const char *scheme_end = strstr(text, separator);
	Span		scheme = {text, text};
	Span		rest = {text, text + strlen(text)};

	memset(url, 0, sizeof(RedisUrl));
	*detail = NULL;

	if (scheme_end != NULL)
	{
		scheme.end = scheme_end;
		rest.start = scheme_end + strlen(separator);
	}

	if (SpanEquals(scheme, "unix"))
		return ParseUnix(rest, url, detail);
	if (SpanEquals(scheme, "redis"))
		return ParseTcp(rest, url, detail);
	if (SpanEquals(scheme, "rediss"))
	{
#ifdef CLARIFY_WITH_TLS
		url->use_tls = true;
		return ParseTcp(rest, url, detail);
#else
		*detail = "This build of clarify_cache has no TLS, because its hiredis has none.";
		return false;
#endif
	}

	*detail = "The URL must start with \"redis://\", \"rediss://\" or \"unix://\".";
	return false;
}

char *
RedisUrlForDisplay(const RedisUrl *url, char *buf, Size size)
{
	if (url->is_unix)
	{
		char		path[3 * REDIS_URL_MAX_PART];

		PathEncode(url->host, path);
		if (url->db != 0)
			snprintf(buf, size, "unix://%s?db=%d", path, url->db);
		else
			snprintf(buf, size, "unix://%s", path);
	}
	else
	{
		bool		is_ipv6 = strchr(url->host, ':') != NULL;

		snprintf(buf, size, "%s://%s%s%s:%d/%d",
				 url->use_tls ? "rediss" : "redis",
				 is_ipv6 ? "[" : "", url->host, is_ipv6 ? "]" : "",
				 url->port, url->db);
	}
	return buf;
}
