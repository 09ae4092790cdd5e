/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  What the harnesses here share.
 *
 * Each harness includes the file of src/ that it is about, static functions
 * and all, and is linked with the server's own libpgcommon and libpgport for
 * client programs; server.c has the few things that only a server has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_FUZZ_H
#define CLARIFY_FUZZ_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* Any failure, of these or of an Assert, ends the run with a report. */
#define CHECK(condition) \
	((condition)         \
		 ? (void) 0      \
		 : ExceptionalCondition(#condition, "CHECK", __FILE__, __LINE__))

/* What libFuzzer calls. */
extern int LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

/* The encoding of the database (UTF8), for harnesses to set. */
extern int fuzz_encoding;

/* Bytes of the input that decisions are made from; 0 once all are used. */
typedef struct Source
{
	const uint8 *p;
	const uint8 *end;
} Source;

static inline uint8
Next(Source *source)
{
	return source->p < source->end ? *source->p++ : 0;
}

static inline uint64
NextUint64(Source *source)
{
	uint64 value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | Next(source);
	return value;
}

/* A copy with nothing behind it, so that a read beyond the end is seen. */
static inline char *
ExactCopy(const void *bytes, Size len)
{
	char *copy = malloc(len);

	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

#endif /* CLARIFY_FUZZ_H */
