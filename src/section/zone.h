/*-------------------------------------------------------------------------
 *
 * zone.h
 *	  What a time zone means to this process, as a digest.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_ZONE_H
#define CLARIFY_ZONE_H

#include "base/compat.h"

/*
 * A digest of what "AT TIME ZONE name" does in this process, from now until it
 * ends; loads the zone if need be.  A name that means nothing has a digest, too.
 *
 * *complete is set to false if the zone has leap seconds: the digest leaves
 * them out.
 */
extern uint64 ZoneDigest(const char *name, bool *complete);

#endif							/* CLARIFY_ZONE_H */
