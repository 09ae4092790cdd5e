/*
 * Time raw MGETs: mget SOCKET ROUNDS, with the keys of one command on each
 * line of standard input.  Prints the mean of a round trip in microseconds.
 *
 * What a Redis hit is measured against: the same keys, over a Unix socket or, if
 * SOCKET is a number, TCP to that port, with the same library, and nothing done
 * to the reply but looking that it is whole.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hiredis/hiredis.h>

#define MAX_COMMANDS	10000
#define MAX_KEYS		64

typedef struct Command
{
	int			argc;
	const char *argv[MAX_KEYS + 1];
} Command;

static Command commands[MAX_COMMANDS];

static int
ReadCommands(void)
{
	char	   *line = NULL;
	size_t		size = 0;
	int			n = 0;

	while (n < MAX_COMMANDS && getline(&line, &size, stdin) > 0)
	{
		Command    *command = &commands[n++];
		char	   *word = strtok(line, " \n");

		command->argv[command->argc++] = "MGET";
		for (; word != NULL && command->argc <= MAX_KEYS; word = strtok(NULL, " \n"))
			command->argv[command->argc++] = word;
		line = NULL;			/* the words point into it */
		size = 0;
	}
	return n;
}

static void
Ask(redisContext *context, Command *command)
{
	redisReply *reply = redisCommandArgv(context, command->argc, command->argv, NULL);

	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY ||
		reply->elements != (size_t) command->argc - 1)
	{
		fprintf(stderr, "MGET failed: %s\n", context->errstr);
		exit(1);
	}
	for (size_t i = 0; i < reply->elements; i++)
	{
		if (reply->element[i]->type != REDIS_REPLY_STRING)
		{
			fprintf(stderr, "no entry under %s\n", command->argv[i + 1]);
			exit(1);
		}
	}
	freeReplyObject(reply);
}

static redisContext *
Connect(const char *address)
{
	int			port = atoi(address);

	return port > 0 ? redisConnect("127.0.0.1", port) : redisConnectUnix(address);
}

int
main(int argc, char **argv)
{
	int			rounds = argc == 3 ? atoi(argv[2]) : 0;
	redisContext *context = rounds > 0 ? Connect(argv[1]) : NULL;
	int			ncommands = ReadCommands();
	struct timespec start;
	struct timespec end;

	if (context == NULL || context->err != 0 || ncommands == 0)
	{
		fprintf(stderr, "usage: mget SOCKET ROUNDS <keys\n");
		return 1;
	}
	Ask(context, &commands[0]);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int round = 0; round < rounds; round++)
	{
		for (int i = 0; i < ncommands; i++)
			Ask(context, &commands[i]);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.2f\n", ((end.tv_sec - start.tv_sec) * 1e6 + (end.tv_nsec - start.tv_nsec) / 1e3) /
		   ((double) rounds * ncommands));
	return 0;
}
