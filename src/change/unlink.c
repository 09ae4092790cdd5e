/*-------------------------------------------------------------------------
 *
 * unlink.c
 *	  Hygiene: which entries may Redis forget when this transaction commits?
 *
 * A writer has to know which sections read the tables it changed, and may
 * never have read a section itself.  So their names and tables are remembered
 * here, apart from what readers know, until a relcache invalidation of the
 * table clarify_cache.section says that they changed.  That this may come a
 * little late does no harm.  An error while they are read leaves nothing
 * remembered, rather than nothing to unlink: known_is_valid is set last.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/settings.h"
#include "change/change.h"
#include "change/unlink.h"
#include "meta/ext_rows.h"
#include "meta/ext_tables.h"
#include "redis/redis_tier.h"
#include "utils/inval.h"
#include "utils/memutils.h"

static MemoryContext names_context = NULL;
static List *known = NIL;		/* SectionRows */
static bool known_is_valid = false;
static Oid	known_table = InvalidOid;
static uint64 invalidations = 0;	/* of it */

static void
ForgetOnRelcache(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == known_table)
	{
		known_is_valid = false;
		invalidations++;
	}
}

static void
InitializeOnce(void)
{
	MemoryContext context;

	if (names_context != NULL)
		return;
	context = AllocSetContextCreate(TopMemoryContext, "clarify_cache section names",
									ALLOCSET_SMALL_SIZES);
	CacheRegisterRelcacheCallback(ForgetOnRelcache, (Datum) 0);
	names_context = context;
}

/* Is there a Redis that would have to be told? */
static bool
UnlinkIsWanted(void)
{
	return setting_enabled && RedisTierEnabled() && ExtTablesGet() != NULL;
}

/*
 * SnapshotSelf takes no predicate locks.  A long query text may have to be
 * fetched from its TOAST table, for which there must be an active snapshot.
 */
static void
ReadKnown(void)
{
	MemoryContext old_context;
	bool		locked_at_once;
	uint64		before;

	InitializeOnce();
	known_is_valid = false;
	known = NIL;
	MemoryContextReset(names_context);
	known_table = ExtTablesRequire()->section;
	before = invalidations;

	old_context = MemoryContextSwitchTo(names_context);
	PushActiveSnapshot(GetTransactionSnapshot());
	known = ReadSections(SnapshotSelf, false, &locked_at_once);
	PopActiveSnapshot();
	MemoryContextSwitchTo(old_context);
	known_is_valid = locked_at_once && before == invalidations;
}

static bool
ReadsOneOf(const SectionRow *section, List *tables)
{
	ListCell   *lc;

	foreach(lc, tables)
	{
		if (list_member_oid(section->tables, lfirst_oid(lc)))
			return true;
	}
	return false;
}

/* Names of the sections that read one of the tables. */
static List *
SectionsReading(List *tables)
{
	List	   *names = NIL;
	ListCell   *lc;

	if (!known_is_valid || known_table != ExtTablesRequire()->section)
		ReadKnown();
	foreach(lc, known)
	{
		SectionRow *row = lfirst(lc);

		if (ReadsOneOf(row, tables))
			names = lappend(names, row->name);
	}
	return names;
}

/*
 * Users and sections are paired each with each, which costs somebody a miss
 * where several tables changed.
 */
static void
PrepareFor(const UserChange *changes, int nchanges, List *tables)
{
	List	   *sections = SectionsReading(tables);
	const char **names;
	UserKey    *users;

	if (sections == NIL)
		return;
	names = palloc(list_length(sections) * sizeof(char *));
	for (int i = 0; i < list_length(sections); i++)
		names[i] = list_nth(sections, i);
	users = palloc_extended(nchanges * sizeof(UserKey), MCXT_ALLOC_HUGE);
	for (int i = 0; i < nchanges; i++)
		users[i] = changes[i].user;
	RedisTierPrepareUnlink(users, nchanges, names, list_length(sections));
}

void
UnlinkPrepare(void)
{
	int			nchanges;
	const UserChange *changes = ChangedUsers(&nchanges);

	if (nchanges > 0 && UnlinkIsWanted())
		PrepareFor(changes, nchanges, TablesOfChangedUsers());
}
