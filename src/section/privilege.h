/*-------------------------------------------------------------------------
 *
 * privilege.h
 *	  Which privileges does a section ask for, and when may they have changed?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SECTION_PRIVILEGE_H
#define CLARIFY_SECTION_PRIVILEGE_H

#include "base/compat.h"

#include "nodes/pg_list.h"

/*
 * The nodes by which the executor checks table and column privileges, of all
 * levels of an analyzed query.  They point into the query.
 */
extern List *CollectPermissions(Query *query);

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

#endif							/* CLARIFY_SECTION_PRIVILEGE_H */
