/*-------------------------------------------------------------------------
 *
 * scenario.c
 *	  Who runs what: three transactions, of every kind with every other, and
 *	  two readers.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "model.h"

#define USER_1 BIT(0)
#define USER_2 BIT(1)
#define COMMIT {OP_COMMIT}
#define INSERT(rel, leaf, users) {OP_WRITE, rel, leaf, users, ALL_COLUMNS}
#define DISABLE(rel) {OP_SET_TRIGGERS, rel, 0, 0, 0}
#define ENABLE(rel) {OP_SET_TRIGGERS, rel, 0, 0, ALL_COLUMNS}
#define COVER(columns) {OP_COVER, ROOT, 0, 0, columns}
#define READ_USER_1 {OP_READ, ROOT, 0, USER_1}

/* ---------------------------------------------------------------- writers */

static const Script insert_a = {
	"insert into A", {INSERT(ROOT, LEAF_A, USER_1), COMMIT}
};
static const Script insert_a_rr = {
	"insert into A (REPEATABLE READ)", {INSERT(ROOT, LEAF_A, USER_1), COMMIT}, .repeatable_read = true
};
static const Script insert_2 = {
	"insert into A of user 2", {INSERT(ROOT, LEAF_A, USER_2), COMMIT}
};
static const Script insert_b = {
	"insert into B itself", {INSERT(LEAF_B, LEAF_B, USER_1), COMMIT}
};
static const Script move = {
	"move a row to user 2", {INSERT(ROOT, LEAF_A, USER_1 | USER_2), COMMIT}
};
static const Script savepoint = {
	"insert, roll back to a savepoint, insert",
	{INSERT(ROOT, LEAF_A, USER_1), {OP_ROLLBACK_TO}, INSERT(ROOT, LEAF_A, USER_1), COMMIT}
};
static const Script insert_read = {
	"insert into A, read", {INSERT(ROOT, LEAF_A, USER_1), READ_USER_1, COMMIT}
};
static const Script read_insert_read = {
	"read, insert into A, read (REPEATABLE READ)",
	{READ_USER_1, INSERT(ROOT, LEAF_A, USER_1), READ_USER_1, COMMIT}, .repeatable_read = true
};
static const Script update_2 = {
	"update column 2 in A", {{OP_WRITE, ROOT, LEAF_A, USER_1, COLUMN_2}, COMMIT}
};

/* ---------------------------------------------------------------- others */

static const Script truncate = {"truncate the table", {{OP_TRUNCATE, ROOT}, COMMIT}};
static const Script truncate_a = {"truncate A", {{OP_TRUNCATE, LEAF_A}, COMMIT}};
static const Script rewrite = {"rewrite the table", {{OP_REWRITE, ROOT}, COMMIT}};
static const Script disable_a = {"disable A's triggers", {DISABLE(LEAF_A), COMMIT}};
static const Script disable_root = {"disable the root's triggers", {DISABLE(ROOT), COMMIT}};
static const Script enable_a = {"enable A's triggers", {ENABLE(LEAF_A), COMMIT}};
static const Script unseen = {
	"disable A's triggers, insert, enable them",
	{DISABLE(LEAF_A), INSERT(LEAF_A, LEAF_A, USER_1), ENABLE(LEAF_A), COMMIT}
};
static const Script attach_b = {"attach partition B", {{OP_ATTACH_PARTITION}, COMMIT}};
static const Script detach_b = {"detach partition B", {{OP_DETACH_PARTITION}, COMMIT}};
static const Script detach_b_concurrently = {
	"detach partition B concurrently",
	{{OP_DETACH_BEGIN}, COMMIT, {OP_DETACH_WAIT}, {OP_DETACH_FINISH}, COMMIT}
};
static const Script repair = {"repair()", {COVER(ALL_COLUMNS), COMMIT}};
static const Script narrow = {"repair(), column 2 is not read", {COVER(COLUMN_1), COMMIT}};
static const Script widen = {"add_section(), column 2 is read", {COVER(ALL_COLUMNS), COMMIT}};
static const Script uncover = {"detach()", {{OP_UNCOVER}, COMMIT}};
static const Script cover = {"attach()", {COVER(ALL_COLUMNS), COMMIT}};
static const Script compact = {"compact()", {{OP_COMPACT}, COMMIT}};
static const Script revoke = {
	"revoke, insert into A", {{OP_REVOKE}, INSERT(ROOT, LEAF_A, USER_1), COMMIT}
};

static const Script nothing = {"nothing", {{OP_END}}};

/* ---------------------------------------------------------------- readers */

/*
 * One read is enough to fill what is wrong, one to be given it.  As the
 * snapshot is a step of its own, it may be of any age, so isolation levels
 * make no difference.
 */
static const Script reader = {"reads", {READ_USER_1}};

/* What two reads in one transaction add: locks held already, a snapshot kept. */
static const Script reader_rc = {
	"reads twice (READ COMMITTED)", {READ_USER_1, READ_USER_1}, .one_xact = true
};
static const Script reader_rr = {
	"reads twice (REPEATABLE READ)", {READ_USER_1, READ_USER_1},
	.repeatable_read = true, .one_xact = true
};

/* ---------------------------------------------------------------- families */

#define MAXKINDS 16

