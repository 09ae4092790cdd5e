/*-------------------------------------------------------------------------
 *
 * zone_files.c
 *	  What is in the server's time zone files, and are they those that the
 *	  server was started with?
 *
 * Where the name of a zone comes from data, any zone may be loaded, at any time
 * in a process's life.  What it means is then what the files say only if they
 * have not changed since the first process of the server may have read one of
 * them; else this process may have inherited, or loaded earlier, another
 * meaning.  So either every file is older than the server, and a digest of them
 * all says what each zone means in each of its processes, or nothing can be said
 * until the server is started again.
 *
 * Whoever reads them and finds them good remembers the directories as they were.
 * That a file was replaced later, as packages and zic replace files, by a
 * rename, shows in its directory.  That one was written over in place does not;
 * processes that start later see that.
 *
 *-------------------------------------------------------------------------
 */
#include "base/compat.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_info.h"
#include "common/hashfn.h"
#include "section/zone_files.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/pidfile.h"

/* As deep as the server looks for zones. */
#define MAX_DEPTH 10

typedef struct ZoneDirectory
{
	char	   *path;
	dev_t		device;
	ino_t		inode;
	uint64		state;
} ZoneDirectory;

static enum
{
	FILES_UNREAD,
	FILES_GOOD,
	FILES_CHANGED,				/* since the server started */
	FILES_MISSING
}			files = FILES_UNREAD;

static MemoryContext files_context = NULL;
static List *directories = NIL; /* ZoneDirectories */
static uint64 files_digest = 0;
static time_t server_started = 0;

/*
 * When the postmaster's first line ran, before it loaded a zone: that is in its
 * lock file.  (PgStartTime is of later.)  0 if that is not to be read.
 */
static time_t
ReadServerStart(void)
{
	FILE	   *file = AllocateFile("postmaster.pid", "r");
	char		line[MAXPGPATH];
	time_t		started = 0;

	if (file == NULL)
		return 0;
	for (int i = 1; i <= LOCK_FILE_LINE_START_TIME; i++)
	{
		if (fgets(line, sizeof(line), file) == NULL)
			break;
		if (i == LOCK_FILE_LINE_START_TIME)
			started = (time_t) strtol(line, NULL, 10);
	}
	FreeFile(file);
	return started;
}

/*
 * The lock file has whole seconds, and a file's time may lag a little behind
 * the clock.
 */
static bool
IsOlderThanServer(const struct stat *st)
{
	return st->st_ctime < server_started - 1;
}

/* Where the server was configured to look, if not below its own share folder. */
static void
SystemZoneFolder(char *path, size_t size)
{
	static const char *const options[] = {"system-tzdata=", "system_tzdata="};
	size_t		nsettings;
	ConfigData *settings = get_configdata(my_exec_path, &nsettings);

	strlcpy(path, "/usr/share/zoneinfo", size);
	for (size_t i = 0; i < nsettings; i++)
	{
		if (strcmp(settings[i].name, "CONFIGURE") != 0)
			continue;
		for (int option = 0; option < (int) lengthof(options); option++)
		{
			char	   *found = strstr(settings[i].setting, options[option]);

			if (found == NULL)
				continue;
			found += strlen(options[option]);
			strlcpy(path, found, Min(size, strcspn(found, "' ") + 1));
		}
	}
}

static uint64
StateOf(const struct stat *st)
{
	int64		facts[] = {st->st_dev, st->st_ino, st->st_mtime, st->st_ctime,
#ifdef __linux__
		st->st_mtim.tv_nsec, st->st_ctim.tv_nsec
#endif
	};

	return hash_bytes_extended((unsigned char *) facts, sizeof(facts), 0);
}

/* Files in any order, so their digests are added. */
static void
ReadZoneFile(const char *path)
{
	int			fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	uint64		digest = hash_bytes_extended((const unsigned char *) path, strlen(path), 0);
	unsigned char buffer[8192];
	struct stat st;
	int			len;

	/* What can't be read is no zone to the server either. */
	if (fd < 0)
		return;
	while ((len = read(fd, buffer, sizeof(buffer))) > 0)
		digest = hash_combine64(digest, hash_bytes_extended(buffer, len, 0));
	if (len < 0 || fstat(fd, &st) != 0 || !IsOlderThanServer(&st))
		files = FILES_CHANGED;
	CloseTransientFile(fd);
	files_digest += digest;
}

