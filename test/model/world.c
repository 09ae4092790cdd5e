/*-------------------------------------------------------------------------
 *
 * world.c
 *	  What PostgreSQL does, and the numbers of rows and tokens.  No mutation
 *	  changes what PostgreSQL does, but RELEASE_BEFORE_SEND (in writer.c), which
 *	  shows that the protocol depends on the order in which a commit ends.
 *
 * The end of a commit is three steps: it becomes visible to new snapshots; its
 * invalidations go to all other processes; its locks are released.  Others may
 * do anything in between.  With nothing to send they are one step: what others
 * can do while the locks are still held, they can do as well without.
 *
 * Rows of `version` and of the table are MVCC: who sees what depends on
 * transactions alone.  Catalogs are not: a process goes by its relation cache,
 * which is renewed from what is committed when it accepts an invalidation,
 * that is, when it takes a lock that it does not hold yet, or asks for it.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "model.h"

const Scenario *scenario;

/* ---------------------------------------------------------------- numbering */

/* In the beginning: the coverage row, a row of both users, one of the first. */
#define SLOT_COVERAGE 0
#define SLOT_USERS_A 1
#define SLOT_USERS_B 2
#define SLOT_HOLE 3
#define NINITIAL 4

static int	nslots;
static int	slot_xid[MAXROWS];
static RowKind slot_kind[MAXROWS];
static u8	slot_columns[MAXROWS];
static int	slot_of[NXIDS][NROWKINDS];

/* A token is a bit of a version; fresh ones are different bits. */
#define NO_TOKEN 0xff

static int	ntokens;
static u8	slot_token[MAXROWS][NUSERS];	/* of each user; the first if not ROW_USERS */
static u8	first_token[NROWKINDS];
static Version user_tokens[NUSERS];

static int	nchanges;
static int	change_xid[MAXCHANGES];
static u8	change_users[MAXCHANGES];
static u8	change_leaf[MAXCHANGES];
static int	change_of[NPROCS][MAXOPS][2];	/* by leaf */

static u8
NewToken(void)
{
	if (ntokens == 8 * sizeof(Version))
		abort();
	return ntokens++;
}

static void
AddUserToken(int slot, int user)
{
	if (slot_token[slot][user] != NO_TOKEN)
		return;
	slot_token[slot][user] = mutation == TOKENS_REPEAT && slot != SLOT_USERS_A ?
		slot_token[SLOT_USERS_A][user] : NewToken();
	user_tokens[user] |= BIT(slot_token[slot][user]);
}

static void
AddSlot(int xid, RowKind kind, u8 columns)
{
	if (xid != NO_XID)
	{
		if (slot_of[xid][kind] >= 0)
			return;
		slot_of[xid][kind] = nslots;
	}
	slot_xid[nslots] = xid;
	slot_kind[nslots] = kind;
	slot_columns[nslots] = columns;
	memset(slot_token[nslots], NO_TOKEN, NUSERS);
	if (kind != ROW_USERS && kind != ROW_FOLDED)
		slot_token[nslots][0] = mutation == TOKENS_REPEAT && first_token[kind] != NO_TOKEN ?
			first_token[kind] : NewToken();
	if (first_token[kind] == NO_TOKEN)
		first_token[kind] = slot_token[nslots][0];
	nslots++;
}

/* A row with tokens of these users. */
static void
AddUsersSlot(int xid, u8 users)
{
	int			slot = xid != NO_XID && slot_of[xid][ROW_USERS] >= 0 ? slot_of[xid][ROW_USERS] : nslots;

	AddSlot(xid, ROW_USERS, 0);
	for (int user = 0; user < NUSERS; user++)
	{
		if (users & BIT(user))
			AddUserToken(slot, user);
	}
}

static void
AddChange(int p, int op, int xid, int leaf, u8 users)
{
	change_of[p][op][leaf - LEAF_A] = nchanges;
	change_xid[nchanges] = xid;
	change_users[nchanges] = users;
	change_leaf[nchanges] = leaf;
	nchanges++;
}

