// SPDX-License-Identifier: GPL-2.0-or-later
/* Operations on attributes. */
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/bits.h"
#include "tests/model/ops.h"

#define COMPRESSION "btrfs.compression"

static int set_attributes(struct step *step, struct mnode *node, unsigned set,
                          const struct copse_stat *st, const char *what)
{
    struct world *world = step->world;
    struct inode *inode;
    char text[300];

    snprintf(text, sizeof(text), "%s %.200s", what, model_path(&world->now, node));
    if (world_inode(world, node, &inode) < 0)
        return -1;
    int ret = mount_setattr(world->m, inode, set, st);
    mount_put(world->m, inode);
    return answered(step, text, ret, 0);
}

int op_chmod(struct step *step)
{
    struct mnode *node = pick_node(step);
    struct copse_stat st = {.mode = (uint32_t)pick(step, 010000)};

    if (S_ISLNK(node->mode))
        return 0;
    int ret = set_attributes(step, node, COPSE_SET_MODE, &st, "chmod");
    if (ret > 0)
        node->mode = (node->mode & S_IFMT) | st.mode;
    return ret;
}

int op_chown(struct step *step)
{
    struct mnode *node = pick_node(step);
    struct copse_stat st = {.uid = (uint32_t)pick(step, 70000), .gid = (uint32_t)pick(step, 5)};
    unsigned set = COPSE_SET_UID | COPSE_SET_GID;

    if (chance(step, 2))
        set |= COPSE_SET_KILL_SUIDGID;
    int ret = set_attributes(step, node, set, &st, "chown");
    if (ret <= 0)
        return ret;
    node->uid = st.uid;
    node->gid = st.gid;
    if ((set & COPSE_SET_KILL_SUIDGID) && S_ISREG(node->mode)) {
        node->mode &= ~(uint32_t)S_ISUID;
        if (node->mode & S_IXGRP)
            node->mode &= ~(uint32_t)S_ISGID;
    }
    return 0;
}

int op_times(struct step *step)
{
    struct world *world = step->world;
    struct mnode *node = pick_node(step);
    struct copse_stat st = {.mtime = {.tv_sec = -(time_t)pick(step, 1ULL << 33), .tv_nsec = 5},
                            .atime = {.tv_sec = (time_t)pick(step, 1ULL << 35)}};
    struct copse_stat after;
    struct inode *inode;

    int ret = set_attributes(step, node, COPSE_SET_MTIME | COPSE_SET_ATIME, &st, "times");
    if (ret <= 0)
        return ret;
    if (world_inode(world, node, &inode) < 0)
        return -1;
    ret = mount_stat(world->m, inode, &after);
    mount_put(world->m, inode);
    if (ret < 0)
        return failed_node(world, node, "stat", ret);
    if (after.mtime.tv_sec != st.mtime.tv_sec || after.mtime.tv_nsec != st.mtime.tv_nsec)
        return wrong_node(world, node, "mtime", (uint64_t)after.mtime.tv_sec,
                          (uint64_t)st.mtime.tv_sec);
    return 0;
}

/* ---- extended attributes
 * -------------------------------------------------------------------------------------- */

static const char *pick_xattr_name(struct step *step, const struct mnode *node)
{
    /* Two of them have one hash, and share an item. */
    static const char *const names[] = {
        "user.a",     "user.b",        "trusted.overlay.opaque",    "user.c",
        "security.x", "user.ondzrey1", "user.somewhat-longer-name", "user.rpjadgpl"};
    const char *name = names[pick(step, ARRAY_LEN(names))];

    if (!S_ISREG(node->mode) && !S_ISDIR(node->mode))
        return "trusted.overlay.opaque";
    return name;
}

static int set_xattr(struct step *step, struct mnode *node, const char *name, const void *value,
                     size_t len, int flags, int expected)
{
    struct world *world = step->world;
    struct inode *inode;
    char text[400];

    snprintf(text, sizeof(text), "setxattr %.200s %s, %zu bytes, flags %d",
             model_path(&world->now, node), name, len, flags);
    if (world_inode(world, node, &inode) < 0)
        return -1;
    int ret = mount_setxattr(world->m, inode, name, value, len, flags);
    mount_put(world->m, inode);
    ret = answered(step, text, ret, expected);
    if (ret > 0)
        model_set_xattr(node, name, value, len);
    return ret;
}

/* Bytes of the attribute that shares its item with this one. */
static size_t beside(const struct mnode *node, const char *name)
{
    static const char *const pair[] = {"user.ondzrey1", "user.rpjadgpl"};

    for (size_t i = 0; i < ARRAY_LEN(pair); i++) {
        const struct mxattr *other = model_xattr(node, pair[1 - i]);

        if (strcmp(name, pair[i]) == 0 && other)
            return sizeof(disk_dir_item) + strlen(other->name) + other->len;
    }
    return 0;
}

