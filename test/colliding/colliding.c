/*-------------------------------------------------------------------------
 *
 * colliding.c
 *	  A library for 101_symbols.pl, which compiles it: has functions and a
 *	  variable under names that clarify_cache has, too, and that do harm.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;

#define COLLIDES(type, name) \
	extern PGDLLEXPORT type name(void); \
	type \
	name(void) \
	{ \
		elog(ERROR, "another library's " #name " was called"); \
		return (type) 0; \
	}

extern PGDLLEXPORT const char *BypassReasonName(int reason);
extern PGDLLEXPORT bool setting_enabled;

bool		setting_enabled = false;

const char *
BypassReasonName(int reason)
{
	return "another library's";
}

COLLIDES(bool, HoldsRelation)
COLLIDES(int, PinSettings)
COLLIDES(void *, Shared)
COLLIDES(void *, ExtTablesGet)
COLLIDES(void *, SectionsAcquire)
COLLIDES(bool, VersionOpen)
COLLIDES(bool, LocalTierEnabled)
COLLIDES(bool, RedisTierRead)
COLLIDES(bool, EntryParse)
COLLIDES(int64, StatsRead)
COLLIDES(char *, TableFault)
