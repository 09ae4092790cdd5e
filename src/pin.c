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

#include "pin.h"
#include "utils/guc.h"

typedef struct Pin
{
	const char *name;
	const char *value;
} Pin;

/* Names resolve to PostgreSQL's own objects; the query qualifies the rest. */
static const Pin search_path_pin = {"search_path", "pg_catalog, pg_temp"};

static const Pin pins[] = {
	{"TimeZone", "UTC"},
	{"DateStyle", "ISO, MDY"},
	{"IntervalStyle", "postgres"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"},
	{"lc_monetary", "C"},
	{"lc_numeric", "C"},
	{"lc_time", "C"},
	{"default_text_search_config", "pg_catalog.simple"},
	{"quote_all_identifiers", "off"},
	{"xmlbinary", "base64"},
	{"xmloption", "content"},
	/* how text is read as an array, or as a time with a zone's abbreviation */
	{"array_nulls", "on"},
	{"timezone_abbreviations", "Default"},
	/* how the query itself is parsed: "= NULL", and backslashes in literals */
	{"transform_null_equals", "off"},
	{"standard_conforming_strings", "on"},
	/* makes GIN scans leave out rows at random */
	{"gin_fuzzy_search_limit", "0"},
};

void
PinSetting(const char *name, const char *value)
{
	if (strcmp(GetConfigOption(name, false, false), value) != 0)
		(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
}

static void
PinAllButSearchPath(void)
{
	for (int i = 0; i < (int) lengthof(pins); i++)
		PinSetting(pins[i].name, pins[i].value);
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
	PinSetting(search_path_pin.name, search_path_pin.value);
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
