/*-------------------------------------------------------------------------
 *
 * user_key.h
 *	  The id of a user, whatever its SQL type: its bytes, hash and text.
 *
 * Only this module knows which SQL types a user id may have.  A type
 * qualifies if equal values have equal bytes, since the hash, the Redis key
 * and the MAC are all made of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_USER_KEY_H
#define CLARIFY_USER_KEY_H

#include "base/compat.h"

#include "lib/stringinfo.h"

#define USER_KEY_MAX_BYTES 16

/* The key_hash of rows that concern every user; no user's hash equals it. */
#define USER_KEY_HASH_TABLE INT64CONST(0)

typedef struct UserKey
{
	int64		hash;			/* as stored in clarify_cache.version */
	uint8		len;			/* bytes in use */
	uint8		bytes[USER_KEY_MAX_BYTES];
} UserKey;

/* May a column of this type be the key of an attached table? */
extern bool UserKeyTypeSupported(Oid type);

/* Set *key from a non-null Datum of a supported type.  Copies; never raises. */
extern void UserKeyFromDatum(UserKey *key, Oid type, Datum value);

/* Are two ids of this type the same user's? */
extern bool UserKeyDatumsEqual(Oid type, Datum a, Datum b);

/* The key as a Datum, a uuid; it points into *key. */
extern Datum UserKeyDatum(const UserKey *key);

/* Append the key's canonical text (for uuid: 36 lower-case characters). */
extern void UserKeyAppendText(StringInfo buf, const UserKey *key);

#endif							/* CLARIFY_USER_KEY_H */
