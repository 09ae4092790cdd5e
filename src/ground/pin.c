/*-------------------------------------------------------------------------
 *
 * pin.c
 *	  The settings that a section is built under.
 *
 * Two callers must get the same text, so everything that a section's functions
 * or types read from settings is in this list.  Whoever allows another
 * function in section/builtin.c adds what it reads here.
 *
 * Two callers must also get the same rows.  Of the other settings that anybody
 * may change, this is why they are not here:
 *
 *	- costs, enable_*, geqo*, join and FROM collapse limits, jit*, work_mem and
 *	  other memory, effective_io_concurrency and the like choose between plans
 *	  that give the same rows.  They may choose another order of rows that tie,
 *	  which is the author's duty, as is synchronize_seqscans;
 *	- force_parallel_mode and max_parallel_*: no parallel plan is asked for;
 *	- enable_partition_pruning leaves out only what has no matching rows;
 *	- row_security decides between policies and an error: a section is bypassed
 *	  where policies would apply, and raises what the plain query would.  It stays
 *	  as the caller has it (ground.c), as does restrict_nonsystem_relation_kind,
 *	  which raises where there is a view, so in a bypass;
 *	- session_replication_role does not concern the rules that make views, and
 *	  nothing else is rewritten;
 *	- client_encoding, lc_messages, client_min_messages and what is logged or
 *	  counted are not in a text; escape_string_warning and backslash_quote are
 *	  about literals that a deparsed query does not have;
 *	- time-outs and max_stack_depth only raise;
 *	- zero_damaged_pages, ignore_checksum_failure and what else only a superuser
 *	  may set to read a damaged database are outside of what is promised.
 *
 * Two planner settings are here.  plan_cache_mode, since a plan that is made
 * without the user's id is only good for what call/build.c keeps plans for.  And
 * constraint_exclusion, since what it saves is little, and it has the functions
 * of CHECK constraints evaluated, each time that a query is planned.
 *
 * GUC_ACTION_SAVE is allowed even while a parallel query runs, and is undone
 * by the end of the nest level or of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "access/gin.h"
#include "catalog/namespace.h"
#include "ground/pin.h"
#include "optimizer/cost.h"
#include "optimizer/plancat.h"
#include "parser/parse_expr.h"
#include "parser/parser.h"
#include "pgtime.h"
#include "tsearch/ts_cache.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/pg_locale.h"
#include "utils/plancache.h"
#include "utils/xml.h"

/*
 * Most sessions have most of them right already.  Where the variable is known,
 * a look at it says so; to ask for a setting by name costs as much as all of these.
 */
typedef struct Pin
{
	const char *name;
	const char *value;
	const int  *number;			/* the variable, if it is a number or an enum, */
	int			as_number;		/* and the value in it; */
	const bool *flag;			/* or it is this, */
	bool		as_flag;
	char	  **string;			/* or this; */
	bool		(*holds) (void);	/* or what is made of it; or none is known */
} Pin;

static bool
TimeZoneHolds(void)
{
	return strcmp(pg_get_timezone_name(session_timezone), "UTC") == 0;
}

static bool
DateStyleHolds(void)
{
	return DateStyle == USE_ISO_DATES && DateOrder == DATEORDER_MDY;
}

/* Names resolve to PostgreSQL's own objects; the query qualifies the rest. */
static const Pin search_path_pin =
{"search_path", "pg_catalog, pg_temp", .string = &namespace_search_path};

