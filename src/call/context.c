/*-------------------------------------------------------------------------
 *
 * context.c
 *	  The way of a call, from users' ids to their contexts.
 *
 * The order of the steps is what makes a hit exact:
 *
 *	1. Can this call trust its view of the versions at all?
 *	2. The table-level and the users' version rows, under the caller's
 *	   snapshot.  They do not change while the snapshot is the same.  Then the
 *	   sections, as they are defined under it.
 *	3. For each section: lock its tables as a SELECT would, accept
 *	   invalidations, see that the analysis is of now.  From here on, no DDL
 *	   that takes AccessExclusiveLock can happen to them.  The rows of step 2
 *	   then say whether the section is covered, and its version.  A transaction
 *	   that has written compares them with those of now, if its snapshot is
 *	   older (MayHaveWrittenUnseen).  All of it counts only if it was read from
 *	   storage that is older than the snapshot (meta/storage.c).
 *	   Then whether the caller may have it (caller.c): who may not must not
 *	   learn from the next steps, or the time they take, what is cached.
 *	4. Look for entries of just that version, in the local tier, then in Redis
 *	   (find.c).
 *	5. Check privileges, and row-level security once more, with invalidations
 *	   accepted again: an entry may be younger than step 3's look.
 *	6. What is missing (miss.c): if somebody else is building just that, wait a
 *	   moment for it to come into a tier, with steps 4 and 5 again.
 *	7. Build what is still missing, all in the one snapshot, and offer it to the
 *	   tiers if the fill guard agrees (build.c).  What Redis had goes into the
 *	   local tier; it was of the caller's version, so it needs no guard.
 *	8. If audit_rate says so, build some of what was found, and compare (audit.c).
 *	9. Build what is bypassed.
 *
 * Several users are answered together, which takes one exchange with Redis.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/parallel.h"
#include "base/settings.h"
#include "base/stats.h"
#include "call/audit.h"
#include "call/build.h"
#include "call/call_log.h"
#include "call/caller.h"
#include "call/context.h"
#include "call/find.h"
#include "call/items.h"
#include "call/miss.h"
#include "catalog/pg_type.h"
#include "change/change.h"
#include "lib/stringinfo.h"
#include "meta/ext_tables.h"
#include "meta/storage.h"
#include "replication/logicalworker.h"
#include "section/analysis.h"
#include "section/privilege.h"
#include "utils/memutils.h"
#include "version/read.h"

/* See LetHeapStay. */
#define HEAP_PIECE_BYTES (1024 * 1024)

/*----------
 * Steps 1 to 3
 *----------
 */

/*
 * Triggers fire, or don't, by the catalogs as of now.  So a transaction whose
 * snapshot is older may have written with our triggers off, and sees its own
 * rows, but not the hole that says so.  What was written keeps the table locked,
 * and so the hole, or another coverage, in every snapshot taken now.  It may be
 * at READ COMMITTED, too: the queries that rules make of a statement share a
 * snapshot, and see what those before them wrote.
 */
static bool
MayHaveWrittenUnseen(void)
{
	return TransactionIdIsValid(GetTopTransactionIdIfAny());
}

/* Why the call can't trust its own view of the versions, whatever the section. */
static BypassReason
BypassReasonOfCall(Snapshot snapshot)
{
	if (!setting_enabled)
		return BYPASS_DISABLED;

	/*
	 * A parallel worker does not know what its leader wrote.  In a logical
	 * replication worker no statement triggers fire.
	 */
	if (IsParallelWorker() || IsLogicalWorker())
		return BYPASS_WORKER;

	/* Rows that an old snapshot needs may be gone without an error from us. */
	if (snapshot->snapshot_type != SNAPSHOT_MVCC || compat_snapshots_can_expire())
		return BYPASS_SNAPSHOT;

	/*
	 * A probe would take predicate locks on index pages that hold other
	 * users' rows too, and fail transactions that plain queries would not.
	 */
	if (IsolationIsSerializable())
		return BYPASS_SERIALIZABLE;

	if (ChangeAllMarked())
		return BYPASS_CHANGED;

	/* Where there are none, the build will tell. */
	if (ExtTablesState() != EXT_CURRENT)
		return BYPASS_UPGRADE;
	return BYPASS_NONE;
}

