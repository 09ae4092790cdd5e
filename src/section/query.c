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

Query *
SectionAnalyzeText(const char *sql)
{
	List	   *raw = pg_parse_query(sql);
	Oid			param_types[1] = {UUIDOID};

	if (list_length(raw) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("a section's query must be one SELECT"),
				 errdetail("There are %d statements in it.", list_length(raw)),
				 errhint("Define a section for each SELECT.")));
	return parse_analyze_fixedparams(linitial(raw), sql, param_types, 1, NULL);
}

char *
SectionBuildQuery(const char *query)
{
	return psprintf("SELECT row_to_json(s.*) FROM (%s) s", query);
}
