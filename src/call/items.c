/*-------------------------------------------------------------------------
 *
 * items.c
 *	  Leaving items out of a section's payload.
 *
 * What differs from call to call (the current session) is not in the cache: a
 * section holds more items than are shown, and here some are left out.
 *
 * The payload is JSON that this server wrote, so the scanner only finds where
 * values begin and end.  The server's own parser tells names and strings only
 * when it resolves escapes, and then fails on what a json column may well
 * hold: \u0000, or a character that the database's encoding lacks.  All server
 * encodings keep ASCII bytes out of longer characters, so bytes will do.  Of what
 * is not JSON anything may come out, but nothing beyond it is read.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "call/items.h"

/*
 * p is at a quote; returns what follows the closing one.  Each byte is looked
 * at once for a quote and once for a backslash.
 */
static const char *
SkipString(const char *p, const char *end)
{
	const char *quote = p;

	for (p++;;)
	{
		const char *backslash;

		if (p > quote)
			quote = p < end ? memchr(p, '"', end - p) : NULL;
		if (quote == NULL)
			return end;
		backslash = memchr(p, '\\', quote - p);
		if (backslash == NULL)
			return quote + 1;
		p = backslash + 2;		/* past what is escaped, maybe that quote */
	}
}

static const char *
SkipSpace(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* p is at a value; returns what follows it. */
static const char *
SkipValue(const char *p, const char *end)
{
	int			depth = 0;

	while (p < end)
	{
		switch (*p)
		{
			case '"':
				p = SkipString(p, end);
				break;
			case '[':
			case '{':
				depth++;
				p++;
				break;
			case ']':
			case '}':
				if (depth == 0)
					return p;
				depth--;
				p++;
				break;
			case ',':
				if (depth == 0)
					return p;
				p++;
				break;
			default:
				p++;
				continue;
		}
		if (depth == 0)
			return p;
	}
	return end;
}

static bool
IsString(const char *p, const char *end, const char *string)
{
	Size		len = strlen(string);

	return (Size) (end - p) == len + 2 && memcmp(p + 1, string, len) == 0;
}

/* Is the item an object whose member SESSION_ID_KEY is this string? */
static bool
ItemHasId(const char *p, const char *end, const char *id)
{
	if (*p != '{')
		return false;
	p = SkipSpace(p + 1, end);
	while (p < end && *p == '"')
	{
		const char *name = p;
		const char *name_end = SkipString(p, end);
		const char *value = SkipSpace(name_end, end);
		const char *value_end;

		value = SkipSpace(value + 1, end);	/* past the colon */
		value_end = SkipValue(value, end);
		if (IsString(name, name_end, SESSION_ID_KEY))
			return value < end && *value == '"' && IsString(value, value_end, id);
		p = SkipSpace(value_end, end);
		if (p < end && *p == ',')
			p = SkipSpace(p + 1, end);
	}
	return false;
}

void
AppendItems(StringInfo buf, const char *payload, Size len,
			const char *leave_out, int max_items)
{
	const char *end = payload + len;
	const char *p = SkipSpace(payload + 1, end);	/* past the bracket */
	int			nitems = 0;

	appendStringInfoCharMacro(buf, '[');
	while (p < end && *p != ']' && (max_items < 0 || nitems < max_items))
	{
		const char *item_end = SkipValue(p, end);

		if (item_end == p)
			break;				/* not what we write, but it must end */
		if (leave_out == NULL || !ItemHasId(p, item_end, leave_out))
		{
			if (nitems++ > 0)
				appendStringInfoCharMacro(buf, ',');
			appendBinaryStringInfo(buf, p, item_end - p);
		}
		p = SkipSpace(item_end, end);
		if (p < end && *p == ',')
			p = SkipSpace(p + 1, end);
	}
	appendStringInfoCharMacro(buf, ']');
}
