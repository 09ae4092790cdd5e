/*-------------------------------------------------------------------------
 *
 * section.c
 *	  The sections as this backend knows them: definition, analysis, plan.
 *
 * Definitions are remembered for as long as the tokens of the table
 * clarify_cache.section, under the caller's snapshot, stay the same; so two
 * snapshots on either side of a redefinition each get theirs.
 *
 * The analysis (which tables, which privileges, may it be cached) is remembered
 * until an invalidation of one of its tables, or of what any name in it may
 * resolve to (see InitializeOnce) arrives, or until the tables' coverage tokens differ, since a table may
 * have been attached anew by another key, or be watched for other columns
 * (section_columns.c).  With it goes the answer whether
 * the tables are still what they were when they were last watched (witness.c), which
 * is asked again when an invalidation of a partition arrives.  It is checked under
 * locks on the tables and with invalidations accepted, so no DDL that takes
 * AccessExclusiveLock can make it wrong while it is in use.
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
#include "compat.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "ext_tables.h"
#include "fingerprint.h"
#include "outside.h"
#include "parser/analyze.h"
#include "pin.h"
#include "privilege.h"
#include "section.h"
#include "section_check.h"
#include "section_columns.h"
#include "section_uses.h"
#include "settings.h"
#include "stats.h"
#include "storage.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "witness.h"

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

void
SectionsAtEndOfXact(void)
{
	calls_under_way = 0;
}

char *
SectionBuildQuery(const char *query)
{
	return psprintf("SELECT row_to_json(s.*) FROM (%s) s", query);
}

static RawStmt *
ParseOne(const char *sql)
{
	List	   *raw = pg_parse_query(sql);

	if (list_length(raw) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("a section's query must be one SELECT"),
				 errdetail("There are %d statements in it.", list_length(raw)),
				 errhint("Define a section for each SELECT.")));
	return linitial(raw);
}

Query *
SectionAnalyzeText(const char *sql)
{
	Oid			param_types[1] = {UUIDOID};

	return parse_analyze_fixedparams(ParseOne(sql), sql, param_types, 1, NULL);
}

/* For SectionCheck: the attached tables under a snapshot. */
static AttachedKey
LookupAttached(Oid relid, void *arg)
{
	AttachedKey result = {false, false, InvalidAttrNumber};
	const AttachedTable *table = FindAttachedTable(arg, relid);

	result.attached = (table != NULL);
	if (table != NULL && table->key_column != NULL)
	{
		result.keyed = true;
		result.attnum = get_attnum(relid, table->key_column);
	}
	return result;
}

/* XOR of the coverage tokens of the section's tables. */
static uint64
CoverageOf(const Section *section, const VersionRows *rows)
{
	uint64		coverage = 0;
	ListCell   *lc;

	foreach(lc, section->relations)
	{
		TableVersion version;

		VersionOfTable(rows, lfirst_oid(lc), &version);
		coverage ^= version.coverage;
	}
	return coverage;
}

/* Why the author's query can't be cached under the snapshot, or NULL. */
static char *
FaultOf(Query *query, Snapshot snapshot)
{
	List	   *attached = ReadAttachedTables(snapshot);
	SectionFault *fault = SectionCheck(query, LookupAttached, attached);

	return fault != NULL ? fault->message :
		UnwatchedColumnFault(CollectColumns(query), attached);
}

/*
 * Are the section's tables what they were when their changes were last watched?  What is
 * true of the snapshot only is asked again each time.
 */
static void
AskWitness(Section *section, Snapshot snapshot, bool again)
{
	Oid			unwitnessed = InvalidOid;
	bool		once = false;
	TransactionId storage_xid = InvalidTransactionId;
	uint64		doubts = section->doubts;
	ListCell   *lc;

	foreach(lc, section->relations)
	{
		Oid			relid = lfirst_oid(lc);

		if (!(again ? WitnessStillAgrees(relid) : WitnessAgrees(relid)))
		{
			if (WitnessAgreed(relid, snapshot))
				once = true;
			else
				unwitnessed = relid;
		}
		storage_xid = StorageLater(storage_xid, WitnessStorageXid(relid));
	}
	section->unwitnessed = unwitnessed;
	section->witnessed_once = once;
	section->storage_xid = storage_xid;
	section->doubts_settled = doubts;
}

/*
 * The author's query in that which makes JSON of it.  Analyzed but once, as that
 * is most of what an analysis takes.  What is one statement by itself can't have
 * closed the parentheses around it.
 */
static Query *
AuthorsQuery(const Section *section, Query *query)
{
	(void) ParseOne(section->query);
	return linitial_node(RangeTblEntry, query->rtable)->subquery;
}

/* Fill in the analysis, whose results are copied to section->analysis. */
static void
AnalyzeInto(Section *section, Snapshot snapshot)
{
	Query	   *query = SectionAnalyzeText(SectionBuildQuery(section->query));
	const char *fault = FaultOf(AuthorsQuery(section, query), snapshot);
	List	   *permissions = CollectPermissions(query);
	SectionUses uses;
	Outside		outside = {0};
	MemoryContext old_context;
	ListCell   *lc;

	SectionCollectUses(query, &uses);
	if (fault == NULL)
		fault = SectionUsesFault(&uses);
	if (fault == NULL)
	{
		OutsideLook(&uses, &outside);
		fault = outside.fault;
	}

	old_context = MemoryContextSwitchTo(section->analysis);
	section->relations = list_copy(uses.relations);
	section->functions = list_copy(uses.functions);
	section->permissions = copyObject(permissions);
	section->namespaces = NIL;
	foreach(lc, uses.relations)
		section->namespaces = list_append_unique_oid(section->namespaces,
													 get_rel_namespace(lfirst_oid(lc)));
	section->fault = fault == NULL ? NULL : pstrdup(fault);
	MemoryContextSwitchTo(old_context);

	AskWitness(section, snapshot, false);
	section->fingerprint = fault != NULL ? 0 :
		SectionFingerprint(section, query, &uses, outside.digest);
	section->reads_time = uses.reads_time;
	section->zone_files = (fault == NULL && outside.zone_files);
}

