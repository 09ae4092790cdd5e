/*-------------------------------------------------------------------------
 *
 * expr.h
 *	  What an expression in a section may be.
 *
 * The SectionCheck functions return true to stop the walk: a fault was found
 * and left in the context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_SECTION_EXPR_H
#define CLARIFY_SECTION_EXPR_H

#include "base/compat.h"

#include "section/rule.h"

/* Where the walk is. */
typedef struct SectionContext
{
	AttachedLookup lookup;
	void	   *arg;
	List	   *levels;			/* the queries we are in, innermost first */
	SectionFault *fault;		/* set when the walk stops */
} SectionContext;

/*
 * Leave a fault in the context; returns true.  The message is palloc'd, the
 * hint a constant, a palloc'd string or NULL.
 */
extern bool SectionRefuse(SectionContext *context, int sqlstate, char *message,
						  const char *hint);

/* A table's name with its schema, quoted where needed; palloc'd. */
extern char *SectionRelationName(Oid relid);

/*
 * Is this an expression that the checks know?  An allow-list, so that what a
 * newer server brings is refused until somebody has looked at it.
 */
extern bool SectionExprIsKnown(Node *node);

/* Check one expression, without the expressions that it is made of. */
extern bool SectionCheckExpr(Node *node, SectionContext *context);

/* Check what else a query calls or says.  The first is a check_function_callback. */
extern bool SectionCheckFunction(Oid funcid, void *context);
extern bool SectionCheckOperator(Oid opno, SectionContext *context);
extern bool SectionCheckType(Oid type, SectionContext *context);
extern bool SectionCheckCollation(Oid collation, SectionContext *context);
extern bool SectionCheckCollations(List *collations, SectionContext *context);

#endif							/* CLARIFY_SECTION_EXPR_H */
