/*-------------------------------------------------------------------------
 *
 * ext_tables.c
 *	  The extension's own tables: where are they, and are they those that this
 *	  library knows?
 *
 * The Oids are remembered across transactions.  Every use of the tables takes
 * a lock first and so accepts invalidations; DROP EXTENSION invalidates the
 * relations it drops, which forgets the Oids here.  The version that is installed
 * has no invalidations of its own, so each update script ends with one of a table.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "meta/ext_tables.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static ExtTables known;
static bool known_is_valid = false;
static ExtState known_state;	/* of what is known; not EXT_ABSENT */
static char known_version[EXT_VERSION_MAX]; /* that is installed */
static Oid	known_strange;		/* the first table that is strange, if one is */
static uint64 forgotten = 0;	/* counts invalidations */
static uint64 changes = 0;		/* counts those that concern one of the tables */

/* Which relations a look-up is about is known when it is done. */
static void
ForgetOnRelcache(Datum arg, Oid relid)
{
	forgotten++;
	if (relid == InvalidOid || relid == known.version || relid == known.instance ||
		relid == known.attached_table || relid == known.section ||
		relid == known.witness)
	{
		known_is_valid = false;
		changes++;
	}
}

static void
ForgetOnSyscache(Datum arg, int cacheid, uint32 hashvalue)
{
	forgotten++;
	known_is_valid = false;
}

/*
 * A trigger function of ours, which takes no arguments.  Whoever writes an
 * attached table needs it, so no privilege on the schema may matter.
 */
static Oid
FindFunction(const char *name, Oid namespace_id)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum(name),
						   PointerGetDatum(buildoidvector(NULL, 0)),
						   ObjectIdGetDatum(namespace_id));
}

/* Find them; false if one is not there. */
static bool
FindObjects(ExtTables *found)
{
	found->namespace_id = get_namespace_oid(CLARIFY_SCHEMA, true);
	if (!OidIsValid(found->namespace_id))
		return false;
	found->version = get_relname_relid("version", found->namespace_id);
	found->instance = get_relname_relid("instance", found->namespace_id);
	found->attached_table = get_relname_relid("attached_table", found->namespace_id);
	found->section = get_relname_relid("section", found->namespace_id);
	found->witness = get_relname_relid("witness", found->namespace_id);
	found->mark_change = FindFunction("mark_change", found->namespace_id);
	found->track_change = FindFunction("track_change", found->namespace_id);
	found->guard_own_table = FindFunction("guard_own_table", found->namespace_id);
	return OidIsValid(found->version) && OidIsValid(found->instance) &&
		OidIsValid(found->attached_table) && OidIsValid(found->section) &&
		OidIsValid(found->mark_change) && OidIsValid(found->track_change) &&
		OidIsValid(found->guard_own_table);
}

/* The first of the tables that are there and strange, or InvalidOid. */
static Oid
FindStrange(const ExtTables *found)
{
	if (!ExtTableIsKnown("version", found->version))
		return found->version;
	if (!ExtTableIsKnown("instance", found->instance))
		return found->instance;
	if (!ExtTableIsKnown("attached_table", found->attached_table))
		return found->attached_table;
	if (!ExtTableIsKnown("section", found->section))
		return found->section;
	if (OidIsValid(found->witness) && !ExtTableIsKnown("witness", found->witness))
		return found->witness;
	return InvalidOid;
}

/*
 * Look everything up, into what is known.  The catalog says that a version is
 * installed before its script has run.
 */
static ExtState
LookUp(void)
{
	ExtTables	found;
	ExtState	state;

	if (!ExtInstalledVersion(known_version) || !FindObjects(&found))
		return EXT_ABSENT;
	state = ExtCompareVersion(known_version);
	if (state == EXT_CURRENT && !OidIsValid(found.witness))
	{
		if (!creating_extension)
			return EXT_ABSENT;
		state = EXT_OLDER;
	}
	known_strange = FindStrange(&found);
	if (OidIsValid(known_strange))
		state = EXT_STRANGE;
	known = found;
	return state;
}

