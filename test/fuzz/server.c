/*-------------------------------------------------------------------------
 *
 * server.c
 *	  What the fuzzed files need of a server and its client libraries lack.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "base/settings.h"
#include "base/user_key.h"
#include "catalog/namespace.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

int	  fuzz_encoding = PG_UTF8;
char *setting_key_prefix = "clarify";

void
ExceptionalCondition(const char *condition, const char *type, const char *file,
					 int line)
{
	fprintf(stderr, "%s:%d: failed: %s\n", file, line, condition);
	abort();
}

int
pg_lltoa(int64 value, char *out)
{
	return sprintf(out, INT64_FORMAT, value);
}

void
UserKeyAppendText(StringInfo buf, const UserKey *key)
{
	appendBinaryStringInfo(buf, (const char *) key->bytes, key->len);
}

int
GetDatabaseEncoding(void)
{
	return fuzz_encoding;
}

Oid
FindDefaultConversionProc(int32 from, int32 to)
{
	return from == PG_UTF8 && to == PG_LATIN1 ? 1 : InvalidOid;
}

/*
 * In the place of HMAC, which is not what is looked for mistakes here, and would
 * take nine tenths of the time.  Each lane goes from state to state by bijections
 * that depend on the byte, so no change of a single one is missed.
 */
struct pg_hmac_ctx
{
	uint64 lanes[PG_SHA256_DIGEST_LENGTH / sizeof(uint64)];
};

pg_hmac_ctx *
pg_hmac_create(pg_cryptohash_type type)
{
	CHECK(type == PG_SHA256);
	return malloc(sizeof(pg_hmac_ctx));
}

int
pg_hmac_update(pg_hmac_ctx *ctx, const uint8 *data, size_t len)
{
	for (const uint8 *p = data; p < data + len; p++)
	{
		for (int i = 0; i < (int) lengthof(ctx->lanes); i++)
		{
			uint64 lane =
				(ctx->lanes[i] ^ *p) * UINT64CONST(0x9E3779B97F4A7C15);

			ctx->lanes[i] = (lane ^ lane >> 29) + 2 * i + 1;
		}
	}
	return 0;
}

int
pg_hmac_init(pg_hmac_ctx *ctx, const uint8 *key, size_t len)
{
	memset(ctx, 0, sizeof(*ctx));
	return pg_hmac_update(ctx, key, len);
}

int
pg_hmac_final(pg_hmac_ctx *ctx, uint8 *dest, size_t len)
{
	CHECK(len == sizeof(ctx->lanes));
	memcpy(dest, ctx->lanes, len);
	return 0;
}

void
pg_hmac_free(pg_hmac_ctx *ctx)
{
	free(ctx);
}

/* One character from UTF-8 to LATIN1; none is converted that it lacks. */
int
pg_do_encoding_conversion_buf(Oid proc, int from, int to, unsigned char *src,
							  int len, unsigned char *dest, int destlen,
							  bool noError)
{
	pg_wchar c = utf8_to_unicode(src);

	CHECK(noError && len == pg_encoding_mblen(PG_UTF8, (char *) src) &&
		  destlen > len);
	if (c > 0xFF)
		return 0;
	dest[0] = (unsigned char) c;
	dest[1] = '\0';
	return len;
}
