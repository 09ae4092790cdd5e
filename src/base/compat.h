/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The prelude of every file here, and every difference between the
 *	  versions of PostgreSQL and hiredis that the extension builds with.
 *
 * Nowhere else does the code ask for a version.  A difference is hidden
 * behind a macro or a static inline function of our own, whose name starts
 * with "compat_" where the server has no name for it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_COMPAT_H
#define CLARIFY_COMPAT_H

#include "postgres.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000
#error "clarify_cache needs PostgreSQL 15 or later"
#endif

/*
 * The library's symbols are hidden (-fvisibility=hidden), but for those that the
 * server looks up.  A function that another library in the process has under the
 * same name would else be called in place of ours, up to PostgreSQL 15, which loads
 * libraries with RTLD_GLOBAL.  There the server's macros export nothing, so
 * what they declare is declared here before.
 */
#define CLARIFY_EXPORT __attribute__((visibility("default")))

#define CLARIFY_FUNCTION(name) \
	extern CLARIFY_EXPORT Datum name(PG_FUNCTION_ARGS); \
	extern CLARIFY_EXPORT const Pg_finfo_record *CppConcat(pg_finfo_, name) (void); \
	PG_FUNCTION_INFO_V1(name)

#define CLARIFY_MODULE_MAGIC \
	extern CLARIFY_EXPORT const Pg_magic_struct *PG_MAGIC_FUNCTION_NAME(void); \
	PG_MODULE_MAGIC

/* PostgreSQL 17 lets an extension name its wait events. */
#if PG_VERSION_NUM >= 170000
#define compat_wait_event(name) WaitEventExtensionNew(name)
#else
#define compat_wait_event(name) PG_WAIT_EXTENSION
#endif

/* PostgreSQL 16 counts times in nanoseconds, whatever the clock. */
#if PG_VERSION_NUM >= 160000
#define compat_instr_time_nanos(t) INSTR_TIME_GET_NANOSEC(t)
#else
#define compat_instr_time_nanos(t) \
	((int64) (t).tv_sec * INT64CONST(1000000000) + (int64) (t).tv_nsec)
#endif

/*
 * Try to take a lock of the running transaction, without waiting and without
 * an error if the lock table is full.
 */
static inline bool
compat_try_lock(const LOCKTAG *tag, LOCKMODE lockmode)
{
	LockAcquireResult result;

#if PG_VERSION_NUM >= 180000
	result = LockAcquireExtended(tag, lockmode, false, true, false, NULL, false);
#else
	result = LockAcquireExtended(tag, lockmode, false, true, false, NULL);
#endif
	return result != LOCKACQUIRE_NOT_AVAIL;
}

/* PostgreSQL 18 lets it log that the lock was not to be had, */
#if PG_VERSION_NUM >= 180000
#define compat_lock_tuple(rel, tid, lockmode) ConditionalLockTuple(rel, tid, lockmode, false)
#else
#define compat_lock_tuple(rel, tid, lockmode) ConditionalLockTuple(rel, tid, lockmode)
#endif

/* and counts the searches of a scan for EXPLAIN. */
#if PG_VERSION_NUM >= 180000
#define compat_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#else
#define compat_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, nkeys, 0)
#endif

/* PostgreSQL 16 replaced the ownership checks by one for all classes. */
#if PG_VERSION_NUM >= 160000
#define compat_owns_class(relid, role) object_ownercheck(RelationRelationId, relid, role)
#else
#define compat_owns_class(relid, role) pg_class_ownercheck(relid, role)
#endif

/* PostgreSQL 17 lets LockHeldByMe look for stronger modes too. */
static inline bool
compat_lock_held(const LOCKTAG *tag, LOCKMODE lockmode)
{
#if PG_VERSION_NUM >= 170000
	return LockHeldByMe(tag, lockmode, true);
#else
	for (LOCKMODE mode = lockmode; mode <= MaxLockMode; mode++)
	{
		if (LockHeldByMe(tag, mode))
			return true;
	}
	return false;
#endif
}

