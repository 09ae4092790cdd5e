/*-------------------------------------------------------------------------
 *
 * pin.c
 *	  The settings that a section is built under.
 *
 * Two callers must get the same text, so everything that a section's functions
 * or types read from settings is in this list.  Whoever allows another
 * function in builtin.c adds what it reads here.
 *
 * GUC_ACTION_SAVE is allowed even while a parallel query runs, and is undone
 * by the end of the nest level or of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/gin.h"
#include "catalog/namespace.h"
#include "parser/parse_expr.h"
#include "parser/parser.h"
#include "pin.h"
#include "tsearch/ts_cache.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"
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
	char	  **string;			/* or this; or none is known */
} Pin;

/* Names resolve to PostgreSQL's own objects; the query qualifies the rest. */
static const Pin search_path_pin =
{"search_path", "pg_catalog, pg_temp", .string = &namespace_search_path};

static const Pin pins[] = {
	{.name = "TimeZone", .value = "UTC"},
	{.name = "DateStyle", .value = "ISO, MDY"},
	{"IntervalStyle", "postgres", .number = &IntervalStyle, .as_number = INTSTYLE_POSTGRES},
	{"extra_float_digits", "1", .number = &extra_float_digits, .as_number = 1},
	{"bytea_output", "hex", .number = &bytea_output, .as_number = BYTEA_OUTPUT_HEX},
	{.name = "lc_monetary", .value = "C"},
	{.name = "lc_numeric", .value = "C"},
	{.name = "lc_time", .value = "C"},
	{"default_text_search_config", "pg_catalog.simple", .string = &TSCurrentConfig},
	{"quote_all_identifiers", "off", .flag = &quote_all_identifiers, .as_flag = false},
	{"xmlbinary", "base64", .number = &xmlbinary, .as_number = XMLBINARY_BASE64},
	{"xmloption", "content", .number = &xmloption, .as_number = XMLOPTION_CONTENT},
	/* how text is read as an array, or as a time with a zone's abbreviation */
	{"array_nulls", "on", .flag = &Array_nulls, .as_flag = true},
	{.name = "timezone_abbreviations", .value = "Default"},
	/* how the query itself is parsed: "= NULL", and backslashes in literals */
	{"transform_null_equals", "off", .flag = &Transform_null_equals, .as_flag = false},
	{"standard_conforming_strings", "on", .flag = &standard_conforming_strings, .as_flag = true},
	/* makes GIN scans leave out rows at random */
	{"gin_fuzzy_search_limit", "0", .number = &GinFuzzySearchLimit, .as_number = 0},
};

static void
Apply(const Pin *pin)
{
	bool		is_right;

	if (pin->number != NULL)
		is_right = (*pin->number == pin->as_number);
	else if (pin->flag != NULL)
		is_right = (*pin->flag == pin->as_flag);
	else if (pin->string != NULL)
		is_right = (*pin->string != NULL && strcmp(*pin->string, pin->value) == 0);
	else
		is_right = (strcmp(GetConfigOption(pin->name, false, false), pin->value) == 0);
	if (!is_right)
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

void
PinSettingsAgain(void)
{
	PinAllButSearchPath();
	PinSearchPath();
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
