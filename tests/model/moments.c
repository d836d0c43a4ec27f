// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/model/moments.h"

#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "tests/model/compare.h"

#define LLU(v) ((unsigned long long)(v))
#define TORN_BYTES 512ULL

/* ---- moments ----------------------------------------------------------------------------------
 */

int moments_learn(struct world *world)
{
    for (size_t i = 0; i < world->now.count; i++) {
        struct mnode *node = world->now.nodes[i];
        struct inode *inode;

        if (node->ino != 0 || (node->nlink == 0 && !node->held))
            continue;
        if (world_inode(world, node, &inode) < 0)
            return -1;
        node->ino = inode->ino;
        mount_put(world->m, inode);
    }
    return 0;
}

static void add(struct world *world)
{
    struct moments *all = &world->moments;

    all->list = must_grow(all->list, all->count, &all->cap, sizeof(*all->list));
    all->list[all->count] = must_alloc(sizeof(struct model));
    model_copy(all->list[all->count++], &world->now);
}

int moments_add(struct world *world, struct mnode *node)
{
    if (moments_learn(world) < 0)
        return -1;
    model_new_moment(&world->now);
    node->asked = true;
    add(world);
    node->asked = false;
    if (world->on_logged)
        world->on_logged(world);
    return 0;
}

static void clear(struct moments *all)
{
    for (size_t i = 0; i < all->count; i++) {
        model_free(all->list[i]);
        free(all->list[i]);
    }
    all->count = 0;
}

void moments_free(struct world *world)
{
    clear(&world->moments);
    free(world->moments.list);
}

void moments_restart(struct world *world)
{
    clear(&world->moments);
    if (moments_learn(world) == 0)
        add(world);
}

/* ---- what is there ----------------------------------------------------------------------------
 */

static struct mnode *by_ino(const struct model *model, uint64_t ino)
{
    for (size_t i = 0; i < model->count; i++)
        if (model->nodes[i]->ino == ino)
            return model->nodes[i];
    return NULL;
}

struct listing {
    char (*names)[MODEL_NAME_MAX + 1];
    size_t count, cap;
};

static int collect(void *arg, const struct copse_dirent *entry)
{
    struct listing *listing = arg;
    size_t len = MIN(entry->len, (size_t)MODEL_NAME_MAX);

    if ((len == 1 && entry->name[0] == '.') || (len == 2 && memcmp(entry->name, "..", 2) == 0))
        return 0;
    listing->names =
        must_grow(listing->names, listing->count, &listing->cap, sizeof(*listing->names));
    memcpy(listing->names[listing->count], entry->name, len);
    listing->names[listing->count++][len] = '\0';
    return 0;
}

static int take_xattrs(struct world *world, struct mnode *node, struct inode *inode)
{
    static char list[65536], value[65536];
    size_t len, size;

    int ret = mount_listxattr(world->m, inode, list, sizeof(list), &len);
    for (size_t at = 0; ret == 0 && at < len; at += strlen(list + at) + 1) {
        ret = mount_getxattr(world->m, inode, list + at, value, sizeof(value), &size);
        if (ret == 0)
            model_set_xattr(node, list + at, value, size);
    }
    return ret < 0 ? failed_node(world, node, "attributes", ret) : 0;
}

static int take_node(struct world *world, struct mnode *node, struct inode *inode)
{
    char target[PAGE_BYTES];
    struct copse_stat st;
    size_t len;

    int ret = mount_stat(world->m, inode, &st);
    if (ret < 0)
        return failed_node(world, node, "stat", ret);
    node->ino = inode->ino;
    node->mode = st.mode;
    node->uid = st.uid;
    node->gid = st.gid;
    node->rdev = st.rdev;
    node->flags = S_ISREG(st.mode) || S_ISDIR(st.mode) ? st.flags : 0;
    if (S_ISLNK(st.mode)) {
        ret = mount_readlink(world->m, inode, target, sizeof(target) - 1, &len);
        if (ret < 0)
            return failed_node(world, node, "readlink", ret);
        target[len] = '\0';
        node->target = strdup(target);
    }
    if (take_xattrs(world, node, inode) < 0)
        return -1;
    return S_ISREG(st.mode) ? adopt_content(world, node, inode) : 0;
}

static int take_dir(struct world *world, struct mnode *dir, struct inode *inode);

