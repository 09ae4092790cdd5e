/*-------------------------------------------------------------------------
 *
 * text.c
 *	  Lengths and cuts of text in UTF-16 code units; see text.h.
 *
 * All is done in UTF-8, since what a character of another encoding counts for
 * is known only by its code point.  SQL_ASCII has no conversions: its bytes
 * are most often UTF-8, so they are taken for it where they can be, and nothing
 * here may ask the server to validate them.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "mb/pg_wchar.h"
#include "prompt/text.h"

static bool
NeedsConversion(void)
{
	int			encoding = GetDatabaseEncoding();

	return encoding != PG_UTF8 && encoding != PG_SQL_ASCII;
}

char *
PromptTextFromServer(char *text)
{
	return NeedsConversion() ? pg_server_to_any(text, strlen(text), PG_UTF8) : text;
}

char *
PromptTextToServer(char *text)
{
	return NeedsConversion() ? pg_any_to_server(text, strlen(text), PG_UTF8) : text;
}

/* The bytes of the character at p; a stray byte stands for itself. */
static int
CharacterLength(const unsigned char *p, const unsigned char *end)
{
	int			len = pg_encoding_mblen(PG_UTF8, (const char *) p);

	return len <= end - p && pg_utf8_islegal(p, len) ? len : 1;
}

Size
PromptTextPrefix(const char *text, Size len, uint64 max_units, uint64 *units)
{
	const unsigned char *start = (const unsigned char *) text;
	const unsigned char *end = start + len;
	const unsigned char *p = start;

	*units = 0;
	while (p < end)
	{
		int			length = CharacterLength(p, end);
		int			wanted = length == 4 ? 2 : 1;

		if (max_units - *units < (uint64) wanted)
			break;
		*units += wanted;
		p += length;
	}
	return p - start;
}
