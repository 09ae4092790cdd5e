/*-------------------------------------------------------------------------
 *
 * zone_files.h
 *	  The server's time zone files: what is in them, and are they those that the
 *	  server was started with?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SECTION_ZONE_FILES_H
#define CLARIFY_SECTION_ZONE_FILES_H

#include "base/compat.h"

/*
 * Why nobody can say what a zone means whose name comes from data: a sentence,
 * constant; or NULL.  The first call in a process reads all the files; if it
 * raises, for want of memory, the next one does.
 */
extern const char *ZoneFilesFault(void);

/* A digest of the files' content.  There is no fault. */
extern uint64 ZoneFilesDigest(void);

/*
 * Are the directories as they were when the files were read?  If not, there is
 * a fault from then on.  Unless it is to be known as of this moment, one look in
 * each statement will do: it is as of the statement's beginning then, as its
 * snapshot is.
 */
extern bool ZoneFilesAreUnchanged(bool at_this_moment);

#endif							/* CLARIFY_SECTION_ZONE_FILES_H */