/* What is looked up accepts invalidations on its way, so look until none came. */
ExtState
ExtTablesState(void)
{
	static bool registered = false;
	uint64		before;
	ExtState	state;

	if (known_is_valid)
		return known_state;
	if (!registered)
	{
		CacheRegisterRelcacheCallback(ForgetOnRelcache, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, ForgetOnSyscache, (Datum) 0);
		registered = true;
	}
	do
	{
		before = forgotten;
		state = LookUp();
	} while (before != forgotten);
	known_state = state;
	known_is_valid = (state != EXT_ABSENT);
	return state;
}

const ExtTables *
ExtTablesGet(void)
{
	switch (ExtTablesState())
	{
		case EXT_ABSENT:
		case EXT_STRANGE:
			return NULL;
		case EXT_OLDER:
		case EXT_NEWER:
		case EXT_CURRENT:
			break;
	}
	return &known;
}

uint64
ExtTablesChanges(void)
{
	return changes;
}

bool
ExtTablesAreMisplaced(void)
{
	known_is_valid = false;
	return ExtTablesState() == EXT_ABSENT && !creating_extension &&
		OidIsValid(get_extension_oid(CLARIFY_EXTENSION, true));
}

bool
ExtTablesMadeStrange(void)
{
	LOCKTAG		tag;

	if (ExtTablesState() != EXT_STRANGE)
		return false;
	SET_LOCKTAG_RELATION(tag, MyDatabaseId, known_strange);
	return compat_lock_held(&tag, AccessExclusiveLock);
}

char *
ExtTablesMismatch(void)
{
	if (ExtTablesState() == EXT_STRANGE)
		return psprintf("table %s.%s has not the columns that the library knows",
						CLARIFY_SCHEMA, get_rel_name(known_strange));
	return psprintf("the SQL objects are of version %s, and the library is for version %s",
					known_version, CLARIFY_SQL_VERSION);
}

/* The same as a detail. */
static int
DetailMismatch(void)
{
	char	   *mismatch = ExtTablesMismatch();

	mismatch[0] = pg_toupper((unsigned char) mismatch[0]);
	return errdetail("%s.", mismatch);
}

static void
RaiseStrange(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("objects of extension \"%s\" are not those of its library", CLARIFY_EXTENSION),
			 DetailMismatch(),
			 errhint("Install the library that they were created with, and restart the server; or run DROP EXTENSION clarify_cache CASCADE and CREATE EXTENSION clarify_cache, and attach and define anew.")));
}

static void
RaiseAbsent(void)
{
	if (ExtTablesAreMisplaced())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("objects of extension \"%s\" are not in their place", CLARIFY_EXTENSION),
				 errhint("Undo the renaming, or drop and create the extension.")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("extension \"clarify_cache\" is not installed in this database"),
			 errhint("Run CREATE EXTENSION clarify_cache.")));
}

const ExtTables *
ExtTablesRequire(void)
{
	const ExtTables *ext = ExtTablesGet();

	if (ext == NULL && ExtTablesState() == EXT_STRANGE)
		RaiseStrange();
	if (ext == NULL)
		RaiseAbsent();
	return ext;
}

const ExtTables *
ExtTablesRequireCurrent(void)
{
	const ExtTables *ext = ExtTablesRequire();
	ExtState	state = ExtTablesState();

	if (state == EXT_OLDER)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("objects of extension \"%s\" are older than its library", CLARIFY_EXTENSION),
				 DetailMismatch(),
				 errhint("Run ALTER EXTENSION clarify_cache UPDATE.")));
	if (state == EXT_NEWER)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("objects of extension \"%s\" are newer than its library", CLARIFY_EXTENSION),
				 DetailMismatch(),
				 errhint("Install the library for version %s, and restart the server.", known_version)));
	return ext;
}

Oid
ExtTablesSections(void)
{
	if (ExtTablesState() == EXT_STRANGE && ExtTableIsKnown("section", known.section))
		return known.section;
	return ExtTablesRequire()->section;
}

void
ExtTablesLogStrange(void)
{
	static bool logged = false;

	if (logged || ExtTablesState() != EXT_STRANGE)
		return;
	logged = true;
	ereport(LOG_SERVER_ONLY,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("changes of attached tables are not recorded"),
			 DetailMismatch(),
			 errhint("Nothing is cached. See the error of clarify_cache.repair().")));
}
