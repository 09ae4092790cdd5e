/*-------------------------------------------------------------------------
 *
 * search.c
 *	  Every state that a scenario can come to, breadth first, so that the first
 *	  fault found is one of the nearest.
 *
 * States are kept and compared whole; none is left out by chance.  Two that
 * differ only in which of two like readers is which are one.
 *
 *	  model				all scenarios, nothing mutated
 *	  model NAME		with that mutation, until it is caught
 *	  model NAME exact	the same, but only the invariant EXACT is asked for
 *	  model -l			the names of the mutations; those not to be caught have a "-"
 *
 * MODEL_SIZES=1 in the environment prints how many states each scenario has.
 *
 * Exit code 0: nothing found; 1: a fault; 2: trouble with the model itself.
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

Mutation	mutation = NOT_MUTATED;

static const char *const mutation_names[] = {
#define MUTATION(id, name, what) name,
#include "mutations.h"
#undef MUTATION
};
static const char *const mutation_texts[] = {
#define MUTATION(id, name, what) what,
#include "mutations.h"
#undef MUTATION
};

/* ---------------------------------------------------------------- telling */

bool		telling = false;
char		told[2000];

void
Tell(const char *format,...)
{
	size_t		len = strlen(told);
	va_list		args;

	if (!telling)
		return;
	va_start(args, format);
	vsnprintf(told + len, sizeof(told) - len, format, args);
	va_end(args);
}

/* A few texts may be used at once. */
static char *
NextText(void)
{
	static char texts[8][200];
	static int	n = 0;

	n = (n + 1) % 8;
	texts[n][0] = '\0';
	return texts[n];
}

/* A set, as {1,2,...}, or by names. */
static char *
SetText(unsigned int set, const char *const *names, int nnames, const char *rest)
{
	char	   *text = NextText();

	strcpy(text, "{");
	for (int i = 0; i < 16; i++)
	{
		char		name[20];

		if (!(set & BIT(i)))
			continue;
		if (i < nnames)
			snprintf(name, sizeof(name), "%s", names[i]);
		else
			snprintf(name, sizeof(name), "%s%d", rest, i - nnames + 1);
		if (text[1] != '\0')
			strcat(text, ",");
		strcat(text, name);
	}
	strcat(text, "}");
	return text;
}

const char *
ContentText(Content content)
{
	static const char *const names[] = {"A", "B"};

	return SetText(content, names, 2, "w");
}

const char *
VersionText(Version version)
{
	return SetText(version, NULL, 0, "t");
}

const char *
XidsText(XidSet xids)
{
	static const char *const names[] = {"T1", "T1'", "T2", "T2'", "T3", "T3'"};

	return SetText(xids, names, 6, "");
}

const char *
RelName(int rel)
{
	static const char *const names[] = {"the root", "A", "B"};

	return names[rel];
}

/* ---------------------------------------------------------------- states */

#define MAXSTATES 3000000
#define MAXPLACES (1 << 23)

typedef struct Node
{
	State		state;
	uint32_t	parent;
} Node;

typedef struct Place
{
	uint32_t	node;			/* number of the node, from 1 */
	uint32_t	hash;			/* the rest of its hash, to pass by others quickly */
} Place;

static Node *nodes;
static uint32_t nnodes;
static Place *table;
static uint32_t nplaces;		/* a power of two, more than twice nnodes */

static uint64_t
Hash(const State *state)
{
	const u8   *p = (const u8 *) state;
	uint64_t	hash = 0x9E3779B97F4A7C15;
	size_t		left = sizeof(State);

	while (left > 0)
	{
		uint64_t	word = 0;
		size_t		n = left < 8 ? left : 8;

		memcpy(&word, p, n);
		hash = (hash ^ word) * 0xFF51AFD7ED558CCD;
		hash ^= hash >> 32;
		p += n;
		left -= n;
	}
	return hash;
}

