// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/stress/stress.h"

#define NAMES 12

static const struct copse_cred root = {0, 0};

/* Others may have been there first. */
static int may_miss(int ret)
{
    switch (ret) {
    case -ENOENT:
    case -EEXIST:
    case -ENOTEMPTY:
    case -EISDIR:
    case -ENOTDIR:
    case -ESTALE:
    case -EMLINK:
    case -ENODATA:
    case -EPERM: /* a link to a directory */
        return 0;
    default:
        return ret;
    }
}

/* ---- files of its own: everything is known
 * -------------------------------------------------------- */

static int check_own(struct client *c, unsigned file, unsigned first, unsigned count)
{
    static _Thread_local uint8_t buf[BLOCKS * BLOCK];
    size_t done;

    int ret = copse_pread(c->own[file], buf, (size_t)count * BLOCK, (uint64_t)first * BLOCK, &done);
    if (ret < 0)
        return ret;
    memset(buf + done, 0, (size_t)count * BLOCK - done);
    for (size_t i = 0; i < (size_t)count * BLOCK; i++) {
        if (buf[i] == c->known[file][first + i / BLOCK])
            continue;
        char what[128];
        snprintf(what, sizeof(what), "client %u file %u byte %zu is %u, not %u", c->id, file,
                 first * (size_t)BLOCK + i, buf[i], c->known[file][first + i / BLOCK]);
        stress_fail(c->s, what, 0);
        return 0;
    }
    return 0;
}

static int write_own(struct client *c, unsigned file, unsigned first, unsigned count, bool direct)
{
    static _Thread_local uint8_t buf[BLOCKS * BLOCK];
    uint8_t byte = (uint8_t)(1 + rng_below(&c->rng, 255));
    size_t done, len = (size_t)count * BLOCK;
    uint64_t offset = (uint64_t)first * BLOCK;

    memset(buf, byte, len);
    int ret = direct ? copse_pwrite_direct(c->own[file], buf, len, offset, &done)
                     : copse_pwrite(c->own[file], buf, len, offset, &done);
    if (ret == 0)
        memset(c->known[file] + first, byte, count);
    return ret;
}

static int cut_own(struct client *c, unsigned file, unsigned first)
{
    const struct copse_stat size = {.size = (uint64_t)first * BLOCK};

    int ret = copse_setattr(c->own[file], COPSE_SET_SIZE, &size);
    if (ret == 0)
        memset(c->known[file] + first, 0, BLOCKS - first);
    return ret;
}

static int empty_own(struct client *c, unsigned file, unsigned first, unsigned count, int mode)
{
    int ret = copse_fallocate(c->own[file], mode | FALLOC_FL_KEEP_SIZE, (uint64_t)first * BLOCK,
                              (uint64_t)count * BLOCK);

    if (ret == 0 && mode != 0)
        memset(c->known[file] + first, 0, count);
    return ret;
}

/* Both of its own; the source has all its blocks. */
static int clone_own(struct client *c, unsigned from, unsigned to, unsigned first, unsigned count)
{
    const struct copse_stat size = {.size = (uint64_t)BLOCKS * BLOCK};

    if (from == to)
        return 0;
    int ret = copse_setattr(c->own[from], COPSE_SET_SIZE, &size);
    if (ret == 0)
        ret = copse_clone_range(c->own[from], (uint64_t)first * BLOCK, (uint64_t)count * BLOCK,
                                c->own[to], (uint64_t)first * BLOCK);
    if (ret == 0)
        memcpy(c->known[to] + first, c->known[from] + first, count);
    return ret;
}

static int dedupe_own(struct client *c, unsigned from, unsigned to, unsigned first, unsigned count)
{
    const struct copse_stat size = {.size = (uint64_t)BLOCKS * BLOCK};
    struct copse_dedupe_target target = {.node = c->own[to], .offset = (uint64_t)first * BLOCK};

    if (from == to)
        return 0;
    int ret = copse_setattr(c->own[from], COPSE_SET_SIZE, &size);
    if (ret == 0)
        ret = copse_setattr(c->own[to], COPSE_SET_SIZE, &size);
    if (ret == 0)
        ret = copse_dedupe_range(c->own[from], (uint64_t)first * BLOCK, (uint64_t)count * BLOCK,
                                 &target, 1);
    return ret < 0 ? ret : target.status < 0 ? target.status : 0;
}

static int any_extent(void *arg, const struct copse_extent *extent)
{
    *(uint64_t *)arg += extent->len;
    return 0;
}

