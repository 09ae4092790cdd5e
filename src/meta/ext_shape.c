/*-------------------------------------------------------------------------
 *
 * ext_shape.c
 *	  Are the installed SQL objects those that this library knows?
 *
 * A library is replaced at once, and the objects of each database later, by ALTER
 * EXTENSION clarify_cache UPDATE, or by mistake the other way round.  In between:
 *
 *	Writers go on.  Tokens stand in tables whose columns are the same in the versions
 *	on both sides, so none is lost, whichever library reads them later.
 *
 *	Readers build (BYPASS_UPGRADE): only objects of the library's own version are
 *	known to tell it what it has to know.
 *
 *	Management raises, and says what to do (ExtTablesRequireCurrent).
 *
 * Where a table's columns are others than are known here, whatever version calls
 * them its own, they are not touched: no code gets at the tables but through
 * ExtTablesGet, which then has none.  So readers build, management raises, and
 * triggers, which must not fail, record nothing, but say so in the log.  That serves
 * nobody wrongly.  Readers of this library take nothing from the cache.  A library
 * that knows those columns begins without entries: either they came by an update
 * script, and a script that changes columns has to draw another instance, or the
 * extension has to be created anew, with an instance of its own.  What must not be
 * is both libraries at work at the same time, in sessions of one server: a restart
 * ends that, and a library that is preloaded can't be replaced without one.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "meta/ext_shape.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

typedef struct ColumnShape
{
	const char *name;
	Oid			type;
	bool		nullable;
} ColumnShape;

#define MAX_COLUMNS 7

typedef struct TableShape
{
	const char *name;
	ColumnShape columns[MAX_COLUMNS + 1];	/* up to one without a name */
} TableShape;

/* As the scripts make them, and as the ANUM_ macros of the files that use them say. */
static const TableShape shapes[] = {
	{"version", {
		{"key_hash", INT8OID, false},
		{"kind", CHAROID, false},
		{"tables", OIDARRAYOID, false},
		{"tokens", INT8ARRAYOID, false},
	}},
	{"instance", {
		{"id", TEXTOID, false},
		{"secret", BYTEAOID, false},
	}},
	{"attached_table", {
		{"table_id", REGCLASSOID, false},
		{"key_column", NAMEOID, true},
		{"columns", NAMEARRAYOID, false},
	}},
	{"section", {
		{"name", TEXTOID, false},
		{"ordinal", INT4OID, false},
		{"query", TEXTOID, false},
		{"ttl", INTERVALOID, false},
		{"single_row", BOOLOID, false},
		{"max_items", INT4OID, true},
		{"tables", REGCLASSARRAYOID, false},
	}},
	{"witness", {
		{"table_id", REGCLASSOID, false},
		{"member_id", OIDOID, false},
		{"digest", INT8OID, false},
	}},
};

bool
ExtInstalledVersion(char version[EXT_VERSION_MAX])
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(CLARIFY_EXTENSION));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, Anum_pg_extension_extversion,
										 RelationGetDescr(rel), &isnull);

		text_to_cstring_buffer(DatumGetTextPP(value), version, EXT_VERSION_MAX);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

/* "1.10" comes after "1.9".  What is no such pair of numbers is none of ours. */
static int
VersionNumber(const char *version)
{
	int			major;
	int			minor;

	if (sscanf(version, "%4d.%4d", &major, &minor) != 2)
		return PG_INT32_MAX;
	return major * 10000 + minor;
}

ExtState
ExtCompareVersion(const char *version)
{
	if (strcmp(version, CLARIFY_SQL_VERSION) == 0)
		return EXT_CURRENT;
	return VersionNumber(version) < VersionNumber(CLARIFY_SQL_VERSION) ? EXT_OLDER : EXT_NEWER;
}

static bool
HasColumn(Oid relid, AttrNumber attnum, const ColumnShape *column)
{
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum));
	Form_pg_attribute attr;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	attr = (Form_pg_attribute) GETSTRUCT(tuple);
	result = !attr->attisdropped && strcmp(NameStr(attr->attname), column->name) == 0 &&
		attr->atttypid == column->type && (attr->attnotnull || column->nullable);
	ReleaseSysCache(tuple);
	return result;
}

bool
ExtTableIsKnown(const char *name, Oid relid)
{
	const TableShape *shape = shapes;

	while (strcmp(shape->name, name) != 0)
		shape++;
	if (get_rel_relkind(relid) != RELKIND_RELATION)
		return false;
	for (int i = 0; shape->columns[i].name != NULL; i++)
	{
		if (!HasColumn(relid, (AttrNumber) (i + 1), &shape->columns[i]))
			return false;
	}
	return true;
}