/* Just in this mode. */
#if PG_VERSION_NUM >= 170000
#define compat_lock_held_just(tag, lockmode) LockHeldByMe(tag, lockmode, false)
#else
#define compat_lock_held_just(tag, lockmode) LockHeldByMe(tag, lockmode)
#endif

/*
 * What the executor checks table and column privileges by: range table
 * entries, or their own nodes since PostgreSQL 16.
 */
#if PG_VERSION_NUM >= 160000
#define compat_permission_nodes(query) ((query)->rteperminfos)
#define compat_check_permissions(nodes) ExecCheckPermissions(NIL, nodes, false)
typedef RTEPermissionInfo compat_permission;
#else
#define compat_permission_nodes(query) ((query)->rtable)
#define compat_check_permissions(nodes) ExecCheckRTPerms(nodes, false)
typedef RangeTblEntry compat_permission;
#endif

/* PostgreSQL 16 made one check of privileges on objects of all classes. */
#if PG_VERSION_NUM >= 160000
#define compat_function_aclcheck(oid) \
	object_aclcheck(ProcedureRelationId, oid, GetUserId(), ACL_EXECUTE)
#define compat_namespace_aclcheck(oid) \
	object_aclcheck(NamespaceRelationId, oid, GetUserId(), ACL_USAGE)
#else
#define compat_function_aclcheck(oid) pg_proc_aclcheck(oid, GetUserId(), ACL_EXECUTE)
#define compat_namespace_aclcheck(oid) pg_namespace_aclcheck(oid, GetUserId(), ACL_USAGE)
#endif

/* old_snapshot_threshold is gone since PostgreSQL 17. */
#if PG_VERSION_NUM >= 170000
#define compat_snapshots_can_expire() false
#else
#define compat_snapshots_can_expire() OldSnapshotThresholdActive()
#endif

/* Which indexes want entries for a tuple?  The last, since PostgreSQL 16. */
typedef enum CompatIndexes
{
	COMPAT_NO_INDEXES,
	COMPAT_ALL_INDEXES,
	COMPAT_SUMMARIZING_INDEXES
} CompatIndexes;

#if PG_VERSION_NUM >= 160000
#define compat_is_summarizing(info) ((info)->ii_Summarizing)
#else
#define compat_is_summarizing(info) false
#endif

/*
 * Update a tuple that the caller has locked.  False if it has changed all the
 * same.
 */
static inline bool
compat_tuple_update(Relation rel, ItemPointer tid, TupleTableSlot *slot,
					Snapshot snapshot, CompatIndexes *indexes)
{
	TM_FailureData failure;
	LockTupleMode lockmode;
#if PG_VERSION_NUM >= 160000
	TU_UpdateIndexes update_indexes;
#else
	bool		update_indexes;
#endif
	TM_Result	result;

	result = table_tuple_update(rel, tid, slot, GetCurrentCommandId(true),
								snapshot, InvalidSnapshot, true,
								&failure, &lockmode, &update_indexes);
#if PG_VERSION_NUM >= 160000
	*indexes = update_indexes == TU_None ? COMPAT_NO_INDEXES :
		update_indexes == TU_Summarizing ? COMPAT_SUMMARIZING_INDEXES : COMPAT_ALL_INDEXES;
#else
	*indexes = update_indexes ? COMPAT_ALL_INDEXES : COMPAT_NO_INDEXES;
#endif
	return result == TM_Ok;
}

/* Run a plan, once; PostgreSQL 18 takes it for granted that it is once. */
#if PG_VERSION_NUM >= 180000
#define compat_executor_run(query_desc, count) \
	ExecutorRun(query_desc, ForwardScanDirection, count)
#else
#define compat_executor_run(query_desc, count) \
	ExecutorRun(query_desc, ForwardScanDirection, count, true)
#endif

/*
 * A set of events to wait for that lives until it is freed; PostgreSQL 17
 * asks for a resource owner where it took a memory context before.
 */
