/*-------------------------------------------------------------------------
 *
 * witness.c
 *	  Is an attached table still what it was when its changes were last known to
 *	  be watched?
 *
 * Tokens and holes tell of the changes that triggers and event triggers saw.  Some DDL
 * they can't see: in single-user mode no event trigger fires, a superuser may disable
 * them and ours on the table, and has to where the library is missing.  What was done
 * meanwhile must not be hidden by everything looking as it should again.  So what each
 * table and partition is made of is written down, as a digest in clarify_cache.witness,
 * whenever all is known to be in order: by attach() and repair(), which give the table
 * a fresh coverage token, and at the end of DDL, which adds a fresh token as well where
 * the digest is another one.  Whoever analyzes a section compares.  A difference means
 * that something passed unseen, and that no entry made before can be vouched for: the
 * sections are built until repair() or DDL under our eyes gives the table a new token.
 *
 * Catalogs are compared as of now, which can be remembered until an invalidation
 * arrives.  Where they differ, DDL that was seen may have come after the caller's
 * snapshot; so they are then compared as the snapshot sees them, both sides.
 *
 * A digest is made of what no event but such DDL changes:
 *
 *	- Triggers that call functions of ours, with the transaction that wrote them: one
 *	  that was disabled and enabled again is not the same one.
 *	- Columns: number, name, type, collation, generated or not, dropped or not.
 *	- Kind and persistence; parents, children, and whether one is being detached.
 *	- Whether ALTER TABLE has written the rows anew, as by ALTER COLUMN TYPE ... USING of
 *	  the same type.  It gives the table another TOAST table, which VACUUM FULL, CLUSTER
 *	  and TRUNCATE don't.  A table without one has its columns' transactions instead,
 *	  which GRANT on a column changes, too: then repair() is called for nothing.
 *
 * A member is written down only under a lock on it that conflicts with itself, so two
 * transactions never meet at a row.
 *
 * What is remembered here of a member holds until an invalidation of it.  It is counted
 * per member, and compared with the count from before the catalogs were read, so one
 * that arrives while they are read is not lost, nor is an error half a change.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "meta/ext_rows.h"
#include "meta/ext_tables.h"
#include "meta/partition_tree.h"
#include "meta/planned_code.h"
#include "meta/storage.h"
#include "meta/witness.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* A table or partition. */
typedef struct Member
{
	Oid			id;				/* key */
	Oid			root;
	uint64		changes;		/* invalidations of it */
	uint64		looked_at;		/* ChangesOf() when its catalogs were read; 0: never */
	uint64		digest;			/* what they said */
	TransactionId storage;
	bool		has_children;
	List	   *code_indexes;	/* meta/planned_code.h: in this context, */
	bool		code_elsewhere; /* and in partition key or statistics */
	uint64		in_tree;		/* comparison in which it was met in the tree, */
	uint64		in_order;		/* and in which it was what was written down */
} Member;

/* An attached table that agreed. */
typedef struct Tree
{
	Oid			root;
	int			nmembers;
	Member	  **members;
} Tree;

static MemoryContext witness_context = NULL;
static HTAB *members = NULL;
static List *trees = NIL;
static uint64 changes_of_all = 1;	/* invalidations of everything */
static uint64 comparisons = 0;

static void
CountOnRelcache(Datum arg, Oid relid)
{
	Member	   *member;

	if (members == NULL)
		return;
	if (relid == InvalidOid)
		changes_of_all++;
	else if ((member = hash_search(members, &relid, HASH_FIND, NULL)) != NULL)
		member->changes++;
}

