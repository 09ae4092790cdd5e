/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  DDL, TRUNCATE, attach(), detach() and repair(): what they do to the
 *	  table, what the event triggers make of it (src/ddl/event_trigger.c), and src/ddl/cover.c.
 *
 *-------------------------------------------------------------------------
 */
#include "model.h"

/* ---------------------------------------------------------------- judging */

static u8
TriggersOf(const Catalog *catalog, int rel)
{
	return rel == ROOT ? catalog->root.triggers : catalog->leaf[rel - LEAF_A].triggers;
}

static void
SetTriggers(State *s, int p, int rel, u8 columns)
{
	Proc	   *proc = &s->proc[p];

	if (TriggersOf(&proc->cached, rel) == columns)
		return;
	if (rel == ROOT)
		proc->cached.root.triggers = columns;
	else
		proc->cached.leaf[rel - LEAF_A].triggers = columns;
	proc->dirty |= BIT(rel);
}

/* PartitionTree: from the catalogs as of now, own changes included. */
static u8
TreeOf(const State *s, int p)
{
	const Proc *proc = &s->proc[p];

	return BIT(ROOT) | (proc->dirty & BIT(ROOT) ? proc->cached.root.parts :
						s->catalog.root.parts);
}

static bool
HoldsMember(const State *s, int p, LockMode mode)
{
	for (int rel = ROOT; rel <= LEAF_B; rel++)
	{
		if ((TreeOf(s, p) & BIT(rel)) && Holds(s, p, rel, mode))
			return true;
	}
	return false;
}

/* TableFaultOfHeld. */
static bool
HeldIsUnwell(const State *s, int p, u8 columns)
{
	const Proc *proc = &s->proc[p];

	if (Holds(s, p, ROOT, ShareUpdateExclusive) && proc->cached.root.detaching)
		return true;
	for (int rel = ROOT; rel <= LEAF_B; rel++)
	{
		if ((TreeOf(s, p) & BIT(rel)) && Holds(s, p, rel, ShareUpdateExclusive) &&
			TriggersOf(&proc->cached, rel) != columns)
			return true;
	}
	return false;
}

static void
InsertHole(State *s, int p)
{
	InsertFreshRow(s, p, ROW_HOLE);
	Tell("; a hole");
}

/* JudgeTable, at ddl_command_end. */
static void
JudgeTable(State *s, int p, bool partitioned)
{
	TableVersion version = VersionOfTable(s, Seen(s->committed, XidOf(s, p)));
	bool		unwell = HeldIsUnwell(s, p, version.columns);
	bool		under_readers = partitioned && !Holds(s, p, ROOT, AccessExclusive);

	if (mutation == HOLE_TAKEN_BACK && version.has_hole && !unwell)
	{
		DeleteRows(s, p, false, true, false);
		Tell("; takes the hole back");
		return;
	}
	if (!version.covered || version.has_hole)
		return;
	if (mutation == ATTACH_BUMPS && OpOf(s, p)->kind == OP_ATTACH_PARTITION)
		NoteTable(&s->proc[p]);
	else if (under_readers || unwell)
	{
		if (mutation != NO_HOLE || partitioned)
			InsertHole(s, p);
	}
	else if (HoldsMember(s, p, AccessExclusive))
		NoteTable(&s->proc[p]);
}

/* ---------------------------------------------------------------- operations */

/*
 * Lock the root, then A, then B, as far as they are in the tree, a step each.  True when all are locked; else *waits tells whether the step has
 * to wait.
 */
static bool
LockTree(State *s, int p, LockMode mode, bool *waits)
{
	Proc	   *proc = &s->proc[p];
	int			rel = proc->step;

	*waits = false;
	if (rel > LEAF_B || !(TreeOf(s, p) & BIT(rel)))
		return true;
	if (!Lock(s, p, rel, mode))
	{
		*waits = true;
		return false;
	}
	proc->step++;
	Tell("locks %s", RelName(rel));
	return false;
}

/* New, empty files; a rewrite puts rows of its own into them. */
static void
ReplaceFiles(State *s, int p, u8 leaves, bool rewrite)
{
	for (int rel = LEAF_A; rel <= LEAF_B; rel++)
	{
		if (!(leaves & BIT(rel)))
			continue;
		s->proc[p].cached.leaf[rel - LEAF_A].file = 1 + XidOf(s, p);
		s->proc[p].dirty |= BIT(rel);
		if (rewrite)
			Change(s, p, rel);
	}
}

