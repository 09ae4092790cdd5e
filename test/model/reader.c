/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  A call of clarify_context(), and what must hold.
 *
 * The invariants:
 *
 *	EXACT	What a reader returns from the cache is what building in its
 *			snapshot gave when the snapshot was taken, or gives now.  (The two
 *			differ where PostgreSQL itself is not MVCC-safe.)
 *	ONE		All entries of a user and a version have the same content.
 *	RIGHT	Nothing is returned from the cache on the word of privileges older
 *			than the look: if a REVOKE had been sent by then, it is heeded.
 *
 * A bypass is right in any case, so the model is done with a call as soon as it
 * is one.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "model.h"

char		violation[1000];
bool		ask_for_one = true;

enum
{
	READ_SNAPSHOT, READ_LOCK, READ_LOOK, READ_CHECK,
	READ_PLAN, READ_LOCK_A, READ_LOCK_B, READ_GUARD, READ_FILL
};

/* ---------------------------------------------------------------- version/read.c */

TableVersion
VersionOfTable(const State *s, XidSet seen)
{
	TableVersion version = {0};

	for (int slot = 0; slot < MAXROWS; slot++)
	{
		if (!RowIsSeen(s, slot, seen) || RowKey(slot) == ROW_USERS)
			continue;
		version.all ^= s->token[slot];
		if (RowKey(slot) == ROW_COVERAGE)
		{
			version.covered = true;
			version.coverage ^= s->token[slot];
			version.columns = RowColumns(slot);
		}
		version.has_hole |= RowKey(slot) == ROW_HOLE;
	}
	return version;
}

Version
VersionOfUser(const State *s, XidSet seen, int user)
{
	Version		version = 0;

	for (int slot = 0; slot < MAXROWS; slot++)
	{
		if (RowIsSeen(s, slot, seen) && RowKey(slot) == ROW_USERS)
			version ^= s->token[slot] & TokensOfUser(user);
	}
	return version;
}

/* ---------------------------------------------------------------- of a call */

/* What the caller's snapshot sees. */
static XidSet
SeenBy(const State *s, int p)
{
	return Seen(s->proc[p].snapshot, XidOf(s, p));
}

/* What versions are read by, which is the same. */
static XidSet
ProbedBy(const State *s, int p)
{
	return mutation == PROBE_FRESH ? s->proc[p].write_snapshot : SeenBy(s, p);
}

static Version
VersionOfCall(const State *s, int p, int user)
{
	XidSet		seen = ProbedBy(s, p);
	Version		version = VersionOfTable(s, seen).all ^ VersionOfUser(s, seen, user);

	return mutation == TABLE_TWICE ? version ^ version : version;
}

static int
UserOf(const Op *op)
{
	return op->users == BIT(1) ? 1 : 0;
}

/* What plain queries give in the caller's snapshot, by the catalogs of now. */
static Content
Plain(const State *s, int p, int user)
{
	XidSet		seen = SeenBy(s, p);

	return Read(s, &s->catalog, PartsSeen(&s->catalog, seen), seen, user);
}

static void
EndRead(State *s, int p)
{
	Proc	   *proc = &s->proc[p];
	const Script *script = scenario->script[p];
	bool		keeps_snapshot = script->repeatable_read && (p < NTRANSACTIONS || script->one_xact);

	proc->op++;
	proc->step = READ_SNAPSHOT;
	proc->flags &= ~SENT_BEFORE_LOOK;
	proc->members = proc->content = proc->write_snapshot = 0;
	if (!keeps_snapshot)
	{
		proc->flags &= ~HAS_SNAPSHOT;
		proc->snapshot = proc->then = 0;
	}
	if (p < NTRANSACTIONS)
		return;
	if (OpOf(s, p)->kind == OP_END)
	{
		ReleaseLocks(s, p);
		EndProcess(s, p);
	}
	else if (!script->one_xact)
		ReleaseLocks(s, p);
}

static bool
Bypass(State *s, int p, const char *why)
{
	Tell("bypasses: %s", why);
	EndRead(s, p);
	return true;
}

/* ---------------------------------------------------------------- invariants */

