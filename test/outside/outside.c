/*-------------------------------------------------------------------------
 *
 * outside.c
 *	  A library to be preloaded under a real server, by LD_PRELOAD: gives it
 *	  other time zone files, and other versions of its libraries.
 *
 * Environment variables, each of which may be missing:
 *
 *	OUTSIDE_ZONES		the folder that stands in for OUTSIDE_ZONES_OF
 *	OUTSIDE_ZONES_OF	the server's folder of time zones
 *	OUTSIDE_LIBC		the C library's version
 *	OUTSIDE_ICU			a number to change ICU's version of collations by
 *
 * OutsideTest.pm compiles it.  ICU's functions have its version in their names, so
 * UCOL_GET_VERSION is the name of the one that is meant.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The path that is meant: itself, or written to a buffer of PATH_MAX bytes. */
static const char *
meant(const char *path, char *buffer)
{
	const char *to = getenv("OUTSIDE_ZONES");
	const char *from = getenv("OUTSIDE_ZONES_OF");
	size_t		len = from ? strlen(from) : 0;

	if (to == NULL || len == 0 || strncmp(path, from, len) != 0 ||
		(path[len] != '/' && path[len] != '\0'))
		return path;
	snprintf(buffer, PATH_MAX, "%s%s", to, path + len);
	return buffer;
}

#define NEXT(type, name, ...) (((type (*) (__VA_ARGS__)) dlsym(RTLD_NEXT, name)))

#define DEFINE_OPEN(name) \
int \
name(const char *path, int flags, ...) \
{ \
	char		buffer[PATH_MAX]; \
	va_list		args; \
	mode_t		mode; \
\
	va_start(args, flags); \
	mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(args, mode_t) : 0; \
	va_end(args); \
	return NEXT(int, #name, const char *, int, ...) (meant(path, buffer), flags, mode); \
}

#define DEFINE_STAT(name, type) \
int \
name(const char *path, type *st) \
{ \
	char		buffer[PATH_MAX]; \
\
	return NEXT(int, #name, const char *, type *) (meant(path, buffer), st); \
}

DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_STAT(stat, struct stat)
DEFINE_STAT(stat64, struct stat64)
DEFINE_STAT(lstat, struct stat)
DEFINE_STAT(lstat64, struct stat64)

DIR *
opendir(const char *path)
{
	char		buffer[PATH_MAX];

	return NEXT(DIR *, "opendir", const char *) (meant(path, buffer));
}

const char *
gnu_get_libc_version(void)
{
	const char *version = getenv("OUTSIDE_LIBC");

	return version ? version : NEXT(const char *, "gnu_get_libc_version", void) ();
}

#ifdef UCOL_GET_VERSION
#define TEXT_OF_(name) #name
#define TEXT_OF(name) TEXT_OF_(name)

void
UCOL_GET_VERSION(const void *collator, uint8_t *version)
{
	const char *change = getenv("OUTSIDE_ICU");

	NEXT(void, TEXT_OF(UCOL_GET_VERSION), const void *, uint8_t *) (collator, version);
	version[3] += change ? atoi(change) : 0;
}
#endif
