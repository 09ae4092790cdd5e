/*-------------------------------------------------------------------------
 *
 * trigger.c
 *	  The row and statement triggers of attached tables, and those that guard
 *	  the extension's own tables.
 *
 * Two triggers on each attached table and on each of its partitions, both
 * ENABLE ALWAYS.  mark_change, BEFORE STATEMENT, ends this transaction's trust
 * in the cache for the table before the first row changes: a volatile function
 * called in the middle of the statement sees rows whose AFTER triggers have
 * not fired.  It also notes TRUNCATE.  track_change, AFTER ROW, notes whose
 * row changed; AFTER, since a later BEFORE trigger may still change the key,
 * and ROW, since statement triggers don't fire in logical replication.
 *
 * No privileges are needed, nothing is read, and nothing waits.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "change.h"
#include "commands/trigger.h"
#include "ext_tables.h"
#include "replication/logicalworker.h"
#include "table_shape.h"
#include "user_key.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(clarify_mark_change);
PG_FUNCTION_INFO_V1(clarify_track_change);
PG_FUNCTION_INFO_V1(clarify_guard_own_table);

/* What track_change knows about its relation, for one statement. */
typedef struct TrackState
{
	Oid			root;
	AttrNumber	key_attnum;		/* Invalid: any change concerns every user */
	Oid			key_type;
} TrackState;

/* Anybody may create a trigger with these functions, of whatever kind. */
static void
RequireTrigger(FunctionCallInfo fcinfo, const char *name, uint32 event, uint32 mask,
			   const char *kind)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", name)));
	if ((((TriggerData *) fcinfo->context)->tg_event & mask) != event)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired %s", name, kind)));
}

Datum
clarify_mark_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Oid			root;

	RequireTrigger(fcinfo, "mark_change", TRIGGER_EVENT_BEFORE,
				   TRIGGER_EVENT_TIMINGMASK | TRIGGER_EVENT_ROW, "BEFORE STATEMENT");
	root = PartitionRoot(trigdata->tg_relation);
	ChangeMarkTable(root);
	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		ChangeRecordTable(root);
	return PointerGetDatum(NULL);
}

/*
 * A column that is missing or of a type that can't be a key concerns every
 * user, which is always right.
 */
static TrackState *
MakeTrackState(FunctionCallInfo fcinfo, TriggerData *trigdata)
{
	Relation	rel = trigdata->tg_relation;
	TupleDesc	desc = RelationGetDescr(rel);
	TrackState *state = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(TrackState));

	state->root = PartitionRoot(rel);
	for (int i = 0; trigdata->tg_trigger->tgnargs == 1 && i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		if (!attr->attisdropped && UserKeyTypeSupported(attr->atttypid) &&
			strcmp(NameStr(attr->attname), trigdata->tg_trigger->tgargs[0]) == 0)
		{
			state->key_attnum = attr->attnum;
			state->key_type = attr->atttypid;
		}
	}
	fcinfo->flinfo->fn_extra = state;
	return state;
}

/* A row without a user id is in no user's sections. */
static void
RecordUser(const TrackState *state, Datum id, bool isnull)
{
	UserKey		user;

	if (isnull)
		return;
	UserKeyFromDatum(&user, state->key_type, id);
	ChangeRecordUser(state->root, &user);
}

Datum
clarify_track_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TrackState *state;
	TupleDesc	desc;
	Datum		id;
	bool		isnull;

	RequireTrigger(fcinfo, "track_change", TRIGGER_EVENT_AFTER | TRIGGER_EVENT_ROW,
				   TRIGGER_EVENT_TIMINGMASK | TRIGGER_EVENT_ROW, "AFTER ROW");
	state = fcinfo->flinfo->fn_extra;
	if (state == NULL)
		state = MakeTrackState(fcinfo, trigdata);

	/* In a bulk change, most rows have nothing new to say. */
	if (ChangeConcernsAll(state->root))
		return PointerGetDatum(NULL);
	if (state->key_attnum == InvalidAttrNumber)
	{
		ChangeRecordTable(state->root);
		return PointerGetDatum(NULL);
	}

	desc = RelationGetDescr(trigdata->tg_relation);
	id = heap_getattr(trigdata->tg_trigtuple, state->key_attnum, desc, &isnull);
	RecordUser(state, id, isnull);
	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
	{
		bool		new_isnull;
		Datum		new_id = heap_getattr(trigdata->tg_newtuple, state->key_attnum, desc,
										  &new_isnull);

		if (isnull || new_isnull || !UserKeyDatumsEqual(state->key_type, id, new_id))
			RecordUser(state, new_id, new_isnull);
	}
	return PointerGetDatum(NULL);
}

/*
 * BEFORE trigger of the extension's own tables.  A publisher's rows would forge
 * a subscriber's versions and definitions, so what logical replication brings
 * is dropped.  Nobody writes "version" and "instance" by SQL, nor takes rows
 * from "attached_table", whose changes would then go unrecorded.  A restore
 * inserts into the others, which has to be announced like any other change.
 */
Datum
clarify_guard_own_table(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	const ExtTables *ext;
	Oid			relid;

	RequireTrigger(fcinfo, "guard_own_table", TRIGGER_EVENT_BEFORE,
				   TRIGGER_EVENT_TIMINGMASK, "BEFORE");
	if (TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) && IsLogicalWorker())
		return PointerGetDatum(NULL);

	relid = RelationGetRelid(trigdata->tg_relation);
	ext = ExtTablesGet();
	if (ext == NULL || relid == ext->version || relid == ext->instance)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" can't be changed by SQL", CLARIFY_SCHEMA,
						RelationGetRelationName(trigdata->tg_relation)),
				 errhint("Use clarify_cache.invalidate() or clarify_cache.invalidate_all().")));
	if (relid == ext->attached_table && !TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rows of table \"%s.%s\" can't be changed by SQL", CLARIFY_SCHEMA,
						RelationGetRelationName(trigdata->tg_relation)),
				 errhint("Use clarify_cache.attach() and clarify_cache.detach().")));

	/* Replication brings a TRUNCATE whole; no publisher is to have one. */
	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" can't be truncated", CLARIFY_SCHEMA,
						RelationGetRelationName(trigdata->tg_relation)),
				 errhint("Use clarify_cache.drop_section().")));
	ChangeRecordDefinitions(ext->section);

	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
		return PointerGetDatum(trigdata->tg_newtuple);
	return PointerGetDatum(trigdata->tg_trigtuple);
}
