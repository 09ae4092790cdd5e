/*-------------------------------------------------------------------------
 *
 * clarify_cache.c
 *	  Where the library starts.  A call's way begins in context.c, a change's
 *	  in trigger.c, a schema change's in ddl.c.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "change.h"
#include "foreign_code.h"
#include "plan_for_all.h"
#include "settings.h"
#include "shared.h"

CLARIFY_MODULE_MAGIC;

extern CLARIFY_EXPORT void _PG_init(void);

void
_PG_init(void)
{
	SettingsInit();
	SharedInit();
	ChangeInit();
	ForeignCodeInit();
	PlanForAllInit();
}