static void
Rehash(uint32_t n)
{
	nplaces = n;
	memset(table, 0, nplaces * sizeof(Place));
	for (uint32_t node = 0; node < nnodes; node++)
	{
		uint64_t	hash = Hash(&nodes[node].state);
		uint32_t	place = (uint32_t) hash & (nplaces - 1);

		while (table[place].node != 0)
			place = (place + 1) & (nplaces - 1);
		table[place].node = node + 1;
		table[place].hash = (uint32_t) (hash >> 32);
	}
}

/* Put like readers into one order. */
static void
Normalize(State *state)
{
	Proc	   *first = &state->proc[NTRANSACTIONS];
	Proc	   *second = &state->proc[NTRANSACTIONS + 1];
	Proc		swap;

	if (scenario->script[NTRANSACTIONS] != scenario->script[NTRANSACTIONS + 1] ||
		memcmp(first, second, sizeof(Proc)) <= 0)
		return;
	memcpy(&swap, first, sizeof(Proc));
	memcpy(first, second, sizeof(Proc));
	memcpy(second, &swap, sizeof(Proc));
	for (int p = 0; p < NPROCS; p++)
	{
		u8			waits_for = state->proc[p].waits_for;
		u8			both = BIT(NTRANSACTIONS) | BIT(NTRANSACTIONS + 1);

		if ((waits_for & both) != 0 && (waits_for & both) != both)
			state->proc[p].waits_for = waits_for ^ both;
	}
}

/* The node of a state, a new one if there is none; it is set to *is_new. */
static uint32_t
AddNode(const State *state, uint32_t parent, bool *is_new)
{
	uint64_t	hash = Hash(state);
	uint32_t	place = (uint32_t) hash & (nplaces - 1);

	for (; table[place].node != 0; place = (place + 1) & (nplaces - 1))
	{
		uint32_t	node = table[place].node - 1;

		if (table[place].hash == (uint32_t) (hash >> 32) &&
			memcmp(&nodes[node].state, state, sizeof(State)) == 0)
		{
			*is_new = false;
			return node;
		}
	}
	if (nnodes == MAXSTATES)
	{
		fprintf(stderr, "more than %d states\n", MAXSTATES);
		exit(2);
	}
	memcpy(&nodes[nnodes].state, state, sizeof(State));
	nodes[nnodes].parent = parent;
	table[place].node = ++nnodes;
	table[place].hash = (uint32_t) (hash >> 32);
	if (nnodes > nplaces / 2)
		Rehash(nplaces * 2);
	*is_new = true;
	return nnodes - 1;
}

/* ---------------------------------------------------------------- the way to a fault */

static void
TellStep(int n, int p)
{
	printf("%4d  %-3s %s\n", n,
		   (const char *const[]) {"T1", "T2", "T3", "R1", "R2"}[p], told);
}

/*
 * From `state`, not normalized, do the step that leads to the normalized
 * `wanted`, or if that is NULL to a fault.
 */
static bool
Retrace(State *state, const State *wanted, int n)
{
	for (int p = 0; p < NPROCS; p++)
	{
		int			nchoices = 1;

		for (int choice = 0; choice < nchoices; choice++)
		{
			State		next;
			State		normal;

			memcpy(&next, state, sizeof(State));
			told[0] = violation[0] = '\0';
			if (!Step(&next, p, choice, &nchoices))
				continue;
			memcpy(&normal, &next, sizeof(State));
			Normalize(&normal);
			if (wanted == NULL ? violation[0] == '\0' : memcmp(&normal, wanted, sizeof(State)) != 0)
				continue;
			TellStep(n, p);
			memcpy(state, &next, sizeof(State));
			return true;
		}
	}
	return false;
}

static void
TellScenario(void)
{
	for (int p = 0; p < NPROCS; p++)
		printf("      %s: %s\n", (const char *const[]) {"T1", "T2", "T3", "R1", "R2"}[p],
			   scenario->script[p]->name);
	printf("      at first: %s%s\n",
		   scenario->b_apart ? "B is no partition" :
		   scenario->a_disabled ? "A's triggers are disabled, and there is a hole" :
		   scenario->uncovered ? "the table is not attached" : "all is well",
		   scenario->cold ? "; relation caches are empty" : "");
}

