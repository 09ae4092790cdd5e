/*-------------------------------------------------------------------------
 *
 * call_log.c
 *	  The end of a call: it is counted, and a slow one logged.
 *
 * What is logged is for machines: key=value pairs, of which none can be there twice,
 * and nothing of users' data.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include "base/clock.h"
#include "base/settings.h"
#include "base/stats.h"
#include "call/call_log.h"
#include "lib/stringinfo.h"

static const char *const stage_names[STAGE_NUM] = {
	[STAGE_VERSIONS] = "versions",
	[STAGE_SECTIONS] = "sections",
	[STAGE_LOCAL] = "local",
	[STAGE_REDIS] = "redis",
	[STAGE_WAIT] = "wait",
	[STAGE_BUILD] = "build",
	[STAGE_FILL] = "fill",
	[STAGE_AUDIT] = "audit",
	[STAGE_ASSEMBLE] = "assemble",
};

static const char *const source_names[] = {
	[SOURCE_NONE] = "none",
	[SOURCE_LOCAL] = "local",
	[SOURCE_REDIS] = "redis",
	[SOURCE_BUILD] = "build",
};

/* How many answers of a section came from a source (bypasses excluded). */
static int
CountSource(const ContextCall *call, int section, AnswerSource source)
{
	int			n = 0;

	for (int u = 0; u < call->nusers; u++)
	{
		const Answer *answer = &call->users[u].answers[section];

		n += answer->source == source && answer->bypass == BYPASS_NONE;
	}
	return n;
}

/*
 * "section.dreams=local", or for several users "section.dreams=local:97,build:3";
 * no other key has a dot, so none is there twice, whatever sections are called.
 */
static void
AppendSources(StringInfo line, const ContextCall *call, int section)
{
	const char *separator = "=";
	int			bypasses = call->nusers;

	appendStringInfo(line, " section.%s", call->sections[section].section->name);
	if (call->nusers == 0)
		appendStringInfoString(line, "=none");
	for (int source = SOURCE_LOCAL; source <= SOURCE_BUILD; source++)
	{
		int			n = CountSource(call, section, source);

		bypasses -= n;
		if (n == 0)
			continue;
		appendStringInfo(line, "%s%s", separator, source_names[source]);
		if (call->nusers > 1)
			appendStringInfo(line, ":%d", n);
		separator = ",";
	}
	if (bypasses == 0)
		return;
	appendStringInfo(line, "%sbypass", separator);
	if (call->nusers > 1)
		appendStringInfo(line, ":%d", bypasses);
	else
		appendStringInfo(line, "/%s",
						 BypassReasonName(call->users[0].answers[section].bypass));
}

static Size
PayloadBytes(const ContextCall *call)
{
	Size		bytes = 0;

	for (int u = 0; u < call->nusers; u++)
	{
		for (int s = 0; s < call->nsections; s++)
			bytes += call->users[u].answers[s].item.payload_len;
	}
	return bytes;
}

/* key=value, for machines; a user is named by a hash, not by the id. */
static void
LogCall(const ContextCall *call, int64 ns)
{
	StringInfoData line;

	initStringInfo(&line);
	if (call->nusers == 1)
		appendStringInfo(&line, "user=%016" INT64_MODIFIER "x", call->users[0].user.hash);
	else
		appendStringInfo(&line, "users=%d", call->nusers);
	appendStringInfo(&line, " total_us=" INT64_FORMAT, ns / 1000);
	for (int i = 0; i < STAGE_NUM; i++)
		appendStringInfo(&line, " %s_us=" INT64_FORMAT, stage_names[i],
						 call->time.stages[i] / 1000);
	appendStringInfo(&line, " bytes=%zu", PayloadBytes(call));
	for (int s = 0; s < call->nsections; s++)
		AppendSources(&line, call, s);

	ereport(LOG,
			(errmsg("clarify_cache: %s", line.data),
			 errhidestmt(true), errhidecontext(true)));
	pfree(line.data);
}

void
CallTimeEnd(const ContextCall *call)
{
	int64		ns = MonotonicNanos() - call->time.start;

	StatsCountCall(ns);
	if (setting_log_min_duration >= 0 && call->time.by_stage &&
		ns >= setting_log_min_duration * INT64CONST(1000000))
		LogCall(call, ns);
}
