/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The settings, clarify_cache.*, as README describes them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SETTINGS_H
#define CLARIFY_SETTINGS_H

#include "base/compat.h"

/* Each is the setting of the same name under "clarify_cache.". */
extern bool setting_enabled;	/* off: neither read nor fill; still bump */
extern char *setting_redis_url; /* never NULL; "" means no Redis */
extern int	setting_connect_timeout;	/* milliseconds */
extern int	setting_command_timeout;	/* milliseconds */
extern int	setting_breaker_failures;	/* failures in a row that open it */
extern int	setting_breaker_recovery;	/* milliseconds */
extern char *setting_key_prefix;	/* never NULL, checked: [A-Za-z0-9_.-]+ */
extern int	setting_ttl_jitter; /* percent, 0 to 50 */
extern int	setting_max_entry_size; /* kilobytes */
extern int	setting_max_tracked_keys;	/* per table and transaction */
extern int	setting_local_cache_size;	/* kilobytes; 0: no local tier */
extern int	setting_log_min_duration;	/* milliseconds; -1: never */
extern double setting_audit_rate;	/* share of hits, 0 to 1 */

/* Is the library in shared_preload_libraries? */
extern bool setting_is_preloaded;

/* Grows by one whenever redis_url is assigned another value. */
extern uint64 setting_redis_url_generation;

/* Define them all; called from _PG_init only. */
extern void SettingsInit(void);

#endif							/* CLARIFY_SETTINGS_H */
