/*-------------------------------------------------------------------------
 *
 * change.c
 *	  What the running transaction has changed.
 *
 * Triggers only note here, in memory, whose data changed; the tokens are
 * written once, before the commit or PREPARE (xact.c), when deferred
 * triggers are done: one token for each user and table however many rows
 * changed.  A trigger that fires later still (for a query that another
 * library runs in its own pre-commit callback) has its token written at once.
 *
 * Rolling back to a savepoint changes nothing here: a token too many is a
 * miss too many, and a mark too many is a bypass too many.  But a token too few
 * is for ever, and the error that led there may have come from here, the
 * statement be repeated and committed.  So whatever may raise comes first, and a
 * change is noted, from its first trace to its last, by what can't: nothing
 * counts as noted that the commit does not write.
 *
 * Past clarify_cache.max_tracked_keys users of one table, its users are
 * forgotten and one whole-table bump is noted instead.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/settings.h"
#include "change/change.h"
#include "meta/ext_rows.h"
#include "meta/ext_tables.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "version/write.h"

/* A user of a table, as a key that is compared as bytes. */
typedef struct UserChangeKey
{
	int64		hash;
	Oid			table_id;
	uint32		padding;
} UserChangeKey;

typedef struct TableChange
{
	Oid			table_id;
	bool		marked;			/* bypass it */
	bool		whole;			/* every user is concerned */
	int			nusers;			/* in `changed` */
} TableChange;

/* Changed users up to which a look at each is cheaper than a hash table. */
#define MAX_LINEAR 16

/* All of it lives in TopTransactionContext; reset at the end. */
static UserChange *changed = NULL;
static int	nchanged = 0;
static int	changed_capacity = 0;
static HTAB *changed_keys = NULL;	/* of `changed`, past MAX_LINEAR */
static TableChange *table_changes = NULL;
static int	ntable_changes = 0;
static int	table_changes_capacity = 0;
static bool all_marked = false;
static bool written = false;	/* the tokens are written */

/* A bulk change of one user's rows records the same thing again and again. */
static Oid	last_table = InvalidOid;
static int64 last_hash = 0;

void
ChangeForget(void)
{
	changed = NULL;
	nchanged = 0;
	changed_capacity = 0;
	changed_keys = NULL;
	table_changes = NULL;
	ntable_changes = 0;
	table_changes_capacity = 0;
	all_marked = false;
	written = false;
	last_table = InvalidOid;
}

static TableChange *
FindTable(Oid table_id)
{
	for (int i = 0; i < ntable_changes; i++)
	{
		if (table_changes[i].table_id == table_id)
			return &table_changes[i];
	}
	return NULL;
}

static TableChange *
FindOrAddTable(Oid table_id)
{
	TableChange *table = FindTable(table_id);

	if (table != NULL)
		return table;

	if (ntable_changes == table_changes_capacity)
	{
		int			capacity = Max(8, table_changes_capacity * 2);

		table_changes = table_changes == NULL ?
			MemoryContextAlloc(TopTransactionContext, capacity * sizeof(TableChange)) :
			repalloc(table_changes, capacity * sizeof(TableChange));
		table_changes_capacity = capacity;
	}
	table = &table_changes[ntable_changes++];
	memset(table, 0, sizeof(*table));
	table->table_id = table_id;
	return table;
}

void
ChangeMarkTable(Oid table_id)
{
	FindOrAddTable(table_id)->marked = true;
}

void
ChangeMarkAll(void)
{
	all_marked = true;
}

bool
ChangeIsMarked(Oid table_id)
{
	TableChange *table = FindTable(table_id);

	return all_marked || (table != NULL && table->marked);
}

bool
ChangeAllMarked(void)
{
	return all_marked;
}

static void
HashChange(HTAB *keys, Oid table_id, int64 hash)
{
	UserChangeKey key = {hash, table_id, 0};

	(void) hash_search(keys, &key, HASH_ENTER, NULL);
}

/* A hash table of `changed`, whole or none. */
static HTAB *
HashChanges(void)
{
	HASHCTL		ctl = {0};
	HTAB	   *keys;

	ctl.keysize = sizeof(UserChangeKey);
	ctl.entrysize = sizeof(UserChangeKey);
	ctl.hcxt = TopTransactionContext;
	keys = hash_create("clarify_cache changed users", 256, &ctl,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < nchanged; i++)
		HashChange(keys, changed[i].table_id, changed[i].user.hash);
	return keys;
}

static bool
IsNoted(Oid table_id, int64 hash)
{
	UserChangeKey key = {hash, table_id, 0};

	if (changed_keys != NULL)
		return hash_search(changed_keys, &key, HASH_FIND, NULL) != NULL;
	for (int i = 0; i < nchanged; i++)
	{
		if (changed[i].user.hash == hash && changed[i].table_id == table_id)
			return true;
	}
	return false;
}

static void
MakeRoom(void)
{
	if (nchanged == changed_capacity)
	{
		int			capacity = Max(MAX_LINEAR, changed_capacity * 2);

		changed = changed == NULL ?
			MemoryContextAlloc(TopTransactionContext, capacity * sizeof(UserChange)) :
			repalloc_huge(changed, capacity * sizeof(UserChange));
		changed_capacity = capacity;
	}
	if (nchanged == MAX_LINEAR && changed_keys == NULL)
		changed_keys = HashChanges();
}

/* The key's own entry is the last that may raise. */
static void
NoteUser(TableChange *table, const UserKey *user)
{
	MakeRoom();
	if (changed_keys != NULL)
		HashChange(changed_keys, table->table_id, user->hash);
	changed[nchanged].table_id = table->table_id;
	changed[nchanged].user = *user;
	nchanged++;
	table->nusers++;
}

