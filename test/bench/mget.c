/*
 * Time raw MGETs: mget SOCKET ROUNDS [PERIOD], with the keys of one command on
 * each line of standard input.  Prints the mean of a round trip in microseconds.
 *
 * Without a period, one command follows the other at once, and this process
 * sleeps until the reply is there.  With one, a command is sent every so many
 * microseconds, and this process is busy all the time, as a backend is: a Redis
 * that is asked less often sleeps in between, and takes longer to wake.
 *
 * What a Redis hit is measured against: the same keys, over a Unix socket or, if
 * SOCKET is a number, TCP to that port, with the same library, and nothing done
 * to the reply but looking that it is whole.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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
Ask(redisContext *context, Command *command, int poll)
{
	double		start = Now();
	double		end;
	int			written = 0;
	char		byte;
	redisReply *reply = NULL;

	redisAppendCommandArgv(context, command->argc, command->argv, NULL);
	while (!written && redisBufferWrite(context, &written) == REDIS_OK)
		;
	while (poll && recv(context->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
		   Now() - start < 1e6)
		;
	redisGetReply(context, (void **) &reply);

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
	double		period = argc >= 4 ? atof(argv[3]) : 0;
	redisContext *context = rounds > 0 ? Connect(argv[1]) : NULL;
	int			ncommands = ReadCommands();
	double		next;
	double		sum = 0;

	if (context == NULL || context->err != 0 || ncommands == 0 ||
		(argc >= 4 && period <= 0))
	{
		fprintf(stderr, "usage: mget SOCKET ROUNDS [PERIOD] <keys\n");
		return 1;
	}
	Ask(context, &commands[0], 0);
	next = Now();
	for (int round = 0; round < rounds; round++)
	{
		for (int i = 0; i < ncommands; i++)
		{
			while (period > 0 && Now() < next)
				;
			next = Now() + period;
			sum += Ask(context, &commands[i], period > 0);
		}
	}
	printf("%.2f\n", sum / ((double) rounds * ncommands));
	return 0;
}