static int look_at_own(struct client *c, unsigned file)
{
    uint64_t sum = 0, at;

    int ret = copse_fiemap(c->own[file], 0, UINT64_MAX, any_extent, &sum);
    if (ret == 0)
        ret = copse_lseek(c->own[file], 0, SEEK_DATA, &at);
    return ret == -ENXIO ? 0 : ret;
}

static int on_own(struct client *c)
{
    unsigned file = (unsigned)rng_below(&c->rng, OWN_FILES);
    unsigned other = (unsigned)rng_below(&c->rng, OWN_FILES);
    unsigned first = (unsigned)rng_below(&c->rng, BLOCKS);
    unsigned count = 1 + (unsigned)rng_below(&c->rng, BLOCKS - first);

    switch (rng_below(&c->rng, 16)) {
    case 0:
    case 1:
    case 2:
        c->doing = "write";
        return write_own(c, file, first, count, false);
    case 3:
        c->doing = "direct write";
        return write_own(c, file, first, count, true);
    case 4:
        c->doing = "truncate";
        return cut_own(c, file, first);
    case 5:
        c->doing = "punch";
        return empty_own(c, file, first, count, FALLOC_FL_PUNCH_HOLE);
    case 6:
        c->doing = "zero";
        return empty_own(c, file, first, count, FALLOC_FL_ZERO_RANGE);
    case 7:
        c->doing = "allocate";
        return empty_own(c, file, first, count, 0);
    case 8:
    case 9:
        c->doing = "clone";
        return clone_own(c, file, other, first, count);
    case 10:
        c->doing = "dedupe";
        return dedupe_own(c, file, other, first, count);
    case 11:
        c->doing = "fsync";
        return copse_fsync(c->own[file], false);
    case 12:
        c->doing = "defrag";
        return copse_defrag(c->own[file], NULL, NULL);
    case 13:
        c->doing = "fiemap";
        return look_at_own(c, file);
    default:
        c->doing = "read";
        return check_own(c, file, first, count);
    }
}

/* ---- files that all write
 * ------------------------------------------------------------------------- */

static int read_shared(struct client *c, copse_node *file, unsigned block)
{
    uint8_t buf[BLOCK];
    size_t done;

    int ret = copse_pread(file, buf, sizeof(buf), (uint64_t)block * BLOCK, &done);
    for (size_t i = 1; ret == 0 && i < done; i++)
        if (buf[i] != buf[0]) {
            stress_fail(c->s, "a block of a shared file is half one write, half another", 0);
            return 0;
        }
    return ret;
}

static int on_shared(struct client *c)
{
    copse_node *file = c->s->shared[rng_below(&c->rng, SHARED_FILES)];
    copse_node *other = c->s->shared[rng_below(&c->rng, SHARED_FILES)];
    unsigned block = (unsigned)rng_below(&c->rng, BLOCKS);
    uint64_t offset = (uint64_t)block * BLOCK, copied;
    uint8_t buf[BLOCK];
    size_t done;

    switch (rng_below(&c->rng, 8)) {
    case 0:
    case 1:
        c->doing = "write shared";
        memset(buf, (int)(1 + rng_below(&c->rng, 255)), sizeof(buf));
        return copse_pwrite(file, buf, sizeof(buf), offset, &done);
    case 2:
        c->doing = "punch shared";
        return copse_fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, BLOCK);
    case 3:
        c->doing = "copy shared";
        return file == other ? 0 : copse_copy_range(file, offset, other, offset, BLOCK, &copied);
    case 4:
        c->doing = "fsync shared";
        return copse_fsync(file, true);
    default:
        c->doing = "read shared";
        return read_shared(c, file, block);
    }
}

/* ---- names that all change
 * ------------------------------------------------------------------------ */

static int any_entry(void *arg, const struct copse_dirent *entry)
{
    *(size_t *)arg += entry->len;
    return 0;
}

static int made(int ret, copse_node *node)
{
    if (ret == 0)
        copse_node_put(node);
    return ret;
}