int op_xattr_set(struct step *step)
{
    static uint8_t value[65536];
    struct mnode *node = pick_node(step);
    const char *name = pick_xattr_name(step, node);
    const struct mxattr *there = model_xattr(node, name);
    uint32_t max = xattr_max(step->world->config.mkfs.nodesize) - (uint32_t)strlen(name);
    int flags = (int)pick(step, 12), expected = 0;
    size_t len = pick(step, chance(step, 4) ? 3000 : 100);

    if (chance(step, 8))
        len = max - pick(step, 40);
    if (chance(step, 30))
        len = max + 1;
    if (flags > XATTR_REPLACE)
        flags = 0;
    for (size_t i = 0; i < MIN(len, sizeof(value)); i++)
        value[i] = (uint8_t)(rng_next(&step->rng) >> 8);
    if (len > max)
        expected = -ENOSPC;
    else if (there && flags == XATTR_CREATE)
        expected = -EEXIST;
    else if (!there && flags == XATTR_REPLACE)
        expected = -ENODATA;
    else if (len + beside(node, name) > max)
        expected = -ENOSPC;
    return set_xattr(step, node, name, value, len, flags, expected) < 0 ? -1 : 0;
}

int op_xattr_remove(struct step *step)
{
    struct world *world = step->world;
    struct mnode *node = pick_node(step);
    struct inode *inode;
    char text[600], name[MODEL_NAME_MAX + 1];

    snprintf(name, sizeof(name), "%s", pick_xattr_name(step, node));
    if (node->xattr_count > 0 && chance(step, 2))
        snprintf(name, sizeof(name), "%s", node->xattrs[pick(step, node->xattr_count)].name);
    snprintf(text, sizeof(text), "removexattr %.200s %s", model_path(&world->now, node), name);
    if (world_inode(world, node, &inode) < 0)
        return -1;
    int ret = mount_removexattr(world->m, inode, name);
    mount_put(world->m, inode);
    ret = answered_freeing(step, text, ret, model_xattr(node, name) ? 0 : -ENODATA);
    if (ret <= 0)
        return ret;
    model_remove_xattr(node, name);
    if (strcmp(name, COMPRESSION) == 0)
        node->flags &= ~(uint32_t)(FS_COMPR_FL | FS_NOCOMP_FL);
    return 0;
}

int op_compression(struct step *step)
{
    static const char *const values[] = {"zlib", "lzo", "zstd", "zstd", "none", "rubbish"};
    struct mnode *node = pick_node(step);
    const char *value = values[pick(step, ARRAY_LEN(values))];
    bool none = strcmp(value, "none") == 0;
    int expected = 0;

    if (!S_ISREG(node->mode) && !S_ISDIR(node->mode))
        return 0;
    if (strcmp(value, "rubbish") == 0 || (!none && (node->flags & FS_NOCOW_FL)))
        expected = -EINVAL;
    int ret = set_xattr(step, node, COMPRESSION, value, strlen(value), 0, expected);
    if (ret <= 0)
        return ret;
    node->flags &= ~(uint32_t)(FS_COMPR_FL | FS_NOCOMP_FL);
    node->flags |= none ? FS_NOCOMP_FL : FS_COMPR_FL;
    return 0;
}

/* The property comes and goes with the flag. */
static void flags_are(struct mnode *node, uint32_t flags)
{
    if (((flags ^ node->flags) & (FS_COMPR_FL | FS_NOCOMP_FL)) != 0) {
        if (model_xattr(node, COMPRESSION))
            model_remove_xattr(node, COMPRESSION);
        if (flags & FS_COMPR_FL)
            model_set_xattr(node, COMPRESSION, "zlib", 4);
    }
    node->flags = flags;
}

int op_flags(struct step *step)
{
    static const uint32_t values[] = {0,           FS_NOCOW_FL, FS_NOCOW_FL, FS_NOATIME_FL,
                                      FS_COMPR_FL, FS_NODUMP_FL};
    struct world *world = step->world;
    struct mnode *node = pick_node(step);
    uint32_t flags = values[pick(step, ARRAY_LEN(values))];
    struct copse_stat st;
    struct inode *inode;
    char text[300];

    if (!S_ISREG(node->mode) && !S_ISDIR(node->mode))
        return 0;
    snprintf(text, sizeof(text), "flags %.200s %#x", model_path(&world->now, node), flags);
    if (world_inode(world, node, &inode) < 0)
        return -1;
    int ret = mount_stat(world->m, inode, &st);
    /* Whether a file is written in place changes only while nothing has been written. */
    uint32_t fixed =
        S_ISREG(node->mode) && (node->content.size > 0 || st.blocks > 0) ? FS_NOCOW_FL : 0;
    flags = (flags & ~fixed) | (node->flags & fixed);
    int expected = (flags & FS_COMPR_FL) && (flags & FS_NOCOW_FL) ? -EINVAL : 0;
    if (ret == 0)
        ret = mount_set_flags(world->m, inode, flags);
    mount_put(world->m, inode);
    ret = answered(step, text, ret, expected);
    if (ret <= 0)
        return ret;
    flags_are(node, flags);
    return 0;
}

int op_readdir(struct step *step)
{
    struct mnode *dir = pick_dir(step);
    struct inode *inode;

    if (world_inode(step->world, dir, &inode) < 0)
        return -1;
    int ret = compare_node(step->world, dir, inode);
    mount_put(step->world->m, inode);
    return ret;
}
