/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  What can be set, by whom, and within which bounds?  See settings.h.
 *
 * What affects only the speed of the caller's own answers may be set by
 * anyone (enabled); what could make a session a burden to Redis or to others by a
 * superuser; the URL, which holds a password and belongs to the server as a
 * whole, only in the configuration files.  Check hooks parse, the assign hook
 * only notices a change.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/redis_url.h"
#include "base/settings.h"
#include "common/hashfn.h"
#include "utils/guc.h"

#define KEY_PREFIX_MAX_LEN 64

bool		setting_enabled = true;
char	   *setting_redis_url = NULL;
int			setting_connect_timeout = 100;
int			setting_command_timeout = 25;
int			setting_breaker_failures = 3;
int			setting_breaker_recovery = 15000;
char	   *setting_key_prefix = NULL;
int			setting_ttl_jitter = 10;
int			setting_max_entry_size = 1024;
int			setting_max_tracked_keys = 10000;
int			setting_local_cache_size = 64 * 1024;
int			setting_log_min_duration = -1;
double		setting_audit_rate = 0.0;

bool		setting_is_preloaded = false;

uint64		setting_redis_url_generation = 0;

/*
 * The server's own message for a rejected value quotes it, and with it the
 * password, in the server's log; so this replaces the message as well.
 */
static bool
CheckRedisUrl(char **newval, void **extra, GucSource source)
{
	RedisUrl	url;
	const char *detail;

	if ((*newval)[0] == '\0' || RedisUrlParse(*newval, &url, &detail))
		return true;

	GUC_check_errcode(ERRCODE_INVALID_PARAMETER_VALUE);
	GUC_check_errmsg("invalid value for parameter \"%s\"", "clarify_cache.redis_url");
	GUC_check_errdetail("%s", detail);
	GUC_check_errhint("Examples: redis://:password@10.0.0.5:6379/0, "
					  "unix:///run/redis/redis.sock?db=1.  "
					  "Percent-encode special characters of the user and the password.");
	return false;
}

/*
 * Each reload of the configuration assigns the setting, and only another value
 * may break the connection.  The variable can't be compared with: a parallel
 * worker that takes over its leader's settings has freed what it points to.
 */
static void
AssignRedisUrl(const char *newval, void *extra)
{
	static uint64 current = 0;
	uint64		hash = hash_bytes_extended((const unsigned char *) newval,
										   (int) strlen(newval), 0);

	if (setting_redis_url_generation == 0 || hash != current)
		setting_redis_url_generation++;
	current = hash;
}

/* SHOW and pg_settings leave user and password out, for superusers too. */
static const char *
ShowRedisUrl(void)
{
	static char shown[2 * REDIS_URL_MAX_PART];
	RedisUrl	url;
	const char *detail;

	if (setting_redis_url == NULL || !RedisUrlParse(setting_redis_url, &url, &detail))
		return "";
	return RedisUrlForDisplay(&url, shown, sizeof(shown));
}

static bool
CheckKeyPrefix(char **newval, void **extra, GucSource source)
{
	Size		len = strlen(*newval);

	if (len >= 1 && len <= KEY_PREFIX_MAX_LEN &&
		strspn(*newval, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			   "0123456789_.-") == len)
		return true;

	GUC_check_errdetail("The prefix must be 1 to %d characters from "
						"A-Z, a-z, 0-9, \"_\", \".\" and \"-\".",
						KEY_PREFIX_MAX_LEN);
	return false;
}

static void
DefineRedisSettings(void)
{
	DefineCustomStringVariable("clarify_cache.redis_url",
							   "Where Redis is; empty means that none is used.",
							   "redis://[[user]:password@]host[:port][/db], "
							   "rediss:// for TLS, or unix:///path[?db=n].",
							   &setting_redis_url,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   CheckRedisUrl, AssignRedisUrl, ShowRedisUrl);
	DefineCustomIntVariable("clarify_cache.connect_timeout",
							"How long a connection to Redis may take to open.",
							NULL,
							&setting_connect_timeout,
							100, 1, 60000,
							PGC_SUSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomIntVariable("clarify_cache.command_timeout",
							"How long an exchange with Redis may take.",
							NULL,
							&setting_command_timeout,
							25, 1, 60000,
							PGC_SUSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomIntVariable("clarify_cache.breaker_failures",
							"How many failures in a row make Redis be left alone.",
							NULL,
							&setting_breaker_failures,
							3, 1, 1000,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("clarify_cache.breaker_recovery",
							"How long Redis is left alone before one call tries again.",
							NULL,
							&setting_breaker_recovery,
							15000, 100, 3600 * 1000,
							PGC_SUSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomStringVariable("clarify_cache.key_prefix",
							   "What the keys in Redis start with.",
							   NULL,
							   &setting_key_prefix,
							   "clarify",
							   PGC_SUSET, 0,
							   CheckKeyPrefix, NULL, NULL);
}

static void
DefineCacheSettings(void)
{
	DefineCustomBoolVariable("clarify_cache.enabled",
							 "Whether the cache is read and filled.",
							 "Changes are recorded in any case.",
							 &setting_enabled,
							 true,
							 PGC_USERSET, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("clarify_cache.ttl_jitter",
							"By how much the life of an entry is varied at random, in percent.",
							"Entries that were made together then do not expire together.",
							&setting_ttl_jitter,
							10, 0, 50,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("clarify_cache.max_entry_size",
							"The largest entry that is cached.",
							NULL,
							&setting_max_entry_size,
							1024, 1, 512 * 1024,
							PGC_SUSET, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("clarify_cache.max_tracked_keys",
							"How many users a transaction may change before it "
							"is taken to concern all of them.",
							"Counted for each attached table.",
							&setting_max_tracked_keys,
							10000, 1, 10000000,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("clarify_cache.log_min_duration",
							"How long a call takes that is logged.",
							"0 logs all calls, -1 none.",
							&setting_log_min_duration,
							-1, -1, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomRealVariable("clarify_cache.audit_rate",
							 "The share of hits that are built again and compared, from 0 to 1.",
							 "Not those of sections that depend on the time.",
							 &setting_audit_rate,
							 0.0, 0.0, 1.0,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);

	/*
	 * What is not preloaded may not define a setting that only the start of
	 * the server can change; the memory is the backend's own then.
	 */
	DefineCustomIntVariable("clarify_cache.local_cache_size",
							"Memory for entries in PostgreSQL itself; 0 means none.",
							"Shared by all backends if the library is preloaded; "
							"else every backend has 4MB of its own.",
							&setting_local_cache_size,
							64 * 1024, 0, MAX_KILOBYTES,
							setting_is_preloaded ? PGC_POSTMASTER : PGC_SIGHUP, GUC_UNIT_KB,
							NULL, NULL, NULL);
}

void
SettingsInit(void)
{
	setting_is_preloaded = process_shared_preload_libraries_in_progress;
	DefineRedisSettings();
	DefineCacheSettings();
	MarkGUCPrefixReserved("clarify_cache");
}
