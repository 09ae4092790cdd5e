/*-------------------------------------------------------------------------
 *
 * entry.c
 *	  What does an entry in Redis look like, and is this one ours?  See
 *	  entry.h.
 *
 * Redis is not trusted.  The parser takes exactly what EntryMakeLine makes:
 * fixed order, one blank, lower case, no sign, no leading zero.  The MAC then
 * proves that this database made it for this very key.  Anything else is
 * ENTRY_CORRUPT, and to the caller a miss.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/settings.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "port/pg_bswap.h"
#include "redis/entry.h"
#include "utils/builtins.h"

#define ENTRY_MAGIC "clarify1"
#define ENTRY_MAC_LEN PG_SHA256_DIGEST_LENGTH

/* Digits of a time: all that fit an int64 without a look at the value. */
#define ENTRY_MAX_TIME_DIGITS 18

/* From 1970 to 2000, in microseconds. */
#define ENTRY_EPOCH_SHIFT \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

static const char hex_digits[] = "0123456789abcdef";

void
EntryAppendKey(StringInfo buf, const Instance *instance, const UserKey *user,
			   const char *section)
{
	appendStringInfoString(buf, setting_key_prefix);
	appendStringInfoChar(buf, ':');
	appendStringInfoString(buf, instance->id);
	appendStringInfoString(buf, ":{");
	UserKeyAppendText(buf, user);
	appendStringInfoString(buf, "}:");
	appendStringInfoString(buf, section);
}

/*
 * The context belongs to the resource owner, which frees it should an error
 * jump, but lets none outlive the transaction.
 */
EntryHasher *
EntryBegin(void)
{
	return pg_hmac_create(PG_SHA256);
}

void
EntryEnd(EntryHasher *hasher)
{
	if (hasher != NULL)
		pg_hmac_free(hasher);
}

/* The MAC of an entry.  False if the server's HMAC does not work. */
static bool
EntryMac(EntryHasher *hasher, const Instance *instance, const char *key, Size key_len,
		 const char *line, Size line_len,
		 const char *payload, Size payload_len, uint8 *mac)
{
	uint64		prefix = pg_hton64((uint64) key_len);

	return hasher != NULL &&
		pg_hmac_init(hasher, instance->secret, INSTANCE_SECRET_LEN) >= 0 &&
		pg_hmac_update(hasher, (const uint8 *) &prefix, sizeof(prefix)) >= 0 &&
		pg_hmac_update(hasher, (const uint8 *) key, key_len) >= 0 &&
		pg_hmac_update(hasher, (const uint8 *) line, line_len) >= 0 &&
		pg_hmac_update(hasher, (const uint8 *) payload, payload_len) >= 0 &&
		pg_hmac_final(hasher, mac, ENTRY_MAC_LEN) >= 0;
}

/* The putting functions write at p and return the end of what they wrote. */
static char *
PutText(char *p, const char *text)
{
	Size		len = strlen(text);

	memcpy(p, text, len);
	return p + len;
}

static char *
PutHexBytes(char *p, const uint8 *bytes, int nbytes)
{
	for (int i = 0; i < nbytes; i++)
	{
		*p++ = hex_digits[bytes[i] >> 4];
		*p++ = hex_digits[bytes[i] & 0x0F];
	}
	return p;
}

static char *
PutHexUint64(char *p, uint64 value)
{
	uint64		raw = pg_hton64(value);

	return PutHexBytes(p, (const uint8 *) &raw, sizeof(raw));
}

static char *
PutTime(char *p, TimestampTz time)
{
	return p + pg_lltoa(time + ENTRY_EPOCH_SHIFT, p);
}

Size
EntryMakeLine(char *line, EntryHasher *hasher, const Instance *instance, const char *key, Size key_len,
			  const EntryHeader *header, const char *payload, Size payload_len)
{
	uint8		mac[ENTRY_MAC_LEN];
	char	   *p = line;

	p = PutText(p, ENTRY_MAGIC " v=");
	p = PutHexUint64(p, header->version);
	p = PutText(p, " f=");
	p = PutHexUint64(p, header->fingerprint);
	p = PutText(p, " b=");
	p = PutTime(p, header->built_at);
	p = PutText(p, " e=");
	p = PutTime(p, header->expires_at);
	p = PutText(p, " ");

	if (!EntryMac(hasher, instance, key, key_len, line, p - line, payload, payload_len, mac))
		return 0;

	p = PutText(p, "m=");
	p = PutHexBytes(p, mac, ENTRY_MAC_LEN);
	p = PutText(p, "\n");
	Assert(p - line <= ENTRY_LINE_MAX);
	return p - line;
}