/*
 * Anybody may create a trigger with our functions on a table of their own.
 * Nobody reads its tokens, so they are not written.
 */
static bool
TokensAreRead(Oid table_id)
{
	return table_id == ExtTablesRequire()->section || TableIsAttached(table_id);
}

/* Write one token now, for a change noted after the others were written. */
static void
WriteAtOnce(char kind, Oid table_id, int64 key_hash)
{
	VersionWriter *writer;

	if (ExtTablesGet() == NULL)
		ExtTablesLogStrange();
	if (ExtTablesGet() == NULL || !TokensAreRead(table_id))
		return;
	writer = VersionBeginWrite();
	VersionAddTokens(writer, kind, key_hash, &table_id, 1);
	VersionEndWrite(writer);
	CommandCounterIncrement();
}

void
ChangeRecordTable(Oid table_id)
{
	if (written)
		WriteAtOnce(VERSION_BUMP, table_id, USER_KEY_HASH_TABLE);
	else
	{
		TableChange *table = FindOrAddTable(table_id);

		/* Whoever applies changes by other means fires row triggers only. */
		table->marked = true;
		table->whole = true;
	}
}

void
ChangeRecordUser(Oid table_id, const UserKey *user)
{
	TableChange *table;

	if (written)
	{
		WriteAtOnce(VERSION_USER, table_id, user->hash);
		return;
	}
	if (table_id == last_table && user->hash == last_hash)
		return;

	table = FindOrAddTable(table_id);
	table->marked = true;
	if (table->whole)
		return;
	if (!IsNoted(table_id, user->hash))
	{
		if (table->nusers >= setting_max_tracked_keys)
		{
			table->whole = true;
			return;
		}
		NoteUser(table, user);
	}
	last_table = table_id;
	last_hash = user->hash;
}

bool
ChangeConcernsAll(Oid table_id)
{
	TableChange *table = FindTable(table_id);

	return table != NULL && table->whole && !written;
}

bool
ChangeConcernsUser(Oid table_id, const UserKey *user)
{
	if (written)
		return false;
	return (table_id == last_table && user->hash == last_hash) ||
		IsNoted(table_id, user->hash);
}

void
ChangeRecordDefinitions(Oid section_table_id)
{
	CacheInvalidateRelcacheByRelid(section_table_id);
	ChangeMarkAll();
	ChangeRecordTable(section_table_id);
}

/* Is there anything to write? */
static bool
AnyTokens(void)
{
	for (int i = 0; i < ntable_changes; i++)
	{
		if (table_changes[i].whole || table_changes[i].nusers > 0)
			return true;
	}
	return false;
}

static void
ForgetUnattached(void)
{
	for (int i = 0; i < ntable_changes; i++)
	{
		TableChange *table = &table_changes[i];

		if ((table->whole || table->nusers > 0) && !TokensAreRead(table->table_id))
		{
			table->whole = false;
			table->nusers = 0;
		}
	}
}

/* A user's tables stand together, and users in the order of the index. */
static int
CompareChanges(const void *a, const void *b)
{
	const UserChange *x = a;
	const UserChange *y = b;

	if (x->user.hash != y->user.hash)
		return x->user.hash < y->user.hash ? -1 : 1;
	return x->table_id < y->table_id ? -1 : x->table_id > y->table_id;
}

/* Tokens for tables of which every user is concerned. */
static void
WriteBumps(VersionWriter *writer, Oid *tables)
{
	int			ntables = 0;

	for (int i = 0; i < ntable_changes; i++)
	{
		if (table_changes[i].whole)
			tables[ntables++] = table_changes[i].table_id;
	}
	VersionAddTokens(writer, VERSION_BUMP, USER_KEY_HASH_TABLE, tables, ntables);
}

static void
WriteUserTokens(VersionWriter *writer, Oid *tables)
{
	int			ntables = 0;

	if (nchanged > 1)
		qsort(changed, nchanged, sizeof(UserChange), CompareChanges);
	for (int i = 0; i < nchanged; i++)
	{
		TableChange *table = FindTable(changed[i].table_id);

		/* A whole-table bump makes the users' own tokens needless. */
		if (!table->whole && table->nusers > 0)
			tables[ntables++] = table->table_id;
		if (i + 1 < nchanged && changed[i + 1].user.hash == changed[i].user.hash)
			continue;
		VersionAddTokens(writer, VERSION_USER, changed[i].user.hash, tables, ntables);
		ntables = 0;
	}
}

/* Write the tokens of everything noted. */
static void
WriteTokens(void)
{
	VersionWriter *writer;
	Oid		   *tables;

	if (!AnyTokens())
		return;
	if (ExtTablesGet() == NULL)
	{
		/* Dropped in this transaction, then; else the tokens would be lost. */
		if (ExtTablesAreMisplaced())
			(void) ExtTablesRequire();
		ExtTablesLogStrange();
		return;
	}

	ForgetUnattached();
	if (!AnyTokens())
		return;
	tables = palloc(ntable_changes * sizeof(Oid));
	writer = VersionBeginWrite();
	WriteBumps(writer, tables);
	WriteUserTokens(writer, tables);
	VersionEndWrite(writer);
	pfree(tables);
}

void
ChangeWriteTokens(void)
{
	WriteTokens();
	written = true;
}

const UserChange *
ChangedUsers(int *n)
{
	*n = nchanged;
	return changed;
}

List *
TablesOfChangedUsers(void)
{
	List	   *tables = NIL;

	for (int i = 0; i < ntable_changes; i++)
	{
		if (table_changes[i].nusers > 0)
			tables = lappend_oid(tables, table_changes[i].table_id);
	}
	return tables;
}
