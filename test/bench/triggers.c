/*
 * What the extension's triggers are measured against: the least that a trigger
 * of a row can cost, and the least that it can cost to note in a table whose row
 * was changed.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/spi.h"
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
 * Count a change of the user whose id is in the column that the trigger's
 * argument names, in table "noted", as the server changes a row of its own
 * catalogs.  Fails if another transaction is at the row.
 */
Datum
note_trigger(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Relation	rel = trigdata->tg_relation;
	TupleTableSlot *row = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ?
		trigdata->tg_newslot : trigdata->tg_trigslot;
	Relation	noted = table_openrv(makeRangeVar("public", "noted", -1), RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	old;
	bool		isnull;
	Datum		id = slot_getattr(row, SPI_fnumber(RelationGetDescr(rel),
												   trigdata->tg_trigger->tgargs[0]),
								  &isnull);

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ, id);
	scan = systable_beginscan(noted, linitial_oid(RelationGetIndexList(noted)), true,
							  GetActiveSnapshot(), 1, &key);
	old = systable_getnext(scan);
	if (HeapTupleIsValid(old))
	{
		Datum		values[2] = {id};
		bool		nulls[2] = {false};

		values[1] = Int64GetDatum(DatumGetInt64(heap_getattr(old, 2, RelationGetDescr(noted),
															 &isnull)) + 1);
		CatalogTupleUpdate(noted, &old->t_self,
						   heap_form_tuple(RelationGetDescr(noted), values, nulls));
	}
	systable_endscan(scan);
	table_close(noted, RowExclusiveLock);
	return PointerGetDatum(NULL);
}
