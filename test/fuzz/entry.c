/*-------------------------------------------------------------------------
 *
 * entry.c
 *	  Fuzzing of src/redis/entry.c: is nothing taken for ours that we did not make?
 *
 * The first byte of the input says what is done with the others:
 *
 *	0	they are a value found in Redis
 *	1	they are the front of a header line, a newline, and a payload, which get
 *		the MAC that we would make: what lies behind the MAC
 *	2	they are a header and a payload, of which an entry is made, parsed, and
 *		then changed in one place
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "../../src/redis/entry.c"

#define MAX_UNIX_TIME INT64CONST(999999999999999999)

static const Instance instance = {"0123456789abcdef",
								  "the secret of this database, ..."};
static const char	  key[] =
	"clarify:0123456789abcdef:{123e4567-e89b-12d3-a456-426614174000}:user";
static EntryHasher *hasher;

static EntryVerdict
Parse(const char *a_key, const char *value, Size len, const EntryHeader *want,
	  int64 ttl_us, TimestampTz now, EntryHeader *header, const char **payload,
	  Size *payload_len)
{
	return EntryParse(hasher, &instance, a_key, sizeof(key) - 1, value, len,
					  want, ttl_us, now, header, payload, payload_len);
}

/* Is the value refused, whatever is wanted? */
static bool
IsRefused(const char *a_key, const char *value, Size len)
{
	EntryHeader want = {0};
	EntryHeader header;
	const char *payload;
	Size		payload_len;

	return Parse(a_key, value, len, &want, 0, 0, &header, &payload,
				 &payload_len) == ENTRY_CORRUPT;
}

/* A value that is not refused must be, to the byte, what we make. */
static void
CheckAccepted(const char *value, Size len)
{
	const char *payload = value;
	const char *mac_at;
	const char *found;
	Size		found_len;
	uint8		mac[ENTRY_MAC_LEN];
	char		line[ENTRY_LINE_MAX];
	char		other_key[sizeof(key)];
	EntryHeader header;
	EntryHeader want;
	EntryHeader got;
	TimestampTz now;
	int64		ttl_us;
	Size		line_len;

	CHECK(TakeLine(&payload, value + len, &header, mac, &mac_at));
	line_len = EntryMakeLine(line, hasher, &instance, key, sizeof(key) - 1,
							 &header, payload, value + len - payload);
	CHECK(line_len == (Size) (payload - value) &&
		  memcmp(line, value, line_len) == 0);

	/* Of these times: not for longer than it lives, nor before it was built. */
	ttl_us = header.expires_at - header.built_at;
	now = header.expires_at - 1;
	if (header.built_at > now + ENTRY_CLOCK_TOLERANCE)
	{
		CHECK(Parse(key, value, len, &header, ttl_us, now, &got, &found, &found_len) ==
			  ENTRY_EXPIRED);
		return;
	}
	CHECK(Parse(key, value, len, &header, ttl_us, now, &got, &found, &found_len) ==
		  ENTRY_OK);
	CHECK(got.version == header.version &&
		  got.fingerprint == header.fingerprint &&
		  got.built_at == header.built_at &&
		  got.expires_at == header.expires_at);
	CHECK(found == payload && found + found_len == value + len);

	CHECK(Parse(key, value, len, &header, ttl_us, now + 1, &got, &found, &found_len) ==
		  ENTRY_EXPIRED);
	CHECK(Parse(key, value, len, &header, ttl_us - 1, now, &got, &found, &found_len) ==
		  ENTRY_EXPIRED);
	CHECK(Parse(key, value, len, &header, ttl_us, header.built_at - ENTRY_CLOCK_TOLERANCE - 1,
				&got, &found, &found_len) == ENTRY_EXPIRED);
	CHECK(Parse(key, value, len, &header, ttl_us,
				Min(now, header.built_at - ENTRY_CLOCK_TOLERANCE), &got, &found, &found_len) ==
		  ENTRY_OK);
	want = header;
	want.version ^= UINT64CONST(1) << (len % 64);
	CHECK(Parse(key, value, len, &want, ttl_us, now, &got, &found, &found_len) ==
		  ENTRY_OTHER_VERSION);
	want = header;
	want.fingerprint ^= UINT64CONST(1) << (len % 64);
	CHECK(Parse(key, value, len, &want, ttl_us, now, &got, &found, &found_len) ==
		  ENTRY_OTHER_DEFINITION);

	memcpy(other_key, key, sizeof(key));
	other_key[len % (sizeof(key) - 1)] ^= 1;
	CHECK(IsRefused(other_key, value, len));
}

