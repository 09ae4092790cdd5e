/*-------------------------------------------------------------------------
 *
 * change.h
 *	  What the running transaction has changed: whose versions its commit
 *	  must change, and what it may no longer read from the cache.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_CHANGE_H
#define CLARIFY_CHANGE_H

#include "base/compat.h"

#include "base/user_key.h"
#include "nodes/pg_list.h"

/* A user of whom rows of a table changed. */
typedef struct UserChange
{
	Oid			table_id;
	UserKey		user;
} UserChange;

/*
 * From now on this transaction may hold changes of the table (all tables)
 * that its own snapshot sees and its version does not: bypass.  Stays until
 * the end of the transaction, also after a rollback to a savepoint.
 */
extern void ChangeMarkTable(Oid table_id);
extern void ChangeMarkAll(void);

/* Is the table, or everything, marked? */
extern bool ChangeIsMarked(Oid table_id);
extern bool ChangeAllMarked(void);

/*
 * The commit must add a token for this user, or for every user, of the
 * (root) table.  Written at once if the transaction's changes have been
 * written already.
 */
extern void ChangeRecordUser(Oid table_id, const UserKey *user);
extern void ChangeRecordTable(Oid table_id);

/*
 * Is it noted that every user of the table, or this one, is concerned?  Then
 * recording the user once more would say nothing new.
 */
extern bool ChangeConcernsAll(Oid table_id);
extern bool ChangeConcernsUser(Oid table_id, const UserKey *user);

/*
 * The definitions of sections change: the commit adds a token for the table
 * clarify_cache.section, which ends what backends remember, and this
 * transaction reads definitions afresh.  Backends that remember which tables the
 * sections read (unlink.h) hear of it by an invalidation of that table.
 */
extern void ChangeRecordDefinitions(Oid section_table_id);

/*
 * Before the commit or PREPARE, when deferred triggers are done: write the tokens of
 * everything noted.  What is recorded from here on is written at once.  Raises what
 * an INSERT may, and if the extension's tables are there but not to be found.
 */
extern void ChangeWriteTokens(void);

/*
 * For those who act on the commit, after ChangeWriteTokens: the users whose rows of
 * some table changed, and the (root) tables, a palloc'd list of Oids, in which users'
 * rows changed.  Users are in the transaction's memory.  Neither has what is noted
 * of all users together.
 */
extern const UserChange *ChangedUsers(int *n);
extern List *TablesOfChangedUsers(void);

/* The transaction is over: nothing is noted any more.  Does not raise. */
extern void ChangeForget(void);

#endif							/* CLARIFY_CHANGE_H */
