/*-------------------------------------------------------------------------
 *
 * json.h
 *	  JSON for the harnesses: a value of any shape is made from the input, so
 *	  that all of the fuzzer's work goes into valid ones.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_FUZZ_JSON_H
#define CLARIFY_FUZZ_JSON_H

#include "fuzz.h"

/* Space as it may stand between any two tokens; mostly none. */
static void
PutSpace(StringInfo buf, Source *source)
{
	static const char *const spaces[] = {" ", "\n ", "\t", "\r\n"};
	uint8					 byte = Next(source);

	if (byte % 8 == 7)
		appendStringInfoString(buf, spaces[byte / 8 % lengthof(spaces)]);
}

/* A string of what up to 31 bytes of the input stand for. */
static void
PutString(StringInfo buf, Source *source)
{
	static const char *const parts[] = {
		"\\\"",
		"\\\\",
		"\\/",
		"\\b",
		"\\f",
		"\\n",
		"\\r",
		"\\t",
		"\\u0000",
		"\\u0041",
		"\\u00e9",
		"\\u20AC",
		"\\ud83d\\ude00",
		"\\ud83d",
		"\\ude00",
		"\\ud83d\\u0041",
		"\\u007f",
		"\\u0080",
		"\\uffff",
		"\\ud83d\\ud83d\\ude00",
		"\\\\u0000",
		"\\ud83d\\n",
		"\xC3\xA9",
		"\xE2\x82\xAC",
		"\xF0\x9F\x98\x80",
		"[",
		"]",
		"{",
		"}",
		",",
		":",
		"1e5",
		"id",
		"a",
		"null",
		"'",
		"\x7F",
		" ",
	};
	int len = Next(source) % 32;

	appendStringInfoChar(buf, '"');
	while (len-- > 0)
		appendStringInfoString(buf, parts[Next(source) % lengthof(parts)]);
	appendStringInfoChar(buf, '"');
}

/* A value; arrays and objects to the given depth. */
static void
PutValue(StringInfo buf, Source *source, int depth)
{
	static const char *const scalars[] = {
		"0",	 "-1",		"12.50",
		"1e400", "-0.0E-7", "123456789012345678901234567890",
		"true",	 "false",	"null",
	};
	uint8 what = Next(source);
	int	  n = what / 8 % 5;

	switch (what % 8)
	{
		case 0:
		case 1:
			appendStringInfoString(buf, scalars[what / 8 % lengthof(scalars)]);
			return;
		case 2:
		case 3:
			PutString(buf, source);
			return;
		default:
			if (depth == 0)
				n = 0;
	}

	appendStringInfoChar(buf, what % 2 ? '[' : '{');
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoChar(buf, ',');
		PutSpace(buf, source);
		if (what % 2 == 0)
		{
			PutString(buf, source);
			PutSpace(buf, source);
			appendStringInfoChar(buf, ':');
			PutSpace(buf, source);
		}
		PutValue(buf, source, depth - 1);
		PutSpace(buf, source);
	}
	appendStringInfoChar(buf, what % 2 ? ']' : '}');
}

#endif /* CLARIFY_FUZZ_JSON_H */