static bool
StepTruncate(State *s, int p, const Op *op)
{
	Proc	   *proc = &s->proc[p];
	u8			leaves = TreeOf(s, p) & ~BIT(ROOT);
	bool		watched = proc->cached.root.triggers != 0;
	bool		waits;

	if (op->rel != ROOT)
	{
		if (!Lock(s, p, op->rel, AccessExclusive))
			return false;
		leaves = BIT(op->rel);
		watched = false;
	}
	else if (!LockTree(s, p, AccessExclusive, &waits))
		return !waits;

	for (int rel = LEAF_A; rel <= LEAF_B; rel++)
	{
		if ((leaves & BIT(rel)) && TriggersOf(&proc->cached, rel) != 0)
			watched = true;
	}
	ReplaceFiles(s, p, leaves, false);
	if (watched && mutation != TRUNCATE_UNNOTED)
		NoteTable(proc);
	Tell("truncates");
	NextOp(s, p);
	return true;
}

static bool
StepRewrite(State *s, int p)
{
	bool		waits;

	if (!LockTree(s, p, AccessExclusive, &waits))
		return !waits;
	ReplaceFiles(s, p, TreeOf(s, p) & ~BIT(ROOT), true);
	s->proc[p].dirty |= BIT(ROOT);
	Tell("rewrites");
	JudgeTable(s, p, false);
	NextOp(s, p);
	return true;
}

static bool
StepSetTriggers(State *s, int p, const Op *op)
{
	Proc	   *proc = &s->proc[p];

	if (proc->step == 0)
	{
		if (!Lock(s, p, op->rel, ShareRowExclusive))
			return false;
		proc->step++;
		Tell("locks %s", RelName(op->rel));
		return true;
	}
	SetTriggers(s, p, op->rel, op->columns);
	Tell("%s the triggers of %s", op->columns ? "enables" : "disables", RelName(op->rel));
	JudgeTable(s, p, false);
	NextOp(s, p);
	return true;
}

static void
SetPartition(State *s, int p, bool is_partition)
{
	Proc	   *proc = &s->proc[p];

	if (is_partition)
		proc->cached.root.parts |= BIT(LEAF_B);
	else
		proc->cached.root.parts &= ~BIT(LEAF_B);
	proc->cached.root.detaching = 0;
	proc->cached.leaf[1].is_partition = is_partition;
	/* A partition's row trigger is a clone of its parent's. */
	proc->cached.leaf[1].triggers = is_partition ? proc->cached.root.triggers : 0;
	proc->dirty |= BIT(ROOT) | BIT(LEAF_B);
}

/*
 * ATTACH and the last part of either DETACH: the root in the mode given, B
 * exclusively, then the change.
 */
static bool
StepPartition(State *s, int p, LockMode root_mode, bool attach)
{
	Proc	   *proc = &s->proc[p];

	if (proc->step < 2)
	{
		int			rel = proc->step == 0 ? ROOT : LEAF_B;

		if (!Lock(s, p, rel, rel == ROOT ? root_mode : AccessExclusive))
			return false;
		proc->step++;
		Tell("locks %s", RelName(rel));
		return true;
	}
	if (attach == proc->cached.leaf[1].is_partition ||
		(proc->cached.root.detaching && OpOf(s, p)->kind != OP_DETACH_FINISH))
	{
		Tell("finds B not as it should be, and aborts");
		Abort(s, p);
		return true;
	}
	SetPartition(s, p, attach);
	Tell("%s B", attach ? "attaches" : "detaches");
	JudgeTable(s, p, true);
	NextOp(s, p);
	return true;
}

