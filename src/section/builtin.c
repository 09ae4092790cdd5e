/*-------------------------------------------------------------------------
 *
 * builtin.c
 *	  Which of PostgreSQL's own functions and types give every caller the same.
 *
 * Volatility as declared is where to start, but not enough.  STABLE says that
 * a result may change between statements, not what it depends on; so each
 * STABLE function is refused unless it was read and found to depend on the
 * time and on pinned settings only.  IMMUTABLE is believed, but for the few
 * functions that are not.  What these read outside the database is in outside.c.
 * What a newer server adds is refused until somebody has looked at it.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/transam.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "section/builtin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* STABLE, but a function of the arguments, the time and pinned settings. */
static const Oid same_for_all[] = {
	/* the time */
	F_NOW, F_TRANSACTION_TIMESTAMP, F_STATEMENT_TIMESTAMP,
	F_AGE_TIMESTAMPTZ, F_AGE_TIMESTAMP,

	/* timestamps with time zone: TimeZone */
	F_TIMESTAMPTZ_PL_INTERVAL, F_TIMESTAMPTZ_MI_INTERVAL,
	F_INTERVAL_PL_TIMESTAMPTZ,
	F_DATE_ADD_TIMESTAMPTZ_INTERVAL, F_DATE_SUBTRACT_TIMESTAMPTZ_INTERVAL,
	F_GENERATE_SERIES_TIMESTAMPTZ_TIMESTAMPTZ_INTERVAL,
	F_DATE_TRUNC_TEXT_TIMESTAMPTZ, F_DATE_TRUNC_TEXT_TIMESTAMPTZ_TEXT,
	F_DATE_PART_TEXT_TIMESTAMPTZ, F_EXTRACT_TEXT_TIMESTAMPTZ,
	F_OVERLAPS_TIMESTAMPTZ_INTERVAL_TIMESTAMPTZ_INTERVAL,
	F_OVERLAPS_TIMESTAMPTZ_TIMESTAMPTZ_TIMESTAMPTZ_INTERVAL,
	F_OVERLAPS_TIMESTAMPTZ_INTERVAL_TIMESTAMPTZ_TIMESTAMPTZ,
	F_IN_RANGE_TIMESTAMPTZ_TIMESTAMPTZ_INTERVAL_BOOL_BOOL,
	F_MAKE_TIMESTAMPTZ_INT4_INT4_INT4_INT4_INT4_FLOAT8,
	F_MAKE_TIMESTAMPTZ_INT4_INT4_INT4_INT4_INT4_FLOAT8_TEXT,
	F_TIMEZONE_TEXT_TIMETZ,
	F_TIMEZONE_TIMESTAMPTZ, F_TIMEZONE_TIMESTAMP, F_TIMEZONE_TIMETZ,

	/* ... compared with, and cast to, what has no zone */
	F_DATE_LT_TIMESTAMPTZ, F_DATE_LE_TIMESTAMPTZ, F_DATE_EQ_TIMESTAMPTZ,
	F_DATE_GT_TIMESTAMPTZ, F_DATE_GE_TIMESTAMPTZ, F_DATE_NE_TIMESTAMPTZ,
	F_DATE_CMP_TIMESTAMPTZ,
	F_TIMESTAMPTZ_LT_DATE, F_TIMESTAMPTZ_LE_DATE, F_TIMESTAMPTZ_EQ_DATE,
	F_TIMESTAMPTZ_GT_DATE, F_TIMESTAMPTZ_GE_DATE, F_TIMESTAMPTZ_NE_DATE,
	F_TIMESTAMPTZ_CMP_DATE,
	F_TIMESTAMP_LT_TIMESTAMPTZ, F_TIMESTAMP_LE_TIMESTAMPTZ,
	F_TIMESTAMP_EQ_TIMESTAMPTZ, F_TIMESTAMP_GT_TIMESTAMPTZ,
	F_TIMESTAMP_GE_TIMESTAMPTZ, F_TIMESTAMP_NE_TIMESTAMPTZ,
	F_TIMESTAMP_CMP_TIMESTAMPTZ,
	F_TIMESTAMPTZ_LT_TIMESTAMP, F_TIMESTAMPTZ_LE_TIMESTAMP,
	F_TIMESTAMPTZ_EQ_TIMESTAMP, F_TIMESTAMPTZ_GT_TIMESTAMP,
	F_TIMESTAMPTZ_GE_TIMESTAMP, F_TIMESTAMPTZ_NE_TIMESTAMP,
	F_TIMESTAMPTZ_CMP_TIMESTAMP,
	F_DATE_TIMESTAMPTZ, F_TIME_TIMESTAMPTZ, F_TIMESTAMP_TIMESTAMPTZ,
	F_TIMESTAMPTZ_DATE, F_TIMESTAMPTZ_DATE_TIME, F_TIMESTAMPTZ_TIMESTAMP,
	F_TIMETZ_TIMESTAMPTZ, F_TIMETZ_TIME,

	/* to text by a format and back: lc_time, lc_numeric, lc_monetary */
	F_TO_CHAR_INTERVAL_TEXT, F_TO_CHAR_TIMESTAMPTZ_TEXT,
	F_TO_CHAR_TIMESTAMP_TEXT, F_TO_CHAR_NUMERIC_TEXT, F_TO_CHAR_INT4_TEXT,
	F_TO_CHAR_INT8_TEXT, F_TO_CHAR_FLOAT4_TEXT, F_TO_CHAR_FLOAT8_TEXT,
	F_TO_DATE, F_TO_NUMBER, F_TO_TIMESTAMP_TEXT_TEXT,

	/*
	 * To text and back by a cast: the settings above, DateStyle,
	 * IntervalStyle, timezone_abbreviations, array_nulls.
	 */
	F_DATE_IN, F_DATE_OUT, F_TIME_IN, F_TIMETZ_IN,
	F_TIMESTAMP_IN, F_TIMESTAMP_OUT, F_TIMESTAMPTZ_IN, F_TIMESTAMPTZ_OUT,
	F_INTERVAL_IN, F_INTERVAL_OUT, F_CASH_IN, F_CASH_OUT,
	F_ARRAY_IN, F_ARRAY_OUT, F_RANGE_IN, F_RANGE_OUT,
	F_MULTIRANGE_IN, F_MULTIRANGE_OUT, F_RECORD_OUT,
	F_MONEY_INT4, F_MONEY_INT8, F_MONEY_NUMERIC, F_NUMERIC_MONEY,

	/* text of arguments of any type, which are checked themselves */
	F_TEXTANYCAT, F_ANYTEXTCAT, F_CONCAT, F_CONCAT_WS,
	F_FORMAT_TEXT, F_FORMAT_TEXT_ANY,
	F_ARRAY_TO_STRING_ANYARRAY_TEXT, F_ARRAY_TO_STRING_ANYARRAY_TEXT_TEXT,
	F_QUOTE_LITERAL_ANYELEMENT, F_QUOTE_NULLABLE_ANYELEMENT,

	/* JSON of arguments of any type, likewise */
	F_TO_JSON, F_ROW_TO_JSON_RECORD, F_ROW_TO_JSON_RECORD_BOOL,
	F_ARRAY_TO_JSON_ANYARRAY, F_ARRAY_TO_JSON_ANYARRAY_BOOL,
	F_JSON_BUILD_ARRAY_, F_JSON_BUILD_ARRAY_ANY,
	F_JSON_BUILD_OBJECT_, F_JSON_BUILD_OBJECT_ANY,
	F_JSON_AGG, F_JSON_AGG_STRICT, F_JSON_OBJECT_AGG,
	F_JSON_OBJECT_AGG_STRICT, F_JSON_OBJECT_AGG_UNIQUE,
	F_JSON_OBJECT_AGG_UNIQUE_STRICT,
	F_TO_JSONB, F_JSONB_AGG, F_JSONB_AGG_STRICT,
	F_JSONB_BUILD_ARRAY_, F_JSONB_BUILD_ARRAY_ANY,
	F_JSONB_BUILD_OBJECT_, F_JSONB_BUILD_OBJECT_ANY,

	/* JSON to columns, whose types are checked; dates in JSON paths */
	F_JSON_TO_RECORD, F_JSON_TO_RECORDSET,
	F_JSONB_TO_RECORD, F_JSONB_TO_RECORDSET,
	F_JSONB_PATH_EXISTS_TZ, F_JSONB_PATH_MATCH_TZ, F_JSONB_PATH_QUERY_TZ,
	F_JSONB_PATH_QUERY_ARRAY_TZ, F_JSONB_PATH_QUERY_FIRST_TZ
};

