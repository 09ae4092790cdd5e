/*-------------------------------------------------------------------------
 *
 * model.h
 *	  A model of the version protocol: its state, and what the parts know of
 *	  each other.
 *
 *	world.c		what PostgreSQL does: snapshots, locks, catalogs,
 *				invalidations, rows.
 *	writer.c	what clarify_cache does when rows change, and at the commit.
 *	version_write.c	how tokens get into rows of `version`.
 *	ddl.c		what it does in DDL, attach(), detach() and repair().
 *	reader.c	what it does in a call, and what must hold: the invariants.
 *	mutations.h	the mistakes that can be made.
 *	scenario.c	who runs what.
 *	search.c	every interleaving, and the shortest way to a fault.
 *
 * The table is partitioned: a root without rows, the partitions A and B.  A
 * process does one step at a time, and a step touches what is shared once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;

/* ---------------------------------------------------------------- who */

#define NTRANSACTIONS 3			/* processes 0 to 2 change something */
#define NPROCS 5				/* processes 3 and 4 only read */

/* A process may run two transactions, one after the other. */
#define NXIDS (2 * NTRANSACTIONS)
#define NO_XID (-1)

/* A set of transactions: a snapshot is the set of those it sees. */
typedef u8 XidSet;

#define NUSERS 2

/* ---------------------------------------------------------------- what */

enum
{
	ROOT, LEAF_A, LEAF_B, NRELS,
	PRIVILEGES = NRELS,			/* no relation, but invalidated like one */
	NINVALIDATED
};

#define BIT(n) (1 << (n))

typedef enum LockMode
{
	AccessShare, RowExclusive, ShareUpdateExclusive, ShareRowExclusive,
	AccessExclusive, NLOCKMODES
} LockMode;

/*
 * Catalogs, as committed or as one process has them in its relation cache.
 * The columns that a trigger watches are a set of two; none is "disabled".
 */
#define COLUMN_1 1
#define COLUMN_2 2
#define ALL_COLUMNS 3

typedef struct RootEntry
{
	u8			triggers;		/* columns watched */
	u8			parts;			/* BIT(LEAF_A), BIT(LEAF_B) */
	u8			detaching;		/* 1 + the transaction that began to detach B
								 * concurrently, or 0 */
} RootEntry;

typedef struct LeafEntry
{
	u8			triggers;
	u8			is_partition;
	u8			file;			/* 0, or 1 + the transaction that made it */
} LeafEntry;

typedef struct Catalog
{
	RootEntry	root;
	LeafEntry	leaf[2];
	u8			may_read;		/* the readers' privilege on the table */
} Catalog;

/*
 * Rows of clarify_cache.version.  Each transaction may add one of a kind.  The
 * tokens of both users are in one row, as those of a user's tables are in the
 * code.
 */
typedef enum RowKind
{
	ROW_USERS, ROW_BUMP, ROW_COVERAGE, ROW_HOLE,
	ROW_FOLDED,					/* by compact(): of users, too */
	NROWKINDS
} RowKind;

#define MAXROWS 14				/* of all kinds and transactions */

/* Rows of the table: each change by a transaction is one, of one partition. */
#define MAXCHANGES 6

/*
 * What a section of a user shows: the set of the changes that are seen, and of
 * the partitions whose first file is.  So two contents are equal only if
 * the same changes are seen.
 */
typedef u16 Content;

/* A set of tokens, which is what an XOR of tokens without collisions is. */
typedef u16 Version;

/* ---------------------------------------------------------------- state */

enum							/* Proc.flags */
{
	HAS_SNAPSHOT = 1,
	ANALYZED = 2,				/* section/analysis.c: it is of now */
	MARKED = 4,					/* change/change.c: bypass the table */
	WHOLE_TABLE = 8,			/* change/change.c: every user is concerned */
	SENT_BEFORE_LOOK = 16,		/* for the invariant: a REVOKE was, and has
								 * not been accepted then */
	DONE = 32
};

