/*-------------------------------------------------------------------------
 *
 * version_write.c
 *	  Writing rows of `version`: as in the source file of this name.
 *
 *-------------------------------------------------------------------------
 */
#include "model.h"

void
InsertRow(State *s, int p, RowKind kind, Version token)
{
	s->token[RowSlot(XidOf(s, p), kind)] = token;
}

void
InsertFreshRow(State *s, int p, RowKind kind)
{
	InsertRow(s, p, kind, FreshToken(RowSlot(XidOf(s, p), kind)));
}

/* Delete the row if it is the latest version and nobody is at it. */
static bool
TakeRow(State *s, int p, int slot)
{
	if (!RowIsUntouched(s, slot))
		return false;
	s->xmax[slot] = 1 + XidOf(s, p);
	return true;
}

/*
 * The row that a scanned one has become by now.  Only who goes on with the
 * tokens of the scan asks.
 */
static int
LatestVersion(const State *s, int slot)
{
	while (s->xmax[slot] != 0 && (s->committed & BIT(s->xmax[slot] - 1)))
	{
		int			xid = s->xmax[slot] - 1;
		int			next = RowSlot(xid, RowKey(slot));

		if ((next < 0 || s->token[next] == 0) && RowKey(slot) == ROW_USERS)
			next = RowSlot(xid, ROW_FOLDED);
		if (next < 0 || s->token[next] == 0)
			break;
		slot = next;
	}
	return slot;
}

/* The row that is locked for a scanned one. */
static int
LockedVersion(const State *s, int scanned)
{
	return mutation == UPDATE_SCANNED ? LatestVersion(s, scanned) : scanned;
}

static bool
IsFoundForUpdate(const State *s, int p, RowKind kind, int slot)
{
	return !scenario->script[p]->repeatable_read &&
		RowIsSeen(s, slot, s->proc[p].write_snapshot) && RowKey(slot) == kind &&
		RowIsUntouched(s, LockedVersion(s, slot));
}

/*
 * VersionAddTokens: XOR fresh tokens into one of the rows that can be had, any
 * of them, or insert one if none can.
 */
void
AddTokens(State *s, int p, RowKind kind, u8 users, int choice, int *nchoices)
{
	int			slot = RowSlot(XidOf(s, p), kind);
	Version		fresh = kind == ROW_USERS ? FreshTokens(slot, users) : FreshToken(slot);
	int			nfound = 0;

	for (int found = 0; found < MAXROWS; found++)
	{
		if (!IsFoundForUpdate(s, p, kind, found))
			continue;
		if (nfound++ == choice)
		{
			Version		token = s->token[found] ^ fresh;

			s->xmax[LockedVersion(s, found)] = 1 + XidOf(s, p);
			InsertRow(s, p, kind, token);
			Tell("replaces a row of %s by %s", VersionText(s->token[found]), VersionText(token));
		}
	}
	*nchoices = nfound;
	if (nfound > 0)
		return;
	*nchoices = 1;
	InsertRow(s, p, kind, fresh);
	Tell("inserts a row of %s", VersionText(fresh));
}

/* FoldRows, of users' rows. */
void
FoldRows(State *s, int p)
{
	int			seen[MAXROWS];
	int			nseen = 0;
	int			taken = 0;
	Version		token = 0;

	for (int slot = 0; slot < MAXROWS; slot++)
	{
		if (RowIsSeen(s, slot, s->proc[p].write_snapshot) && RowKey(slot) == ROW_USERS)
			seen[nseen++] = slot;
	}
	for (int i = 0; i < nseen && nseen >= 2; i++)
	{
		int			slot = mutation == FOLD_SCANNED ? LatestVersion(s, seen[i]) : seen[i];

		if (TakeRow(s, p, slot))
		{
			token ^= s->token[seen[i]];
			taken++;
		}
	}
	if (taken > 0)
		InsertRow(s, p, ROW_FOLDED, token);
	Tell("folds %d rows of the %d it saw into one of %s", taken, nseen, VersionText(token));
}

/* VersionDelete: what is committed now. */
void
DeleteRows(State *s, int p, bool coverage, bool holes, bool others)
{
	for (int slot = 0; slot < MAXROWS; slot++)
	{
		if (!RowIsSeen(s, slot, Seen(s->committed, XidOf(s, p))))
			continue;
		if (RowKey(slot) == ROW_COVERAGE ? coverage : RowKey(slot) == ROW_HOLE ? holes : others)
			(void) TakeRow(s, p, slot);
	}
}
