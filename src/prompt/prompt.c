/*-------------------------------------------------------------------------
 *
 * prompt.c
 *	  clarify_prompt(): a context as text to put before a system prompt, within
 *	  a budget of tokens.
 *
 * The text is a row of blocks, one for each section that Clarify has.  A block
 * is written in full, then taken whole, cut, or skipped, by what is left of the
 * budget.  So a block is in the prompt only if its tokens were counted first:
 * separators, the frame and the dots after a cut are not counted.
 *
 * Lengths are UTF-16 code units throughout (text.h), and everything is in
 * UTF-8 until the end.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "call/context.h"
#include "lib/stringinfo.h"
#include "prompt/json.h"
#include "prompt/text.h"
#include "utils/builtins.h"

CLARIFY_FUNCTION(clarify_prompt);

#define PROMPT_HEAD "\n---\nCONTEXT ABOUT THIS USER (use naturally, don't mention explicitly):\n"
#define PROMPT_TAIL "\n---\n\n"

#define DESCRIPTION_UNITS 100	/* of a dream's description are shown */
#define UNITS_PER_TOKEN 4
#define CUT_MAX_PRIORITY 2		/* blocks after that are not cut */
#define CUT_MIN_UNITS 50		/* a cut has to leave more than that */

/* What is written so far, and what it takes of the budget. */
typedef struct Prompt
{
	StringInfoData text;
	int64		max_tokens;
	int64		used;
} Prompt;

/* Appends a block's lines, each with a newline before it; none: no block. */
typedef void (*BlockWriter) (StringInfo block, JsonbContainer *context);

/* The member's text; `missing` where there is none. */
static const char *
TextOr(JsonbContainer *object, const char *key, const char *missing)
{
	const char *text = PromptJsonText(object, key);

	return text != NULL ? text : missing;
}

static void
WriteUser(StringInfo block, JsonbContainer *context)
{
	JsonbContainer *user = PromptJsonObject(context, "user");
	const char *name;

	if (user == NULL)
		return;
	name = PromptJsonText(user, "name");
	if (name != NULL)
		appendStringInfo(block, "\nName: %s", name);
	appendStringInfo(block, "\nExperience: %s reflections, %s Clarify sessions",
					 TextOr(user, "total_reflections", "0"),
					 TextOr(user, "total_clarify_sessions", "0"));
}

static void
AppendDescription(StringInfo block, const char *description)
{
	Size		len = strlen(description);
	uint64		units;
	Size		shown = PromptTextPrefix(description, len, DESCRIPTION_UNITS, &units);

	appendBinaryStringInfo(block, description, shown);
	if (shown < len)
		appendStringInfoString(block, "...");
}

static void
WriteDreams(StringInfo block, JsonbContainer *context)
{
	int			nitems;
	JsonbContainer **items = PromptJsonItems(context, "dreams", &nitems);

	for (int i = 0; i < nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		appendStringInfo(block, "\n- \"%s\" (%s): ",
						 TextOr(items[i], "title", "Untitled"),
						 TextOr(items[i], "category", "general"));
		AppendDescription(block, TextOr(items[i], "description", "No description"));
	}
}

static const char *
PatternLabel(const char *type)
{
	static const struct
	{
		const char *type;
		const char *label;
	}			labels[] = {
		{"recurring_theme", "Recurring Theme"},
		{"tension", "Inner Tension"},
		{"potential_dream", "Potential Dream"},
		{"identity_signal", "Identity Signal"},
	};

	for (int i = 0; i < (int) lengthof(labels); i++)
	{
		if (strcmp(labels[i].type, type) == 0)
			return labels[i].label;
	}
	return type;
}

static void
WritePatterns(StringInfo block, JsonbContainer *context)
{
	int			nitems;
	JsonbContainer **items = PromptJsonItems(context, "patterns", &nitems);

	for (int i = 0; i < nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		appendStringInfo(block, "\n- %s: %s",
						 PatternLabel(TextOr(items[i], "pattern_type", "")),
						 TextOr(items[i], "content", ""));
	}
}

static void
WriteSessions(StringInfo block, JsonbContainer *context)
{
	int			nitems;
	JsonbContainer **items = PromptJsonItems(context, "sessions", &nitems);

	for (int i = 0; i < nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		appendStringInfo(block, "\n- \"%s\" (%s messages)",
						 TextOr(items[i], "title", "Untitled"),
						 TextOr(items[i], "message_count", "0"));
	}
}

typedef struct Tone
{
	const char *name;
	int			position;
} Tone;

static int
CompareNames(const void *a, const void *b)
{
	const Tone *left = a;
	const Tone *right = b;
	int			order = strcmp(left->name, right->name);

	return order != 0 ? order : left->position - right->position;
}

static int
ComparePositions(const void *a, const void *b)
{
	return ((const Tone *) a)->position - ((const Tone *) b)->position;
}

/*
 * Leave of each name the first, in the order they came in; returns how many
 * are left.  By sorting, since an author's section may have any number of them.
 */
