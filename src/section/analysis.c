/*-------------------------------------------------------------------------
 *
 * analysis.c
 *	  What is found in a section's query, and is it still so?
 *
 * The analysis (which tables, which privileges, may it be cached) is remembered
 * until an invalidation of one of its tables, or of what any name in it may resolve
 * to, arrives (section.c), or until the tables' coverage tokens differ, since a table
 * may have been attached anew by another key, or be watched for other columns
 * (columns.c).  With it goes the answer whether the tables are still what they were
 * when they were last watched (meta/witness.c), which is asked again when an
 * invalidation of a partition arrives.  It is checked under locks on the tables and
 * with invalidations accepted, so no DDL that takes AccessExclusiveLock can make it
 * wrong while it is in use.
 *
 * An error may come at any point and be caught: `analyzed` is false until all of it
 * is in place.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/xact.h"
#include "ground/pin.h"
#include "meta/ext_rows.h"
#include "meta/storage.h"
#include "meta/witness.h"
#include "section/analysis.h"
#include "section/check.h"
#include "section/columns.h"
#include "section/fingerprint.h"
#include "section/outside.h"
#include "section/privilege.h"
#include "section/query.h"
#include "section/uses.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"

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
 * Are the section's tables what they were when their changes were last watched, and
 * what else is to be known of each partition?  What is true of the snapshot or of the
 * moment only is asked again each time.
 */
static void
AskWitness(Section *section, Snapshot snapshot, bool again)
{
	Oid			unwitnessed = InvalidOid;
	bool		once = false;
	TransactionId storage_xid = InvalidTransactionId;
	List	   *foreign_indexes = NIL;
	Oid			foreign_table = InvalidOid;
	uint64		doubts = section->doubts;
	MemoryContext old_context;
	ListCell   *lc;

	foreach(lc, section->relations)
	{
		Oid			relid = lfirst_oid(lc);
		Oid			table;
		bool		known;

		if (!(again ? WitnessStillAgrees(relid, &known) : WitnessAgrees(relid, &known)))
		{
			/* What this transaction has written, it sees, whatever its snapshot is. */
			if (!TransactionIdIsValid(GetTopTransactionIdIfAny()) &&
				WitnessAgreed(relid, snapshot))
				once = true;
			else
			{
				unwitnessed = relid;
				once |= !known || TransactionIdIsValid(GetTopTransactionIdIfAny());
			}
		}
		storage_xid = StorageLater(storage_xid, WitnessStorageXid(relid));
		table = WitnessPlannedCode(relid, &foreign_indexes);
		if (OidIsValid(table))
			foreign_table = table;
	}
	old_context = MemoryContextSwitchTo(section->analysis);
	foreign_indexes = list_copy(foreign_indexes);
	MemoryContextSwitchTo(old_context);
	list_free(section->foreign_indexes);	/* of the question before */
	section->foreign_indexes = foreign_indexes;
	section->foreign_table = foreign_table;
	section->unwitnessed = unwitnessed;
	section->witnessed_once = once;
	section->storage_xid = storage_xid;
	section->doubts_settled = doubts;
}

/* Fill in the analysis, whose results are copied to section->analysis. */
static void
AnalyzeInto(Section *section, Snapshot snapshot)
{
	Query	   *query = SectionAnalyzeText(SectionBuildQuery(section->query));
	const char *fault = FaultOf(SectionAuthorsQuery(section->query, query), snapshot);
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
		uint64		before = SectionInvalidations();

		section->relations = NIL;
		section->foreign_indexes = NIL;
		section->readable_by = InvalidOid;
		MemoryContextReset(section->analysis);
		AnalyzeInto(section, snapshot);
		section->coverage = CoverageOf(section, rows);
		AcceptInvalidationMessages();
		section->analyzed = (before == SectionInvalidations());
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
	/* Of tables that are others now, the snapshot's storage is not known. */
	return !section->witnessed_once && StorageIsOlder(section->storage_xid, snapshot);
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
