// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Has the kernel mounted it? Directly, through a loop device over an image file, through a
 * partition, or through what device mapper and RAID stack on top. Everything is read from
 * /proc/self/mountinfo and /sys, which needs no rights. Where those are missing nothing is found,
 * and a block device still has the kernel's own claim against writers.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "disk/dev/internal.h"

/* Device mapper upon RAID upon partition upon loop device, and some. */
#define STACK_DEPTH_MAX 8

/* Longest name of a block device in /sys, with the final NUL. */
#define NAME_SIZE 64

struct finding {
    char device[NAME_SIZE]; /* the block device that is mounted */
    char place[PATH_MAX];   /* where; "" when in a mount namespace we do not see */
};

/* The next entry that is no dot-file. */
static const char *next_name(DIR *dir)
{
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && strlen(entry->d_name) < NAME_SIZE)
            return entry->d_name;
    return NULL;
}

/* The first line of a small file, without its newline. */
static bool read_line(const char *path, char *buf, size_t size)
{
    FILE *file CLEANUP(cleanup_stdio) = fopen(path, "re");

    if (!file || !fgets(buf, (int)size, file))
        return false;
    buf[strcspn(buf, "\n")] = '\0';
    return true;
}

/* mountinfo writes blanks and backslashes as \ooo. */
static void unescape(char *text)
{
    char *out = text;

    for (const char *in = text; *in; out++) {
        unsigned value;

        if (in[0] == '\\' && sscanf(in + 1, "%3o", &value) == 1) {
            *out = (char)value;
            in += 4;
        } else {
            *out = *in++;
        }
    }
    *out = '\0';
}

/* Whether the source of a mount is the block device `number`. Only below /dev: to look at other
 * sources could wait for a dead server. */
static bool source_is(char *source, dev_t number)
{
    struct stat st;

    unescape(source);
    return strncmp(source, "/dev/", 5) == 0 && stat(source, &st) == 0 && S_ISBLK(st.st_mode) &&
           st.st_rdev == number;
}

/* One line: `ID PARENT MAJ:MIN ROOT PLACE OPTIONS [FIELDS...] - TYPE SOURCE OPTIONS`. */
static bool line_is_mount_of(char *line, dev_t number, char place[PATH_MAX])
{
    unsigned major_number, minor_number;
    int at_place = 0, end_place = 0;
    char *tail = strstr(line, " - ");

    if (!tail ||
        sscanf(line, "%*d %*d %u:%u %*s %n%*s%n", &major_number, &minor_number, &at_place,
               &end_place) != 2 ||
        end_place == 0)
        return false;
    /* The program behind a FUSE mount holds its own lock, and may only be reading. */
    if (strncmp(tail + 3, "fuse", 4) == 0)
        return false;
    char *source = strchr(tail + 3, ' ');
    if (!source)
        return false;
    source++;
    source[strcspn(source, " \n")] = '\0';
    /* btrfs shows an anonymous number, so its source has to do. */
    if (makedev(major_number, minor_number) != number && !source_is(source, number))
        return false;
    line[end_place] = '\0';
    unescape(line + at_place);
    snprintf(place, PATH_MAX, "%s", line + at_place);
    return true;
}

static bool find_mount(dev_t number, char place[PATH_MAX])
{
    FILE *file CLEANUP(cleanup_stdio) = fopen("/proc/self/mountinfo", "re");
    AUTO_FREE char *line = NULL;
    size_t room = 0;

    while (file && getline(&line, &room, file) > 0)
        if (line_is_mount_of(line, number, place))
            return true;
    return false;
}

static bool number_of(const char *name, dev_t *out)
{
    char path[PATH_MAX], text[32];
    unsigned major_number, minor_number;

    snprintf(path, sizeof(path), "/sys/class/block/%s/dev", name);
    if (!read_line(path, text, sizeof(text)) ||
        sscanf(text, "%u:%u", &major_number, &minor_number) != 2)
        return false;
    *out = makedev(major_number, minor_number);
    return true;
}

/* A btrfs of several devices shows one of them in mountinfo: ask for each. */
static void find_mount_of_any(const char *devices, char place[PATH_MAX])
{
    DIR *dir CLEANUP(cleanup_dir) = opendir(devices);
    dev_t number;

    place[0] = '\0';
    for (const char *name; (name = next_name(dir));)
        if (number_of(name, &number) && find_mount(number, place))
            return;
}