/*
 * The parsing functions take what they expect at *p and move *p past it, or
 * return false.
 */
static bool
TakeText(const char **p, const char *end, const char *text)
{
	Size		len = strlen(text);

	if ((Size) (end - *p) < len || memcmp(*p, text, len) != 0)
		return false;
	*p += len;
	return true;
}

/* The value of a lower-case hexadecimal digit plus one; 0 for anything else. */
static const uint8 hex_values[256] = {
	['0'] = 1,['1'] = 2,['2'] = 3,['3'] = 4,['4'] = 5,
	['5'] = 6,['6'] = 7,['7'] = 8,['8'] = 9,['9'] = 10,
	['a'] = 11,['b'] = 12,['c'] = 13,['d'] = 14,['e'] = 15,['f'] = 16,
};

static bool
TakeHexBytes(const char **p, const char *end, uint8 *bytes, int nbytes)
{
	const unsigned char *digits = (const unsigned char *) *p;

	if (end - *p < 2 * nbytes)
		return false;

	for (int i = 0; i < nbytes; i++)
	{
		uint8		high = hex_values[digits[2 * i]];
		uint8		low = hex_values[digits[2 * i + 1]];

		if (high == 0 || low == 0)
			return false;
		bytes[i] = (uint8) ((high - 1) << 4 | (low - 1));
	}
	*p += 2 * nbytes;
	return true;
}

static bool
TakeHexUint64(const char **p, const char *end, uint64 *value)
{
	uint64		raw;

	if (!TakeHexBytes(p, end, (uint8 *) &raw, sizeof(raw)))
		return false;
	*value = pg_ntoh64(raw);
	return true;
}

static bool
TakeTime(const char **p, const char *end, TimestampTz *time)
{
	const char *start = *p;
	int64		value = 0;

	while (*p < end && **p >= '0' && **p <= '9')
	{
		if (*p - start == ENTRY_MAX_TIME_DIGITS)
			return false;
		value = value * 10 + (*(*p)++ - '0');
	}
	if (*p == start || *start == '0')
		return false;

	*time = (TimestampTz) (value - ENTRY_EPOCH_SHIFT);
	return true;
}

/* The header line.  *mac_at is where "m=" begins; *p goes to the payload. */
static bool
TakeLine(const char **p, const char *end, EntryHeader *header, uint8 *mac,
		 const char **mac_at)
{
	if (!TakeText(p, end, ENTRY_MAGIC " v=") ||
		!TakeHexUint64(p, end, &header->version) ||
		!TakeText(p, end, " f=") ||
		!TakeHexUint64(p, end, &header->fingerprint) ||
		!TakeText(p, end, " b=") ||
		!TakeTime(p, end, &header->built_at) ||
		!TakeText(p, end, " e=") ||
		!TakeTime(p, end, &header->expires_at) ||
		!TakeText(p, end, " "))
		return false;

	*mac_at = *p;
	return TakeText(p, end, "m=") &&
		TakeHexBytes(p, end, mac, ENTRY_MAC_LEN) &&
		TakeText(p, end, "\n") &&
		header->built_at <= header->expires_at;
}

/* In constant time, or the time taken would tell how much of a guess fits. */
static bool
MacsEqual(const uint8 *a, const uint8 *b)
{
	volatile uint8 difference = 0;

	for (int i = 0; i < ENTRY_MAC_LEN; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

EntryVerdict
EntryParse(EntryHasher *hasher, const Instance *instance, const char *key, Size key_len,
		   const char *value, Size value_len,
		   const EntryHeader *want, int64 ttl_us, TimestampTz now,
		   EntryHeader *header, const char **payload, Size *payload_len)
{
	const char *end = value + value_len;
	const char *p = value;
	const char *mac_at;
	EntryHeader found;
	EntryVerdict verdict;
	uint8		claimed[ENTRY_MAC_LEN];
	uint8		mac[ENTRY_MAC_LEN];

	if (!TakeLine(&p, end, &found, claimed, &mac_at) ||
		!EntryMac(hasher, instance, key, key_len, value, mac_at - value, p, end - p, mac) ||
		!MacsEqual(mac, claimed))
		return ENTRY_CORRUPT;

	verdict = EntryJudge(&found, want, ttl_us, now);
	if (verdict == ENTRY_OK)
	{
		*header = found;
		*payload = p;
		*payload_len = end - p;
	}
	return verdict;
}
