/*-------------------------------------------------------------------------
 *
 * planned_code.h
 *	  Which functions of others does the server evaluate or inline when a query on a
 *	  table is planned?
 *
 * Asked of the catalogs, as of now; locks nothing and runs nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLARIFY_PLANNED_CODE_H
#define CLARIFY_PLANNED_CODE_H

#include "base/compat.h"

#include "nodes/parsenodes.h"

/* Are there any in the predicate or the expressions of this index? */
extern bool PlannedCodeInIndex(Oid index);

/* Of a relation, the Oids of the indexes of which that is true. */
extern List *PlannedCodeIndexes(Oid relid);

/* Are there any in the key that a table is partitioned by, or in its extended statistics? */
extern bool PlannedCodeInPartitionKey(Oid relid);
extern bool PlannedCodeInStatistics(Oid relid);

/*
 * Is there any code of others in a query that has been rewritten, or in what planning it
 * runs: policies, functions, domains, what the tables and their partitions have?
 */
extern bool PlannedCodeInQuery(Query *query);

#endif							/* CLARIFY_PLANNED_CODE_H */
