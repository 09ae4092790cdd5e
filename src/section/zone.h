/*-------------------------------------------------------------------------
 *
 * zone.h
 *	  What a time zone means to this process, as a digest.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SECTION_ZONE_H
#define CLARIFY_SECTION_ZONE_H

#include "base/compat.h"

/*
 * A digest of what "AT TIME ZONE name" does in this process, from now until it
 * ends; loads the zone if need be.
 *
 * *complete is set to false if that is not all: for an abbreviation and a name
 * that means nothing, as they may come to mean something else, and for a zone with
 * leap seconds, which the digest leaves out.  Then the zone files are to be asked,
 * too (zone_files.h).
 */
extern uint64 ZoneDigest(const char *name, bool *complete);

#endif							/* CLARIFY_SECTION_ZONE_H */