/*
 * Of these, those whose result is another one at another time, though all else be
 * the same.  A time of day in a zone that has a summer time is taken to be today's.
 */
static const Oid reading_time[] = {
	F_NOW, F_TRANSACTION_TIMESTAMP, F_STATEMENT_TIMESTAMP,
	F_AGE_TIMESTAMPTZ, F_AGE_TIMESTAMP,
	F_TIMETZ_TIME, F_TIMEZONE_TEXT_TIMETZ, F_TIMEZONE_TIMETZ,
	F_JSONB_PATH_EXISTS_TZ, F_JSONB_PATH_MATCH_TZ, F_JSONB_PATH_QUERY_TZ,
	F_JSONB_PATH_QUERY_ARRAY_TZ, F_JSONB_PATH_QUERY_FIRST_TZ
};

/* Types that read words like 'now' and 'today', and those made of them. */
static const Oid types_reading_time[] = {
	DATEOID, TIMEOID, TIMETZOID, TIMESTAMPOID, TIMESTAMPTZOID,
	TSRANGEOID, TSTZRANGEOID, DATERANGEOID,
	TSMULTIRANGEOID, TSTZMULTIRANGEOID, DATEMULTIRANGEOID
};

/* Which argument of these names a time zone. */
static const struct
{
	Oid			funcid;
	int			argument;
}			zone_arguments[] = {
	{F_TIMEZONE_TEXT_TIMESTAMPTZ, 0},
	{F_TIMEZONE_TEXT_TIMESTAMP, 0},
	{F_TIMEZONE_TEXT_TIMETZ, 0},
	{F_DATE_TRUNC_TEXT_TIMESTAMPTZ_TEXT, 2},
	{F_MAKE_TIMESTAMPTZ_INT4_INT4_INT4_INT4_INT4_FLOAT8_TEXT, 6},
	{F_DATE_ADD_TIMESTAMPTZ_INTERVAL_TEXT, 2},
	{F_DATE_SUBTRACT_TIMESTAMPTZ_INTERVAL_TEXT, 2},
	{F_GENERATE_SERIES_TIMESTAMPTZ_TIMESTAMPTZ_INTERVAL_TEXT, 3}
};

