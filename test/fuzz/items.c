/*-------------------------------------------------------------------------
 *
 * items.c
 *	  Fuzzing of src/call/items.c: are just the right items left out?
 *
 * An array is made, of items of which it is known what they are, and cut.  Each
 * other input is taken for a payload as it is: what comes out does not matter
 * then, but nothing beyond the payload may be read.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "../../src/call/items.c"
#include "json.h"

#define LEAVE_OUT "123e4567"

/* An object; is the first member that is called "id" the string to leave out? */
static bool
PutObject(StringInfo buf, Source *source)
{
	static const char *const names[] = {
		"\"id\"",  "\"id\\\"\"", "\"i\"",  "\"\"",
		"\"idx\"", "\"\\\"id\"", "\"ID\"",
	};
	static const char *const ids[] = {
		"\"" LEAVE_OUT "\"",
		"\"" LEAVE_OUT "\\\"\"",
		"\"\"",
		"123e4567",
		"null",
		"[\"" LEAVE_OUT "\"]",
		"{\"id\":\"" LEAVE_OUT "\"}",
		"\"" LEAVE_OUT "8\"",
	};
	int	 n = Next(source) % 5;
	bool found = false;
	bool result = false;

	appendStringInfoChar(buf, '{');
	for (int i = 0; i < n; i++)
	{
		int name = Next(source) % lengthof(names);
		int id = Next(source) % (lengthof(ids) + 1);

		if (i > 0)
			appendStringInfoChar(buf, ',');
		PutSpace(buf, source);
		appendStringInfoString(buf, names[name]);
		PutSpace(buf, source);
		appendStringInfoChar(buf, ':');
		PutSpace(buf, source);
		if (id < (int) lengthof(ids))
			appendStringInfoString(buf, ids[id]);
		else
		{
			appendStringInfoChar(buf, '{');
			PutString(buf, source);
			appendStringInfoChar(buf, ':');
			PutValue(buf, source, 3);
			appendStringInfoChar(buf, '}');
		}
		if (name == 0 && !found)
		{
			found = true;
			result = id == 0;
		}
		/* after a number or null the space is the item's, so put none */
		if (id != 3 && id != 4)
			PutSpace(buf, source);
	}
	if (n == 0)
		PutSpace(buf, source);
	appendStringInfoChar(buf, '}');
	return result;
}

static void
FuzzArray(Source source)
{
	StringInfoData payload;
	StringInfoData want;
	StringInfoData got;
	uint8		   how = Next(&source);
	int			   n = Next(&source) % 8;
	int			   max_items = how / 2 % 8 - 1;
	bool		   leave_out = how % 2;
	int			   wanted = 0;
	char		  *exact;

	initStringInfo(&payload);
	initStringInfo(&want);
	initStringInfo(&got);
	appendStringInfoChar(&payload, '[');
	appendStringInfoChar(&want, '[');
	for (int i = 0; i < n; i++)
	{
		int	 start;
		bool is_it = false;

		if (i > 0)
			appendStringInfoChar(&payload, ',');
		PutSpace(&payload, &source);
		start = payload.len;
		if (Next(&source) % 4 != 0)
			is_it = PutObject(&payload, &source);
		else
			PutValue(&payload, &source, 3);
		if (!(leave_out && is_it) && (max_items < 0 || wanted < max_items))
		{
			if (wanted++ > 0)
				appendStringInfoChar(&want, ',');
			appendBinaryStringInfo(&want, payload.data + start,
								   payload.len - start);
		}
		if (strchr("\"}]", payload.data[payload.len - 1]) != NULL)
			PutSpace(&payload, &source);
	}
	appendStringInfoChar(&payload, ']');
	appendStringInfoChar(&want, ']');

	exact = ExactCopy(payload.data, payload.len);
	AppendItems(&got, exact, payload.len, leave_out ? LEAVE_OUT : NULL,
				max_items);
	CHECK(got.len == want.len && memcmp(got.data, want.data, got.len) == 0);

	free(exact);
	pfree(payload.data);
	pfree(want.data);
	pfree(got.data);
}

static void
FuzzPayload(const uint8 *data, Size len)
{
	StringInfoData got;
	char		  *exact = ExactCopy(data, len);

	initStringInfo(&got);
	AppendItems(&got, exact, len, LEAVE_OUT, -1);
	CHECK(got.len >= 2 && (Size) got.len <= 2 * len + 2);
	pfree(got.data);
	free(exact);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	if (size < 2)
		return 0;
	if (data[0] % 2 == 0)
		FuzzArray((Source){data + 1, data + size});
	else
		FuzzPayload(data + 1, size - 1);
	return 0;
}