static const Pin pins[] = {
	/* the first, as the name of a text search configuration is quoted by it */
	{"quote_all_identifiers", "off", .flag = &quote_all_identifiers, .as_flag = false},
	{"TimeZone", "UTC", .holds = TimeZoneHolds},
	{"DateStyle", "ISO, MDY", .holds = DateStyleHolds},
	{"IntervalStyle", "postgres", .number = &IntervalStyle, .as_number = INTSTYLE_POSTGRES},
	{"extra_float_digits", "1", .number = &extra_float_digits, .as_number = 1},
	{"bytea_output", "hex", .number = &bytea_output, .as_number = BYTEA_OUTPUT_HEX},
	{"lc_monetary", "C", .string = &locale_monetary},
	{"lc_numeric", "C", .string = &locale_numeric},
	{"lc_time", "C", .string = &locale_time},
	{"default_text_search_config", "pg_catalog.simple", .string = &TSCurrentConfig},
	{"xmlbinary", "base64", .number = &xmlbinary, .as_number = XMLBINARY_BASE64},
	{"xmloption", "content", .number = &xmloption, .as_number = XMLOPTION_CONTENT},
	/* how text is read as an array, or as a time with a zone's abbreviation */
	{"array_nulls", "on", .flag = &Array_nulls, .as_flag = true},
	/* how the query itself is parsed: "= NULL", and backslashes in literals */
	{"transform_null_equals", "off", .flag = &Transform_null_equals, .as_flag = false},
	{"standard_conforming_strings", "on", .flag = &standard_conforming_strings, .as_flag = true},
	/* makes GIN scans leave out rows at random */
	{"gin_fuzzy_search_limit", "0", .number = &GinFuzzySearchLimit, .as_number = 0},
	{"plan_cache_mode", "auto", .number = &plan_cache_mode, .as_number = PLAN_CACHE_MODE_AUTO},
	{"constraint_exclusion", "off", .number = &constraint_exclusion,
	.as_number = CONSTRAINT_EXCLUSION_OFF},
	/* the last, as it has to be asked for by name */
	{.name = "timezone_abbreviations", .value = "Default"},
};

#define NUM_KNOWN_PINS (lengthof(pins) - 1)

static bool
Holds(const Pin *pin)
{
	if (pin->number != NULL)
		return *pin->number == pin->as_number;
	if (pin->flag != NULL)
		return *pin->flag == pin->as_flag;
	if (pin->string != NULL)
		return *pin->string != NULL && strcmp(*pin->string, pin->value) == 0;
	if (pin->holds != NULL)
		return pin->holds();
	return strcmp(GetConfigOption(pin->name, false, false), pin->value) == 0;
}

static void
Apply(const Pin *pin)
{
	if (!Holds(pin))
		(void) set_config_option(pin->name, pin->value, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
}

void
PinSetting(const char *name, const char *value)
{
	Pin			pin = {.name = name, .value = value};

	Apply(&pin);
}

static void
PinAllButSearchPath(void)
{
	for (int i = 0; i < (int) lengthof(pins); i++)
		Apply(&pins[i]);
}

int
PinSettingsButSearchPath(void)
{
	int			nest_level = NewGUCNestLevel();

	PinAllButSearchPath();
	return nest_level;
}

void
PinSearchPath(void)
{
	Apply(&search_path_pin);
}

bool
PinsHold(bool all)
{
	int			n = all ? lengthof(pins) : NUM_KNOWN_PINS;

	for (int i = 0; i < n; i++)
	{
		if (!Holds(&pins[i]))
			return false;
	}
	return true;
}

bool
SearchPathPinHolds(void)
{
	return Holds(&search_path_pin);
}

int
PinSettings(void)
{
	int			nest_level = PinSettingsButSearchPath();

	PinSearchPath();
	return nest_level;
}

void
UnpinSettings(int nest_level)
{
	AtEOXact_GUC(true, nest_level);
}

/*
 * A plain SET upon a pinned value ends the pin, and stays by itself.  Of a SET
 * LOCAL the pin is undone as if it had not been; what it set is known while it
 * is in force, and is set once more after that.
 */
void
UnpinAndLeave(int nest_level, const char *const *others)
{
	const char *left[lengthof(pins) + 2] = {0};
	const char *names[lengthof(pins) + 2];
	int			n = 0;

	for (int i = 0; i < (int) lengthof(pins); i++)
	{
		if (!Holds(&pins[i]))
			names[n++] = pins[i].name;
	}
	for (; *others != NULL; others++)
		names[n++] = *others;
	for (int i = 0; i < n; i++)
		left[i] = pstrdup(GetConfigOption(names[i], false, false));
	UnpinSettings(nest_level);
	for (int i = 0; i < n; i++)
	{
		if (strcmp(GetConfigOption(names[i], false, false), left[i]) != 0)
			(void) set_config_option(names[i], left[i], PGC_USERSET, PGC_S_SESSION,
									 GUC_ACTION_LOCAL, true, 0, false);
	}
}