static int take_name(struct world *world, struct mnode *dir, struct inode *inode, const char *name)
{
    struct inode *child;

    int ret = mount_lookup(world->m, inode, name, strlen(name), &child);
    if (ret < 0)
        return failed_node(world, dir, "lookup", ret);
    struct mnode *node = by_ino(&world->now, child->ino);
    if (node) {
        model_add_name(dir, name, node);
    } else {
        node = model_new(&world->now, child->item.mode);
        model_add_name(dir, name, node);
        ret = take_node(world, node, child);
        if (ret == 0 && S_ISDIR(node->mode))
            ret = take_dir(world, node, child);
    }
    mount_put(world->m, child);
    return ret;
}

static int take_dir(struct world *world, struct mnode *dir, struct inode *inode)
{
    struct listing listing = {0};

    int ret = mount_readdir(world->m, inode, 0, collect, &listing);
    if (ret < 0)
        ret = failed_node(world, dir, "readdir", ret);
    for (size_t i = 0; ret == 0 && i < listing.count; i++)
        ret = take_name(world, dir, inode, listing.names[i]);
    free(listing.names);
    return ret;
}

static int take_all(struct world *world)
{
    model_free(&world->now);
    model_init(&world->now);
    struct mnode *root = model_root(&world->now);
    if (take_node(world, root, world->m->root) < 0)
        return -1;
    return take_dir(world, root, world->m->root);
}

/* ---- comparing ---------------------------------------------------------------------------------
 */

struct trial {
    struct world *world;
    struct model *const *moments;
    size_t count, sure;
    uint64_t ino;
    size_t since; /* the moment at which it was fsynced last */
    const struct mnode *there;
};

static bool has_name(const struct mnode *dir, const char *name, uint64_t ino)
{
    const struct mname *entry = model_find(dir, name);

    return entry && entry->node->ino == ino;
}

/* Whether every name that `a` has for the inode is there in `b`. */
static bool names_within(const struct model *a, const struct model *b, uint64_t ino)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct mnode *dir = a->nodes[i];

        for (size_t j = 0; j < dir->name_count; j++) {
            if (dir->names[j].node->ino != ino)
                continue;
            const struct mnode *other = by_ino(b, dir->ino);
            if (!other || !has_name(other, dir->names[j].name, ino))
                return false;
        }
    }
    return true;
}

static bool same_attributes(const struct mnode *a, const struct mnode *b)
{
    if (a->mode != b->mode || a->uid != b->uid || a->gid != b->gid || a->rdev != b->rdev ||
        a->xattr_count != b->xattr_count ||
        ((S_ISREG(a->mode) || S_ISDIR(a->mode)) && a->flags != b->flags))
        return false;
    if (S_ISLNK(a->mode) && strcmp(a->target, b->target) != 0)
        return false;
    for (size_t i = 0; i < a->xattr_count; i++) {
        const struct mxattr *x = &a->xattrs[i], *y = model_xattr(b, x->name);

        if (!y || x->len != y->len || memcmp(x->value, y->value, x->len) != 0)
            return false;
    }
    return true;
}

/* Of the moments since, how many have the entry. */
static size_t moments_with(const struct trial *t, const struct mname *entry)
{
    size_t count = 0;

    for (size_t i = t->since; i < t->count; i++) {
        const struct mnode *dir = by_ino(t->moments[i], t->ino);

        count += dir && has_name(dir, entry->name, entry->node->ino);
    }
    return count;
}

/* A directory that was fsynced: what was gone is gone, and what was there all the time is there. */
static int compare_entries(const struct trial *t)
{
    const struct mnode *last = by_ino(t->moments[t->since], t->ino);

    for (size_t i = 0; i < t->there->name_count; i++)
        if (moments_with(t, &t->there->names[i]) == 0)
            return wrong(t->world, "%s (inode %llu): %s was not there at moment %zu nor after it",
                         model_path(&t->world->now, t->there), LLU(t->ino), t->there->names[i].name,
                         t->since);
    for (size_t i = 0; last && i < last->name_count; i++)
        if (moments_with(t, &last->names[i]) == t->count - t->since &&
            !has_name(t->there, last->names[i].name, last->names[i].node->ino))
            return wrong(t->world, "%s (inode %llu): %s is lost, and was there since moment %zu",
                         model_path(&t->world->now, t->there), LLU(t->ino), last->names[i].name,
                         t->since);
    return 0;
}

static bool in_contents(const struct mnode *there, const struct content *list, size_t count,
                        uint64_t at, size_t len)
{
    for (size_t i = 0; i < count; i++)
        if (content_same(&there->content, &list[i], at, len))
            return true;
    return false;
}

