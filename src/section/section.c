/*-------------------------------------------------------------------------
 *
 * section.c
 *	  The sections as this backend knows them: their definitions and plans.
 *
 * Definitions are remembered for as long as the tokens of the table
 * clarify_cache.section, under the caller's snapshot, stay the same; so two
 * snapshots on either side of a redefinition each get theirs.
 *
 * The analysis (analysis.c) hangs on the section, and is forgotten here: on an
 * invalidation of one of its tables, or of what any name in it may resolve to (see
 * InitializeOnce).  One of a partition only brings it in doubt.
 *
 * Definitions that are no longer wanted are freed only when no call is under
 * way that may still use them.  An error ends the calls that were begun in the
 * subtransaction, or transaction, that it ends.
 *
 * Everything here outlives an error, which the user may catch.  So what is
 * remembered is first made, outside of it, and then put in place by what can't
 * raise; and `analyzed` and known_token_valid are false while something is changed
 * step by step.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/transam.h"
#include "base/settings.h"
#include "base/stats.h"
#include "common/pg_prng.h"
#include "meta/ext_rows.h"
#include "meta/ext_tables.h"
#include "meta/witness.h"
#include "section/privilege.h"
#include "section/section.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

static MemoryContext sections_context = NULL;
static List *known = NIL;		/* Sections, in order */
static List *discarded = NIL;	/* Sections to free when nobody uses them */
static List *discarded_plans = NIL; /* likewise SPIPlanPtrs */
static bool known_token_valid = false;
static uint64 known_token = 0;
static Oid	known_table = InvalidOid;
static int	calls_under_way = 0;
static int *call_levels = NULL; /* the nest level that each was begun at */
static int	call_levels_capacity = 0;
static uint64 invalidations = 0;	/* that reached us */
static uint64 definition_changes = 0;	/* those of schemas, functions, casts, ... */

/* Forget analyses, on whichever invalidation may concern them. */
static void
ForgetAnalyses(List *sections, Oid relid)
{
	ListCell   *lc;

	foreach(lc, sections)
	{
		Section    *section = lfirst(lc);

		if (relid == InvalidOid || list_member_oid(section->relations, relid))
			section->analyzed = false;
	}
}

/* Of a partition, as VACUUM sends them, they seldom mean anything. */
static void
DoubtAnalyses(List *sections, Oid root)
{
	ListCell   *lc;

	foreach(lc, sections)
	{
		Section    *section = lfirst(lc);

		if (list_member_oid(section->relations, root))
			section->doubts++;
	}
}

static void
ForgetOnRelcache(Datum arg, Oid relid)
{
	Oid			root = WitnessRootOf(relid);

	invalidations++;
	ForgetAnalyses(known, relid);
	ForgetAnalyses(discarded, relid);	/* an outer call may use them still */
	if (OidIsValid(root) && root != relid)
	{
		DoubtAnalyses(known, root);
		DoubtAnalyses(discarded, root);
	}
}

static void
ForgetOnSyscache(Datum arg, int cacheid, uint32 hashvalue)
{
	definition_changes++;
	ForgetOnRelcache(arg, InvalidOid);
}

/*
 * What a name in a section's text, or a type without a name, is resolved by.
 * Whichever object changes, all analyses are made anew: of a new function, of any
 * name and schema, one is told no more than a hash.  For five sections that costs
 * each backend's next call 0.16 ms, and what it builds next is planned anew.
 *
 * Not watched, because it can't change what the text means:
 *
 *	types				found by name alone, in pg_catalog first; there can be no
 *						second of a name.  (Each CREATE TEMP TABLE makes one.)
 *	operator families	what the server's own have can't be taken away, being
 *	(AMOPOPID,			pinned; what is added is for pairs of types that they
 *	AMPROCNUM)			lacked, and is no operator or function of the server's own
 *	aggregates			whoever replaces one replaces its row in pg_proc
 *	languages			the server's own are "internal" and "sql", by Oid
 *	conversions, text	no section asks for one (outside.c)
 *	search objects
 */
static const int watched_caches[] = {
	NAMESPACEOID, PROCOID, OPEROID, CLAOID, CASTSOURCETARGET, COLLOID
};

static void
InitializeOnce(void)
{
	MemoryContext context;

	if (sections_context != NULL)
		return;
	context = AllocSetContextCreate(TopMemoryContext, "clarify_cache sections",
									ALLOCSET_DEFAULT_SIZES);
	/* There are few places for callbacks: once, so only when nothing else can fail. */
	CacheRegisterRelcacheCallback(ForgetOnRelcache, (Datum) 0);
	for (int i = 0; i < (int) lengthof(watched_caches); i++)
		CacheRegisterSyscacheCallback(watched_caches[i], ForgetOnSyscache, (Datum) 0);
	sections_context = context;
}

/*
 * What is dropped may be needed while an outer call executes it, so it is only
 * freed when no call is under way.
 */
void
SectionDropPlan(Section *section)
{
	MemoryContext old_context;

	if (section->plan == NULL)
		return;
	old_context = MemoryContextSwitchTo(sections_context);
	discarded_plans = lappend(discarded_plans, section->plan);
	section->plan = NULL;
	MemoryContextSwitchTo(old_context);
}

void
SectionForget(Section *section)
{
	SectionDropPlan(section);
	section->analyzed = false;
}

void
SectionSetPlan(Section *section, SPIPlanPtr plan)
{
	SectionDropPlan(section);
	section->plan = plan;
	section->plan_made_at = definition_changes + PrivilegeChanges();
	section->plan_xmin = TransactionXmin;
}

