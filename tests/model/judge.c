// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/model/judge.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/bits.h"
#include "base/cleanup.h"

/* A newer one than the distribution's: named, or fetched for the oracle tests. NULL: none. */
static const char *newer(void)
{
    const char *given = getenv("BTRFS"), *build = getenv("COPSE_BUILD");
    static char path[512];

    if (given || !build)
        return given;
    snprintf(path, sizeof(path), "%s/cache/btrfs-progs-6.14/bin/btrfs", build);
    return access(path, X_OK) == 0 ? path : NULL;
}

static const char *program(void)
{
    return newer() ? newer() : "btrfs";
}

bool judge_exists(void)
{
    char command[640];

    snprintf(command, sizeof(command), "%s --version >/dev/null 2>&1", program());
    return system(command) == 0;
}

bool judge_knows(const struct config *config)
{
    /* Version 6.2 does not know the block-group tree. */
    return newer() || (config->mkfs.features_off & MKFS_BLOCK_GROUP_TREE);
}

/* Sparse where the device is zero. */
static int dump(struct dev *dev, int fd)
{
    static uint8_t piece[MIB], zeroes[MIB];

    if (ftruncate(fd, (off_t)dev->size) < 0)
        return -1;
    for (uint64_t at = 0; at < dev->size; at += sizeof(piece)) {
        size_t n = MIN(sizeof(piece), dev->size - at);

        if (dev_read(dev, at, piece, n) < 0)
            return -1;
        if (memcmp(piece, zeroes, n) != 0 && pwrite(fd, piece, n, (off_t)at) != (ssize_t)n)
            return -1;
    }
    return 0;
}

int judge_keep(struct dev *dev, const char *path)
{
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    return fd < 0 ? -1 : dump(dev, fd);
}

int judge_keep_listed(struct dev *dev, const char *dir, uint64_t number, const char *what)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%llu.img", dir, (unsigned long long)number);
    if (judge_keep(dev, path) < 0)
        return -1;
    snprintf(path, sizeof(path), "%s/list", dir);
    FILE *list = fopen(path, "a");
    if (!list)
        return -1;
    fprintf(list, "%llu %s\n", (unsigned long long)number, what);
    return fclose(list) == 0 ? 0 : -1;
}

/* Everything that it says, when it is not satisfied. */
static int check(struct world *world, const char *path)
{
    char command[1024], line[512], text[3000] = "";
    bool clean = false, complained = false;

    snprintf(command, sizeof(command), "%s check --check-data-csum %s 2>&1", program(), path);
    FILE *out = popen(command, "r");
    if (!out)
        return wrong(world, "btrfs check cannot be run");
    while (fgets(line, sizeof(line), out)) {
        clean |= strstr(line, "no error found") != NULL;
        complained |= strstr(line, "ERROR") || strstr(line, "WARNING") ||
                      strstr(line, "mismatch") || strstr(line, "not match");
        if (strlen(text) + strlen(line) < sizeof(text) && line[0] != '[')
            strcat(text, line);
    }
    if (pclose(out) != 0 || !clean || complained)
        return wrong(world, "btrfs check: %s", text);
    return 0;
}

int judge_device(struct world *world, struct dev *dev)
{
    const char *dir = getenv("TMPDIR");
    char path[256];

    snprintf(path, sizeof(path), "%s/copse-model-XXXXXX", dir ? dir : "/tmp");
    AUTO_CLOSE int fd = mkstemp(path);
    if (fd < 0)
        return wrong(world, "no file for btrfs check");
    int ret = dump(dev, fd) < 0 ? wrong(world, "the image cannot be written") : check(world, path);
    if (ret == 0 || !getenv("MODEL_KEEP"))
        unlink(path);
    return ret;
}

int judge_disk(struct world *world)
{
    return judge_device(world, world->disk);
}