static void
ReadVersions(ContextCall *call)
{
	VersionReader reader;

	call->bypass = BypassReasonOfCall(call->snapshot);
	if (call->bypass != BYPASS_NONE)
		return;
	if (!VersionOpen(&reader))
	{
		call->bypass = BYPASS_LOCKED;
		return;
	}
	if (!VersionProbe(&reader, call->snapshot, USER_KEY_HASH_TABLE, &call->tables))
		call->bypass = BYPASS_HISTORY;
	else if (MayHaveWrittenUnseen() && !BuildGuardRows(&call->tables_now))
		call->bypass = BYPASS_CHANGED;
	for (int u = 0; u < call->nusers && call->bypass == BYPASS_NONE; u++)
	{
		UserCall   *user = &call->users[u];

		if (!VersionProbe(&reader, call->snapshot, user->user.hash, &user->rows))
			user->bypass = BYPASS_HISTORY;
	}

	/*
	 * Not kept open: a build may wait for a table, and whoever holds that may
	 * wait for DDL on this one, which would wait for us.
	 */
	VersionClose(&reader);
}

static void
AcquireSections(ContextCall *call)
{
	List	   *sections = SectionsAcquire(call->snapshot, call->bypass == BYPASS_NONE ?
										   &call->tables : NULL);

	if (sections == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no section is defined"),
				 errhint("Run SELECT clarify_cache.setup(), or define sections with clarify_cache.add_section().")));
	call->nsections = list_length(sections);
	call->sections = palloc0(call->nsections * sizeof(SectionCall));
	for (int s = 0; s < call->nsections; s++)
		call->sections[s].section = list_nth(sections, s);
}

/* Is every table of the section covered, without a hole, and not ours to doubt? */
static BypassReason
JudgeTables(const ContextCall *call, SectionCall *section)
{
	ListCell   *lc;

	section->version = 0;
	foreach(lc, section->section->relations)
	{
		Oid			table_id = lfirst_oid(lc);
		TableVersion version;
		TableVersion now;

		if (ChangeIsMarked(table_id))
			return BYPASS_CHANGED;
		VersionOfTable(&call->tables, table_id, &version);
		if (!version.covered)
			return BYPASS_NOT_COVERED;
		if (version.has_hole)
			return BYPASS_HOLE;
		if (MayHaveWrittenUnseen())
		{
			VersionOfTable(&call->tables_now, table_id, &now);
			if (now.all != version.all)
				return BYPASS_CHANGED;
		}
		section->version ^= version.all;
	}
	return BYPASS_NONE;
}

static BypassReason
JudgeSection(const ContextCall *call, SectionCall *section)
{
	BypassReason reason;

	if (call->bypass != BYPASS_NONE)
	{
		/* Its analysis lets a plan be kept, which a session without the cache wants, too. */
		if (call->bypass == BYPASS_DISABLED && ExtTablesState() == EXT_CURRENT &&
			!IsolationIsSerializable() && !IsInParallelMode() &&
			call->snapshot->snapshot_type == SNAPSHOT_MVCC)
			(void) SectionLockAndAnalyze(section->section, call->snapshot, &call->tables);
		return call->bypass;
	}
	if (!SectionLockAndAnalyze(section->section, call->snapshot, &call->tables))
		return BYPASS_LOCKED;
	reason = JudgeTables(call, section);
	if (reason != BYPASS_NONE)
		return reason;
	if (OidIsValid(section->section->unwitnessed))
		return BYPASS_HOLE;
	if (section->section->fault != NULL || OidIsValid(section->section->foreign_table))
		return BYPASS_UNCACHEABLE;
	return BypassReasonOfCaller(section->section);
}

/*
 * Were versions, definitions and attachments read from storage that the snapshot can
 * tell its rows in?  Asked when all of them have been read, and invalidations accepted
 * since.
 */
static void
JudgeStorage(ContextCall *call)
{
	if (call->bypass != BYPASS_NONE || StorageOfExtIsOlder(call->snapshot))
		return;
	call->bypass = BYPASS_SNAPSHOT;
	for (int s = 0; s < call->nsections; s++)
		call->sections[s].bypass = BYPASS_SNAPSHOT;
}

/* What a user asks for of a section. */
static void
MakeAnswer(const SectionCall *section, const UserCall *user, Answer *answer)
{
	ListCell   *lc;

	answer->bypass = section->bypass != BYPASS_NONE ? section->bypass : user->bypass;
	answer->item.user = &user->user;
	answer->item.section = section->section->name;
	answer->item.ttl_us = section->section->ttl_us;
	if (answer->bypass != BYPASS_NONE)
		return;
	answer->item.header.fingerprint = section->section->fingerprint;
	answer->item.header.version = section->version;
	foreach(lc, section->section->relations)
		answer->item.header.version ^= VersionOfUser(&user->rows, lfirst_oid(lc));
}

static void
JudgeSections(ContextCall *call)
{
	call->privilege_changes = PrivilegeChanges();
	for (int s = 0; s < call->nsections; s++)
		call->sections[s].bypass = JudgeSection(call, &call->sections[s]);
	JudgeStorage(call);
	for (int u = 0; u < call->nusers; u++)
	{
		UserCall   *user = &call->users[u];

		user->answers = palloc0(call->nsections * sizeof(Answer));
		for (int s = 0; s < call->nsections; s++)
			MakeAnswer(&call->sections[s], user, &user->answers[s]);
	}
}

