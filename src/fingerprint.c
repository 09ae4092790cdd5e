/*-------------------------------------------------------------------------
 *
 * fingerprint.c
 *	  All that a section's text depends on besides the data, in 64 bits.
 *
 * An entry is one of ours only if it was made of the same: of the definition, of
 * what its text means, of what the functions in it do, and of what these read
 * outside the database (outside.c).
 *
 * What a text means is more than the text: a new function, operator or cast in
 * pg_catalog, a superuser's doing, may be preferred to the one that the same
 * text meant before.  So what the analyzed query is made of counts: its kinds of
 * nodes and their types, each function, operator and collation as an Oid.  Tables
 * and columns don't: when they change, so does the version, and readers with a
 * snapshot of before may go on with the entries of before.
 *
 * What a function does can be changed by the same superuser, under the same Oid,
 * with CREATE OR REPLACE.  So the rows of pg_proc and pg_aggregate count, of all
 * functions that the section may call.  What those that are written in SQL call
 * is among them.
 *
 * The analysis, and with it this, is made anew whenever one of these may have
 * changed (section.c).  What is built is what was analyzed: the plan is made
 * from the same text through the same caches of the catalogs, and an
 * invalidation that comes in between keeps it from being filled
 * (undisturbed.h).
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_aggregate.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "common/hashfn.h"
#include "fingerprint.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/syscache.h"

/* Changes whenever payloads built by another version of this code differ. */
#define PAYLOAD_FORMAT 2

/* An attribute of variable length, byte by byte; its length first. */
static void
AppendVarlena(StringInfo buf, int cache, HeapTuple tuple, AttrNumber attribute)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(cache, tuple, attribute, &isnull);
	struct varlena *bytes;

	if (isnull)
	{
		appendStringInfoString(buf, "|-");
		return;
	}
	bytes = PG_DETOAST_DATUM_PACKED(value);
	appendStringInfo(buf, "|%d:", (int) VARSIZE_ANY_EXHDR(bytes));
	appendBinaryStringInfo(buf, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

static void
AppendAggregate(StringInfo buf, Oid funcid)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(funcid));
	Form_pg_aggregate form;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", funcid);
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	appendStringInfo(buf, "|%c%d|%u,%u,%u,%u,%u|%u,%u,%u|%d,%d|%c%c|%u|%u,%u",
					 form->aggkind, form->aggnumdirectargs,
					 form->aggtransfn, form->aggfinalfn, form->aggcombinefn,
					 form->aggserialfn, form->aggdeserialfn,
					 form->aggmtransfn, form->aggminvtransfn, form->aggmfinalfn,
					 form->aggfinalextra, form->aggmfinalextra,
					 form->aggfinalmodify, form->aggmfinalmodify,
					 form->aggsortop, form->aggtranstype, form->aggmtranstype);
	AppendVarlena(buf, AGGFNOID, tuple, Anum_pg_aggregate_agginitval);
	AppendVarlena(buf, AGGFNOID, tuple, Anum_pg_aggregate_aggminitval);
	ReleaseSysCache(tuple);
}

/* All of a function but whose it is, who may call it, and what it costs. */
static void
AppendFunction(StringInfo buf, Oid funcid)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Form_pg_proc form;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", funcid);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	appendStringInfo(buf, "|%u|%u|%u|%c%c%d%d%d|%u", funcid, form->prolang,
					 form->prosupport, form->prokind, form->provolatile,
					 form->prosecdef, form->proisstrict, form->proretset,
					 form->prorettype);
	AppendVarlena(buf, PROCOID, tuple, Anum_pg_proc_prosrc);
	AppendVarlena(buf, PROCOID, tuple, Anum_pg_proc_probin);
	AppendVarlena(buf, PROCOID, tuple, Anum_pg_proc_prosqlbody);
	AppendVarlena(buf, PROCOID, tuple, Anum_pg_proc_proargdefaults);
	AppendVarlena(buf, PROCOID, tuple, Anum_pg_proc_proconfig);
	if (form->prokind == PROKIND_AGGREGATE)
		AppendAggregate(buf, funcid);
	ReleaseSysCache(tuple);
}

/* The version of a collation's provider, as text; "" if it has none. */
static char *
CollationVersion(PGFunction function, Oid oid)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum		version;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = ObjectIdGetDatum(oid);
	fcinfo->args[0].isnull = false;
	version = function(fcinfo);
	return fcinfo->isnull ? "" : TextDatumGetCString(version);
}

static void
AppendCollation(StringInfo buf, Oid collation)
{
	appendStringInfo(buf, "|%u=%s", collation,
					 collation == DEFAULT_COLLATION_OID ?
					 CollationVersion(pg_database_collation_actual_version, MyDatabaseId) :
					 CollationVersion(pg_collation_actual_version, collation));
}

/* The ttl is part of it, or a shorter one would not hold for entries made before. */
uint64
SectionFingerprint(const Section *section, const SectionUses *uses, uint64 outside)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%d|" UINT64_FORMAT "|" UINT64_FORMAT "|%s|%d|" INT64_FORMAT "|%s",
					 PAYLOAD_FORMAT, outside, uses->meaning, section->name,
					 section->single_row, section->ttl_us, section->query);
	foreach(lc, uses->functions)
		AppendFunction(&buf, lfirst_oid(lc));
	foreach(lc, uses->collations)
		AppendCollation(&buf, lfirst_oid(lc));
	return hash_bytes_extended((unsigned char *) buf.data, buf.len, 0);
}