/* Devices of mounted btrfs file systems, in whatever mount namespace, are listed in /sys. */
static bool btrfs_has(const char *name, char place[PATH_MAX])
{
    DIR *dir CLEANUP(cleanup_dir) = opendir("/sys/fs/btrfs");

    for (const char *fsid; (fsid = next_name(dir));) {
        char devices[PATH_MAX], path[PATH_MAX + NAME_SIZE];

        snprintf(devices, sizeof(devices), "/sys/fs/btrfs/%s/devices", fsid);
        snprintf(path, sizeof(path), "%s/%s", devices, name);
        if (access(path, F_OK) != 0)
            continue;
        find_mount_of_any(devices, place);
        return true;
    }
    return false;
}

static bool is_mounted(const char *name, unsigned depth, struct finding *out);

/* Partitions are directories inside the disk's own; what is stacked on it is in holders/. */
static bool above_is_mounted(const char *name, unsigned depth, struct finding *out)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "/sys/class/block/%s", name);
    DIR *inside CLEANUP(cleanup_dir) = opendir(path);
    for (const char *entry; (entry = next_name(inside));) {
        snprintf(path, sizeof(path), "/sys/class/block/%s/%s/partition", name, entry);
        if (access(path, F_OK) == 0 && is_mounted(entry, depth + 1, out))
            return true;
    }
    snprintf(path, sizeof(path), "/sys/class/block/%s/holders", name);
    DIR *holders CLEANUP(cleanup_dir) = opendir(path);
    for (const char *entry; (entry = next_name(holders));)
        if (is_mounted(entry, depth + 1, out))
            return true;
    return false;
}

static bool is_mounted(const char *name, unsigned depth, struct finding *out)
{
    dev_t number;

    if (depth > STACK_DEPTH_MAX)
        return false;
    if ((number_of(name, &number) && find_mount(number, out->place)) ||
        btrfs_has(name, out->place)) {
        snprintf(out->device, sizeof(out->device), "%s", name);
        return true;
    }
    return above_is_mounted(name, depth, out);
}

/*
 * What the device itself says, to those who may open it. Its path in /sys is of no use where the
 * file was attached in another mount namespace.
 */
static bool loop_says_it_is_over(const char *loop, const struct stat *wanted)
{
    char path[sizeof("/dev/") + NAME_SIZE];
    struct loop_info64 info;

    snprintf(path, sizeof(path), "/dev/%s", loop);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool known = ioctl(fd, LOOP_GET_STATUS64, &info) == 0;
    close(fd);
    return known && info.lo_inode == wanted->st_ino && info.lo_device == wanted->st_dev;
}

/* Whether the loop device is over the file. */
static bool loop_is_over(const char *loop, const struct stat *wanted)
{
    static const char deleted[] = " (deleted)";
    char path[PATH_MAX], backing[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file", loop);
    if (!read_line(path, backing, sizeof(backing)))
        return false;
    if ((stat(backing, &st) == 0 && same_file(&st, wanted)) || loop_says_it_is_over(loop, wanted))
        return true;
    size_t len = strlen(backing), suffix = sizeof(deleted) - 1;
    if (len <= suffix || strcmp(backing + len - suffix, deleted) != 0)
        return false;
    backing[len - suffix] = '\0';
    return stat(backing, &st) == 0 && same_file(&st, wanted);
}

static bool file_is_mounted(const struct stat *st, struct finding *out)
{
    DIR *dir CLEANUP(cleanup_dir) = opendir("/sys/block");

    for (const char *name; (name = next_name(dir));)
        if (strncmp(name, "loop", 4) == 0 && loop_is_over(name, st) && is_mounted(name, 0, out))
            return true;
    return false;
}

static bool block_is_mounted(const struct stat *st, char own_name[NAME_SIZE], struct finding *out)
{
    char path[64], target[PATH_MAX];

    snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(st->st_rdev), minor(st->st_rdev));
    ssize_t len = readlink(path, target, sizeof(target) - 1);
    if (len <= 0)
        return false;
    target[len] = '\0';
    const char *slash = strrchr(target, '/');
    snprintf(own_name, NAME_SIZE, "%.*s", NAME_SIZE - 1, slash ? slash + 1 : target);
    return is_mounted(own_name, 0, out);
}

int mounted_refuse(const struct stat *st, const char *label)
{
    char own_name[NAME_SIZE] = "";
    struct finding found;

    if (!(S_ISBLK(st->st_mode) ? block_is_mounted(st, own_name, &found)
                               : file_is_mounted(st, &found)))
        return 0;
    bool through = strcmp(own_name, found.device) != 0;
    /* /sys writes the slashes of names such as cciss/c0d0 as exclamation marks. */
    for (char *c = found.device; *c; c++)
        if (*c == '!')
            *c = '/';
    return fail(-EBUSY, "%s: mounted by the kernel%s%s%s%s", label, found.place[0] ? " at " : "",
                found.place, through ? " through /dev/" : "", through ? found.device : "");
}
