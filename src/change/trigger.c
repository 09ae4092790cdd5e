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
 * track_change's arguments are the key column, or '' for none, and the columns
 * that sections read.  An UPDATE counts if it changes one of these: of their
 * values as they are stored, since what an equality operator takes for equal
 * (1.0 and 1.00) may be shown differently.  So it is neither a trigger OF those
 * columns, which would not fire for what a BEFORE trigger changes, nor one
 * with a WHEN clause.  Why what else changes need not count is
 * section/columns.c's argument.
 *
 * No privileges are needed, nothing is read but toasted values that may have
 * changed, and nothing waits.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/user_key.h"
#include "change/change.h"
#include "commands/trigger.h"
#include "meta/ext_rows.h"
#include "meta/ext_tables.h"
#include "meta/partition_tree.h"
#include "replication/logicalworker.h"
#include "utils/acl.h"
#include "utils/datum.h"
#include "utils/rel.h"

CLARIFY_FUNCTION(clarify_mark_change);
CLARIFY_FUNCTION(clarify_track_change);
CLARIFY_FUNCTION(clarify_guard_own_table);

/* What track_change knows about its relation, for one statement. */
typedef struct TrackState
{
	Oid			root;
	AttrNumber	key_attnum;		/* Invalid: any change concerns every user */
	Oid			key_type;
	bool		counts_all;		/* every UPDATE is a change */
	int			nwatched;
	AttrNumber *watched;		/* else one of these columns */
	List	   *strays;			/* tables that may be attached in their own right */
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
	ListCell   *lc;

	RequireTrigger(fcinfo, "mark_change", TRIGGER_EVENT_BEFORE,
				   TRIGGER_EVENT_TIMINGMASK | TRIGGER_EVENT_ROW, "BEFORE STATEMENT");
	root = PartitionRoot(trigdata->tg_relation);
	ChangeMarkTable(root);
	if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		ChangeRecordTable(root);

	/* Those between may be attached in their own right; see IsStray. */
	if (RelationGetRelid(trigdata->tg_relation) != root)
	{
		foreach(lc, PartitionLineage(RelationGetRelid(trigdata->tg_relation)))
		{
			ChangeMarkTable(lfirst_oid(lc));
			if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
				ChangeRecordTable(lfirst_oid(lc));
		}
	}
	return PointerGetDatum(NULL);
}

/* The column of that name, or NULL.  Partitions have numbers of their own. */
static Form_pg_attribute
FindColumn(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		if (!attr->attisdropped && strcmp(NameStr(attr->attname), name) == 0)
			return attr;
	}
	return NULL;
}

/* A key that is missing or of a type that can't be one concerns every user. */
static void
ResolveKey(TrackState *state, TupleDesc desc, const char *name)
{
	Form_pg_attribute attr = FindColumn(desc, name);

	if (name[0] == '\0')
		return;
	if (attr != NULL && UserKeyTypeSupported(attr->atttypid))
	{
		state->key_attnum = attr->attnum;
		state->key_type = attr->atttypid;
	}
	else
		state->counts_all = true;
}

/* With a column that is missing, every UPDATE is a change. */
static void
ResolveWatched(TrackState *state, TupleDesc desc, char **names, int nnames)
{
	for (int i = 0; i < nnames; i++)
	{
		Form_pg_attribute attr = FindColumn(desc, names[i]);

		if (attr == NULL)
			state->counts_all = true;
		else
			state->watched[state->nwatched++] = attr->attnum;
	}
}

/*
 * A partition has its root's trigger, as a clone.  One of its own is left from a time
 * when it was no partition, and attached; so is one whose root is not attached.  Where
 * that came about unseen, it is to be no partition again, perhaps, and found in order.
 */
static bool
IsStray(const Trigger *trigger, Relation rel, Oid root)
{
	return rel->rd_rel->relispartition && ExtTablesGet() != NULL &&
		(!trigger->tgisclone || !TableIsAttached(root));
}

/* What the arguments do not say for certain is a change of every user's. */
static TrackState *
MakeTrackState(FunctionCallInfo fcinfo, TriggerData *trigdata)
{
	const Trigger *trigger = trigdata->tg_trigger;
	TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);
	MemoryContext context = fcinfo->flinfo->fn_mcxt;
	TrackState *state = MemoryContextAllocZero(context, sizeof(TrackState));

	state->root = PartitionRoot(trigdata->tg_relation);
	state->watched = MemoryContextAlloc(context, Max(trigger->tgnargs, 1) * sizeof(AttrNumber));
	if (trigger->tgnargs > 0)
	{
		ResolveKey(state, desc, trigger->tgargs[0]);
		ResolveWatched(state, desc, trigger->tgargs + 1, trigger->tgnargs - 1);
	}
	else
		state->counts_all = true;
	if (IsStray(trigger, trigdata->tg_relation, state->root))
	{
		MemoryContext old_context = MemoryContextSwitchTo(context);

		state->strays = PartitionLineage(RelationGetRelid(trigdata->tg_relation));
		MemoryContextSwitchTo(old_context);
	}
	fcinfo->flinfo->fn_extra = state;
	return state;
}