/* What may this operation write? */
static void
NumberOp(int p, int n, const Op *op, int xid)
{
	/* The tokens of the commit may come in a transaction after it. */
	int			token_xid = mutation == BUMP_AFTER_COMMIT ? 2 * p + 1 : xid;

	switch (op->kind)
	{
		case OP_WRITE:
			AddChange(p, n, xid, op->leaf, op->users);
			AddUsersSlot(token_xid, op->users);
			break;
		case OP_REWRITE:
			AddChange(p, n, xid, LEAF_A, BIT(NUSERS) - 1);
			AddChange(p, n, xid, LEAF_B, BIT(NUSERS) - 1);
			AddSlot(xid, ROW_HOLE, 0);
			AddSlot(token_xid, ROW_BUMP, 0);
			break;
		case OP_TRUNCATE:
			AddSlot(token_xid, ROW_BUMP, 0);
			break;
		case OP_ATTACH_PARTITION:
		case OP_DETACH_PARTITION:
			AddSlot(xid, ROW_HOLE, 0);
			AddSlot(token_xid, ROW_BUMP, 0);
			break;
		case OP_SET_TRIGGERS:
		case OP_DETACH_BEGIN:
		case OP_DETACH_FINISH:
			AddSlot(xid, ROW_HOLE, 0);
			break;
		case OP_COVER:
			AddSlot(xid, ROW_COVERAGE, op->columns);
			break;
		case OP_COMPACT:
			AddSlot(xid, ROW_FOLDED, 0);
			break;
		default:
			break;
	}
}

static void
Number(void)
{
	nslots = nchanges = ntokens = 0;
	memset(user_tokens, 0, sizeof(user_tokens));
	memset(first_token, NO_TOKEN, sizeof(first_token));
	memset(slot_of, -1, sizeof(slot_of));
	memset(change_of, -1, sizeof(change_of));
	AddSlot(NO_XID, ROW_COVERAGE, ALL_COLUMNS);
	AddUsersSlot(NO_XID, BIT(0) | BIT(1));
	AddUsersSlot(NO_XID, BIT(0));
	AddSlot(NO_XID, ROW_HOLE, 0);
	for (int p = 0; p < NTRANSACTIONS; p++)
	{
		int			xid = 2 * p;

		for (int n = 0; n < MAXOPS && scenario->script[p]->ops[n].kind != OP_END; n++)
		{
			NumberOp(p, n, &scenario->script[p]->ops[n], xid);
			if (scenario->script[p]->ops[n].kind == OP_COMMIT)
				xid++;
		}
	}
}

void
WorldBegin(const Scenario *which, State *s)
{
	scenario = which;
	Number();

	memset(s, 0, sizeof(*s));
	s->catalog.root.triggers = ALL_COLUMNS;
	s->catalog.root.parts = BIT(LEAF_A) | BIT(LEAF_B);
	for (int i = 0; i < 2; i++)
	{
		s->catalog.leaf[i].triggers = ALL_COLUMNS;
		s->catalog.leaf[i].is_partition = true;
	}
	s->catalog.may_read = true;
	s->token[SLOT_COVERAGE] = FreshToken(SLOT_COVERAGE);
	s->token[SLOT_USERS_A] = FreshTokens(SLOT_USERS_A, BIT(0) | BIT(1));
	s->token[SLOT_USERS_B] = FreshTokens(SLOT_USERS_B, BIT(0));

	if (scenario->b_apart)
	{
		s->catalog.root.parts = BIT(LEAF_A);
		s->catalog.leaf[1].triggers = 0;
		s->catalog.leaf[1].is_partition = false;
	}
	if (scenario->a_disabled)
	{
		s->catalog.leaf[0].triggers = 0;
		s->token[SLOT_HOLE] = FreshToken(SLOT_HOLE);
	}
	if (scenario->uncovered)
	{
		s->catalog.root.triggers = 0;
		s->catalog.leaf[0].triggers = s->catalog.leaf[1].triggers = 0;
		s->token[SLOT_COVERAGE] = 0;
	}
	for (int p = 0; p < NPROCS; p++)
	{
		if (scenario->script[p]->ops[0].kind == OP_END)
		{
			EndProcess(s, p);
			continue;
		}
		s->proc[p].cached = s->catalog;
		if (scenario->cold)
			s->proc[p].pending = BIT(NINVALIDATED) - 1;
	}
}

