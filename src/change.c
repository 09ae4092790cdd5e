/*-------------------------------------------------------------------------
 *
 * change.c
 *	  What the running transaction has changed.
 *
 * Triggers only note here, in memory, whose data changed; the tokens are
 * written once, at XACT_EVENT_PRE_COMMIT or PRE_PREPARE, when deferred
 * triggers are done: one row for each user and table however many rows
 * changed.  A trigger that fires later still (for a query that another
 * library runs in its own pre-commit callback) has its token written at once.
 *
 * Rolling back to a savepoint changes nothing here: a token too many is a
 * miss too many, and a mark too many is a bypass too many.
 *
 * Past clarify_cache.max_tracked_keys users of one table, its users are
 * forgotten and one whole-table bump is noted instead.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "change.h"
#include "ext_tables.h"
#include "redis_tier.h"
#include "section.h"
#include "settings.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "version.h"

typedef struct UserChangeKey
{
	int64		hash;
	Oid			table_id;
	uint32		padding;		/* keys are compared as bytes */
} UserChangeKey;

typedef struct UserChange
{
	UserChangeKey key;
	UserKey		user;
} UserChange;

typedef struct TableChange
{
	Oid			table_id;
	bool		marked;			/* bypass it */
	bool		whole;			/* every user is concerned */
	int			nusers;			/* in user_changes */
} TableChange;

/* All of it lives in TopTransactionContext; reset at the end. */
static HTAB *user_changes = NULL;
static TableChange *table_changes = NULL;
static int	ntable_changes = 0;
static int	table_changes_capacity = 0;
static bool all_marked = false;
static bool written = false;	/* the tokens are written */

/* A bulk change of one user's rows records the same thing again and again. */
static Oid	last_table = InvalidOid;
static int64 last_hash = 0;

static void
ForgetAll(void)
{
	user_changes = NULL;
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
CreateUserChanges(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(UserChangeKey);
	ctl.entrysize = sizeof(UserChange);
	ctl.hcxt = TopTransactionContext;
	user_changes = hash_create("clarify_cache user changes", 64, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Write one token now, for a change noted after the others were written. */
static void
WriteAtOnce(char kind, Oid table_id, int64 key_hash)
{
	VersionWriter *writer = VersionBeginWrite();

	VersionAddToken(writer, kind, table_id, key_hash);
	VersionEndWrite(writer);
	CommandCounterIncrement();
}

void
ChangeRecordTable(Oid table_id)
{
	if (written)
		WriteAtOnce(VERSION_BUMP, table_id, USER_KEY_HASH_TABLE);
	else
		FindOrAddTable(table_id)->whole = true;
}

void
ChangeRecordUser(Oid table_id, const UserKey *user)
{
	UserChangeKey key = {user->hash, table_id, 0};
	TableChange *table;
	bool		found;

	if (written)
	{
		WriteAtOnce(VERSION_USER, table_id, user->hash);
		return;
	}
	if (table_id == last_table && user->hash == last_hash)
		return;

	table = FindOrAddTable(table_id);
	if (table->whole)
		return;
	if (user_changes == NULL)
		CreateUserChanges();
	if (table->nusers >= setting_max_tracked_keys &&
		hash_search(user_changes, &key, HASH_FIND, NULL) == NULL)
	{
		table->whole = true;
		return;
	}
	((UserChange *) hash_search(user_changes, &key, HASH_ENTER, &found))->user = *user;
	if (!found)
		table->nusers++;
	last_table = table_id;
	last_hash = user->hash;
}

void
ChangeRecordDefinitions(Oid section_table_id)
{
	ChangeMarkAll();
	ChangeRecordTable(section_table_id);
}

/* Does a whole-table bump make this user's own token needless? */
static bool
IsCoveredByWholeTable(const UserChange *change)
{
	return FindTable(change->key.table_id)->whole;
}

/* Write the tokens of everything noted. */
static void
WriteTokens(void)
{
	VersionWriter *writer;
	bool		any = user_changes != NULL;

	for (int i = 0; i < ntable_changes; i++)
		any = any || table_changes[i].whole;
	if (!any || ExtTablesGet() == NULL)
		return;

	writer = VersionBeginWrite();
	for (int i = 0; i < ntable_changes; i++)
	{
		if (table_changes[i].whole)
			VersionAddToken(writer, VERSION_BUMP, table_changes[i].table_id,
							USER_KEY_HASH_TABLE);
	}
	if (user_changes != NULL)
	{
		HASH_SEQ_STATUS status;
		UserChange *change;

		hash_seq_init(&status, user_changes);
		while ((change = hash_seq_search(&status)) != NULL)
		{
			if (!IsCoveredByWholeTable(change))
				VersionAddToken(writer, VERSION_USER, change->key.table_id,
								change->key.hash);
		}
	}
	VersionEndWrite(writer);
}

/* Names of the sections that read a table of which single users changed. */
static List *
ChangedSections(void)
{
	List	   *result = NIL;
	bool		ok;
	ListCell   *lc;

	/* SnapshotSelf takes no predicate locks; this is hygiene, not exactness. */
	foreach(lc, ReadSections(SnapshotSelf, false, &ok))
	{
		SectionRow *row = lfirst(lc);

		for (int i = 0; i < ntable_changes; i++)
		{
			if (table_changes[i].nusers > 0 &&
				list_member_oid(row->tables, table_changes[i].table_id))
			{
				result = lappend(result, row->name);
				break;
			}
		}
	}
	return result;
}

/*
 * Let the commit tell Redis which entries can no longer be reached.  The users
 * and sections are paired each with each, which costs a miss where several
 * tables changed.
 */
static void
PrepareUnlinks(void)
{
	List	   *sections;
	HASH_SEQ_STATUS status;
	UserChange *change;
	UserKey    *users;
	const char **names;
	int			nusers = 0;

	if (user_changes == NULL || !setting_enabled || !RedisTierEnabled() ||
		ExtTablesGet() == NULL)
		return;
	sections = ChangedSections();
	if (sections == NIL)
		return;

	names = palloc(list_length(sections) * sizeof(char *));
	for (int i = 0; i < list_length(sections); i++)
		names[i] = list_nth(sections, i);
	users = palloc(hash_get_num_entries(user_changes) * sizeof(UserKey));
	hash_seq_init(&status, user_changes);
	while ((change = hash_seq_search(&status)) != NULL)
		users[nusers++] = change->user;
	RedisTierPrepareUnlink(users, nusers, names, list_length(sections));
}

static void
OnTransactionEvent(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			WriteTokens();
			PrepareUnlinks();
			written = true;
			break;
		case XACT_EVENT_PRE_PREPARE:
			WriteTokens();
			written = true;
			break;
		case XACT_EVENT_COMMIT:
			RedisTierSendUnlink();
			RedisTierAtEndOfXact();
			SectionsAtEndOfXact();
			ForgetAll();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			RedisTierDiscardUnlink();
			RedisTierAtEndOfXact();
			SectionsAtEndOfXact();
			ForgetAll();
			break;
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			break;
	}
}

void
ChangeInit(void)
{
	RegisterXactCallback(OnTransactionEvent, NULL);
}
