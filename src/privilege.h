/*-------------------------------------------------------------------------
 *
 * privilege.h
 *	  May this caller have a section from the cache?
 *
 * A build is checked by the executor.  A hit has to ask for the same, since
 * nothing is executed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_PRIVILEGE_H
#define CLARIFY_PRIVILEGE_H

#include "compat.h"

struct Section;

/*
 * The nodes by which the executor checks table and column privileges, of all
 * levels of an analyzed query.  They point into the query.
 */
extern List *CollectPermissions(Query *query);

/*
 * May the caller have the section from the cache: does row-level security not
 * apply to any of its tables, and has the caller every privilege that executing
 * it would ask for, on tables, columns, functions, schemas?  Raises nothing.
 * The section is analyzed, its tables are locked and invalidations are
 * accepted.
 *
 * CALLER_IS_RESTRICTED is for row-level security, whatever the privileges.
 */
typedef enum CallerStanding
{
	CALLER_MAY_READ,
	CALLER_LACKS_PRIVILEGE,
	CALLER_IS_RESTRICTED
} CallerStanding;

extern CallerStanding CallerStandingOn(struct Section *section);

/*
 * Changes whenever roles, memberships or functions may have changed: the caller
 * asks before and after, having accepted invalidations.
 */
extern uint64 PrivilegeChanges(void);

/*
 * The same, but as far as it is known without asking: true if the caller may
 * read, false if it has to be asked.
 */
extern bool CallerIsKnownReader(const struct Section *section);

/* Does row-level security apply to the caller on one of these tables (Oids)? */
extern bool RowSecurityApplies(const List *relations);

/*
 * Raise what a plain query would if the caller may not use one of the schemas
 * (Oids) that it names; a prepared plan is past that check.
 */
extern void RequireSchemaUsage(const List *namespaces);

#endif							/* CLARIFY_PRIVILEGE_H */