/* ---------------------------------------------------------------- processes */

int
XidOf(const State *s, int p)
{
	return p < NTRANSACTIONS ? 2 * p + s->proc[p].nth_xact : NO_XID;
}

const Op *
OpOf(const State *s, int p)
{
	return &scenario->script[p]->ops[s->proc[p].op];
}

XidSet
Seen(XidSet snapshot, int own_xid)
{
	return own_xid == NO_XID ? snapshot : snapshot | BIT(own_xid);
}

/* What is left of a process that is done: nothing that could tell states apart. */
void
EndProcess(State *s, int p)
{
	memset(&s->proc[p], 0, sizeof(Proc));
	s->proc[p].flags = DONE;
}

/* ---------------------------------------------------------------- locks */

/* Those of storage/lmgr/lock.c. */
static const u8 conflicts_with[NLOCKMODES] = {
	[AccessShare] = BIT(AccessExclusive),
	[RowExclusive] = BIT(ShareRowExclusive) | BIT(AccessExclusive),
	[ShareUpdateExclusive] = BIT(ShareUpdateExclusive) | BIT(ShareRowExclusive) |
	BIT(AccessExclusive),
	[ShareRowExclusive] = BIT(RowExclusive) | BIT(ShareUpdateExclusive) |
	BIT(ShareRowExclusive) | BIT(AccessExclusive),
	[AccessExclusive] = BIT(AccessShare) | BIT(RowExclusive) | BIT(ShareUpdateExclusive) |
	BIT(ShareRowExclusive) | BIT(AccessExclusive),
};

static u8
ModesHeld(const State *s, int p, int rel)
{
	return (s->proc[p].locks >> (rel * NLOCKMODES)) & (BIT(NLOCKMODES) - 1);
}

bool
Conflicts(const State *s, int p, int rel, LockMode mode)
{
	for (int q = 0; q < NPROCS; q++)
	{
		if (q != p && (ModesHeld(s, q, rel) & conflicts_with[mode]))
			return true;
	}
	return false;
}

/* Only a lock that is new to the process accepts invalidations. */
bool
Lock(State *s, int p, int rel, LockMode mode)
{
	u16			bit = BIT(rel * NLOCKMODES + mode);

	if (s->proc[p].locks & bit)
		return true;
	if (Conflicts(s, p, rel, mode))
		return false;
	s->proc[p].locks |= bit;
	Accept(s, p);
	return true;
}

bool
Holds(const State *s, int p, int rel, LockMode mode)
{
	return ModesHeld(s, p, rel) >> mode != 0;
}

bool
HoldsAny(const State *s, int p, int rel)
{
	return ModesHeld(s, p, rel) != 0;
}

/* ---------------------------------------------------------------- catalogs */

static void
CopyEntry(Catalog *to, const Catalog *from, int rel)
{
	if (rel == ROOT)
		to->root = from->root;
	else if (rel == PRIVILEGES)
		to->may_read = from->may_read;
	else
		to->leaf[rel - LEAF_A] = from->leaf[rel - LEAF_A];
}

/* What is invalid is read again, as committed now, sent or not. */
void
Accept(State *s, int p)
{
	Proc	   *proc = &s->proc[p];

	for (int rel = 0; rel < NINVALIDATED; rel++)
	{
		if ((proc->pending & BIT(rel)) && !(proc->dirty & BIT(rel)))
			CopyEntry(&proc->cached, &s->catalog, rel);
	}
	if (proc->pending & BIT(ROOT))
		proc->flags &= ~ANALYZED;
	proc->pending = 0;
}

/*
 * Those that belong to the table under a snapshot: B, while it is being
 * detached concurrently, only for snapshots from before.
 */
u8
PartsSeen(const Catalog *catalog, XidSet seen)
{
	u8			parts = catalog->root.parts;

	if (catalog->root.detaching != 0 && (seen & BIT(catalog->root.detaching - 1)))
		parts &= ~BIT(LEAF_B);
	return parts;
}

/* ---------------------------------------------------------------- the table's rows */

