/*-------------------------------------------------------------------------
 *
 * json.c
 *	  Reading a context; see json.h.
 *
 * The server's jsonb does the parsing and the looking up.  But a context may
 * hold what a json column does and jsonb refuses: \u0000, halves of surrogate
 * pairs, characters that the database's encoding lacks, numbers beyond
 * numeric, nesting to the limit of the stack.  An error would take the whole
 * prompt away from a user, for what most often is in a member that it does not
 * even show.  So the text is first made harmless, in one pass:
 *
 *	- Escapes of characters beyond ASCII become the characters themselves, or a
 *	  replacement where that is not possible.
 *	- Numbers become strings, which also keeps them as they were written.
 *	- What is nested deeper than a prompt looks becomes null.
 *
 * The context is valid JSON that this server wrote, and all server encodings
 * keep ASCII bytes out of longer characters, so the pass looks at bytes alone.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "prompt/json.h"
#include "prompt/text.h"
#include "utils/builtins.h"

/* The context, a section, an item: members of items are scalars, or not shown. */
#define SHOWN_DEPTH 3

/* What takes the place of a character that can't be had. */
#define REPLACEMENT_CHARACTER 0xFFFD

/*
 * Append a character beyond ASCII in the database's encoding, in SQL_ASCII as
 * UTF-8; a question mark if the encoding does not have it.
 */
static void
AppendCharacter(StringInfo buf, pg_wchar c)
{
	unsigned char utf8[MAX_MULTIBYTE_CHAR_LEN + 1];
	unsigned char converted[MAX_CONVERSION_GROWTH * (MAX_MULTIBYTE_CHAR_LEN + 1) + 1];
	int			encoding = GetDatabaseEncoding();
	int			len;
	Oid			proc;

	unicode_to_utf8(c, utf8);
	len = pg_encoding_mblen(PG_UTF8, (const char *) utf8);
	utf8[len] = '\0';
	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
	{
		appendBinaryStringInfo(buf, (char *) utf8, len);
		return;
	}

	proc = FindDefaultConversionProc(PG_UTF8, encoding);
	if (OidIsValid(proc) &&
		pg_do_encoding_conversion_buf(proc, PG_UTF8, encoding, utf8, len,
									  converted, sizeof(converted), true) == len)
		appendStringInfoString(buf, (char *) converted);
	else
		appendStringInfoCharMacro(buf, '?');
}

/* The code unit of the escape \uXXXX at p; -1 if there is none. */
static int
EscapedUnit(const char *p, const char *end)
{
	char		digits[5];

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	memcpy(digits, p + 2, 4);
	digits[4] = '\0';
	return (int) strtoul(digits, NULL, 16);
}

/* p is at a backslash in a string; returns what follows the escape. */
static const char *
AppendEscape(StringInfo buf, const char *p, const char *end)
{
	int			unit = EscapedUnit(p, end);
	int			next;

	if (unit < 0)
	{
		appendBinaryStringInfo(buf, p, 2);
		return p + 2;
	}
	if (unit > 0 && unit < 0x80)
	{
		appendBinaryStringInfo(buf, p, 6);
		return p + 6;
	}
	p += 6;
	if (is_utf16_surrogate_first(unit))
	{
		next = EscapedUnit(p, end);
		if (next >= 0 && is_utf16_surrogate_second(next))
		{
			AppendCharacter(buf, surrogate_pair_to_codepoint(unit, next));
			return p + 6;
		}
	}
	if (unit == 0 || is_utf16_surrogate_first(unit) || is_utf16_surrogate_second(unit))
		unit = REPLACEMENT_CHARACTER;
	AppendCharacter(buf, unit);
	return p;
}

/* p is at the quote that opens a string; returns what follows the closing one. */
static const char *
AppendString(StringInfo buf, const char *p, const char *end)
{
	const char *run = p++;

	while (p < end && *p != '"')
	{
		if (*p != '\\')
		{
			p++;
			continue;
		}
		appendBinaryStringInfo(buf, run, p - run);
		run = p = AppendEscape(buf, p, end);
	}
	p++;
	appendBinaryStringInfo(buf, run, p - run);
	return p;
}

/* p is at a number; returns what follows it. */
static const char *
AppendNumber(StringInfo buf, const char *p, const char *end)
{
	const char *number = p;

	while (p < end && strchr("+-.eE0123456789", *p) != NULL)
		p++;
	appendStringInfoCharMacro(buf, '"');
	appendBinaryStringInfo(buf, number, p - number);
	appendStringInfoCharMacro(buf, '"');
	return p;
}

/* The context without what jsonb refuses. */
static char *
MadeHarmless(const char *p, const char *end)
{
	StringInfoData buf;
	int			depth = 0;
	int			deep = 0;		/* where what is too deep begins */

	initStringInfo(&buf);
	enlargeStringInfo(&buf, end - p);
	while (p < end)
	{
		if (*p == '"')
		{
			p = AppendString(&buf, p, end);
			continue;
		}
		if (*p == '-' || (*p >= '0' && *p <= '9'))
		{
			p = AppendNumber(&buf, p, end);
			continue;
		}
		if ((*p == '{' || *p == '[') && depth++ == SHOWN_DEPTH)
			deep = buf.len;
		appendStringInfoCharMacro(&buf, *p);
		if ((*p == '}' || *p == ']') && --depth == SHOWN_DEPTH)
		{
			buf.len = deep;
			appendStringInfoString(&buf, "null");
		}
		p++;
	}
	return buf.data;
}

JsonbContainer *
PromptJsonParse(const text *context)
{
	const char *json = VARDATA_ANY(context);
	char	   *harmless = MadeHarmless(json, json + VARSIZE_ANY_EXHDR(context));
	Jsonb	   *parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(harmless)));

	pfree(harmless);
	return &parsed->root;
}

static JsonbValue *
Member(JsonbContainer *object, const char *key)
{
	return getKeyJsonValueFromContainer(object, key, strlen(key), NULL);
}

JsonbContainer *
PromptJsonObject(JsonbContainer *context, const char *section)
{
	JsonbValue *value = Member(context, section);

	if (value == NULL || value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		return NULL;
	return value->val.binary.data;
}

JsonbContainer **
PromptJsonItems(JsonbContainer *context, const char *section, int *nitems)
{
	JsonbValue *value = Member(context, section);
	JsonbContainer *array;
	JsonbContainer **items;
	uint32		size;

	*nitems = 0;
	if (value == NULL || value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data))
		return NULL;
	array = value->val.binary.data;
	size = JsonContainerSize(array);
	items = palloc(size * sizeof(JsonbContainer *));
	for (uint32 i = 0; i < size; i++)
	{
		JsonbValue *item = getIthJsonbValueFromContainer(array, i);

		if (item->type == jbvBinary && JsonContainerIsObject(item->val.binary.data))
			items[(*nitems)++] = item->val.binary.data;
		pfree(item);
	}
	return items;
}

char *
PromptJsonText(JsonbContainer *object, const char *key)
{
	JsonbValue *value = Member(object, key);

	if (value == NULL)
		return NULL;
	switch (value->type)
	{
		case jbvString:
			if (value->val.string.len == 0)
				return NULL;
			return PromptTextFromServer(pnstrdup(value->val.string.val, value->val.string.len));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			return NULL;
	}
}