/*
 * Analyze until no invalidation arrives meanwhile.  The second time the locks
 * that the first one waited for are held, so it seldom takes a third.  False if
 * three are not enough.
 */
static bool
AnalyzeSection(Section *section, Snapshot snapshot, const VersionRows *rows)
{
	int			nest_level = PinSettings();

	SectionForget(section);
	section->quiet = false;
	section->noisy = false;
	for (int tries = 0; tries < 3 && !section->analyzed; tries++)
	{
		uint64		before = invalidations;

		section->relations = NIL;
		section->readable_by = InvalidOid;
		MemoryContextReset(section->analysis);
		AnalyzeInto(section, snapshot);
		section->coverage = CoverageOf(section, rows);
		AcceptInvalidationMessages();
		section->analyzed = (before == invalidations);
	}
	UnpinSettings(nest_level);
	return section->analyzed;
}

static bool
LockTables(const Section *section)
{
	ListCell   *lc;

	foreach(lc, section->relations)
	{
		if (!ConditionalLockRelationOid(lfirst_oid(lc), AccessShareLock))
			return false;
	}
	return true;
}

bool
SectionLockAndAnalyze(Section *section, Snapshot snapshot, const VersionRows *rows)
{
	if (!LockTables(section))
		return false;
	AcceptInvalidationMessages();
	if (section->analyzed && section->coverage == CoverageOf(section, rows) &&
		OutsideIsUnchanged(section, false))
	{
		if (section->doubts != section->doubts_settled || section->witnessed_once)
			AskWitness(section, snapshot, true);
		return true;
	}

	/* The analysis locks the tables it finds, and accepts as it does. */
	return AnalyzeSection(section, snapshot, rows);
}

bool
SectionIsCurrent(Section *section)
{
	AcceptInvalidationMessages();
	return section->analyzed && section->doubts == section->doubts_settled;
}

bool
SectionStorageIsOlder(const Section *section, Snapshot snapshot)
{
	return StorageIsOlder(section->storage_xid, snapshot);
}

TimestampTz
SectionExpiry(const Section *section, TimestampTz built_at)
{
	double		spread = pg_prng_double(&pg_global_prng_state) * setting_ttl_jitter / 100.0;

	return built_at + (TimestampTz) (section->ttl_us * (1.0 - spread));
}

/* Raise a fault found in a new section. */
static void
RaiseFault(const char *name, const SectionFault *fault)
{
	ereport(ERROR,
			(errcode(fault->sqlstate),
			 errmsg("invalid query for section \"%s\"", name),
			 errdetail("%s", fault->message),
			 errhint("%s", fault->hint != NULL ? fault->hint :
					 "A section is a plain SELECT of one user's rows, the same for every caller.")));
}

/* Says which section's query it is that does not parse. */
static void
SectionErrorContext(void *arg)
{
	errcontext("query of section \"%s\"", (char *) arg);
}

/*
 * Read the query as its author sees the tables, but under the settings that it
 * will be run under, so that a definition means the same whoever adds it.
 * Then deparse it where only pg_catalog is visible, so that all else is named
 * in full.
 */
static char *
Qualify(const char *name, const char *query, List *attached)
{
	int			nest_level = PinSettingsButSearchPath();
	Query	   *parsed = SectionAnalyzeText(query);
	SectionFault *fault = SectionCheck(parsed, LookupAttached, attached);
	char	   *qualified;

	if (fault != NULL)
		RaiseFault(name, fault);
	PinSetting("search_path", "");
	qualified = pg_get_querydef(parsed, false);
	UnpinSettings(nest_level);
	return qualified;
}

char *
SectionValidate(const char *name, const char *query, List **tables, List **reads)
{
	List	   *attached = ReadAttachedTables(SnapshotSelf);
	ErrorContextCallback context;
	SectionFault *fault;
	SectionUses uses;
	Query	   *parsed;
	char	   *qualified;
	int			nest_level;

	context.callback = SectionErrorContext;
	context.arg = unconstify(char *, name);
	context.previous = error_context_stack;
	error_context_stack = &context;

	qualified = Qualify(name, query, attached);

	/* What was deparsed is what will run; judge it as it will be read then. */
	nest_level = PinSettings();
	parsed = SectionAnalyzeText(qualified);
	fault = SectionCheck(parsed, LookupAttached, attached);
	if (fault != NULL)
		RaiseFault(name, fault);
	SectionCollectUses(parsed, &uses);
	*reads = CollectColumns(parsed);
	(void) SectionAnalyzeText(SectionBuildQuery(qualified));
	UnpinSettings(nest_level);

	error_context_stack = context.previous;
	*tables = uses.relations;
	return qualified;
}