/* False if its files have been read: links go in circles. */
static bool
RememberDirectory(const char *path, const struct stat *st)
{
	ZoneDirectory *directory;
	ListCell   *lc;

	foreach(lc, directories)
	{
		directory = lfirst(lc);
		if (directory->device == st->st_dev && directory->inode == st->st_ino)
			return false;
	}
	directory = palloc(sizeof(ZoneDirectory));
	directory->path = pstrdup(path);
	directory->device = st->st_dev;
	directory->inode = st->st_ino;
	directory->state = StateOf(st);
	directories = lappend(directories, directory);
	return true;
}

static void
ReadZoneFolder(const char *path, int depth)
{
	struct stat st;
	struct dirent *entry;
	DIR		   *dir;

	if (depth > MAX_DEPTH || stat(path, &st) != 0 || !RememberDirectory(path, &st))
		return;
	if (!IsOlderThanServer(&st))
		files = FILES_CHANGED;
	dir = AllocateDir(path);
	if (dir == NULL)
		return;
	while ((entry = ReadDirExtended(dir, path, DEBUG1)) != NULL)
	{
		char		child[MAXPGPATH];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
		if (stat(child, &st) != 0)
			continue;
		if (S_ISDIR(st.st_mode))
			ReadZoneFolder(child, depth + 1);
		else if (S_ISREG(st.st_mode))
			ReadZoneFile(child);
	}
	FreeDir(dir);
}

static void
ReadAll(void)
{
	char		share[MAXPGPATH];
	char		path[MAXPGPATH];
	struct stat st;

	files_digest = 0;
	directories = NIL;
	server_started = ReadServerStart();
	get_share_path(my_exec_path, share);
	snprintf(path, sizeof(path), "%s/timezone", share);
	if (stat(path, &st) != 0)
		SystemZoneFolder(path, sizeof(path));
	if (stat(path, &st) != 0)
	{
		files = FILES_MISSING;
		return;
	}
	files = FILES_GOOD;
	ReadZoneFolder(path, 0);
	snprintf(path, sizeof(path), "%s/timezonesets", share);
	ReadZoneFolder(path, 0);
}

static void
ReadOnce(void)
{
	MemoryContext old_context;

	if (files != FILES_UNREAD)
		return;
	if (files_context == NULL)
		files_context = AllocSetContextCreate(TopMemoryContext, "clarify_cache zone files",
											  ALLOCSET_SMALL_SIZES);
	MemoryContextReset(files_context);
	old_context = MemoryContextSwitchTo(files_context);
	PG_TRY();
	{
		ReadAll();
	}
	PG_CATCH();
	{
		files = FILES_UNREAD;
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old_context);
}

bool
ZoneFilesAreUnchanged(bool at_this_moment)
{
	static TimestampTz looked_in = 0;
	ListCell   *lc;

	if (!at_this_moment && looked_in == GetCurrentStatementStartTimestamp())
		return files == FILES_GOOD;
	foreach(lc, directories)
	{
		ZoneDirectory *directory = lfirst(lc);
		struct stat st;

		if (stat(directory->path, &st) != 0 || StateOf(&st) != directory->state)
		{
			files = FILES_CHANGED;
			return false;
		}
	}
	looked_in = GetCurrentStatementStartTimestamp();
	return files == FILES_GOOD;
}

const char *
ZoneFilesFault(void)
{
	ReadOnce();
	switch (files)
	{
		case FILES_CHANGED:
			return "The time zone files have changed since the server started, and the query reads names of zones from data or abbreviations; restart the server.";
		case FILES_MISSING:
			return "The query reads names of time zones from data or abbreviations, and the server's time zone files are not to be found.";
		default:
			return NULL;
	}
}

uint64
ZoneFilesDigest(void)
{
	ReadOnce();
	return files_digest;
}
