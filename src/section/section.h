/*-------------------------------------------------------------------------
 *
 * section.h
 *	  The sections as this backend knows them: definition, analysis, plan.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SECTION_H
#define CLARIFY_SECTION_H

#include "base/compat.h"

#include "base/user_key.h"
#include "executor/spi.h"
#include "version/rows.h"

typedef struct Section
{
	MemoryContext context;		/* everything below but the plan lives here */

	/* the definition */
	char	   *name;
	int			ordinal;
	char	   *query;			/* qualified, with $1 */
	int64		ttl_us;
	bool		single_row;
	int			max_items;		/* -1: no limit */
	int			stats_slot;
	bool		not_kept;		/* no tier took what was last built */

	/* what the catalogs say about it; stale unless `analyzed` */
	bool		analyzed;
	MemoryContext analysis;		/* child of context, reset for each analysis */
	uint64		coverage;		/* XOR of the coverage tokens it was made under */
	uint64		doubts;			/* invalidations of partitions it reads, */
	uint64		doubts_settled; /* and up to which one they were looked at again */
	Oid			unwitnessed;	/* a table that may have changed unseen (meta/witness.h),
								 * or InvalidOid; */
	bool		witnessed_once; /* for the present snapshot only */
	TransactionId storage_xid;	/* of all that it reads; see meta/storage.h */
	List	   *foreign_indexes;	/* of these, those with functions of others, */
	Oid			foreign_table;	/* and one that has any where no plan can do
								 * without, or InvalidOid (meta/planned_code.h) */
	char	   *fault;			/* why it can't be cached, or NULL */
	uint64		fingerprint;
	bool		reads_time;		/* at another time the same rows may give another
								 * text */
	bool		zone_files;		/* what it reads outside may change; see outside.h */
	List	   *relations;		/* Oids of the tables it reads */
	List	   *functions;		/* Oids that the executor checks EXECUTE on */
	List	   *namespaces;		/* Oids of the tables' schemas */
	List	   *permissions;	/* see privilege.h */
	Oid			readable_by;	/* a role that may (call/caller.c), or InvalidOid; */
	uint64		readable_at;	/* as of then */

	bool		quiet;			/* when last built under this analysis, nobody else's
								 * code had an opportunity, nor indexes any of it; */
	bool		noisy;			/* or it had, and when built at once again */
	SPIPlanPtr	plan;			/* or NULL; see SectionPlan */
	uint64		plan_made_at;
	TransactionId plan_xmin;	/* newest TransactionXmin that it was used under */
} Section;

/*
 * The sections, in their order, as the snapshot sees them.  `rows` are the
 * table-level version rows under the snapshot, which tell whether what is
 * remembered still holds; NULL to read the definitions in any case.
 *
 * Reading them waits for whoever has locked clarify_cache.section.  Raises if
 * the extension is not there.
 *
 * The list and the Sections stay valid until SectionsRelease, which ends the
 * call that was begun last; calls nest, since a row-level security policy may call
 * back.
 */
extern List *SectionsAcquire(Snapshot snapshot, const VersionRows *rows);
extern void SectionsRelease(void);

/*
 * At the end of a transaction: whatever was acquired is released.  When a
 * subtransaction of that nest level fails: whatever was acquired in it, or below.
 * Never raise.
 */
extern void SectionsAtEndOfXact(void);
extern void SectionsAtSubAbort(int nest_level);

/* When an entry of the section that is built then expires, spread by the jitter. */
extern TimestampTz SectionExpiry(const Section *section, TimestampTz built_at);

/*
 * The section's plan, if it has one that is good for this moment; accepts
 * invalidations.  A plan must be a kept one; the section owns it from SetPlan
 * on, and frees it when nobody can be using it.  DropPlan ends it; Forget ends the
 * analysis, too.
 */
extern SPIPlanPtr SectionPlan(Section *section);
extern void SectionSetPlan(Section *section, SPIPlanPtr plan);
extern void SectionDropPlan(Section *section);
extern void SectionForget(Section *section);

/*
 * How many invalidations have reached this backend that may concern sections: an
 * analysis is of now if there were none while it was made.
 */
extern uint64 SectionInvalidations(void);

#endif							/* CLARIFY_SECTION_H */
