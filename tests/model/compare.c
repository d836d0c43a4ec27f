// SPDX-License-Identifier: GPL-2.0-or-later
/* The file system against the model: names and attributes. Content is in compare_data.c. */
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "tests/model/compare.h"

#include <dirent.h>

#define LLU(v) ((unsigned long long)(v))

int wrong_node(struct world *world, const struct mnode *node, const char *what, uint64_t is,
               uint64_t should)
{
    return wrong(world, "%s: %s is %#llx, should be %#llx", model_path(&world->now, node), what,
                 LLU(is), LLU(should));
}

int failed_node(struct world *world, const struct mnode *node, const char *what, int ret)
{
    return wrong(world, "%s: %s: %d: %s", model_path(&world->now, node), what, ret, fail_message());
}

/* ---- attributes
 * -------------------------------------------------------------------------------------- */

/* What must be the same after closing and opening, and is not in the model. */
static int compare_stats(struct world *world, const struct mnode *node, const struct copse_stat *st)
{
    const struct copse_stat *was = &node->stat;
    const struct {
        const char *what;
        uint64_t was, is;
    } table[] = {
        {"inode number", was->ino, st->ino},
        {"blocks", was->blocks, st->blocks},
        {"generation", was->generation, st->generation},
        {"mtime", (uint64_t)was->mtime.tv_sec, (uint64_t)st->mtime.tv_sec},
        {"mtime, ns,", (uint64_t)was->mtime.tv_nsec, (uint64_t)st->mtime.tv_nsec},
        {"ctime", (uint64_t)was->ctime.tv_sec, (uint64_t)st->ctime.tv_sec},
        {"ctime, ns,", (uint64_t)was->ctime.tv_nsec, (uint64_t)st->ctime.tv_nsec},
        {"btime", (uint64_t)was->btime.tv_sec, (uint64_t)st->btime.tv_sec},
        {"btime, ns,", (uint64_t)was->btime.tv_nsec, (uint64_t)st->btime.tv_nsec},
    };

    for (size_t i = 0; node->has_stat && i < ARRAY_LEN(table); i++)
        if (table[i].was != table[i].is)
            return wrong_node(world, node, table[i].what, table[i].is, table[i].was);
    return 0;
}

static uint64_t dir_size(const struct mnode *dir)
{
    uint64_t size = 0;

    for (size_t i = 0; i < dir->name_count; i++)
        size += 2 * strlen(dir->names[i].name);
    return size;
}

static uint64_t expected_size(const struct mnode *node)
{
    if (S_ISREG(node->mode))
        return node->content.size;
    if (S_ISDIR(node->mode))
        return dir_size(node);
    return S_ISLNK(node->mode) ? strlen(node->target) : 0;
}

static bool may_be_older(const struct world *world, const struct mnode *node)
{
    bool in_place = (node->flags & FS_NOCOW_FL) && node->later->count > 0;

    return world->after_crash && (in_place || node->older_count > 0);
}

static int compare_stat(struct world *world, struct mnode *node, struct inode *inode)
{
    struct copse_stat st;

    int ret = mount_stat(world->m, inode, &st);
    if (ret < 0)
        return failed_node(world, node, "stat", ret);
    if (st.mode != node->mode)
        return wrong_node(world, node, "mode", st.mode, node->mode);
    if (st.nlink != node->nlink)
        return wrong_node(world, node, "nlink", st.nlink, node->nlink);
    if (st.uid != node->uid || st.gid != node->gid)
        return wrong_node(world, node, "owner", st.uid + ((uint64_t)st.gid << 32),
                          node->uid + ((uint64_t)node->gid << 32));
    if (st.rdev != node->rdev)
        return wrong_node(world, node, "device number", st.rdev, node->rdev);
    if (st.size != expected_size(node) && !may_be_older(world, node))
        return wrong_node(world, node, "size", st.size, expected_size(node));
    if ((S_ISREG(node->mode) || S_ISDIR(node->mode)) && st.flags != node->flags)
        return wrong_node(world, node, "flags", st.flags, node->flags);
    if (compare_stats(world, node, &st) < 0)
        return -1;
    node->has_stat = true;
    node->stat = st;
    return 0;
}

static int compare_xattr(struct world *world, const struct mnode *node, struct inode *inode,
                         const struct mxattr *xattr)
{
    static uint8_t value[65536];
    size_t len;

    int ret = mount_getxattr(world->m, inode, xattr->name, value, sizeof(value), &len);
    if (ret < 0)
        return failed_node(world, node, "getxattr", ret);
    if (len != xattr->len || memcmp(value, xattr->value, len) != 0)
        return wrong(world, "%s: attribute %s differs: %zu bytes, should be %zu",
                     model_path(&world->now, node), xattr->name, len, xattr->len);
    return 0;
}

static int compare_xattrs(struct world *world, const struct mnode *node, struct inode *inode)
{
    static char list[65536];
    size_t len, count = 0;

    int ret = mount_listxattr(world->m, inode, list, sizeof(list), &len);
    if (ret < 0)
        return failed_node(world, node, "listxattr", ret);
    for (size_t at = 0; at < len; at += strlen(list + at) + 1, count++)
        if (!model_xattr(node, list + at))
            return wrong(world, "%s: has an attribute %s", model_path(&world->now, node),
                         list + at);
    if (count != node->xattr_count)
        return wrong_node(world, node, "number of attributes", count, node->xattr_count);
    for (size_t i = 0; i < node->xattr_count; i++)
        if (compare_xattr(world, node, inode, &node->xattrs[i]) < 0)
            return -1;
    return 0;
}

