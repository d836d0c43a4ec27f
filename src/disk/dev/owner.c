// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One owner: locks between programs that open the same device, and who holds them.
 *
 * Image files are locked with flock(), whose holder everybody may see in /proc/locks. On block
 * devices flock() belongs to udev, which takes it for a moment whenever a writer has closed one,
 * so an open-file-description lock is used there. Both belong to the open description: a second
 * open in the same process is refused like any other.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "disk/dev/internal.h"

/* Whether the descriptor that this fdinfo file describes holds a lock. */
static bool fdinfo_has_lock(const char *path)
{
    FILE *file CLEANUP(cleanup_stdio) = fopen(path, "re");
    char line[256];

    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, "lock:", 5) == 0)
            return true;
    return false;
}

/* Whether the process has the file open and locked; false also where we may not look. */
static bool process_holds(long pid, const struct stat *wanted)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%ld/fd", pid);
    DIR *dir CLEANUP(cleanup_dir) = opendir(path);
    if (!dir)
        return false;
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct stat st;

        if (!isdigit((unsigned char)entry->d_name[0]) ||
            fstatat(dirfd(dir), entry->d_name, &st, 0) < 0 || !same_file(&st, wanted))
            continue;
        snprintf(path, sizeof(path), "/proc/%ld/fdinfo/%.20s", pid, entry->d_name);
        if (fdinfo_has_lock(path))
            return true;
    }
    return false;
}

/* Looks into each process. Finds the right one also when the one that took the lock has forked
 * and gone, as daemons do; sees only what this user may. */
static long holder_by_descriptors(const struct stat *wanted)
{
    DIR *dir CLEANUP(cleanup_dir) = opendir("/proc");

    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        long pid = strtol(entry->d_name, NULL, 10);

        if (pid > 0 && process_holds(pid, wanted))
            return pid;
    }
    return 0;
}

/* Processes of other users: who took the lock, if that one still lives. */
static long holder_by_lock_list(const struct stat *wanted)
{
    FILE *file CLEANUP(cleanup_stdio) = fopen("/proc/locks", "re");
    char line[256];

    while (file && fgets(line, sizeof(line), file)) {
        unsigned major_number, minor_number;
        unsigned long long inode;
        long pid;

        if (sscanf(line, "%*u: FLOCK %*s %*s %ld %x:%x:%llu", &pid, &major_number, &minor_number,
                   &inode) != 4)
            continue;
        if (inode == wanted->st_ino && makedev(major_number, minor_number) == wanted->st_dev &&
            pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM))
            return pid;
    }
    return 0;
}

static int fail_in_use(const struct stat *st, const char *label)
{
    long pid = holder_by_descriptors(st);

    if (pid == 0 && !S_ISBLK(st->st_mode))
        pid = holder_by_lock_list(st);
    if (pid == 0)
        return fail(-EBUSY, "%s: in use by another process", label);
    return fail(-EBUSY, "%s: in use by process %ld", label, pid);
}

static int lock_file(int fd, bool exclusive)
{
    return flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
}

static int lock_block_device(int fd, bool exclusive)
{
    struct flock whole = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_OFD_SETLK, &whole);
}

int owner_lock(int fd, const struct stat *st, bool exclusive, const char *label)
{
    int ret;

    do {
        ret = S_ISBLK(st->st_mode) ? lock_block_device(fd, exclusive) : lock_file(fd, exclusive);
    } while (ret < 0 && errno == EINTR);
    if (ret == 0)
        return 0;
    if (errno == EWOULDBLOCK || errno == EACCES)
        return fail_in_use(st, label);
    /* A host file system without locks: nothing can be promised to a writer. */
    if (!exclusive && (errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS))
        return 0;
    int err = errno;
    return fail(-err, "%s: cannot be locked: %s", label, strerror(err));
}