static void
CheckReturned(const State *s, int p, int user)
{
	const Proc *proc = &s->proc[p];
	Content		now = Plain(s, p, user);

	if (proc->content != proc->then && proc->content != now)
	{
		char		content[100];
		char		then[100];

		strcpy(content, ContentText(proc->content));
		strcpy(then, ContentText(proc->then));
		snprintf(violation, sizeof(violation),
				 "EXACT: returned is %s; plain queries gave %s, and give %s",
				 content, then, ContentText(now));
	}
	else if (proc->flags & SENT_BEFORE_LOOK)
		strcpy(violation, "RIGHT: returned, though the REVOKE had been sent before the look");
}

static void
AddEntry(State *s, int user, Version version, Content content)
{
	Entry		entry = {version, content, user, true};
	int			n = 0;

	for (; n < MAXENTRIES && s->cache[n].used; n++)
	{
		if (memcmp(&s->cache[n], &entry, sizeof(Entry)) == 0)
			return;
		if (ask_for_one && s->cache[n].user == user && s->cache[n].version == version)
		{
			char		other[100];

			strcpy(other, ContentText(s->cache[n].content));
			snprintf(violation, sizeof(violation),
					 "ONE: two entries of version %s: %s and %s", VersionText(version),
					 other, ContentText(content));
		}
	}
	if (n == MAXENTRIES)
	{
		strcpy(violation, "the model's cache is full: MAXENTRIES is too small");
		return;
	}
	while (n > 0 && memcmp(&s->cache[n - 1], &entry, sizeof(Entry)) > 0)
	{
		s->cache[n] = s->cache[n - 1];
		n--;
	}
	s->cache[n] = entry;
}

/* ---------------------------------------------------------------- steps */

/* A new one for each statement, or one for all above READ COMMITTED. */
static bool
TakeSnapshot(State *s, int p, int user)
{
	Proc	   *proc = &s->proc[p];

	if (!(proc->flags & HAS_SNAPSHOT))
		proc->snapshot = s->committed;
	if (!(proc->flags & HAS_SNAPSHOT) || p < NTRANSACTIONS)
		proc->then = Plain(s, p, user);
	proc->flags |= HAS_SNAPSHOT;
	proc->step++;
	Tell("has a snapshot that sees %s: version %s, %s", XidsText(SeenBy(s, p)),
		 VersionText(VersionOfTable(s, SeenBy(s, p)).all ^ VersionOfUser(s, SeenBy(s, p), user)),
		 ContentText(proc->then));
	return true;
}

/* SectionLockAndAnalyze, JudgeSection. */
static bool
LockAndJudge(State *s, int p, int user)
{
	Proc	   *proc = &s->proc[p];
	TableVersion version;

	if (mutation != NO_TABLE_LOCKS && mutation != NO_LOCK_TO_LOOK)
	{
		if (Conflicts(s, p, ROOT, AccessShare))
			return Bypass(s, p, "the table is locked");
		(void) Lock(s, p, ROOT, AccessShare);
	}
	Accept(s, p);
	proc->flags |= ANALYZED;
	if (mutation == PROBE_FRESH)
		proc->write_snapshot = Seen(s->committed, XidOf(s, p));

	if ((proc->flags & MARKED) && mutation != OWN_CHANGES)
		return Bypass(s, p, "own changes");
	version = VersionOfTable(s, ProbedBy(s, p));
	if (!version.covered)
		return Bypass(s, p, "not covered");
	if (version.has_hole && mutation != HOLE_IGNORED)
		return Bypass(s, p, "a hole");
	if (version.columns != ALL_COLUMNS)
		return Bypass(s, p, "a column is not watched");
	proc->step++;
	Tell("locks the root, accepts; its version is %s", VersionText(VersionOfCall(s, p, user)));
	return true;
}

/* An entry of the version, any one if there are several, or none. */
static bool
Look(State *s, int p, int user, int choice, int *nchoices)
{
	Proc	   *proc = &s->proc[p];
	Version		version = VersionOfCall(s, p, user);
	bool		found = false;

	*nchoices = 1;
	for (int n = 0; n < MAXENTRIES; n++)
	{
		const Entry *entry = &s->cache[n];

		if (!entry->used || entry->user != user ||
			(entry->version != version && mutation != ENTRY_BY_USER))
			continue;
		if (choice == (*nchoices)++)
		{
			proc->content = entry->content;
			found = true;
		}
	}
	if (!found)
	{
		if (!scenario->script[p]->repeatable_read)
			proc->then = 0;		/* no longer needed */
		proc->step = READ_PLAN;
		Tell("finds nothing");
		return true;
	}
	if (proc->pending & BIT(PRIVILEGES))
		proc->flags |= SENT_BEFORE_LOOK;
	proc->step = READ_CHECK;
	Tell("finds an entry, %s", ContentText(proc->content));
	return true;
}