static int compare_target(struct world *world, const struct mnode *node, struct inode *inode)
{
    char target[PAGE_BYTES];
    size_t len;

    int ret = mount_readlink(world->m, inode, target, sizeof(target), &len);
    if (ret < 0)
        return failed_node(world, node, "readlink", ret);
    if (len != strlen(node->target) || memcmp(target, node->target, len) != 0)
        return wrong(world, "%s: points elsewhere: %.*s", model_path(&world->now, node), (int)len,
                     target);
    return 0;
}

int compare_node(struct world *world, struct mnode *node, struct inode *inode)
{
    if (compare_stat(world, node, inode) < 0 || compare_xattrs(world, node, inode) < 0)
        return -1;
    if (S_ISLNK(node->mode))
        return compare_target(world, node, inode);
    if (S_ISDIR(node->mode))
        return compare_dir(world, node, inode);
    if (!S_ISREG(node->mode))
        return 0;
    if (may_be_older(world, node))
        return compare_older(world, node, inode);
    return compare_content(world, node, inode);
}

/* ---- directories
 * -------------------------------------------------------------------------------------- */

struct listing {
    struct entry {
        char name[MODEL_NAME_MAX + 1];
        uint64_t ino, cookie;
        uint8_t type;
    } * entries;
    size_t count, cap;
};

static int collect(void *arg, const struct copse_dirent *entry)
{
    struct listing *listing = arg;

    listing->entries =
        must_grow(listing->entries, listing->count, &listing->cap, sizeof(*listing->entries));
    struct entry *out = &listing->entries[listing->count++];
    *out = (struct entry){.ino = entry->ino, .cookie = entry->cookie, .type = entry->type};
    memcpy(out->name, entry->name, MIN(entry->len, (size_t)MODEL_NAME_MAX));
    return 0;
}

static int compare_entry(struct world *world, const struct mnode *dir, const struct entry *entry)
{
    struct mname *name = model_find(dir, entry->name);

    if (!name)
        return wrong(world, "%s: has an entry %s", model_path(&world->now, dir), entry->name);
    if (entry->type != IFTODT(name->node->mode))
        return wrong_node(world, name->node, "type in the directory", entry->type,
                          IFTODT(name->node->mode));
    return 0;
}

static int compare_listing(struct world *world, const struct mnode *dir,
                           const struct listing *listing)
{
    uint64_t cookie = 0;

    if (listing->count != dir->name_count + 2)
        return wrong_node(world, dir, "number of entries", listing->count, dir->name_count + 2);
    for (size_t i = 0; i < listing->count; i++) {
        const struct entry *entry = &listing->entries[i];

        if (entry->cookie <= cookie)
            return wrong_node(world, dir, "cookie out of order", entry->cookie, cookie);
        cookie = entry->cookie;
        if (i < 2 ? strcmp(entry->name, i == 0 ? "." : "..") != 0
                  : compare_entry(world, dir, entry) < 0)
            return wrong(world, "%s: entry %zu is %s", model_path(&world->now, dir), i,
                         entry->name);
    }
    return 0;
}

int compare_dir(struct world *world, struct mnode *node, struct inode *inode)
{
    struct listing listing = {0}, rest = {0};

    int ret = mount_readdir(world->m, inode, 0, collect, &listing);
    if (ret < 0) {
        failed_node(world, node, "readdir", ret);
    } else if (compare_listing(world, node, &listing) == 0) {
        size_t middle = listing.count / 2;

        ret = mount_readdir(world->m, inode, listing.entries[middle].cookie, collect, &rest);
        if (ret < 0)
            failed_node(world, node, "readdir from the middle", ret);
        else if (rest.count != listing.count - middle - 1)
            wrong_node(world, node, "number of entries behind the middle", rest.count,
                       listing.count - middle - 1);
    }
    free(listing.entries);
    free(rest.entries);
    return world->error[0] ? -1 : 0;
}

/* ---- all
 * -------------------------------------------------------------------------------------- */

static int compare_below(struct world *world, struct mnode *node, struct inode *inode)
{
    if (compare_node(world, node, inode) < 0)
        return -1;
    for (size_t i = 0; i < node->name_count; i++) {
        const struct mname *name = &node->names[i];
        struct inode *child;

        int ret = mount_lookup(world->m, inode, name->name, strlen(name->name), &child);
        if (ret < 0)
            return failed_node(world, name->node, "lookup", ret);
        ret = compare_below(world, name->node, child);
        mount_put(world->m, child);
        if (ret < 0)
            return -1;
    }
    return 0;
}

static int compare_numbers(struct world *world)
{
    for (size_t i = 0; i < world->now.count; i++)
        for (size_t j = 0; j < i; j++)
            if (world->now.nodes[i]->stat.ino == world->now.nodes[j]->stat.ino)
                return wrong_node(world, world->now.nodes[i], "inode number, used twice,",
                                  world->now.nodes[i]->stat.ino, 0);
    return 0;
}

/* Another tree than the one that is worked in: messages name paths of that one. */
int compare_other(struct world *world, struct model *model, struct inode *root)
{
    struct model now = world->now;
    bool after_crash = world->after_crash;

    world->now = *model;
    world->after_crash = false;
    int ret = compare_below(world, model_root(model), root);
    if (ret == 0)
        ret = compare_numbers(world);
    *model = world->now;
    world->now = now;
    world->after_crash = after_crash;
    return ret;
}

int compare_all(struct world *world, bool after_crash)
{
    world->after_crash = after_crash;
    if (compare_below(world, model_root(&world->now), world->m->root) < 0)
        return -1;
    for (size_t i = 0; i < WORLD_HELD; i++)
        if (world->held[i].node &&
            compare_node(world, world->held[i].node, world->held[i].inode) < 0)
            return -1;
    return compare_numbers(world);
}