typedef struct Proc
{
	u8			op;				/* where it is in its script */
	u8			step;			/* where it is in the operation */
	u8			nth_xact;		/* its first or second transaction */
	u8			flags;
	XidSet		snapshot;
	XidSet		write_snapshot; /* version_write.c: of the look for a row */
	u8			noted;			/* change/change.c: users whose rows changed */
	u8			pending;		/* invalidations sent, not yet accepted */
	u8			dirty;			/* catalog entries that its transaction changed */
	u8			waits_for;		/* DETACH CONCURRENTLY: for these processes */
	u8			members;		/* partitions in the plan of a build */
	Catalog		cached;			/* relation cache; own changes included */
	u8			unused;			/* states are compared as bytes */
	u16			locks;			/* NLOCKMODES bits for each relation */
	Content		then;			/* what the snapshot gave when it was taken */
	Content		content;		/* found, or built */
} Proc;

#define MAXENTRIES 6

typedef struct Entry
{
	Version		version;
	Content		content;
	u8			user;
	u8			used;
} Entry;

typedef struct State
{
	Proc		proc[NPROCS];
	Entry		cache[MAXENTRIES];	/* sorted; nothing is ever evicted */
	Version		token[MAXROWS]; /* of rows of `version`; 0: no such row */
	u8			xmax[MAXROWS];	/* 1 + who has replaced or deleted it, or 0 */
	u8			in_file[MAXCHANGES];	/* 1 + the file a change went to, or 0 */
	XidSet		committed;		/* and visible */
	Catalog		catalog;		/* as committed */
} State;

/* ---------------------------------------------------------------- scripts */

typedef enum OpKind
{
	OP_END,
	OP_WRITE,					/* an INSERT, or an UPDATE of `column` */
	OP_ROLLBACK_TO,				/* the savepoint before the last OP_WRITE */
	OP_TRUNCATE,
	OP_REWRITE,					/* ALTER COLUMN TYPE */
	OP_SET_TRIGGERS,			/* ALTER TABLE ... DISABLE or ENABLE TRIGGER */
	OP_ATTACH_PARTITION,		/* of B, all of them */
	OP_DETACH_PARTITION,
	OP_DETACH_BEGIN,			/* CONCURRENTLY: the first transaction */
	OP_DETACH_WAIT,
	OP_DETACH_FINISH,			/* the second */
	OP_COVER,					/* attach() and repair() */
	OP_UNCOVER,					/* detach() */
	OP_COMPACT,
	OP_REVOKE,
	OP_READ,					/* clarify_context() */
	OP_COMMIT
} OpKind;

typedef struct Op
{
	OpKind		kind;
	u8			rel;			/* ROOT: the tree, or by way of it */
	u8			leaf;			/* where a row goes */
	u8			users;			/* set of users whose rows change; one to read */
	u8			columns;		/* that change; that are watched from now on */
} Op;

#define MAXOPS 6

typedef struct Script
{
	const char *name;
	Op			ops[MAXOPS];
	bool		repeatable_read;
	bool		one_xact;		/* a reader: all reads in one transaction */
} Script;

typedef struct Scenario
{
	const Script *script[NPROCS];
	bool		b_apart;		/* B is no partition yet */
	bool		a_disabled;		/* A's triggers are disabled; there is a hole */
	bool		uncovered;		/* the table is not attached */
	bool		cold;			/* relation caches are empty at first */
} Scenario;

/* ---------------------------------------------------------------- mutations */

typedef enum Mutation
{
#define MUTATION(id, name, what) id,
#include "mutations.h"
#undef MUTATION
	NMUTATIONS,
	FIRST_HARMLESS = NO_LOCK_TO_LOOK	/* from here on, nothing is to be found */
} Mutation;

extern Mutation mutation;		/* the one in force; NOT_MUTATED is none */

/* ---------------------------------------------------------------- world.c */