static void
FuzzValue(const uint8 *data, Size len)
{
	char *value = ExactCopy(data, len);

	if (!IsRefused(key, value, len))
		CheckAccepted(value, len);
	free(value);
}

/* front of the line, with our MAC, and payload */
static char *
Sealed(const char *front, Size front_len, const char *payload, Size payload_len,
	   Size *len)
{
	uint8 mac[ENTRY_MAC_LEN];
	char *value;
	char *p;

	CHECK(EntryMac(hasher, &instance, key, sizeof(key) - 1, front, front_len,
				   payload, payload_len, mac));
	*len = front_len + 2 + 2 * ENTRY_MAC_LEN + 1 + payload_len;
	p = value = malloc(*len);
	memcpy(p, front, front_len);
	p = PutText(p + front_len, "m=");
	p = PutHexBytes(p, mac, ENTRY_MAC_LEN);
	*p++ = '\n';
	memcpy(p, payload, payload_len);
	return value;
}

static void
FuzzSealed(const uint8 *data, Size size)
{
	const char *front = (const char *) data;
	const char *newline = size > 0 ? memchr(front, '\n', size) : NULL;
	Size		front_len = newline != NULL ? newline - front : size;
	const char *payload = newline != NULL ? newline + 1 : front + size;
	Size		len;
	char	   *value =
		Sealed(front, front_len, payload, front + size - payload, &len);

	if (!IsRefused(key, value, len))
		CheckAccepted(value, len);
	free(value);
}

/* The value with one change: a byte is another one, or missing, or added. */
static char *
Changed(const char *value, Size len, Source *source, Size *changed_len)
{
	uint8 what = Next(source);
	Size  at = (Next(source) << 8 | Next(source)) % len;
	uint8 byte = Next(source);
	char *changed = malloc(len + 1);

	memcpy(changed, value, at);
	switch (what % 4)
	{
		case 0:
			changed[at] = value[at] ^ (byte == 0 ? 1 : byte);
			memcpy(changed + at + 1, value + at + 1, len - at - 1);
			*changed_len = len;
			break;
		case 1:
			memcpy(changed + at, value + at + 1, len - at - 1);
			*changed_len = len - 1;
			break;
		case 2:
			changed[at] = byte;
			memcpy(changed + at + 1, value + at, len - at);
			*changed_len = len + 1;
			break;
		default:
			*changed_len = at;
			break;
	}
	return changed;
}

static void
FuzzRoundTrip(Source source)
{
	EntryHeader header;
	char		line[ENTRY_LINE_MAX];
	Source		change;
	int64		built;
	Size		line_len;
	Size		payload_len;
	Size		len;
	char	   *value;
	char	   *changed;

	change.p = source.p;
	change.end = source.p + Min(4, source.end - source.p);
	source.p = change.end;
	header.version = NextUint64(&source);
	header.fingerprint = NextUint64(&source);
	built = NextUint64(&source) % MAX_UNIX_TIME + 1;
	header.built_at = built - ENTRY_EPOCH_SHIFT;
	header.expires_at =
		header.built_at + NextUint64(&source) % (MAX_UNIX_TIME - built + 1);

	payload_len = source.end - source.p;
	line_len = EntryMakeLine(line, hasher, &instance, key, sizeof(key) - 1,
							 &header, (const char *) source.p, payload_len);
	CHECK(line_len > 0 && line_len <= ENTRY_LINE_MAX);
	len = line_len + payload_len;
	value = malloc(len);
	memcpy(value, line, line_len);
	memcpy(value + line_len, source.p, payload_len);
	CHECK(!IsRefused(key, value, len));
	CheckAccepted(value, len);

	changed = Changed(value, len, &change, &len);
	if (len != line_len + payload_len || memcmp(changed, value, len) != 0)
	{
		char *exact = ExactCopy(changed, len);

		CHECK(IsRefused(key, exact, len));
		free(exact);
	}
	free(changed);
	free(value);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	if (hasher == NULL)
		hasher = EntryBegin();
	if (size == 0)
		return 0;
	switch (data[0] % 3)
	{
		case 0:
			FuzzValue(data + 1, size - 1);
			break;
		case 1:
			FuzzSealed(data + 1, size - 1);
			break;
		default:
			FuzzRoundTrip((Source){data + 1, data + size});
			break;
	}
	return 0;
}