static bool
StepDetachBegin(State *s, int p)
{
	Proc	   *proc = &s->proc[p];

	int			hole_step = mutation == HOLE_BEFORE_LOCK ? 0 : 1;

	switch (proc->step)
	{
		case 0:
		case 1:
			if (proc->step == hole_step)
			{
				/* At ddl_command_start, if the table is attached. */
				Tell("looks whether the table is attached");
				if (mutation != HOLE_AT_END &&
					VersionOfTable(s, Seen(s->committed, XidOf(s, p))).covered)
					InsertHole(s, p);
				break;
			}
			if (!Lock(s, p, ROOT, ShareUpdateExclusive))
				return false;
			Tell("locks the root");
			break;
		case 2:
			if (!Lock(s, p, LEAF_B, ShareUpdateExclusive))
				return false;
			Tell("locks B");
			break;
		default:
			if (!proc->cached.leaf[1].is_partition || proc->cached.root.detaching)
			{
				Abort(s, p);
				return true;
			}
			proc->cached.root.detaching = 1 + XidOf(s, p);
			proc->dirty |= BIT(ROOT);
			Tell("has B being detached");
			NextOp(s, p);
			return true;
	}
	proc->step++;
	return true;
}

static bool
StepDetachWait(State *s, int p)
{
	Proc	   *proc = &s->proc[p];

	if (proc->step == 0)
	{
		for (int q = 0; q < NPROCS; q++)
		{
			if (q != p && HoldsAny(s, q, ROOT))
				proc->waits_for |= BIT(q);
		}
		proc->step++;
		Tell("waits for those who hold the root");
		return true;
	}
	if (proc->waits_for)
		return false;
	Tell("has waited");
	NextOp(s, p);
	return true;
}

/* Cover in ddl/cover.c; the look whether there is anything to do is left out. */
static bool
StepCover(State *s, int p, const Op *op)
{
	Proc	   *proc = &s->proc[p];
	TableVersion version;
	Version		kept = 0;
	bool		waits;

	if (mutation == REPAIR_UNLOCKED && proc->step == 0)
	{
		Accept(s, p);
		proc->step = LEAF_B + 1;
		Tell("looks at the table");
		return true;
	}
	if (mutation == REPAIR_LOCKS_ROOT && proc->step == LEAF_A)
	{
		Accept(s, p);
		proc->step = LEAF_B + 1;
	}
	if (!LockTree(s, p, ShareRowExclusive, &waits))
		return !waits;

	Accept(s, p);
	if (proc->cached.root.detaching)
	{
		Tell("does nothing while B is being detached");
		NextOp(s, p);
		return true;
	}
	for (int rel = ROOT; rel <= LEAF_B; rel++)
	{
		if (TreeOf(s, p) & BIT(rel))
			SetTriggers(s, p, rel, op->columns);
	}
	version = VersionOfTable(s, s->committed);
	if (mutation == COVERAGE_KEPT || (mutation == COLUMNS_KEPT && !version.has_hole))
		kept = version.coverage;
	DeleteRows(s, p, true, true, false);
	if (kept != 0)
		InsertRow(s, p, ROW_COVERAGE, kept);
	else
		InsertFreshRow(s, p, ROW_COVERAGE);
	proc->flags |= MARKED;
	Tell("covers the table, closes holes");
	NextOp(s, p);
	return true;
}

static bool
StepUncover(State *s, int p)
{
	bool		waits;

	if (!LockTree(s, p, AccessExclusive, &waits))
		return !waits;
	for (int rel = ROOT; rel <= LEAF_B; rel++)
	{
		if (TreeOf(s, p) & BIT(rel))
			SetTriggers(s, p, rel, 0);
	}
	DeleteRows(s, p, true, true, true);
	s->proc[p].flags |= MARKED;
	Tell("drops the triggers, deletes all rows of `version`");
	NextOp(s, p);
	return true;
}

bool
StepDdl(State *s, int p)
{
	const Op   *op = OpOf(s, p);

	switch (op->kind)
	{
		case OP_TRUNCATE:
			return StepTruncate(s, p, op);
		case OP_REWRITE:
			return StepRewrite(s, p);
		case OP_SET_TRIGGERS:
			return StepSetTriggers(s, p, op);
		case OP_ATTACH_PARTITION:
			return StepPartition(s, p, ShareUpdateExclusive, true);
		case OP_DETACH_PARTITION:
			return StepPartition(s, p, AccessExclusive, false);
		case OP_DETACH_BEGIN:
			return StepDetachBegin(s, p);
		case OP_DETACH_WAIT:
			return StepDetachWait(s, p);
		case OP_DETACH_FINISH:
			return StepPartition(s, p, ShareUpdateExclusive, false);
		case OP_COVER:
			return StepCover(s, p, op);
		case OP_UNCOVER:
			return StepUncover(s, p);
		default:
			return false;
	}
}