/*
 * These read times by a template or in a path's methods.  Servers differ in
 * whether that may be a zone.
 */
static const Oid reading_zones[] = {
	F_TO_DATE, F_TO_TIMESTAMP_TEXT_TEXT,
	F_JSONB_PATH_EXISTS, F_JSONB_PATH_EXISTS_OPR, F_JSONB_PATH_EXISTS_TZ,
	F_JSONB_PATH_MATCH, F_JSONB_PATH_MATCH_OPR, F_JSONB_PATH_MATCH_TZ,
	F_JSONB_PATH_QUERY, F_JSONB_PATH_QUERY_TZ,
	F_JSONB_PATH_QUERY_ARRAY, F_JSONB_PATH_QUERY_ARRAY_TZ,
	F_JSONB_PATH_QUERY_FIRST, F_JSONB_PATH_QUERY_FIRST_TZ
};

/*
 * Written in SQL as text that is parsed when it runs.  What else such a text
 * would mean, had somebody replaced it, nobody has looked at.
 */
static const struct
{
	Oid			funcid;
	const char *source;
}			sql_texts[] = {
	{F_TEXTANYCAT, "select $1 operator(pg_catalog.||) $2::pg_catalog.text"},
	{F_ANYTEXTCAT, "select $1::pg_catalog.text operator(pg_catalog.||) $2"},
	{F_QUOTE_LITERAL_ANYELEMENT, "select pg_catalog.quote_literal($1::pg_catalog.text)"},
	{F_QUOTE_NULLABLE_ANYELEMENT, "select pg_catalog.quote_nullable($1::pg_catalog.text)"}
};

/*
 * IMMUTABLE, but not a function of the arguments.  Those that take or return
 * a type which is refused anyway (regconfig, aclitem, ...) need no mention.
 */
static const Oid immutable_in_name[] = {
	/* what the catalogs say about a table, a parser, an access method */
	F_SATISFIES_HASH_PARTITION,
	F_TS_PARSE_OID_TEXT, F_TS_TOKEN_TYPE_OID,
	F_PG_INDEXAM_PROGRESS_PHASENAME,

	/* the server's current timeline */
	F_PG_WALFILE_NAME, F_PG_WALFILE_NAME_OFFSET,

	/* the version of a library that changes without the server */
	F_ICU_UNICODE_VERSION,
	F_XML_IS_WELL_FORMED_CONTENT, F_XML_IS_WELL_FORMED_DOCUMENT,

	/* text in the client's encoding */
	F_UNKNOWNSEND, F_JSON_SEND, F_JSONB_SEND, F_JSONPATH_SEND,
	F_TSVECTORSEND, F_TSQUERYSEND
};

/*
 * Not here: reg* and aclitem, whose text is names in the catalogs; xml, which
 * depends on xmloption and libxml; cstring, for which one would have to call
 * a type's input function by name; and all that is internal to the server.
 */