/*
 * Are both values stored alike, or at least of the same bytes?  A value that
 * an UPDATE leaves alone mostly is stored alike, so it is neither fetched, if
 * toasted (both versions of the row point to the same value), nor decompressed.
 */
static bool
ValueIsUnchanged(Form_pg_attribute attr, Datum old, Datum new)
{
	if (attr->attlen == -1)
	{
		Size		size = VARSIZE_ANY(DatumGetPointer(old));

		if (size == VARSIZE_ANY(DatumGetPointer(new)) &&
			memcmp(DatumGetPointer(old), DatumGetPointer(new), size) == 0)
			return true;
	}
	return datum_image_eq(old, new, attr->attbyval, attr->attlen);
}

/* Has the UPDATE changed anything that is watched, besides the key? */
static bool
IsChange(const TrackState *state, TriggerData *trigdata)
{
	TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);

	if (state->counts_all)
		return true;
	for (int i = 0; i < state->nwatched; i++)
	{
		AttrNumber	attnum = state->watched[i];
		bool		old_isnull;
		bool		new_isnull;
		Datum		old = slot_getattr(trigdata->tg_trigslot, attnum, &old_isnull);
		Datum		new = slot_getattr(trigdata->tg_newslot, attnum, &new_isnull);

		if (old_isnull != new_isnull)
			return true;
		if (!old_isnull && !ValueIsUnchanged(TupleDescAttr(desc, attnum - 1), old, new))
			return true;
	}
	return false;
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

/* An UPDATE of a keyed table: both users, if it moves a row to another. */
static void
RecordUpdate(const TrackState *state, TriggerData *trigdata)
{
	bool		old_isnull;
	bool		new_isnull;
	Datum		old_id = slot_getattr(trigdata->tg_trigslot, state->key_attnum, &old_isnull);
	Datum		new_id = slot_getattr(trigdata->tg_newslot, state->key_attnum, &new_isnull);
	UserKey		user;

	if (old_isnull || new_isnull || !UserKeyDatumsEqual(state->key_type, old_id, new_id))
	{
		RecordUser(state, old_id, old_isnull);
		RecordUser(state, new_id, new_isnull);
		return;
	}

	/* In a bulk change of one user's rows, the columns need no look. */
	UserKeyFromDatum(&user, state->key_type, new_id);
	if (!ChangeConcernsUser(state->root, &user) && IsChange(state, trigdata))
		ChangeRecordUser(state->root, &user);
}

Datum
clarify_track_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TrackState *state;
	bool		is_update;
	ListCell   *lc;

	RequireTrigger(fcinfo, "track_change", TRIGGER_EVENT_AFTER | TRIGGER_EVENT_ROW,
				   TRIGGER_EVENT_TIMINGMASK | TRIGGER_EVENT_ROW, "AFTER ROW");
	state = fcinfo->flinfo->fn_extra;
	if (state == NULL)
		state = MakeTrackState(fcinfo, trigdata);
	foreach(lc, state->strays)
		ChangeRecordTable(lfirst_oid(lc));

	/* In a bulk change, most rows have nothing new to say. */
	if (ChangeConcernsAll(state->root))
		return PointerGetDatum(NULL);

	is_update = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event);
	if (state->key_attnum == InvalidAttrNumber)
	{
		if (!is_update || IsChange(state, trigdata))
			ChangeRecordTable(state->root);
	}
	else if (is_update)
		RecordUpdate(state, trigdata);
	else
	{
		bool		isnull;
		Datum		id = slot_getattr(trigdata->tg_trigslot, state->key_attnum, &isnull);

		RecordUser(state, id, isnull);
	}
	return PointerGetDatum(NULL);
}

/*
 * BEFORE trigger of the extension's own tables.  A publisher's rows would forge
 * a subscriber's versions and definitions, so what logical replication brings
 * is dropped.  Nobody writes "version", "instance" and "witness" by SQL, nor takes rows
 * from "attached_table", whose changes would then go unrecorded.  A restore
 * inserts into the others, which has to be announced like any other change.
 *
 * Into the others only their owner writes: what stands in "section" is run with
 * the rights of whoever asks for a context, so it takes more than the right to
 * write data, which members of pg_write_all_data have on every table.
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
	if (ext == NULL || relid == ext->version || relid == ext->instance ||
		relid == ext->witness)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" can't be changed by SQL", CLARIFY_SCHEMA,
						RelationGetRelationName(trigdata->tg_relation)),
				 errhint("Use clarify_cache.invalidate() or clarify_cache.invalidate_all().")));
	if (!compat_owns_class(relid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of table \"%s.%s\" to change it by SQL", CLARIFY_SCHEMA,
						RelationGetRelationName(trigdata->tg_relation)),
				 relid == ext->section ?
				 errdetail("Sections are run with the rights of whoever asks for a context.") : 0,
				 relid == ext->section ?
				 errhint("Use clarify_cache.add_section() and clarify_cache.drop_section().") :
				 errhint("Use clarify_cache.attach() and clarify_cache.detach().")));
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
