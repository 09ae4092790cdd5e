/*-------------------------------------------------------------------------
 *
 * query.c
 *	  From the text of a section to a query that the server has analyzed.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "parser/analyze.h"
#include "section/query.h"
#include "tcop/tcopprot.h"

static RawStmt *
ParseOne(const char *sql)
{
	List	   *raw = pg_parse_query(sql);

	if (list_length(raw) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("a section's query must be one SELECT"),
				 errdetail("There are %d statements in it.", list_length(raw)),
				 errhint("Define a section for each SELECT.")));
	return linitial(raw);
}

Query *
SectionAnalyzeText(const char *sql)
{
	Oid			param_types[1] = {UUIDOID};

	return parse_analyze_fixedparams(ParseOne(sql), sql, param_types, 1, NULL);
}

char *
SectionBuildQuery(const char *query)
{
	return psprintf("SELECT row_to_json(s.*) FROM (%s) s", query);
}

char *
SectionRowsQuery(const char *query)
{
	return psprintf("SELECT s.* FROM (%s) s", query);
}

Query *
SectionAuthorsQuery(const char *query, Query *built)
{
	(void) ParseOne(query);
	return linitial_node(RangeTblEntry, built->rtable)->subquery;
}