/* Three of these kinds, in every combination, the same several times too. */
typedef struct Family
{
	const Script *kinds[MAXKINDS];
	const Script *readers[2];
	bool		two;			/* two of them, for what would be too many states */
	Scenario	start;			/* but for the scripts */
} Family;

static const Family families[] = {
	/* A few small ones first: most mutations show here, by short ways. */
	{{&insert_a, &truncate, &unseen, &repair}, {&reader, &reader}, .two = true},
	{{&insert_a, &insert_2, &compact}, {&reader, &reader}, .two = true},
	{{&insert_read, &savepoint, &move, &revoke}, {&reader, &reader}, .two = true},
	{{&detach_b_concurrently}, {&reader, &reader}, .two = true},
	{{&insert_b, &attach_b, &detach_b}, {&reader, &reader}, .two = true, .start = {.b_apart = true}},
	{{&cover, &detach_b_concurrently}, {&reader, &reader}, .two = true, .start = {.uncovered = true}},
	{{&update_2, &narrow, &widen}, {&reader, &reader}},
	{{&insert_a, &disable_a, &repair}, {&reader, &reader}},

	/* All that may happen to a table that is covered. */
	{{&insert_a, &insert_a_rr, &insert_b, &truncate, &truncate_a, &rewrite, &disable_a,
			&unseen, &detach_b, &repair, &compact},
	{&reader, &reader}},

	/* A partition goes, in two transactions. */
	{{&insert_a, &insert_b, &detach_b_concurrently, &repair, &truncate}, {&reader, &reader}},

	/* A partition comes. */
	{{&insert_a, &insert_b, &attach_b, &detach_b, &repair, &truncate, &rewrite},
	{&reader, &reader}, .start = {.b_apart = true}},

	/* There is a hole. */
	{{&insert_a, &insert_b, &disable_a, &enable_a, &disable_root, &repair, &truncate_a, &compact},
	{&reader, &reader}, .start = {.a_disabled = true}},

	/* The table is detached and attached. */
	{{&insert_a, &uncover, &cover, &truncate, &disable_a}, {&reader, &reader}},
	{{&insert_a, &insert_b, &cover, &uncover, &disable_a, &detach_b_concurrently},
	{&reader, &reader}, .start = {.uncovered = true}},

	/* Columns are watched or not. */
	{{&insert_a, &update_2, &narrow, &widen}, {&reader, &reader}},

	/* Two users; savepoints. */
	{{&move, &insert_a, &insert_a_rr, &insert_2, &compact}, {&reader, &reader}},
	{{&savepoint, &insert_a}, {&reader, &reader}},

	/* Reading what one has written. */
	{{&insert_read, &read_insert_read, &insert_a, &truncate, &repair},
	{&reader, &reader}, .two = true},

	/* Relation caches that are loaded when they are needed. */
	{{&insert_a, &truncate, &detach_b_concurrently, &repair},
	{&reader, &reader}, .two = true, .start = {.cold = true}},
	{{&insert_b, &attach_b, &rewrite, &repair},
	{&reader, &reader}, .start = {.b_apart = true,.cold = true}},

	/* Two reads in a transaction. */
	{{&insert_a, &truncate, &repair, &unseen}, {&reader_rc, &reader}, .two = true},
	{{&insert_a, &truncate, &repair, &unseen}, {&reader_rr, &reader}, .two = true},
	{{&insert_a, &detach_b_concurrently}, {&reader_rc, &reader}, .two = true},
	{{&insert_b, &attach_b, &repair}, {&reader_rc, &reader}, .two = true, .start = {.b_apart = true}},
	{{&insert_b, &attach_b, &rewrite}, {&reader_rr, &reader}, .two = true, .start = {.b_apart = true}},
};

static bool
HasKind(const Family *family, const Script *kind)
{
	for (int i = 0; i < MAXKINDS; i++)
	{
		if (family->kinds[i] == kind)
			return true;
	}
	return kind == &nothing;
}

/* Was it one of an earlier family? */
static bool
IsRepeated(const Family *family, const Scenario *which)
{
	for (const Family *f = families; f < family; f++)
	{
		if (f->two == family->two && f->readers[0] == family->readers[0] &&
			f->readers[1] == family->readers[1] &&
			memcmp(&f->start, &family->start, sizeof(Scenario)) == 0 &&
			HasKind(f, which->script[0]) && HasKind(f, which->script[1]) &&
			HasKind(f, which->script[2]))
			return true;
	}
	return false;
}

static bool
ForEachOf(const Family *family, bool (*call) (const Scenario *))
{
	Scenario	which = family->start;
	int			n = 0;

	while (n < MAXKINDS && family->kinds[n] != NULL)
		n++;
	which.script[NTRANSACTIONS] = family->readers[0];
	which.script[NTRANSACTIONS + 1] = family->readers[1];
	for (int i = 0; i < n; i++)
	{
		for (int j = i; j < n; j++)
		{
			for (int k = j; k < (family->two ? j + 1 : n); k++)
			{
				which.script[0] = family->kinds[i];
				which.script[1] = family->kinds[j];
				which.script[2] = family->two ? &nothing : family->kinds[k];
				if (!IsRepeated(family, &which) && !call(&which))
					return false;
			}
		}
	}
	return true;
}

void
ForEachScenario(bool (*call) (const Scenario *))
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
	{
		if (!ForEachOf(&families[i], call))
			return;
	}
}
