/*-------------------------------------------------------------------------
 *
 * instance.c
 *	  Who this database is to Redis.  See instance.h.
 *
 * The row is inserted once, by CREATE EXTENSION, and never changed, so it is
 * remembered for as long as its table is the same one.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/relation.h"
#include "access/table.h"
#include "executor/tuptable.h"
#include "meta/ext_tables.h"
#include "meta/instance.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"

CLARIFY_FUNCTION(clarify_create_instance);

/* Attributes of clarify_cache.instance. */
#define ANUM_ID		1
#define ANUM_SECRET 2
#define INSTANCE_NATTS 2

static Instance known;
static Oid	known_table = InvalidOid;	/* where it was read from */

static void
ToHex(const uint8 *bytes, int len, char *text)
{
	for (int i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* Only called by the extension's script, which then drops the SQL function. */
Datum
clarify_create_instance(PG_FUNCTION_ARGS)
{
	uint8		id[INSTANCE_ID_LEN / 2];
	uint8		secret[INSTANCE_SECRET_LEN];
	char		id_text[INSTANCE_ID_LEN + 1];
	bytea	   *secret_bytea = palloc(VARHDRSZ + INSTANCE_SECRET_LEN);
	Datum		values[INSTANCE_NATTS];
	bool		nulls[INSTANCE_NATTS] = {0};
	Relation	rel;
	TupleTableSlot *slot;

	if (!pg_strong_random(id, sizeof(id)) || !pg_strong_random(secret, sizeof(secret)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random secret")));
	ToHex(id, sizeof(id), id_text);
	SET_VARSIZE(secret_bytea, VARHDRSZ + INSTANCE_SECRET_LEN);
	memcpy(VARDATA(secret_bytea), secret, INSTANCE_SECRET_LEN);
	values[ANUM_ID - 1] = CStringGetTextDatum(id_text);
	values[ANUM_SECRET - 1] = PointerGetDatum(secret_bytea);

	rel = table_open(ExtTablesRequire()->instance, RowExclusiveLock);
	slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	ExecForceStoreHeapTuple(heap_form_tuple(RelationGetDescr(rel), values, nulls),
							slot, true);
	table_tuple_insert(rel, slot, GetCurrentCommandId(true), TABLE_INSERT_NO_LOGICAL, NULL);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	PG_RETURN_VOID();
}

/* Copy the row in slot to *instance; false if it is not as we wrote it. */
static bool
InstanceFromSlot(TupleTableSlot *slot, Instance *instance)
{
	char	   *id;
	bytea	   *secret;

	slot_getallattrs(slot);
	id = TextDatumGetCString(slot->tts_values[ANUM_ID - 1]);
	secret = DatumGetByteaPP(slot->tts_values[ANUM_SECRET - 1]);
	if (strlen(id) != INSTANCE_ID_LEN || VARSIZE_ANY_EXHDR(secret) != INSTANCE_SECRET_LEN)
		return false;
	strlcpy(instance->id, id, sizeof(instance->id));
	memcpy(instance->secret, VARDATA_ANY(secret), INSTANCE_SECRET_LEN);
	return true;
}

/* SnapshotSelf: the row concerns the database, not the caller's moment. */
static bool
ReadInstance(Oid table, Instance *instance)
{
	Relation	rel;
	TupleTableSlot *slot;
	TableScanDesc scan;
	bool		found = false;

	if (!ConditionalLockRelationOid(table, AccessShareLock))
		return false;
	rel = try_relation_open(table, NoLock);
	if (rel == NULL)
	{
		UnlockRelationOid(table, AccessShareLock);
		return false;
	}
	/* The columns may be others, now that it is locked. */
	if (ExtTablesGet() == NULL)
	{
		relation_close(rel, AccessShareLock);
		return false;
	}
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, SnapshotSelf, 0, NULL);
	if (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		found = InstanceFromSlot(slot, instance);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	relation_close(rel, AccessShareLock);
	return found;
}

const Instance *
InstanceGet(void)
{
	const ExtTables *ext = ExtTablesGet();
	Oid			table;

	if (ext == NULL)
		return NULL;
	table = ext->instance;
	if (known_table == table)
		return &known;
	known_table = InvalidOid;
	if (!ReadInstance(table, &known))
		return NULL;
	known_table = table;
	return &known;
}
