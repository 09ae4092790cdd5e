/*
 * Time raw MGETs: mget SOCKET ROUNDS [PAUSE], with the keys of one command on
 * each line of standard input.  Prints the mean of a round trip in microseconds.
 *
 * With a pause, so many microseconds pass between a reply and the next command,
 * in which this process is busy: a Redis that is asked less often sleeps longer
 * in between, and takes longer to wake.
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

static double
Now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

/* In microseconds. */
static double
Ask(redisContext *context, Command *command)
{
	double		start = Now();
	double		end;
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
	end = Now();
	return end - start;
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
	int			rounds = argc >= 3 ? atoi(argv[2]) : 0;
	double		pause = argc >= 4 ? atof(argv[3]) : 0;
	redisContext *context = rounds > 0 ? Connect(argv[1]) : NULL;
	int			ncommands = ReadCommands();
	double		sum = 0;

	if (context == NULL || context->err != 0 || ncommands == 0)
	{
		fprintf(stderr, "usage: mget SOCKET ROUNDS [PAUSE] <keys\n");
		return 1;
	}
	Ask(context, &commands[0]);
	for (int round = 0; round < rounds; round++)
	{
		for (int i = 0; i < ncommands; i++)
		{
			double		next = Now() + pause;

			while (pause > 0 && Now() < next)
				;
			sum += Ask(context, &commands[i]);
		}
	}
	printf("%.2f\n", sum / ((double) rounds * ncommands));
	return 0;
}