/* Rows are read as of the snapshot, but from the files that are there now. */
Content
Read(const State *s, const Catalog *catalog, u8 parts, XidSet seen, int user)
{
	Content		content = 0;

	for (int leaf = LEAF_A; leaf <= LEAF_B; leaf++)
	{
		if ((parts & BIT(leaf)) && catalog->leaf[leaf - LEAF_A].file == 0)
			content |= BIT(leaf - LEAF_A);
	}
	for (int c = 0; c < nchanges; c++)
	{
		int			leaf = change_leaf[c];

		if ((parts & BIT(leaf)) && (change_users[c] & BIT(user)) &&
			s->in_file[c] == 1 + catalog->leaf[leaf - LEAF_A].file &&
			(seen & BIT(change_xid[c])))
			content |= BIT(2 + c);
	}
	return content;
}

/* The change of the operation that p is at, in this partition. */
void
Change(State *s, int p, int leaf)
{
	int			c = change_of[p][s->proc[p].op][leaf - LEAF_A];

	s->in_file[c] = 1 + s->proc[p].cached.leaf[leaf - LEAF_A].file;
}

/* The change of the operation before. */
void
Unchange(State *s, int p)
{
	int			op = s->proc[p].op - 1;

	s->in_file[change_of[p][op][scenario->script[p]->ops[op].leaf - LEAF_A]] = 0;
}

/* ---------------------------------------------------------------- ends of transactions */

void
BecomeVisible(State *s, int p)
{
	Proc	   *proc = &s->proc[p];

	s->committed |= BIT(XidOf(s, p));
	for (int rel = 0; rel < NINVALIDATED; rel++)
	{
		if (proc->dirty & BIT(rel))
			CopyEntry(&s->catalog, &proc->cached, rel);
	}
}

void
SendInvalidations(State *s, int p)
{
	for (int q = 0; q < NPROCS; q++)
	{
		if (q != p && !(s->proc[q].flags & DONE))
			s->proc[q].pending |= s->proc[p].dirty;
	}
}

void
ReleaseLocks(State *s, int p)
{
	s->proc[p].locks = 0;
	for (int q = 0; q < NPROCS; q++)
		s->proc[q].waits_for &= ~BIT(p);
}

void
Abort(State *s, int p)
{
	int			xid = XidOf(s, p);

	for (int slot = 0; slot < nslots; slot++)
	{
		if (slot_xid[slot] == xid)
			s->token[slot] = s->xmax[slot] = 0;
		else if (s->xmax[slot] == xid + 1)
			s->xmax[slot] = 0;
	}
	for (int c = 0; c < nchanges; c++)
	{
		if (change_xid[c] == xid)
			s->in_file[c] = 0;
	}
	ReleaseLocks(s, p);
	EndProcess(s, p);
}

/* ---------------------------------------------------------------- rows of `version` */

int
RowSlot(int xid, RowKind kind)
{
	return slot_of[xid][kind];
}

RowKind
RowKey(int slot)
{
	return slot_kind[slot] == ROW_FOLDED ? ROW_USERS : slot_kind[slot];
}

Version
FreshToken(int slot)
{
	return BIT(slot_token[slot][0]);
}

Version
FreshTokens(int slot, u8 users)
{
	Version		tokens = 0;

	for (int user = 0; user < NUSERS; user++)
	{
		if (users & BIT(user))
			tokens |= BIT(slot_token[slot][user]);
	}
	return tokens;
}

Version
TokensOfUser(int user)
{
	return user_tokens[user];
}

int
RowXid(int slot)
{
	return slot_xid[slot];
}

u8
RowColumns(int slot)
{
	return slot_columns[slot];
}

bool
RowIsSeen(const State *s, int slot, XidSet seen)
{
	return slot < nslots && s->token[slot] != 0 &&
		(slot_xid[slot] == NO_XID || (seen & BIT(slot_xid[slot]))) &&
		(s->xmax[slot] == 0 || !(seen & BIT(s->xmax[slot] - 1)));
}

/* Committed, the latest version, and nobody is at it. */
bool
RowIsUntouched(const State *s, int slot)
{
	return slot < nslots && s->token[slot] != 0 && s->xmax[slot] == 0 &&
		(slot_xid[slot] == NO_XID || (s->committed & BIT(slot_xid[slot])));
}
