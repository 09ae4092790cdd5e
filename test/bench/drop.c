/*
 * Take the files of a folder out of the page cache, again and again: drop FOLDER
 * MS.
 *
 * So a server whose files these are has no memory for pages but its own, as if
 * the machine had no more.  What is dirty can't be taken out, so it is written
 * first.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_FILES	10000

int
main(int argc, char **argv)
{
	int			ms = argc == 3 ? atoi(argv[2]) : 0;
	DIR		   *folder = ms > 0 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	static int	fds[MAX_FILES];
	int			n = 0;

	if (folder == NULL)
	{
		fprintf(stderr, "usage: drop FOLDER MS\n");
		return 1;
	}
	while ((entry = readdir(folder)) != NULL && n < MAX_FILES)
	{
		fds[n] = openat(dirfd(folder), entry->d_name, O_RDONLY);
		if (fds[n] < 0)
		{
			perror(entry->d_name);
			return 1;
		}
		if (entry->d_type == DT_REG && fdatasync(fds[n]) == 0)
			n++;
	}
	for (;;)
	{
		for (int i = 0; i < n; i++)
			posix_fadvise(fds[i], 0, 0, POSIX_FADV_DONTNEED);
		usleep(ms * 1000);
	}
}
