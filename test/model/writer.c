/*-------------------------------------------------------------------------
 *
 * writer.c
 *	  A transaction that writes rows: the triggers, what src/change/change.c notes,
 *	  and what it does at the commit; compact(); and a process's next step.
 *
 * Every transaction may abort before any of its steps, until it is visible.
 *
 *-------------------------------------------------------------------------
 */
#include "model.h"

void
NextOp(State *s, int p)
{
	s->proc[p].op++;
	s->proc[p].step = 0;
	if (OpOf(s, p)->kind == OP_END)
		EndProcess(s, p);
}

/* ---------------------------------------------------------------- noting */

/* ChangeRecordTable. */
void
NoteTable(Proc *proc)
{
	proc->flags |= MARKED | WHOLE_TABLE;
}

/* ChangeRecordUser. */
static void
NoteUsers(State *s, int p, u8 users)
{
	Proc	   *proc = &s->proc[p];

	if (mutation == MOVE_BUMPS_NEW && (users & BIT(1)))
		users = BIT(1);
	if (mutation == BUMP_AT_FIRST_CHANGE)
	{
		int			slot = RowSlot(XidOf(s, p), ROW_USERS);

		InsertRow(s, p, ROW_USERS, s->token[slot] | FreshTokens(slot, users & ~proc->noted));
	}
	proc->noted |= users;
	proc->flags |= MARKED;
}

/* ---------------------------------------------------------------- operations */

/*
 * One row goes into a partition, by way of the root (which is locked first) or
 * directly.  The row trigger of the partition fires as the relation cache has
 * it.
 */
static bool
StepWrite(State *s, int p, const Op *op)
{
	Proc	   *proc = &s->proc[p];
	LeafEntry  *leaf = &proc->cached.leaf[op->leaf - LEAF_A];

	if (op->rel == ROOT && proc->step == 0)
	{
		if (!Lock(s, p, ROOT, RowExclusive))
			return false;
		proc->step++;
		Tell("locks the root");
		if (proc->cached.root.triggers)
			proc->flags |= MARKED;
		return true;
	}
	if (!Lock(s, p, op->leaf, RowExclusive))
		return false;
	if (op->rel == ROOT && !(PartsSeen(&proc->cached, s->committed) & BIT(op->leaf)))
	{
		Tell("finds no partition for its row, and aborts");
		Abort(s, p);
		return true;
	}
	Change(s, p, op->leaf);
	Tell("locks %s, writes", RelName(op->leaf));
	if (leaf->triggers)
		proc->flags |= MARKED;
	if (leaf->is_partition && (leaf->triggers & op->columns))
	{
		NoteUsers(s, p, op->users);
		Tell("; the trigger notes it");
	}
	else
		Tell("; no trigger sees it");
	NextOp(s, p);
	return true;
}

/* What change/change.c has noted stays; a token that was written goes. */
static bool
StepRollbackTo(State *s, int p)
{
	Unchange(s, p);
	if (mutation == BUMP_AT_FIRST_CHANGE && RowSlot(XidOf(s, p), ROW_USERS) >= 0)
		InsertRow(s, p, ROW_USERS, 0);
	Tell("rolls its write back to a savepoint");
	NextOp(s, p);
	return true;
}

static bool
StepCompact(State *s, int p)
{
	Proc	   *proc = &s->proc[p];

	proc->flags |= MARKED;
	if (proc->step == 0)
	{
		proc->write_snapshot = s->committed;
		proc->step++;
		Tell("scans users' rows of `version`");
		return true;
	}
	FoldRows(s, p);
	proc->write_snapshot = 0;
	NextOp(s, p);
	return true;
}

/* A change of privileges locks nothing that others look at. */
static bool
StepRevoke(State *s, int p)
{
	s->proc[p].cached.may_read = false;
	s->proc[p].dirty |= BIT(PRIVILEGES);
	Tell("revokes");
	NextOp(s, p);
	return true;
}

/* ---------------------------------------------------------------- commit */

enum
{
	COMMIT_BEGINS, COMMIT_WRITES_TOKENS, COMMIT_IS_VISIBLE, COMMIT_SENDS, COMMIT_RELEASES
};

static bool
HasTokensToWrite(const State *s, int p)
{
	const Proc *proc = &s->proc[p];

	if (mutation == BUMP_AFTER_COMMIT && XidOf(s, p) % 2 == 0)
		return false;
	return (proc->flags & WHOLE_TABLE) ||
		(proc->noted && mutation != BUMP_AT_FIRST_CHANGE);
}

