/*-------------------------------------------------------------------------
 *
 * memo.c
 *	  The table-level version rows, remembered for as long as snapshots see the
 *	  same.
 *
 * What an MVCC snapshot sees depends on two things: on what it is made of
 * (xmin, xmax and the transactions that were under way), and on how the
 * transactions ended that were over when it was taken, which never changes.  So
 * two snapshots made of the same see the same rows, as long as the transaction
 * itself has written none, for which it would have an xid.  On a server where
 * nothing was committed between two calls, which is most of them where most
 * calls read, the second need not look.
 *
 * Nothing is remembered of a snapshot that overflowed or holds many
 * transactions, nor of very many rows, nor for long: transaction ids come
 * around again.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "utils/snapshot.h"
#include "utils/timestamp.h"
#include "version/memo.h"

#define MEMO_MAX_XIDS 64
#define MEMO_MAX_ROWS 128
#define MEMO_MAX_AGE_US (60 * USECS_PER_SEC)

typedef struct VersionMemo
{
	Oid			heap;			/* InvalidOid: nothing is remembered */
	TimestampTz kept_at;		/* start of a statement */
	TransactionId xmin;
	TransactionId xmax;
	uint32		xcnt;
	int32		subxcnt;
	bool		in_recovery;
	TransactionId xids[MEMO_MAX_XIDS];	/* xip, then subxip */
	int			nrows;
	VersionRow	rows[MEMO_MAX_ROWS];
} VersionMemo;

static VersionMemo memo = {.heap = InvalidOid};

static bool
IsMemorable(Snapshot snapshot)
{
	return snapshot->snapshot_type == SNAPSHOT_MVCC && !snapshot->suboverflowed &&
		snapshot->xcnt <= MEMO_MAX_XIDS &&
		snapshot->subxcnt >= 0 &&
		snapshot->subxcnt <= MEMO_MAX_XIDS - (int32) snapshot->xcnt &&
		!TransactionIdIsValid(GetTopTransactionIdIfAny());
}

static bool
XidsEqual(const TransactionId *a, const TransactionId *b, int32 n)
{
	return n == 0 || memcmp(a, b, n * sizeof(TransactionId)) == 0;
}

/* Is the snapshot made of the same as the remembered one? */
static bool
IsSame(Snapshot snapshot)
{
	TimestampTz age = GetCurrentStatementStartTimestamp() - memo.kept_at;

	return memo.xmin == snapshot->xmin && memo.xmax == snapshot->xmax &&
		memo.xcnt == snapshot->xcnt && memo.subxcnt == snapshot->subxcnt &&
		memo.in_recovery == snapshot->takenDuringRecovery &&
		XidsEqual(memo.xids, snapshot->xip, snapshot->xcnt) &&
		XidsEqual(memo.xids + snapshot->xcnt, snapshot->subxip, snapshot->subxcnt) &&
		age >= 0 && age < MEMO_MAX_AGE_US;
}

bool
VersionMemoRecall(Oid heap, Snapshot snapshot, VersionRows *rows)
{
	if (memo.heap != heap || !IsMemorable(snapshot) || !IsSame(snapshot))
		return false;
	for (int i = 0; i < memo.nrows; i++)
		VersionRowsAppend(rows, &memo.rows[i]);
	return true;
}

void
VersionMemoKeep(Oid heap, Snapshot snapshot, const VersionRows *rows)
{
	memo.heap = InvalidOid;
	if (!IsMemorable(snapshot) || rows->nrows > MEMO_MAX_ROWS)
		return;
	memo.xmin = snapshot->xmin;
	memo.xmax = snapshot->xmax;
	memo.xcnt = snapshot->xcnt;
	memo.subxcnt = snapshot->subxcnt;
	memo.in_recovery = snapshot->takenDuringRecovery;
	if (snapshot->xcnt > 0)
		memcpy(memo.xids, snapshot->xip, snapshot->xcnt * sizeof(TransactionId));
	if (snapshot->subxcnt > 0)
		memcpy(memo.xids + snapshot->xcnt, snapshot->subxip,
			   snapshot->subxcnt * sizeof(TransactionId));
	memo.nrows = rows->nrows;
	if (memo.nrows > 0)
		memcpy(memo.rows, rows->rows, memo.nrows * sizeof(VersionRow));
	memo.kept_at = GetCurrentStatementStartTimestamp();
	memo.heap = heap;
}