static void
InitializeOnce(void)
{
	static bool registered = false;
	HASHCTL		ctl = {0};

	if (members != NULL)
		return;
	if (!registered)
		CacheRegisterRelcacheCallback(CountOnRelcache, (Datum) 0);
	registered = true;
	if (witness_context == NULL)
		witness_context = AllocSetContextCreate(TopMemoryContext, "clarify_cache witness",
												ALLOCSET_SMALL_SIZES);
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(Member);
	ctl.hcxt = witness_context;
	members = hash_create("clarify_cache members", 64, &ctl,
						  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static Member *
FindMember(Oid relid)
{
	return members == NULL ? NULL : hash_search(members, &relid, HASH_FIND, NULL);
}

Oid
WitnessRootOf(Oid relid)
{
	Member	   *member = FindMember(relid);

	return member == NULL ? InvalidOid : member->root;
}

/*----------
 * What a member is made of
 *----------
 */

typedef struct Look
{
	StringInfoData made_of;
	bool		exists;
	bool		by_columns;		/* their transactions tell whether rows were rewritten */
	List	   *children;
} Look;

static void
PutNumber(Look *look, uint64 number)
{
	appendBinaryStringInfo(&look->made_of, (const char *) &number, sizeof(number));
}

static void
PutClass(Look *look, HeapTuple row)
{
	Form_pg_class class = (Form_pg_class) GETSTRUCT(row);

	look->exists = true;
	/* A partitioned table has no rows of its own. */
	look->by_columns = !OidIsValid(class->reltoastrelid) &&
		class->relkind != RELKIND_PARTITIONED_TABLE;
	PutNumber(look, (uint64) class->relkind);
	PutNumber(look, (uint64) class->relpersistence);
	PutNumber(look, class->relispartition);
	PutNumber(look, class->relam);
	PutNumber(look, class->reltoastrelid);
}

static void
PutColumn(Look *look, HeapTuple row)
{
	Form_pg_attribute attr = (Form_pg_attribute) GETSTRUCT(row);

	if (attr->attnum < 0)
		return;
	PutNumber(look, (uint64) attr->attnum);
	PutNumber(look, attr->atttypid);
	PutNumber(look, (uint64) attr->atttypmod);
	PutNumber(look, attr->attcollation);
	PutNumber(look, (uint64) attr->attgenerated);
	PutNumber(look, attr->attisdropped);
	appendBinaryStringInfo(&look->made_of, NameStr(attr->attname), NAMEDATALEN);
	if (look->by_columns)
		PutNumber(look, HeapTupleHeaderGetRawXmin(row->t_data));
}

static void
PutParent(Look *look, HeapTuple row)
{
	Form_pg_inherits inherits = (Form_pg_inherits) GETSTRUCT(row);

	PutNumber(look, inherits->inhparent);
	PutNumber(look, inherits->inhdetachpending);
}

static void
PutChild(Look *look, HeapTuple row)
{
	look->children = lappend_oid(look->children, ((Form_pg_inherits) GETSTRUCT(row))->inhrelid);
}

static void
PutTrigger(Look *look, HeapTuple row)
{
	Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(row);
	const ExtTables *ext = ExtTablesRequire();

	if (trigger->tgfoid != ext->mark_change && trigger->tgfoid != ext->track_change)
		return;
	PutNumber(look, trigger->oid);
	PutNumber(look, HeapTupleHeaderGetRawXmin(row->t_data));
}

/* Each row of a catalog that the snapshot sees with this Oid in an indexed column. */
static void
ScanRows(Look *look, Snapshot snapshot, Oid catalog, Oid index, AttrNumber column, Oid relid,
		 void (*put) (Look *look, HeapTuple row))
{
	Relation	rel = table_open(catalog, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	row;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, index, true, snapshot, 1, &key);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
		put(look, row);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/*
 * What the catalogs say of the relation, to the snapshot (NULL: as of now).  Returns
 * its digest, or 0 if there is no such relation, and sets *children to the Oids of its
 * children, those that are being detached too.
 */
static uint64
LookIn(Oid relid, Snapshot snapshot, List **children)
{
	Look		look = {0};
	ListCell   *lc;
	uint64		digest;

	initStringInfo(&look.made_of);
	ScanRows(&look, snapshot, RelationRelationId, ClassOidIndexId,
			 Anum_pg_class_oid, relid, PutClass);
	ScanRows(&look, snapshot, AttributeRelationId, AttributeRelidNumIndexId,
			 Anum_pg_attribute_attrelid, relid, PutColumn);
	ScanRows(&look, snapshot, InheritsRelationId, InheritsRelidSeqnoIndexId,
			 Anum_pg_inherits_inhrelid, relid, PutParent);
	ScanRows(&look, snapshot, InheritsRelationId, InheritsParentIndexId,
			 Anum_pg_inherits_inhparent, relid, PutChild);
	ScanRows(&look, snapshot, TriggerRelationId, TriggerRelidNameIndexId,
			 Anum_pg_trigger_tgrelid, relid, PutTrigger);
	list_sort(look.children, list_oid_cmp);
	foreach(lc, look.children)
		PutNumber(&look, lfirst_oid(lc));
	*children = look.children;

	digest = hash_bytes_extended((unsigned char *) look.made_of.data, look.made_of.len, 0);
	pfree(look.made_of.data);
	return !look.exists ? 0 : Max(digest, 1);
}

static uint64
ChangesOf(const Member *member)
{
	return member->changes + changes_of_all;
}

static List *
CopyIndexes(List *indexes)
{
	MemoryContext old_context = MemoryContextSwitchTo(witness_context);
	List	   *copy = list_copy(indexes);

	MemoryContextSwitchTo(old_context);
	return copy;
}

/* What the catalogs say of the member, read anew if need be. */
static Member *
LookAt(Oid relid, Oid root)
{
	bool		found;
	Member	   *member = hash_search(members, &relid, HASH_ENTER, &found);
	uint64		before;
	uint64		digest;
	TransactionId storage;
	List	   *children;
	List	   *indexes;
	bool		elsewhere;

	if (!found)
		memset((char *) member + sizeof(Oid), 0, sizeof(Member) - sizeof(Oid));
	member->root = root;
	before = ChangesOf(member);
	if (member->looked_at == before)
		return member;

	digest = LookIn(relid, NULL, &children);
	storage = StorageXid(relid);
	elsewhere = PlannedCodeInPartitionKey(relid) || PlannedCodeInStatistics(relid);
	indexes = CopyIndexes(PlannedCodeIndexes(relid));
	list_free(member->code_indexes);
	member->code_indexes = indexes;
	member->code_elsewhere = elsewhere;
	member->digest = digest;
	member->storage = storage;
	member->has_children = (children != NIL);
	member->looked_at = before;
	return member;
}

/*----------
 * Comparing
 *----------
 */

static Tree *
FindTree(Oid root)
{
	ListCell   *lc;

	foreach(lc, trees)
	{
		if (((Tree *) lfirst(lc))->root == root)
			return lfirst(lc);
	}
	return NULL;
}

static void
RememberTree(Oid root, List *tree)
{
	MemoryContext old_context = MemoryContextSwitchTo(witness_context);
	Member	  **list = palloc(list_length(tree) * sizeof(Member *));
	Tree	   *known = FindTree(root);
	ListCell   *lc;

	if (known == NULL)
	{
		known = palloc0(sizeof(Tree));
		known->root = root;
		trees = lappend(trees, known);
	}
	foreach(lc, tree)
		list[foreach_current_index(lc)] = FindMember(lfirst_oid(lc));
	if (known->members != NULL)
		pfree(known->members);
	known->members = list;
	known->nmembers = list_length(tree);
	MemoryContextSwitchTo(old_context);
}

/* Is one of the rows of this member, and of what it is made of? */
static bool
IsWritten(const Member *member, List *written)
{
	ListCell   *lc;

	foreach(lc, written)
	{
		const WitnessRow *row = lfirst(lc);

		if (row->member_id == member->id && row->digest == member->digest)
			return true;
	}
	return false;
}

/*
 * Look at each member of the tree, and mark those that are what was written down.
 * Returns the number of the comparison, which the marks are of.  That a child is gone
 * is not announced for its parent, so a member that differs is read once more.
 */
static uint64
Compare(Oid root, List *tree, List *written)
{
	uint64		number = ++comparisons;
	ListCell   *lc;

	foreach(lc, tree)
		LookAt(lfirst_oid(lc), root)->in_tree = number;
	foreach(lc, written)
	{
		const WitnessRow *row = lfirst(lc);
		Member	   *member = FindMember(row->member_id);

		if (member != NULL && member->digest == row->digest)
			member->in_order = number;
	}
	foreach(lc, tree)
	{
		Member	   *member = FindMember(lfirst_oid(lc));

		if (member->in_order == number)
			continue;
		member->looked_at = 0;
		if (IsWritten(LookAt(member->id, root), written))
			member->in_order = number;
	}
	return number;
}

/* Is this, which was written down of a member, of one that is not in the tree now? */
static bool
HasLeft(const WitnessRow *row, uint64 number)
{
	const Member *member = FindMember(row->member_id);

	return member == NULL || member->in_tree != number;
}

bool
WitnessAgrees(Oid root, bool *known)
{
	List	   *written;
	List	   *tree;
	ListCell   *lc;
	uint64		number;
	bool		ok;

	InitializeOnce();
	tree = PartitionTree(root, NoLock);
	/* Before their rows are read, so that later invalidations are counted. */
	foreach(lc, tree)
		(void) LookAt(lfirst_oid(lc), root);
	written = ReadWitness(root, SnapshotSelf, false, &ok);
	if (known != NULL)
		*known = ok;
	if (!ok)
		return false;
	number = Compare(root, tree, written);
	foreach(lc, written)
	{
		if (HasLeft(lfirst(lc), number))
			return false;
	}
	foreach(lc, tree)
	{
		if (FindMember(lfirst_oid(lc))->in_order != number)
			return false;
	}
	RememberTree(root, tree);
	return true;
}

bool
WitnessStillAgrees(Oid root, bool *known)
{
	const Tree *tree = members == NULL ? NULL : FindTree(root);

	if (known != NULL)
		*known = true;
	if (tree == NULL)
		return WitnessAgrees(root, known);
	for (int i = 0; i < tree->nmembers; i++)
	{
		Member	   *member = tree->members[i];
		uint64		digest = member->digest;

		if (member->looked_at == ChangesOf(member))
			continue;
		if (member->has_children || LookAt(member->id, root)->digest != digest ||
			member->has_children)
			return WitnessAgrees(root, known);
	}
	return true;
}

/*
 * The catalogs are read by the snapshot as well, so that what is compared was committed
 * together, whatever has come since.
 */
bool
WitnessAgreed(Oid root, Snapshot snapshot)
{
	List	   *written = ReadWitness(root, snapshot, false, NULL);
	List	   *tree = list_make1_oid(root);
	ListCell   *lc;

	for (int i = 0; i < list_length(tree); i++)
	{
		Member		member = {.id = list_nth_oid(tree, i)};
		List	   *children;

		member.digest = LookIn(member.id, snapshot, &children);
		if (!IsWritten(&member, written))
			return false;
		tree = list_concat_unique_oid(tree, children);
	}
	foreach(lc, written)
	{
		if (!list_member_oid(tree, ((WitnessRow *) lfirst(lc))->member_id))
			return false;
	}
	return true;
}

TransactionId
WitnessStorageXid(Oid root)
{
	const Tree *tree = members == NULL ? NULL : FindTree(root);
	TransactionId latest = InvalidTransactionId;

	for (int i = 0; tree != NULL && i < tree->nmembers; i++)
		latest = StorageLater(latest, tree->members[i]->storage);
	return latest;
}

Oid
WitnessPlannedCode(Oid root, List **indexes)
{
	const Tree *tree = members == NULL ? NULL : FindTree(root);
	Oid			elsewhere = InvalidOid;

	for (int i = 0; tree != NULL && i < tree->nmembers; i++)
	{
		const Member *member = tree->members[i];

		/* Of partitions, a query would only have those evaluated that it does not prune. */
		if (member->id == root)
			*indexes = list_concat(*indexes, member->code_indexes);
		if (member->code_elsewhere || (member->id != root && member->code_indexes != NIL))
			elsewhere = member->id;
	}
	return elsewhere;
}

/*----------
 * Writing down
 *----------
 */

void
WitnessPut(Oid root)
{
	ListCell   *lc;

	InitializeOnce();
	WitnessDelete(root);
	foreach(lc, PartitionTree(root, NoLock))
		InsertWitness(root, lfirst_oid(lc), LookAt(lfirst_oid(lc), root)->digest);
}

void
WitnessDelete(Oid root)
{
	(void) DeleteWitness(root, InvalidOid);
}

/* Do our locks on the member keep everybody else from its row? */
static bool
HoldsAgainstOthers(Oid relid)
{
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
	return compat_lock_held(&tag, ShareRowExclusiveLock) ||
		compat_lock_held_just(&tag, ShareUpdateExclusiveLock);
}

bool
WitnessPutHeld(Oid root, List *tree)
{
	List	   *written;
	ListCell   *lc;
	uint64		number;
	bool		differs = false;

	if (!OidIsValid(ExtTablesRequire()->witness))
		return false;
	InitializeOnce();
	written = ReadWitness(root, SnapshotSelf, true, NULL);
	number = Compare(root, tree, written);
	foreach(lc, written)
	{
		const WitnessRow *row = lfirst(lc);

		if (HasLeft(row, number) && HoldsRelation(row->member_id, AccessExclusiveLock))
			differs |= DeleteWitness(root, row->member_id);
	}
	foreach(lc, tree)
	{
		const Member *member = FindMember(lfirst_oid(lc));

		if (member->in_order == number || !HoldsAgainstOthers(member->id))
			continue;
		(void) DeleteWitness(root, member->id);
		InsertWitness(root, member->id, member->digest);
		differs = true;
	}
	return differs;
}
