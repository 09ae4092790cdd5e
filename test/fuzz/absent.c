/*-------------------------------------------------------------------------
 *
 * absent.c
 *	  Functions of a server that fuzzed files mention, but that are not called.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#define ABSENT(name)        \
	extern void name(void); \
	void		name(void)  \
	{                       \
		abort();            \
	}

ABSENT(DirectFunctionCall1Coll)
ABSENT(PromptTextFromServer)
ABSENT(getIthJsonbValueFromContainer)
ABSENT(getKeyJsonValueFromContainer)
ABSENT(jsonb_in)
ABSENT(pg_detoast_datum)
