/*-------------------------------------------------------------------------
 *
 * prompt_json.c
 *	  Fuzzing of src/prompt/json.c: is a context made harmless for jsonb?
 *
 * A context of any shape is made.  What comes out must be JSON without numbers,
 * no deeper than a prompt looks, of no escapes but those of ASCII, and, where
 * what goes in is valid UTF-8, that as well; made harmless again, it stays the
 * same.  The parser of jsonb itself is the server's, and not part of this.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "../../src/prompt/json.c"
#include "json.h"

/* p is at a string; returns what follows it. */
static const char *
CheckString(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
	{
		CHECK((unsigned char) *p >= ' ');
		if (*p != '\\')
			continue;
		CHECK(++p < end);
		if (*p == 'u')
		{
			CHECK(end - p > 4 && strspn(p + 1, "0123456789abcdefABCDEF") >= 4);
			CHECK(p[1] == '0' && p[2] == '0' && p[3] < '8' &&
				  !(p[3] == '0' && p[4] == '0'));
			p += 4;
		}
		else
			CHECK(strchr("\"\\/bfnrt", *p) != NULL);
	}
	CHECK(p < end);
	return p + 1;
}

static const char *
CheckSpace(const char *p, const char *end)
{
	while (p < end && strchr(" \t\r\n", *p) != NULL)
		p++;
	return p;
}

/* p is at a value; returns what follows it and the space behind. */
static const char *
CheckValue(const char *p, const char *end, int depth)
{
	static const char *const words[] = {"true", "false", "null"};
	char					 close = *p == '{' ? '}' : ']';

	CHECK(p < end);
	if (*p == '"')
		return CheckSpace(CheckString(p, end), end);
	for (int i = 0; i < (int) lengthof(words); i++)
	{
		Size len = strlen(words[i]);

		if ((Size) (end - p) >= len && memcmp(p, words[i], len) == 0)
			return CheckSpace(p + len, end);
	}

	CHECK(*p == '{' || *p == '[');
	CHECK(depth < SHOWN_DEPTH);
	p = CheckSpace(p + 1, end);
	if (p < end && *p == close)
		return CheckSpace(p + 1, end);
	for (;;)
	{
		if (close == '}')
		{
			CHECK(p < end && *p == '"');
			p = CheckSpace(CheckString(p, end), end);
			CHECK(p < end && *p == ':');
			p = CheckSpace(p + 1, end);
		}
		p = CheckValue(p, end, depth + 1);
		CHECK(p < end && (*p == ',' || *p == close));
		if (*p == close)
			return CheckSpace(p + 1, end);
		p = CheckSpace(p + 1, end);
	}
}

static void
CheckUtf8(const char *p, const char *end)
{
	while (p < end)
	{
		int len = pg_encoding_mblen(PG_UTF8, p);

		CHECK(len <= end - p &&
			  pg_utf8_islegal((const unsigned char *) p, len));
		p += len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	static const int encodings[] = {PG_UTF8, PG_SQL_ASCII, PG_LATIN1,
									PG_EUC_JP};
	Source			 source = {data, data + size};
	StringInfoData	 context;
	Size			 len;
	char			*exact;
	char			*harmless;
	char			*again;

	fuzz_encoding = encodings[Next(&source) % lengthof(encodings)];
	initStringInfo(&context);
	PutValue(&context, &source, 7);

	exact = ExactCopy(context.data, context.len);
	harmless = MadeHarmless(exact, exact + context.len);
	len = strlen(harmless);
	CHECK(CheckValue(harmless, harmless + len, 0) == harmless + len);
	if (fuzz_encoding != PG_LATIN1)
		CheckUtf8(harmless, harmless + len);
	again = MadeHarmless(harmless, harmless + len);
	CHECK(strcmp(again, harmless) == 0);

	free(exact);
	pfree(context.data);
	pfree(harmless);
	pfree(again);
	return 0;
}
