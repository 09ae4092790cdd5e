/*-------------------------------------------------------------------------
 *
 * user_key.c
 *	  The id of a user, whatever its SQL type.  See user_key.h.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/user_key.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/uuid.h"

/*
 * The hash is stored in the database, so it must stay the same for as long as
 * the data lives.  hash_bytes_extended is what hash partitioning relies on,
 * and so as stable as the server's own storage; the seed is ours.
 */
#define USER_KEY_HASH_SEED UINT64CONST(0x636c6172696679)

StaticAssertDecl(UUID_LEN <= USER_KEY_MAX_BYTES, "a uuid must fit into a UserKey");

bool
UserKeyTypeSupported(Oid type)
{
	return type == UUIDOID;
}

void
UserKeyFromDatum(UserKey *key, Oid type, Datum value)
{
	Assert(UserKeyTypeSupported(type));

	key->len = UUID_LEN;
	memcpy(key->bytes, DatumGetUUIDP(value)->data, UUID_LEN);
	key->hash = (int64) hash_bytes_extended(key->bytes, key->len,
											USER_KEY_HASH_SEED);
	if (key->hash == USER_KEY_HASH_TABLE)
		key->hash = 1;
}

bool
UserKeyDatumsEqual(Oid type, Datum a, Datum b)
{
	Assert(UserKeyTypeSupported(type));
	return memcmp(DatumGetUUIDP(a)->data, DatumGetUUIDP(b)->data, UUID_LEN) == 0;
}

Datum
UserKeyDatum(const UserKey *key)
{
	return UUIDPGetDatum((const pg_uuid_t *) key->bytes);
}

void
UserKeyAppendText(StringInfo buf, const UserKey *key)
{
	static const char hex[] = "0123456789abcdef";
	char		text[2 * USER_KEY_MAX_BYTES + 4];
	char	   *p = text;

	for (int i = 0; i < key->len; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[key->bytes[i] >> 4];
		*p++ = hex[key->bytes[i] & 0x0F];
	}
	appendBinaryStringInfo(buf, text, (int) (p - text));
}