/* CheckFinds, and the answer. */
static bool
CheckAndReturn(State *s, int p, int user)
{
	Proc	   *proc = &s->proc[p];

	if (mutation != ACCEPT_ONCE)
		Accept(s, p);
	if (!(proc->flags & ANALYZED))
		return Bypass(s, p, "the table changed while it looked");
	if (!proc->cached.may_read)
		return Bypass(s, p, "no privilege, and the build says so");
	Tell("accepts, returns what it found");
	CheckReturned(s, p, user);
	EndRead(s, p);
	return true;
}

/* The planner finds the partitions; the root is locked since the look. */
static bool
Plan(State *s, int p)
{
	Proc	   *proc = &s->proc[p];

	if (mutation == NO_LOCK_TO_LOOK && !Lock(s, p, ROOT, AccessShare))
		return false;
	if (mutation != NO_TABLE_LOCKS)
		Accept(s, p);
	if (!proc->cached.may_read)
		return Bypass(s, p, "no privilege, and the build says so");
	proc->members = PartsSeen(&proc->cached, SeenBy(s, p));
	proc->step++;
	Tell("accepts, plans");
	return true;
}

/* Lock a partition, wait if need be; after the last one, all is read. */
static bool
LockMember(State *s, int p, int user, int leaf)
{
	Proc	   *proc = &s->proc[p];

	if ((proc->members & BIT(leaf)) && mutation != NO_TABLE_LOCKS &&
		!Lock(s, p, leaf, AccessShare))
		return false;
	proc->step++;
	Tell("locks %s", RelName(leaf));
	if (leaf == LEAF_B)
	{
		proc->content = Read(s, &proc->cached, proc->members, SeenBy(s, p), user);
		proc->members = 0;
		Tell(", has built %s", ContentText(proc->content));
	}
	return true;
}

/*
 * BuildGuardRows, SectionIsCurrent, BuildMayFill.  The fresh snapshot and the
 * accepting that follows it are one step, which accepts less than it might: so
 * it fills where the code would, and in some more cases.
 */
static bool
Guard(State *s, int p)
{
	Proc	   *proc = &s->proc[p];
	TableVersion then = VersionOfTable(s, ProbedBy(s, p));
	TableVersion now = VersionOfTable(s, Seen(s->committed, XidOf(s, p)));
	bool		same = then.all == now.all && now.covered &&
		(!now.has_hole || mutation == HOLE_IGNORED);

	Accept(s, p);
	if (!(proc->flags & ANALYZED) && mutation != NO_FILL_GUARD)
		return Bypass(s, p, "the table changed while it was built: no fill");
	if (!same && mutation != NO_FILL_GUARD)
		return Bypass(s, p, "the table-level rows changed while it was built: no fill");
	proc->step++;
	Tell("is allowed by the guard to fill");
	return true;
}

static bool
Fill(State *s, int p, int user)
{
	Version		version = VersionOfCall(s, p, user);

	Tell("fills %s under version %s", ContentText(s->proc[p].content), VersionText(version));
	AddEntry(s, user, version, s->proc[p].content);
	EndRead(s, p);
	return true;
}

bool
StepRead(State *s, int p, int choice, int *nchoices)
{
	int			user = UserOf(OpOf(s, p));

	*nchoices = 1;
	switch (s->proc[p].step)
	{
		case READ_SNAPSHOT:
			return TakeSnapshot(s, p, user);
		case READ_LOCK:
			return LockAndJudge(s, p, user);
		case READ_LOOK:
			return Look(s, p, user, choice, nchoices);
		case READ_CHECK:
			return CheckAndReturn(s, p, user);
		case READ_PLAN:
			return Plan(s, p);
		case READ_LOCK_A:
			return LockMember(s, p, user, LEAF_A);
		case READ_LOCK_B:
			return LockMember(s, p, user, LEAF_B);
		case READ_GUARD:
			return Guard(s, p);
		case READ_FILL:
			return Fill(s, p, user);
	}
	return false;
}