/* WriteBumps, or WriteUserTokens. */
static void
WriteTokens(State *s, int p, int choice, int *nchoices)
{
	Proc	   *proc = &s->proc[p];

	if (proc->flags & WHOLE_TABLE)
	{
		AddTokens(s, p, ROW_BUMP, 0, choice, nchoices);
		proc->flags &= ~WHOLE_TABLE;
		proc->noted = 0;
	}
	else
	{
		AddTokens(s, p, ROW_USERS, proc->noted, choice, nchoices);
		proc->noted = 0;
	}
	if (!HasTokensToWrite(s, p))
	{
		proc->write_snapshot = 0;
		proc->step = COMMIT_IS_VISIBLE;
	}
}

/* The transaction is over; on to the next one, if there is one. */
static void
EndTransaction(State *s, int p)
{
	Proc	   *proc = &s->proc[p];
	bool		bump_after = mutation == BUMP_AFTER_COMMIT && proc->nth_xact == 0 &&
		(proc->noted || (proc->flags & WHOLE_TABLE));

	ReleaseLocks(s, p);
	proc->nth_xact++;
	proc->dirty = 0;
	proc->step = COMMIT_BEGINS;
	if (bump_after)
		return;
	proc->flags = 0;
	proc->noted = 0;
	proc->snapshot = 0;
	NextOp(s, p);
}

static bool
StepCommit(State *s, int p, int choice, int *nchoices)
{
	Proc	   *proc = &s->proc[p];

	if (proc->step == COMMIT_BEGINS)
	{
		if (HasTokensToWrite(s, p))
		{
			proc->write_snapshot = s->committed;
			proc->step = COMMIT_WRITES_TOKENS;
			Tell("begins to commit, takes a snapshot to find rows of `version`");
			return true;
		}
		proc->step = COMMIT_IS_VISIBLE;
	}
	switch (proc->step)
	{
		case COMMIT_WRITES_TOKENS:
			WriteTokens(s, p, choice, nchoices);
			return true;
		case COMMIT_IS_VISIBLE:
			BecomeVisible(s, p);
			Tell("is visible");
			if (proc->dirty == 0)
				EndTransaction(s, p);
			else
				proc->step = COMMIT_SENDS;
			return true;
		case COMMIT_SENDS:
			if (mutation == RELEASE_BEFORE_SEND)
			{
				ReleaseLocks(s, p);
				Tell("releases its locks");
			}
			else
			{
				SendInvalidations(s, p);
				Tell("sends its invalidations");
			}
			proc->step = COMMIT_RELEASES;
			return true;
		default:
			if (mutation == RELEASE_BEFORE_SEND)
				SendInvalidations(s, p);
			Tell("releases its locks");
			EndTransaction(s, p);
			return true;
	}
}

/* ---------------------------------------------------------------- all of it */

static bool
StepOp(State *s, int p, int choice, int *nchoices)
{
	const Op   *op = OpOf(s, p);

	*nchoices = 1;
	switch (op->kind)
	{
		case OP_END:
			return false;
		case OP_WRITE:
			return StepWrite(s, p, op);
		case OP_ROLLBACK_TO:
			return StepRollbackTo(s, p);
		case OP_COMPACT:
			return StepCompact(s, p);
		case OP_REVOKE:
			return StepRevoke(s, p);
		case OP_READ:
			return StepRead(s, p, choice, nchoices);
		case OP_COMMIT:
			return StepCommit(s, p, choice, nchoices);
		default:
			return StepDdl(s, p);
	}
}

/* Nothing is to be won by an abort before the first step. */
static bool
CanAbort(const State *s, int p)
{
	const Proc *proc = &s->proc[p];

	if (p >= NTRANSACTIONS || (proc->op == 0 && proc->step == 0) ||
		(mutation == BUMP_AFTER_COMMIT && proc->nth_xact > 0))
		return false;
	return OpOf(s, p)->kind != OP_COMMIT || proc->step <= COMMIT_IS_VISIBLE;
}

bool
Step(State *s, int p, int choice, int *nchoices)
{
	bool		can_abort = CanAbort(s, p);
	bool		moved;

	*nchoices = 0;
	if (s->proc[p].flags & DONE)
		return false;
	if (can_abort && choice == 0)
	{
		*nchoices = 1;
		Tell("aborts");
		Abort(s, p);
		/* There may be more to choose from. */
		*nchoices = 2;
		return true;
	}
	moved = StepOp(s, p, choice - can_abort, nchoices);
	*nchoices += can_abort;
	return moved;
}