static int on_node(struct client *c, copse_node *node)
{
    struct copse_stat st;
    uint8_t value[64] = {0};
    size_t done;

    switch (rng_below(&c->rng, 5)) {
    case 0:
        c->doing = "setxattr";
        return copse_setxattr(node, "user.stress", value, rng_below(&c->rng, 64), 0);
    case 1:
        c->doing = "removexattr";
        return copse_removexattr(node, "user.stress");
    case 2:
        c->doing = "write by name";
        if (copse_stat(node, &st) < 0 || !S_ISREG(st.mode))
            return 0;
        return copse_pwrite(node, value, sizeof(value), rng_below(&c->rng, 6000), &done);
    case 3:
        c->doing = "fsync by name";
        return copse_fsync(node, false);
    default:
        c->doing = "stat";
        return copse_stat(node, &st);
    }
}

static int on_names(struct client *c)
{
    copse_node *dir = c->s->dirs[rng_below(&c->rng, 2)], *to = c->s->dirs[rng_below(&c->rng, 2)];
    copse_node *node = NULL;
    char name[8], other[8];
    size_t seen = 0;
    int ret;

    snprintf(name, sizeof(name), "n%u", (unsigned)rng_below(&c->rng, NAMES));
    snprintf(other, sizeof(other), "n%u", (unsigned)rng_below(&c->rng, NAMES));
    switch (rng_below(&c->rng, 12)) {
    case 0:
    case 1:
        c->doing = "create";
        return made(copse_mknod(dir, name, strlen(name), S_IFREG | 0644, 0, &root, &node), node);
    case 2:
        c->doing = "mkdir";
        return made(copse_mkdir(dir, name, strlen(name), 0755, &root, &node), node);
    case 3:
        c->doing = "symlink";
        return made(copse_symlink(dir, name, strlen(name), other, &root, &node), node);
    case 4:
        c->doing = "unlink";
        return copse_unlink(dir, name, strlen(name));
    case 5:
        c->doing = "rmdir";
        return copse_rmdir(dir, name, strlen(name));
    case 6:
    case 7:
        c->doing = "rename";
        return copse_rename(dir, name, strlen(name), to, other, strlen(other), 0);
    case 8:
        c->doing = "readdir";
        return copse_readdir(dir, 0, any_entry, &seen);
    case 9:
        c->doing = "tmpfile";
        return made(copse_tmpfile(dir, 0600, &root, &node), node);
    default:
        break;
    }
    c->doing = "lookup";
    ret = copse_lookup(dir, name, strlen(name), &node);
    if (ret < 0)
        return ret;
    if (rng_below(&c->rng, 3) == 0) {
        c->doing = "link";
        ret = copse_link(node, to, other, strlen(other));
    } else {
        ret = on_node(c, node);
    }
    copse_node_put(node);
    return ret;
}

/* ---- a client
 * ------------------------------------------------------------------------------------ */

void client_begin(struct client *c)
{
    char name[16];

    snprintf(name, sizeof(name), "client%u", c->id);
    c->dir = stress_make(c->s, c->s->work, name, S_IFDIR | 0755);
    for (unsigned i = 0; c->dir && i < OWN_FILES; i++) {
        snprintf(name, sizeof(name), "own%u", i);
        c->own[i] = stress_make(c->s, c->dir, name, S_IFREG | 0644);
        if (i == 0 && c->own[0] && copse_set_flags(c->own[0], FS_NOCOW_FL) < 0)
            stress_fail(c->s, "NOCOW", -1);
    }
}

void *client_run(void *arg)
{
    struct client *c = arg;

    for (unsigned i = 0; i < c->s->ops && !stress_failed(c->s); i++) {
        uint64_t kind = rng_below(&c->rng, 10);
        int ret = kind < 5 ? on_own(c) : kind < 7 ? on_shared(c) : on_names(c);

        /* The first file is NOCOW, the others are not: their checksums forbid sharing. */
        if (ret == -EINVAL && (strcmp(c->doing, "clone") == 0 || strcmp(c->doing, "dedupe") == 0))
            ret = 0;
        if (kind >= 7)
            ret = may_miss(ret);
        if (ret < 0)
            stress_fail(c->s, c->doing, ret);
        __atomic_fetch_add(&c->s->done, 1, __ATOMIC_RELAXED);
    }
    c->doing = "nothing any more";
    __atomic_fetch_sub(&c->s->running, 1, __ATOMIC_RELEASE);
    return NULL;
}

void client_check(struct client *c)
{
    for (unsigned i = 0; i < OWN_FILES; i++)
        if (check_own(c, i, 0, BLOCKS) < 0)
            stress_fail(c->s, "reading at the end", -1);
}

void client_end(struct client *c)
{
    for (unsigned i = 0; i < OWN_FILES; i++)
        copse_node_put(c->own[i]);
    copse_node_put(c->dir);
}