extern const Scenario *scenario;

/* Rows of `version` and changes are numbered when a scenario begins. */
extern void WorldBegin(const Scenario *scenario, State *state);

extern int	XidOf(const State *s, int p);	/* NO_XID for a reader */
extern const Op *OpOf(const State *s, int p);
extern XidSet Seen(XidSet snapshot, int own_xid);

extern bool Conflicts(const State *s, int p, int rel, LockMode mode);
extern bool Lock(State *s, int p, int rel, LockMode mode);	/* false: must wait */
extern bool Holds(const State *s, int p, int rel, LockMode mode);	/* or stronger */
extern bool HoldsAny(const State *s, int p, int rel);
extern void Accept(State *s, int p);

extern u8	PartsSeen(const Catalog *catalog, XidSet seen);
extern Content Read(const State *s, const Catalog *catalog, u8 parts, XidSet seen,
					int user);
extern void Change(State *s, int p, int leaf);
extern void Unchange(State *s, int p);

extern void BecomeVisible(State *s, int p);
extern void SendInvalidations(State *s, int p);
extern void ReleaseLocks(State *s, int p);
extern void EndProcess(State *s, int p);
extern void Abort(State *s, int p);

/* Rows of `version`. */
extern int	RowSlot(int xid, RowKind kind);
extern RowKind RowKey(int slot);	/* ROW_FOLDED is ROW_USERS */
extern int	RowXid(int slot);	/* NO_XID: there from the beginning */
extern u8	RowColumns(int slot);	/* of a coverage row */
extern Version FreshToken(int slot);	/* of a row not of users */
extern Version FreshTokens(int slot, u8 users); /* one of each, of a row of users */
extern Version TokensOfUser(int user);	/* all that there may be */
extern bool RowIsSeen(const State *s, int slot, XidSet seen);
extern bool RowIsUntouched(const State *s, int slot);

typedef struct TableVersion
{
	bool		covered;
	bool		has_hole;
	u8			columns;		/* watched, as the coverage row has it */
	Version		coverage;
	Version		all;
} TableVersion;

extern TableVersion VersionOfTable(const State *s, XidSet seen);
extern Version VersionOfUser(const State *s, XidSet seen, int user);

/* ---------------------------------------------------------------- the others */

/* version_write.c: own rows, of the kinds that RowSlot has numbered. */
extern void InsertRow(State *s, int p, RowKind kind, Version token);
extern void InsertFreshRow(State *s, int p, RowKind kind);
extern void AddTokens(State *s, int p, RowKind kind, u8 users, int choice, int *nchoices);
extern void FoldRows(State *s, int p);
extern void DeleteRows(State *s, int p, bool coverage, bool holes, bool others);

/* writer.c: on to the next operation; every user is concerned. */
extern void NextOp(State *s, int p);
extern void NoteTable(Proc *proc);

extern bool StepDdl(State *s, int p);	/* ddl.c; as Step, with one choice */

/*
 * Let process p do its next step.  `choice` says which, where there are
 * several; *nchoices is set to how many there are.  False if it has to wait,
 * or is done.
 */
extern bool Step(State *s, int p, int choice, int *nchoices);	/* writer.c */
extern bool StepRead(State *s, int p, int choice, int *nchoices);	/* reader.c */

/* Set by a step that breaks an invariant; says which and how. */
extern char violation[];

/* Is the invariant ONE asked for?  Else the search goes on to EXACT. */
extern bool ask_for_one;

/* What the step did, for people; only while `telling`. */
extern bool telling;
extern char told[];
extern void Tell(const char *format,...) __attribute__((format(printf, 1, 2)));
extern const char *ContentText(Content content);
extern const char *VersionText(Version version);
extern const char *XidsText(XidSet xids);
extern const char *RelName(int rel);

/* scenario.c: calls for each scenario until that returns false. */
extern void ForEachScenario(bool (*call) (const Scenario *));

#endif							/* MODEL_H */