static int
KeepFirstOfEach(Tone *tones, int ntones)
{
	int			kept = 0;

	qsort(tones, ntones, sizeof(Tone), CompareNames);
	for (int i = 0; i < ntones; i++)
	{
		if (kept == 0 || strcmp(tones[kept - 1].name, tones[i].name) != 0)
			tones[kept++] = tones[i];
	}
	qsort(tones, kept, sizeof(Tone), ComparePositions);
	return kept;
}

static void
WriteReflections(StringInfo block, JsonbContainer *context)
{
	int			nitems;
	JsonbContainer **items = PromptJsonItems(context, "reflections", &nitems);
	Tone	   *tones;
	int			ntones = 0;

	if (nitems == 0)
		return;
	appendStringInfo(block, "\n%d reflection%s in the last period", nitems, nitems == 1 ? "" : "s");

	tones = palloc(nitems * sizeof(Tone));
	for (int i = 0; i < nitems; i++)
	{
		CHECK_FOR_INTERRUPTS();
		tones[ntones].name = PromptJsonText(items[i], "tone");
		tones[ntones].position = i;
		if (tones[ntones].name != NULL)
			ntones++;
	}
	ntones = KeepFirstOfEach(tones, ntones);
	for (int i = 0; i < ntones; i++)
		appendStringInfo(block, "%s%s", i == 0 ? ", using tones: " : ", ", tones[i].name);
}

static int64
TokensOf(uint64 units)
{
	return (units + UNITS_PER_TOKEN - 1) / UNITS_PER_TOKEN;
}

/* Take what fits of a block's text, if it is to be taken at all. */
static void
TakeBlock(Prompt *prompt, const char *text, Size len, int priority)
{
	int64		remaining = prompt->max_tokens - prompt->used;
	Size		taken;
	uint64		units;

	taken = PromptTextPrefix(text, len, PROMPT_TEXT_ALL, &units);
	if (TokensOf(units) > remaining)
	{
		/* nearly full is full: at 90 % */
		if (priority > CUT_MAX_PRIORITY || prompt->used * 10 >= prompt->max_tokens * 9)
			return;
		taken = PromptTextPrefix(text, len, remaining * UNITS_PER_TOKEN, &units);
		if (units <= CUT_MIN_UNITS)
			return;
	}

	appendStringInfoString(&prompt->text, prompt->text.len == 0 ? PROMPT_HEAD : "\n\n");
	appendBinaryStringInfo(&prompt->text, text, taken);
	if (taken < len)
		appendStringInfoString(&prompt->text, "...");
	prompt->used += TokensOf(units);
}

/* The prompt, in UTF-8; empty if no block is taken. */
static char *
WritePrompt(JsonbContainer *context, int max_tokens)
{
	/* The order of the priorities is that of the prompt, too. */
	static const struct
	{
		const char *heading;
		int			priority;
		BlockWriter write;
	}			blocks[] = {
		{"[User Context]", 1, WriteUser},
		{"[Active Dreams]", 2, WriteDreams},
		{"[Patterns Observed]", 2, WritePatterns},
		{"[Recent Conversations]", 3, WriteSessions},
		{"[Recent Reflections]", 4, WriteReflections},
	};
	Prompt		prompt = {.max_tokens = max_tokens};
	StringInfoData block;

	initStringInfo(&prompt.text);
	initStringInfo(&block);
	for (int i = 0; i < (int) lengthof(blocks); i++)
	{
		Size		heading_len = strlen(blocks[i].heading);

		resetStringInfo(&block);
		appendStringInfoString(&block, blocks[i].heading);
		blocks[i].write(&block, context);
		if ((Size) block.len > heading_len)
			TakeBlock(&prompt, block.data, block.len, blocks[i].priority);
	}
	if (prompt.text.len > 0)
		appendStringInfoString(&prompt.text, PROMPT_TAIL);
	return prompt.text.data;
}

static int
CheckMaxTokens(bool isnull, int max_tokens)
{
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("max_tokens must not be null"),
				 errdetail("It is the budget of the prompt, in tokens of %d characters.", UNITS_PER_TOKEN),
				 errhint("Leave it out to have the default.")));
	if (max_tokens < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_tokens must not be negative"),
				 errdetail("It is %d.", max_tokens),
				 errhint("A budget of 0 gives the empty string; leave it out to have the default.")));
	return max_tokens;
}

Datum
clarify_prompt(PG_FUNCTION_ARGS)
{
	const char *current_session = NULL;
	int			max_tokens;
	text	   *context;
	char	   *prompt;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(1))
		current_session = DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(1)));
	max_tokens = CheckMaxTokens(PG_ARGISNULL(2), PG_GETARG_INT32(2));

	context = ContextOfUser(PG_GETARG_DATUM(0), current_session);
	prompt = WritePrompt(PromptJsonParse(context), max_tokens);
	PG_RETURN_TEXT_P(cstring_to_text(PromptTextToServer(prompt)));
}