static const Oid plain_types[] = {
	BOOLOID, INT2OID, INT4OID, INT8OID, FLOAT4OID, FLOAT8OID, NUMERICOID,
	MONEYOID, OIDOID,
	TEXTOID, VARCHAROID, BPCHAROID, NAMEOID, CHAROID, BYTEAOID, BITOID,
	VARBITOID, UUIDOID, REFCURSOROID,
	DATEOID, TIMEOID, TIMETZOID, TIMESTAMPOID, TIMESTAMPTZOID, INTERVALOID,
	JSONOID, JSONBOID, JSONPATHOID, TSVECTOROID, TSQUERYOID,
	POINTOID, LSEGOID, PATHOID, BOXOID, POLYGONOID, LINEOID, CIRCLEOID,
	INETOID, CIDROID, MACADDROID, MACADDR8OID,
	INT4RANGEOID, INT8RANGEOID, NUMRANGEOID, TSRANGEOID, TSTZRANGEOID,
	DATERANGEOID,
	INT4MULTIRANGEOID, INT8MULTIRANGEOID, NUMMULTIRANGEOID,
	TSMULTIRANGEOID, TSTZMULTIRANGEOID, DATEMULTIRANGEOID,
	TIDOID, XIDOID, XID8OID, CIDOID, PG_LSNOID, PG_SNAPSHOTOID,
	TXID_SNAPSHOTOID,
	RECORDOID, UNKNOWNOID
};

static bool
IsMember(Oid oid, const Oid *oids, int noids)
{
	for (int i = 0; i < noids; i++)
	{
		if (oids[i] == oid)
			return true;
	}
	return false;
}

static bool
PartsAreOwn(Form_pg_aggregate form)
{
	Oid			parts[] = {
		form->aggtransfn, form->aggfinalfn, form->aggcombinefn,
		form->aggserialfn, form->aggdeserialfn,
		form->aggmtransfn, form->aggminvtransfn, form->aggmfinalfn
	};

	for (int i = 0; i < (int) lengthof(parts); i++)
	{
		if (parts[i] >= FirstGenbkiObjectId)
			return false;
	}
	return true;
}

/* Is the aggregate made of the server's own functions? */
static bool
AggregateIsOwn(Oid funcid)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(funcid));
	bool		is_own;

	if (!HeapTupleIsValid(tuple))
		return false;
	is_own = PartsAreOwn((Form_pg_aggregate) GETSTRUCT(tuple));
	ReleaseSysCache(tuple);
	return is_own;
}

/*
 * Is it written in C, in the server's program, or in SQL that was analyzed when
 * it was made, or that we know?  What it is then is part of the fingerprint.
 */
static bool
IsWrittenAsOwn(HeapTuple tuple)
{
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);
	Datum		source;
	bool		isnull;

	if (form->prolang != SQLlanguageId)
		return form->prolang == INTERNALlanguageId &&
			(form->prokind != PROKIND_AGGREGATE || AggregateIsOwn(form->oid));
	(void) SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosqlbody, &isnull);
	if (!isnull)
		return true;
	source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
	for (int i = 0; i < (int) lengthof(sql_texts) && !isnull; i++)
	{
		if (sql_texts[i].funcid == form->oid)
			return strcmp(TextDatumGetCString(source), sql_texts[i].source) == 0;
	}
	return false;
}

FunctionVerdict
BuiltinFunctionVerdict(Oid funcid)
{
	HeapTuple	tuple;
	bool		is_own;

	if (!OidIsValid(funcid) || funcid >= FirstGenbkiObjectId)
		return FUNCTION_NOT_BUILTIN;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (!HeapTupleIsValid(tuple))
		return FUNCTION_NOT_BUILTIN;
	is_own = IsWrittenAsOwn(tuple);
	ReleaseSysCache(tuple);
	if (!is_own)
		return FUNCTION_NOT_BUILTIN;

	switch (func_volatile(funcid))
	{
		case PROVOLATILE_IMMUTABLE:
			return IsMember(funcid, immutable_in_name, lengthof(immutable_in_name)) ?
				FUNCTION_NOT_SAME : FUNCTION_OK;
		case PROVOLATILE_STABLE:
			return IsMember(funcid, same_for_all, lengthof(same_for_all)) ?
				FUNCTION_OK : FUNCTION_NOT_SAME;
		default:
			return FUNCTION_VOLATILE;
	}
}

bool
BuiltinFunctionReadsTime(Oid funcid)
{
	return IsMember(funcid, reading_time, lengthof(reading_time));
}

bool
BuiltinTypeReadsTime(Oid type)
{
	Oid			element = get_element_type(type);

	return IsMember(OidIsValid(element) ? element : type,
					types_reading_time, lengthof(types_reading_time));
}

/* Where words like 'today' are read, so are the names of zones. */
bool
BuiltinTypeReadsZones(Oid type)
{
	return BuiltinTypeReadsTime(type);
}

bool
BuiltinFunctionReadsZones(Oid funcid)
{
	return IsMember(funcid, reading_zones, lengthof(reading_zones));
}

int
BuiltinZoneArgument(Oid funcid)
{
	for (int i = 0; i < (int) lengthof(zone_arguments); i++)
	{
		if (zone_arguments[i].funcid == funcid && OidIsValid(funcid))
			return zone_arguments[i].argument;
	}
	return -1;
}

bool
BuiltinTypeIsPlain(Oid type)
{
	return IsMember(type, plain_types, lengthof(plain_types));
}
