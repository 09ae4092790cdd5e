/*
 * What the extension's triggers are measured against: the least that a trigger
 * of a row can cost, and about the least that it can cost to note in a table
 * whose row was changed.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(empty_trigger);
PG_FUNCTION_INFO_V1(note_trigger);

Datum
empty_trigger(PG_FUNCTION_ARGS)
{
	return PointerGetDatum(NULL);	/* by the protocol of triggers not an SQL NULL */
}

/*
 * Count a change of the user whose id is in the column whose number is the
 * trigger's argument, in table "noted": one look at an index, one update, nothing
 * looked up by name but once.  For one row a statement, by one client at a time:
 * two that meet at a user fail.
 */
Datum
note_trigger(PG_FUNCTION_ARGS)
{
	static Oid	noted_oid = InvalidOid;
	static Oid	index_oid = InvalidOid;
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TupleTableSlot *row = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ?
		trigdata->tg_newslot : trigdata->tg_trigslot;
	Relation	noted;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	old;
	bool		isnull;
	Datum		id = slot_getattr(row, atoi(trigdata->tg_trigger->tgargs[0]), &isnull);

	if (!OidIsValid(noted_oid))
		noted_oid = RangeVarGetRelid(makeRangeVar("public", "noted", -1), NoLock, false);
	noted = table_open(noted_oid, RowExclusiveLock);
	if (!OidIsValid(index_oid))
		index_oid = linitial_oid(RelationGetIndexList(noted));

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, id);
	scan = systable_beginscan(noted, index_oid, true, GetActiveSnapshot(), 1, &key);
	old = systable_getnext(scan);
	if (HeapTupleIsValid(old))
	{
		Datum		values[2] = {id};
		bool		nulls[2] = {false};
		HeapTuple	new;
#if PG_VERSION_NUM >= 160000
		TU_UpdateIndexes indexes;
#endif

		values[1] = Int64GetDatum(DatumGetInt64(heap_getattr(old, 2, RelationGetDescr(noted),
															 &isnull)) + 1);
		new = heap_form_tuple(RelationGetDescr(noted), values, nulls);
#if PG_VERSION_NUM >= 160000
		simple_heap_update(noted, &old->t_self, new, &indexes);
#else
		simple_heap_update(noted, &old->t_self, new);
#endif
		if (!HeapTupleIsHeapOnly(new))
			elog(ERROR, "no room for an update in place");
	}
	systable_endscan(scan);
	table_close(noted, NoLock);
	return PointerGetDatum(NULL);
}
