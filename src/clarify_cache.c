/*-------------------------------------------------------------------------
 *
 * clarify_cache.c
 *	  Where the library starts.  A call's way begins in call/context.c, a change's
 *	  in change/trigger.c, a schema change's in ddl/event_trigger.c.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/settings.h"
#include "ground/foreign_code.h"
#include "ground/plan_for_all.h"
#include "shared.h"
#include "xact.h"

CLARIFY_MODULE_MAGIC;

extern CLARIFY_EXPORT void _PG_init(void);

void
_PG_init(void)
{
	SettingsInit();
	SharedInit();
	XactInit();
	ForeignCodeInit();
	PlanForAllInit();
}