#if PG_VERSION_NUM >= 170000
#define compat_create_wait_event_set(nevents) CreateWaitEventSet(NULL, nevents)
#else
#define compat_create_wait_event_set(nevents) CreateWaitEventSet(TopMemoryContext, nevents)
#endif

/*
 * Built-in functions that came after 15, as InvalidOid where the server does
 * not have them: no function that anybody calls is equal to it.
 */
#ifndef F_DATE_ADD_TIMESTAMPTZ_INTERVAL /* 16 */
#define F_DATE_ADD_TIMESTAMPTZ_INTERVAL InvalidOid
#define F_DATE_SUBTRACT_TIMESTAMPTZ_INTERVAL InvalidOid
#endif
#ifndef F_JSON_AGG_STRICT		/* 16 */
#define F_JSON_AGG_STRICT InvalidOid
#define F_JSON_OBJECT_AGG_STRICT InvalidOid
#define F_JSON_OBJECT_AGG_UNIQUE InvalidOid
#define F_JSON_OBJECT_AGG_UNIQUE_STRICT InvalidOid
#define F_JSONB_AGG_STRICT InvalidOid
#endif
#ifndef F_TIMEZONE_TIMESTAMPTZ	/* 17 */
#define F_TIMEZONE_TIMESTAMPTZ InvalidOid
#define F_TIMEZONE_TIMESTAMP InvalidOid
#define F_TIMEZONE_TIMETZ InvalidOid
#endif
#ifndef F_ICU_UNICODE_VERSION	/* 17 */
#define F_ICU_UNICODE_VERSION InvalidOid
#endif

#ifndef F_DATE_ADD_TIMESTAMPTZ_INTERVAL_TEXT /* 16 */
#define F_DATE_ADD_TIMESTAMPTZ_INTERVAL_TEXT InvalidOid
#define F_DATE_SUBTRACT_TIMESTAMPTZ_INTERVAL_TEXT InvalidOid
#define F_GENERATE_SERIES_TIMESTAMPTZ_TIMESTAMPTZ_INTERVAL_TEXT InvalidOid
#endif

/*
 * What kind of time zone abbreviation is it: TZ or DTZ with the offset, DYNTZ
 * with the zone that it goes by, or something else?  PostgreSQL 16 returns
 * apart from the kind what is wrong with it.  For files with utils/datetime.h.
 */
#if PG_VERSION_NUM >= 160000
#define compat_decode_abbreviation(lower, type, offset, zone) \
	do { \
		DateTimeErrorExtra extra_; \
		if (DecodeTimezoneAbbrev(0, lower, type, offset, zone, &extra_) != 0) \
			*(type) = UNKNOWN_FIELD; \
	} while (0)
#else
#define compat_decode_abbreviation(lower, type, offset, zone) \
	(*(type) = DecodeTimezoneAbbrev(0, lower, offset, zone))
#endif

/* PostgreSQL 16 has expressions for the SQL standard's JSON constructors. */
static inline bool
compat_is_json_constructor(NodeTag tag)
{
#if PG_VERSION_NUM >= 160000
	return tag == T_JsonValueExpr || tag == T_JsonConstructorExpr ||
		tag == T_JsonIsPredicate;
#else
	return false;
#endif
}

/* PostgreSQL 18 lets GROUP BY make a range table entry of its own. */
static inline bool
compat_is_rte_group(RTEKind kind)
{
#if PG_VERSION_NUM >= 180000
	return kind == RTE_GROUP;
#else
	return false;
#endif
}

/*
 * PostgreSQL 18 has columns that are computed when they are read, by
 * expressions that nobody checked.
 */
#define COMPAT_ATTGENERATED_VIRTUAL 'v'

#include <hiredis/hiredis.h>

#if HIREDIS_MAJOR == 0 && HIREDIS_MINOR < 14
#error "clarify_cache needs hiredis 0.14 or later"
#endif

/* How hiredis counts the elements of an array reply. */
#if HIREDIS_MAJOR >= 1
typedef size_t compat_reply_count;
#else
typedef int compat_reply_count;
#endif

#endif							/* CLARIFY_COMPAT_H */
