/*-------------------------------------------------------------------------
 *
 * entry.h
 *	  The form of a cache entry in Redis: key, header line, payload.
 *
 * Key:    <prefix>:<instance>:{<user id>}:<section>
 * Value:  one text line, then the JSON payload:
 *
 *	  clarify1 v=<version> f=<fingerprint> b=<built> e=<expires> m=<mac>\n
 *
 * version and fingerprint are 16 lower-case hexadecimal digits, built and
 * expires microseconds since 1970 in decimal, mac 64 hexadecimal digits of
 * HMAC-SHA256 (RFC 2104) under the instance's secret over the length of the
 * key (8 bytes, big-endian), the key, the line up to and with the blank before
 * "m=", and the payload.
 * The key in the MAC is what makes an entry under another key worthless.  The
 * length and that last blank fix where key, line and payload end, so that no
 * byte can be moved from one to the next under the same MAC.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_REDIS_ENTRY_H
#define CLARIFY_REDIS_ENTRY_H

#include "base/compat.h"

#include "base/user_key.h"
#include "lib/stringinfo.h"
#include "meta/instance.h"
#include "tier/tier.h"

/* No header line is longer, with its newline; EntryMakeLine's buffer. */
#define ENTRY_LINE_MAX 192

struct pg_hmac_ctx;
typedef struct pg_hmac_ctx EntryHasher;

/*
 * What MACs are computed with, for any number of entries one after the other,
 * until EntryEnd or the end of the transaction.  NULL if the server's HMAC does
 * not work, which the functions below take for what it is.
 */
extern EntryHasher *EntryBegin(void);
extern void EntryEnd(EntryHasher *hasher);

/* Append the Redis key of (instance, user, section) to buf. */
extern void EntryAppendKey(StringInfo buf, const Instance *instance,
						   const UserKey *user, const char *section);

/*
 * Make the header line of a value, so that line and payload together are the
 * value.  Returns its length, or 0 if the server's HMAC does not work: then
 * there is nothing to store.  May raise only out-of-memory.
 */
extern Size EntryMakeLine(char *line, EntryHasher *hasher, const Instance *instance,
						  const char *key, Size key_len,
						  const EntryHeader *header,
						  const char *payload, Size payload_len);

/*
 * Judge a value found under a key.  `want` says which version and fingerprint
 * are current, ttl_us and `now` of what times an entry may be.  On ENTRY_OK, *header is the entry's and
 * *payload points into value.  The MAC is compared in constant time.  Whatever
 * bytes are given, it raises nothing but out-of-memory.
 */
extern EntryVerdict EntryParse(EntryHasher *hasher, const Instance *instance,
							   const char *key, Size key_len,
							   const char *value, Size value_len,
							   const EntryHeader *want, int64 ttl_us, TimestampTz now,
							   EntryHeader *header,
							   const char **payload, Size *payload_len);

#endif							/* CLARIFY_REDIS_ENTRY_H */
