// SPDX-License-Identifier: GPL-2.0-or-later
#include "exercise.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define WRITE_MAX (256 * KIB)
#define OFFSET_MAX (1 * MIB)

static const struct copse_cred root_cred;

uint64_t choose(struct choices *choices, uint64_t bound)
{
    uint64_t v = 0;

    if (!choices->bytes)
        return rng_below(&choices->rng, bound);
    for (uint64_t range = 1; range < bound && choices->left > 0; range *= 256) {
        v = v << 8 | *choices->bytes++;
        choices->left--;
        if (range > UINT64_MAX / 256)
            break;
    }
    return v % bound;
}

bool choices_left(const struct choices *choices)
{
    return !choices->bytes || choices->left > 0;
}

/* ---- what is worked on -------------------------------------------------------------------------
 */

struct exercise {
    struct mount *m;
    struct choices *choices;
    struct inode *dir;
    char name[24]; /* in dir, perhaps */
};

static const char *const names[] = {
    "plain", "link",  "clone",  "inline",  "sparse",  "zlib",    "lzo",
    "zstd",  "nocow", "xattrs", "symlink", "zinline", "file000", "file050",
    "dir",   "sub",   "deep",   "fifo",    "new0",    "new1",    "prealloc",
};

static void pick_name(struct exercise *x, char name[24])
{
    uint64_t i = choose(x->choices, ARRAY_LEN(names) + 8);

    if (i < ARRAY_LEN(names))
        snprintf(name, 24, "%s", names[i]);
    else
        snprintf(name, 24, "name%u", (unsigned)(i % 4));
}

/* The root or a directory in it. */
static struct inode *pick_dir(struct exercise *x)
{
    static const char *const dirs[] = {"dir", "sub", "name0", "many", "data"};
    uint64_t i = choose(x->choices, 2 * ARRAY_LEN(dirs));
    struct inode *dir;

    if (i < ARRAY_LEN(dirs) &&
        mount_lookup(x->m, x->m->root, dirs[i], strlen(dirs[i]), &dir) == 0) {
        if (inode_is_dir(dir))
            return dir;
        mount_put(x->m, dir);
    }
    return inode_ref(x->m->root);
}

static struct inode *pick(struct exercise *x)
{
    struct inode *inode;

    pick_name(x, x->name);
    return mount_lookup(x->m, x->dir, x->name, strlen(x->name), &inode) == 0 ? inode : NULL;
}

static uint64_t pick_offset(struct exercise *x)
{
    uint64_t offset = choose(x->choices, OFFSET_MAX);

    if (choose(x->choices, 32) == 0)
        offset = (uint64_t)INT64_MAX - offset;
    return choose(x->choices, 2) ? round_down_to(offset, 4096) : offset;
}

/* ---- operations --------------------------------------------------------------------------------
 */

static void on_content(struct exercise *x, struct inode *inode)
{
    static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE};
    static uint8_t buf[WRITE_MAX];
    struct copse_stat st = {.size = pick_offset(x)};
    size_t len = 1 + choose(x->choices, WRITE_MAX), done;
    struct inode *other;

    switch (choose(x->choices, 6)) {
    case 0:
    case 1:
        memset(buf, (int)choose(x->choices, 256), len);
        (void)!mount_pwrite(x->m, inode, buf, len, pick_offset(x), &done);
        break;
    case 2:
        (void)!mount_setattr(x->m, inode, COPSE_SET_SIZE, &st);
        break;
    case 3:
        if (inode_is_reg(inode))
            (void)!file_fallocate(inode, modes[choose(x->choices, ARRAY_LEN(modes))],
                                  pick_offset(x), len);
        break;
    case 4:
        (void)!mount_pread(x->m, inode, buf, len, pick_offset(x), &done);
        break;
    case 5:
        other = pick(x);
        if (other && inode_is_reg(other) && inode_is_reg(inode))
            (void)!file_clone_range(inode, round_down_to(pick_offset(x), 4096),
                                    round_up_to(len, 4096), other,
                                    round_down_to(pick_offset(x), 4096));
        mount_put(x->m, other);
        break;
    }
}

static void on_attributes(struct exercise *x, struct inode *inode)
{
    static const uint32_t flags[] = {0, FS_COMPR_FL, FS_NOCOW_FL, FS_NOATIME_FL};
    static const char *const attributes[] = {"user.small", "user.large", "user.new",
                                             "system.posix_acl_access", "btrfs.compression"};
    struct copse_stat st = {.mode = 0640, .uid = 7, .gid = 8};
    const char *name = attributes[choose(x->choices, ARRAY_LEN(attributes))];
    static uint8_t value[3000] = "zstd";

    switch (choose(x->choices, 5)) {
    case 0:
        (void)!mount_setattr(x->m, inode, COPSE_SET_MODE | COPSE_SET_UID, &st);
        break;
    case 1:
        (void)!mount_set_flags(x->m, inode, flags[choose(x->choices, ARRAY_LEN(flags))]);
        break;
    case 2:
        (void)!mount_setxattr(x->m, inode, name, value,
                              choose(x->choices, 2) ? 4 : choose(x->choices, sizeof(value)), 0);
        break;
    case 3:
        (void)!mount_removexattr(x->m, inode, name);
        break;
    case 4:
        (void)!mount_fsync(x->m, inode, false);
        break;
    }
}

static void on_names(struct exercise *x)
{
    size_t len = strlen(x->name);
    struct inode *made = NULL, *to = NULL;
    char name[24];

    switch (choose(x->choices, 8)) {
    case 0:
    case 1:
        (void)!mount_mknod(x->m, x->dir, x->name, len, S_IFREG | 0644, 0, &root_cred, &made);
        break;
    case 2:
        (void)!mount_mkdir(x->m, x->dir, x->name, len, 0755, &root_cred, &made);
        break;
    case 3:
        (void)!mount_symlink(x->m, x->dir, x->name, len, "somewhere", &root_cred, &made);
        break;
    case 4:
        (void)!mount_unlink(x->m, x->dir, x->name, len);
        break;
    case 5:
        (void)!mount_rmdir(x->m, x->dir, x->name, len);
        break;
    case 6:
        to = pick_dir(x);
        pick_name(x, name);
        (void)!mount_rename(x->m, x->dir, x->name, len, to, name, strlen(name),
                            choose(x->choices, 4) ? 0 : COPSE_RENAME_EXCHANGE);
        break;
    case 7:
        (void)!mount_tmpfile(x->m, x->dir, S_IFREG | 0600, &root_cred, &made);
        break;
    }
    mount_put(x->m, made);
    mount_put(x->m, to);
}

static void link_somewhere(struct exercise *x, struct inode *inode)
{
    struct inode *to = pick_dir(x);
    char name[24];

    pick_name(x, name);
    (void)!mount_link(x->m, inode, to, name, strlen(name));
    mount_put(x->m, to);
}

static void one(struct exercise *x)
{
    x->dir = pick_dir(x);
    struct inode *inode = pick(x);
    uint64_t what = choose(x->choices, 12);

    if (what < 4 || !inode)
        on_names(x);
    else if (what < 8)
        on_content(x, inode);
    else if (what < 10)
        on_attributes(x, inode);
    else if (what < 11)
        link_somewhere(x, inode);
    else
        (void)!mount_sync(x->m);
    mount_put(x->m, inode);
    mount_put(x->m, x->dir);
}

void exercise(struct mount *m, struct choices *choices, unsigned count)
{
    struct exercise x = {.m = m, .choices = choices};

    for (unsigned i = 0; i < count; i++)
        one(&x);
}
