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

#include "base/compat.h"

#include "base/bypass.h"

struct Section;

/*
 * The nodes by which the executor checks table and column privileges, of all
 * levels of an analyzed query.  They point into the query.
 */
extern List *CollectPermissions(Query *query);

/*
 * Why may the caller not have the section from the cache?  BYPASS_ROW_SECURITY if
 * row-level security applies to one of its tables, whatever the privileges;
 * BYPASS_PRIVILEGE if the caller lacks one that executing it would ask for, on tables,
 * columns, functions, schemas; BYPASS_NONE if it may.  Raises nothing.  The section
 * is analyzed, its tables are locked and invalidations are accepted.
 */
extern BypassReason BypassReasonOfCaller(struct Section *section);

/*
 * Changes whenever roles, memberships or functions may have changed: the caller
 * asks before and after, having accepted invalidations.
 */
extern uint64 PrivilegeChanges(void);

/* Does row-level security apply to the caller on one of these tables (Oids)? */
extern bool RowSecurityApplies(const List *relations);

/*
 * Raise what a plain query would if the caller may not use one of the schemas
 * (Oids) that it names; a prepared plan is past that check.
 */
extern void RequireSchemaUsage(const List *namespaces);

#endif							/* CLARIFY_PRIVILEGE_H */