static bool bytes_were(const struct trial *t, uint64_t at, size_t len)
{
    for (size_t i = t->since; i < t->count; i++) {
        const struct mnode *node = by_ino(t->moments[i], t->ino);

        if (!node)
            continue;
        if (content_same(&t->there->content, &node->content, at, len) ||
            in_contents(t->there, node->older, node->older_count, at, len))
            return true;
        if ((node->flags & FS_NOCOW_FL) &&
            in_contents(t->there, node->later->contents, node->later->count, at, len))
            return true;
    }
    return false;
}

static int compare_pages(const struct trial *t, const struct content *pages)
{
    const struct mnode *there = t->there;
    uint64_t unit = there->flags & FS_NOCOW_FL ? TORN_BYTES : PAGE_BYTES;

    for (size_t i = 0; i < pages->count; i++) {
        uint64_t start = pages->refs[i].index * PAGE_BYTES;
        uint64_t end = MIN(start + PAGE_BYTES, there->content.size);

        for (uint64_t at = start; at < end; at += unit)
            if (!bytes_were(t, at, MIN(unit, end - at)))
                return wrong(t->world,
                             "%s (inode %llu): the bytes at %llu are as they never were "
                             "since moment %zu of %zu (size %llu)",
                             model_path(&t->world->now, there), LLU(t->ino), LLU(at), t->since,
                             t->count, LLU(there->content.size));
    }
    return 0;
}

static int compare_bytes(const struct trial *t)
{
    uint64_t least = UINT64_MAX, most = 0;

    if (compare_pages(t, &t->there->content) < 0)
        return -1;
    for (size_t i = t->since; i < t->count; i++) {
        const struct mnode *node = by_ino(t->moments[i], t->ino);

        if (!node)
            continue;
        least = MIN(least, node->content.size);
        most = MAX(most, node->content.size);
        for (size_t j = 0; j < node->older_count; j++) {
            least = MIN(least, node->older[j].size);
            most = MAX(most, node->older[j].size);
        }
        for (size_t j = 0; (node->flags & FS_NOCOW_FL) && j < node->later->count; j++)
            most = MAX(most, node->later->contents[j].size);
        if (compare_pages(t, &node->content) < 0)
            return -1;
    }
    if (t->there->content.size < least || t->there->content.size > most)
        return wrong_node(t->world, t->there, "size after a crash", t->there->content.size, most);
    return 0;
}

static int compare_inode(struct trial *t)
{
    bool named = false, alike = false, may_be_gone = false;
    const char *path = "?";

    for (size_t i = t->since; i < t->count; i++) {
        const struct mnode *node = by_ino(t->moments[i], t->ino);

        if (!node) {
            may_be_gone = true;
            continue;
        }
        path = model_path(t->moments[i], node);
        if (!t->there)
            continue;
        named |= names_within(t->moments[i], &t->world->now, t->ino) &&
                 names_within(&t->world->now, t->moments[i], t->ino);
        alike |= same_attributes(node, t->there);
    }
    if (!t->there)
        return may_be_gone ? 0
                           : wrong(t->world, "%s (inode %llu): lost, since moment %zu of %zu", path,
                                   LLU(t->ino), t->since, t->count);
    if (!named)
        return wrong(t->world,
                     "%s (inode %llu): has not the names it had at any moment since %zu "
                     "of %zu, such as %s",
                     model_path(&t->world->now, t->there), LLU(t->ino), t->since, t->count, path);
    if (!alike)
        return wrong(t->world, "%s (inode %llu): not like at any moment since %zu of %zu", path,
                     LLU(t->ino), t->since, t->count);
    if (S_ISDIR(t->there->mode) && t->since > 0)
        return compare_entries(t);
    return S_ISREG(t->there->mode) ? compare_bytes(t) : 0;
}

static int compare_number(struct trial *t, uint64_t ino)
{
    t->ino = ino;
    t->since = 0;
    t->there = by_ino(&t->world->now, ino);
    for (size_t i = 0; i < t->sure; i++) {
        const struct mnode *node = by_ino(t->moments[i], ino);

        if (node && node->asked)
            t->since = i;
    }
    return compare_inode(t);
}

int moments_compare(struct world *world, struct model *const *moments, size_t count, size_t sure)
{
    struct trial t = {.world = world, .moments = moments, .count = count, .sure = sure};

    if (take_all(world) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < moments[i]->count; j++)
            if (compare_number(&t, moments[i]->nodes[j]->ino) < 0)
                return -1;
    for (size_t i = 0; i < world->now.count; i++)
        if (compare_number(&t, world->now.nodes[i]->ino) < 0)
            return -1;
    return compare_all(world, false);
}

int moments_compare_own(struct world *world)
{
    struct moments *all = &world->moments;

    return moments_compare(world, all->list, all->count, all->count);
}