/*
 * A plan ends with the analysis that it was made under.  The plan cache makes it
 * anew when an object in it changes, but it does not watch casts and operator
 * classes, nor whether a role that policies don't hold comes to be held by them.
 * Nor, if an older snapshot is imported, whether an index holds what that needs:
 * it may have been built since, without older versions of rows (indcheckxmin).
 */
SPIPlanPtr
SectionPlan(Section *section)
{
	AcceptInvalidationMessages();
	if (!section->analyzed ||
		section->plan_made_at != definition_changes + PrivilegeChanges() ||
		TransactionIdPrecedes(TransactionXmin, section->plan_xmin))
		SectionDropPlan(section);
	section->plan_xmin = TransactionXmin;
	return section->plan;
}

static void
FreeDiscarded(void)
{
	while (discarded_plans != NIL)
	{
		SPIPlanPtr	plan = linitial(discarded_plans);

		discarded_plans = list_delete_first(discarded_plans);
		SPI_freeplan(plan);
	}
	while (discarded != NIL)
	{
		Section    *section = linitial(discarded);

		discarded = list_delete_first(discarded);
		if (section->plan != NULL)
			SPI_freeplan(section->plan);
		MemoryContextDelete(section->context);
	}
}

/* It goes with the current memory context until it is given to another. */
static Section *
MakeSection(const SectionRow *row)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "clarify_cache section",
												  ALLOCSET_SMALL_SIZES);
	Section    *section = MemoryContextAllocZero(context, sizeof(Section));

	section->context = context;
	section->analysis = AllocSetContextCreate(context, "clarify_cache section analysis",
											  ALLOCSET_SMALL_SIZES);
	section->name = MemoryContextStrdup(context, row->name);
	section->ordinal = row->ordinal;
	section->query = MemoryContextStrdup(context, row->query);
	section->ttl_us = row->ttl_us;
	section->single_row = row->single_row;
	section->max_items = row->max_items;
	section->stats_slot = StatsSlot(row->name);
	return section;
}

static Section *
FindKnown(const SectionRow *row)
{
	ListCell   *lc;

	foreach(lc, known)
	{
		Section    *section = lfirst(lc);

		if (strcmp(section->name, row->name) == 0 &&
			section->ordinal == row->ordinal &&
			strcmp(section->query, row->query) == 0 &&
			section->ttl_us == row->ttl_us &&
			section->single_row == row->single_row &&
			section->max_items == row->max_items)
			return section;
	}
	return NULL;
}

/* Make `known` what the rows say, keeping what has not changed. */
static void
Remember(List *rows)
{
	MemoryContext old_context;
	List	   *sections = NIL;
	List	   *unwanted;
	List	   *before = known;
	List	   *kept;
	ListCell   *lc;

	foreach(lc, rows)
	{
		Section    *section = FindKnown(lfirst(lc));

		sections = lappend(sections, section != NULL ? section : MakeSection(lfirst(lc)));
	}
	unwanted = list_difference_ptr(before, sections);

	old_context = MemoryContextSwitchTo(sections_context);
	kept = list_copy(sections);
	discarded = list_concat(discarded, unwanted);	/* the last that may raise */
	MemoryContextSwitchTo(old_context);

	foreach(lc, kept)
		MemoryContextSetParent(((Section *) lfirst(lc))->context, sections_context);
	known = kept;
	list_free(before);
}

/* A call may be noted after this without more memory. */
static void
MakeRoomForCall(void)
{
	int			capacity = Max(8, call_levels_capacity * 2);

	if (calls_under_way < call_levels_capacity)
		return;
	call_levels = call_levels == NULL ?
		MemoryContextAlloc(TopMemoryContext, capacity * sizeof(int)) :
		repalloc(call_levels, capacity * sizeof(int));
	call_levels_capacity = capacity;
}

static void
NoteCall(void)
{
	call_levels[calls_under_way++] = GetCurrentTransactionNestLevel();
}

List *
SectionsAcquire(Snapshot snapshot, const VersionRows *rows)
{
	Oid			table = ExtTablesSections();
	TableVersion token;

	InitializeOnce();
	MakeRoomForCall();
	if (calls_under_way == 0)
		FreeDiscarded();
	if (rows != NULL)
	{
		VersionOfTable(rows, table, &token);
		if (known_token_valid && known_table == table && known_token == token.all)
		{
			NoteCall();
			return known;
		}
	}

	known_token_valid = false;
	Remember(ReadSections(snapshot, true, NULL));
	if (rows != NULL)
	{
		known_token_valid = true;
		known_table = table;
		known_token = token.all;
	}
	NoteCall();
	return known;
}

void
SectionsRelease(void)
{
	calls_under_way--;
}

/* What a subtransaction within a call has failed in leaves the call alone. */
void
SectionsAtSubAbort(int nest_level)
{
	while (calls_under_way > 0 && call_levels[calls_under_way - 1] >= nest_level)
		calls_under_way--;
}

uint64
SectionInvalidations(void)
{
	return invalidations;
}

void
SectionsAtEndOfXact(void)
{
	calls_under_way = 0;
}

TimestampTz
SectionExpiry(const Section *section, TimestampTz built_at)
{
	double		spread = pg_prng_double(&pg_global_prng_state) * setting_ttl_jitter / 100.0;

	return built_at + (TimestampTz) (section->ttl_us * (1.0 - spread));
}