static void
TellFault(uint32_t last)
{
	static uint32_t way[1000];
	int			len = 0;
	State		state;

	for (uint32_t node = last; node != 0; node = nodes[node].parent)
		way[len++] = node;
	TellScenario();
	telling = true;
	WorldBegin(scenario, &state);
	for (int i = len - 1; i >= 0; i--)
		(void) Retrace(&state, &nodes[way[i]].state, len - i);
	(void) Retrace(&state, NULL, len + 1);
	printf("      %s\n", violation);
	telling = false;
}

/* ---------------------------------------------------------------- the search */

static uint64_t all_states = 0;
static uint64_t all_steps = 0;
static uint32_t most_states = 0;
static int	nscenarios = 0;
static bool found = false;

/*
 * Can an invariant be broken from here on?  That takes an entry and somebody
 * who looks or fills, or two who fill.
 */
static bool
CanFail(const State *s)
{
	int			nreads = 0;

	for (int p = 0; p < NPROCS; p++)
	{
		const Op   *ops = scenario->script[p]->ops;

		if (s->proc[p].flags & DONE)
			continue;
		for (int n = s->proc[p].op; ops[n].kind != OP_END; n++)
			nreads += ops[n].kind == OP_READ;
	}
	return nreads >= 2 || (nreads == 1 && s->cache[0].used);
}

/* Do all steps from a node.  False if one breaks an invariant. */
static bool
Expand(uint32_t node)
{
	for (int p = 0; p < NPROCS; p++)
	{
		int			nchoices = 1;

		for (int choice = 0; choice < nchoices; choice++)
		{
			State		next;
			bool		is_new;

			memcpy(&next, &nodes[node].state, sizeof(State));
			if (!Step(&next, p, choice, &nchoices))
				continue;
			if (violation[0] != '\0')
				return false;
			all_steps++;
			if (!CanFail(&next))
				continue;
			Normalize(&next);
			(void) AddNode(&next, node, &is_new);
		}
	}
	return true;
}

static bool
Search(const Scenario *which)
{
	State		first;
	bool		is_new;
	uint32_t	node;

	nnodes = 0;
	Rehash(1 << 12);
	violation[0] = '\0';
	WorldBegin(which, &first);
	(void) AddNode(&first, 0, &is_new);
	for (node = 0; node < nnodes; node++)
	{
		if (!Expand(node))
		{
			found = true;
			break;
		}
	}
	nscenarios++;
	all_states += nnodes;
	if (nnodes > most_states)
		most_states = nnodes;
	if (getenv("MODEL_SIZES") != NULL)
		printf("%8u  %s | %s | %s | %s\n", nnodes, which->script[0]->name, which->script[1]->name,
			   which->script[2]->name, which->script[3]->name);
	if (found)
		TellFault(node);
	return !found;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "-l") == 0)
	{
		for (int i = 1; i < NMUTATIONS; i++)
			printf("%s%s\n", i >= FIRST_HARMLESS ? "-" : "", mutation_names[i]);
		return 0;
	}
	if (argc >= 2)
	{
		while (mutation < NMUTATIONS && strcmp(argv[1], mutation_names[mutation]) != 0)
			mutation++;
		if (mutation == NMUTATIONS)
		{
			fprintf(stderr, "no mutation \"%s\"; -l lists them\n", argv[1]);
			return 2;
		}
		printf("%s: %s\n", argv[1], mutation_texts[mutation]);
		ask_for_one = !(argc == 3 && strcmp(argv[2], "exact") == 0);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	nodes = malloc(MAXSTATES * sizeof(Node));
	table = malloc(MAXPLACES * sizeof(Place));
	if (nodes == NULL || table == NULL)
	{
		fprintf(stderr, "out of memory\n");
		return 2;
	}

	ForEachScenario(Search);
	printf("%s: %d scenarios, %llu states, %llu steps, at most %u states in one\n",
		   found ? "found" : "nothing found", nscenarios, (unsigned long long) all_states,
		   (unsigned long long) all_steps, most_states);
	return found ? 1 : 0;
}