/*----------
 * The call
 *----------
 */

/* Is every answer there? */
static bool
IsComplete(const ContextCall *call)
{
	foreach_answer(call, u, s)
	{
		if (call->users[u].answers[s].item.payload == NULL)
			return false;
	}
	return true;
}

static void
CountHits(const ContextCall *call)
{
	foreach_answer(call, u, s)
	{
		int			slot = call->sections[s].section->stats_slot;

		if (call->users[u].answers[s].source == SOURCE_LOCAL)
			StatsCount(slot, STATS_LOCAL_HITS);
		else if (call->users[u].answers[s].source == SOURCE_REDIS)
			StatsCount(slot, STATS_REDIS_HITS);
	}
}

/*
 * A call takes and frees up to some hundred kilobytes.  glibc maps pieces of 128 kB
 * and more, and returns what is free at the end of the heap to the system when
 * it is more than that, to take it back page by page in the next call, which can
 * cost as much as all the rest.  It raises both limits to the largest piece that
 * it saw mapped and freed, and twice that (mallopt(3)); so let it see one, once.
 * Nothing of it is touched.
 */
static void
LetHeapStay(void)
{
	static bool done = false;

	if (done)
		return;
	pfree(MemoryContextAlloc(TopMemoryContext, HEAP_PIECE_BYTES));
	done = true;
}

void
ContextBegin(ContextCall *call, const UserKey *users, int nusers)
{
	TierItem  **items;
	int			nmissing;
	bool		complete;

	LetHeapStay();
	memset(call, 0, sizeof(*call));
	CallTimeBegin(&call->time);
	CallerRemember(&call->caller);
	call->snapshot = call->caller.snapshot;
	call->nusers = nusers;
	call->users = palloc0(nusers * sizeof(UserCall));
	for (int u = 0; u < nusers; u++)
		call->users[u].user = users[u];

	ReadVersions(call);
	CallTimeStage(&call->time, STAGE_VERSIONS);
	AcquireSections(call);
	JudgeSections(call);
	CallTimeStage(&call->time, STAGE_SECTIONS);

	items = palloc(nusers * call->nsections * sizeof(TierItem *));
	nmissing = FindLocal(call, items, true);
	nmissing = FindRedis(call, items, nmissing, true);
	complete = IsComplete(call);
	if (!complete)
		AnswerMissing(call, items, nmissing);
	if (setting_audit_rate > 0)
		AuditFinds(call);
	if (!complete)
		AnswerBypassed(call);
	CountHits(call);
}

/* No less than the document will take; a name and what is around it included. */
static Size
AssembledSize(const ContextCall *call, int n)
{
	Size		size = VARHDRSZ + 2;

	for (int s = 0; s < call->nsections; s++)
		size += NAMEDATALEN + 4 + call->users[n].answers[s].item.payload_len;
	return size;
}

text *
ContextAssemble(ContextCall *call, int n, const char *current_session)
{
	StringInfoData buf;
	text	   *result;

	initStringInfo(&buf);
	enlargeStringInfo(&buf, (int) Min(AssembledSize(call, n), MaxAllocSize / 2));
	appendStringInfoSpaces(&buf, VARHDRSZ);
	appendStringInfoCharMacro(&buf, '{');
	for (int s = 0; s < call->nsections; s++)
	{
		const TierItem *item = &call->users[n].answers[s].item;
		const Section *section = call->sections[s].section;
		const char *leave_out =
			strcmp(section->name, SESSIONS_SECTION) == 0 ? current_session : NULL;

		if (s > 0)
			appendStringInfoCharMacro(&buf, ',');
		appendStringInfoCharMacro(&buf, '"');
		appendStringInfoString(&buf, section->name);
		appendBinaryStringInfo(&buf, "\":", 2);
		if (section->single_row || (leave_out == NULL && section->max_items < 0))
			appendBinaryStringInfo(&buf, item->payload, item->payload_len);
		else
			AppendItems(&buf, item->payload, item->payload_len, leave_out, section->max_items);
	}
	appendStringInfoCharMacro(&buf, '}');
	CallTimeStage(&call->time, STAGE_ASSEMBLE);

	result = (text *) buf.data;
	SET_VARSIZE(result, buf.len);
	return result;
}

void
ContextEnd(ContextCall *call)
{
	CallTimeEnd(call);
	SectionsRelease();
}

text *
ContextOfUser(Datum user_id, const char *current_session)
{
	ContextCall call;
	UserKey		user;
	text	   *result;

	UserKeyFromDatum(&user, UUIDOID, user_id);
	ContextBegin(&call, &user, 1);
	result = ContextAssemble(&call, 0, current_session);
	ContextEnd(&call);
	return result;
}
