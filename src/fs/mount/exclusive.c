// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What would be free without a file, a directory with all below it, or a subvolume: which files and
 * subvolumes these are. fs/subvol/exclusive.c knows what only they reach.
 */
#include "fs/mount/internal.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "fs/subvol/exclusive.h"

struct below {
    struct mount *m;
    struct tree_handle *tree;
    struct exclusive_set set;
    struct exclusive_set dirs;   /* its inodes: directories still to be read */
    struct exclusive_set linked; /* its inodes: files with several names, one for each met */
    uint64_t dir;                /* that is read now */
};

static void below_clear(struct below *below)
{
    exclusive_clear(&below->set);
    exclusive_clear(&below->dirs);
    exclusive_clear(&below->linked);
}

/* ---- subvolumes ------------------------------------------------------------------------------ */

struct child {
    uint64_t id, parent;
    bool within;
};

struct children {
    struct mount *m;
    struct child *list;
    size_t count, room;
};

static void children_clear(struct children *children)
{
    free(children->list);
}

/* Where a subvolume hangs; -ENOENT: nowhere. */
static int find_place(struct mount *m, uint64_t id, uint64_t *parent, uint64_t *dirid)
{
    char name[NAME_MAX_BYTES + 1];
    uint64_t index;
    uint16_t len;

    return root_ref_find(&m->fs.store->engine, id, parent, dirid, &index, name, &len);
}

static int note_child(void *arg, uint64_t id, uint64_t key_offset, const struct root_item *item)
{
    struct children *all = arg;
    struct child child = {.id = id};
    uint64_t dirid;

    (void)key_offset;
    if (!is_fs_tree(id) || item->refs == 0)
        return 0;
    if (all->count == all->room) {
        size_t room = all->room ? 2 * all->room : 64;
        struct child *grown = realloc(all->list, room * sizeof(*grown));

        if (!grown)
            return fail(-ENOMEM, "exclusive space: out of memory");
        all->list = grown;
        all->room = room;
    }
    int ret = find_place(all->m, id, &child.parent, &dirid);
    if (ret < 0 && ret != -ENOENT)
        return ret;
    all->list[all->count++] = child;
    return 0;
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = ((const struct child *)a)->id, y = ((const struct child *)b)->id;

    return x < y ? -1 : x > y;
}

static struct child *find_child(const struct children *all, uint64_t id)
{
    struct child key = {.id = id};

    return all->count ? bsearch(&key, all->list, all->count, sizeof(key), by_id) : NULL;
}

/* The subvolumes in the set, with all that are nested in them. */
static int add_nested(struct below *below)
{
    CLEANUP(children_clear) struct children all = {.m = below->m};
    bool more = below->set.tree_count > 0;

    if (more)
        TRY(roots_each(below->m->fs.store->roots, TREE_FS, note_child, &all));
    for (size_t i = 0; i < below->set.tree_count; i++) {
        struct child *child = find_child(&all, below->set.trees[i]);

        if (child)
            child->within = true;
    }
    while (more) {
        more = false;
        for (size_t i = 0; i < all.count; i++) {
            const struct child *parent = find_child(&all, all.list[i].parent);

            if (all.list[i].within || !parent || !parent->within)
                continue;
            all.list[i].within = more = true;
            TRY(exclusive_add_tree(&below->set, all.list[i].id));
        }
    }
    return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int add_file(struct below *below, uint64_t ino)
{
    struct inode *inode;

    TRY(inode_get_locked(&below->m->fs, below->tree, ino, &inode));
    uint32_t links = inode->item.nlink;
    inode_put(inode);
    return exclusive_add_inode(links == 1 ? &below->set : &below->linked, ino);
}

/* A subvolume of that name, unless the entry is what a snapshot shows in its place. */
static int add_subvol(struct below *below, uint64_t id)
{
    uint64_t parent, dirid;
    int ret = find_place(below->m, id, &parent, &dirid);

    if (ret == -ENOENT || (ret == 0 && (parent != below->tree->root.id || dirid != below->dir)))
        return 0;
    return ret < 0 ? ret : exclusive_add_tree(&below->set, id);
}

static int add_entry(void *arg, const struct dir_name *entry)
{
    struct below *below = arg;

    if (entry->location.type == KEY_ROOT_ITEM)
        return add_subvol(below, entry->location.objectid);
    if (entry->type == FT_DIR)
        return exclusive_add_inode(&below->dirs, entry->location.objectid);
    return entry->type == FT_REG_FILE ? add_file(below, entry->location.objectid) : 0;
}

static int read_dirs(struct below *below)
{
    while (below->dirs.inode_count > 0) {
        struct inode *dir;

        below->dir = below->dirs.inodes[--below->dirs.inode_count];
        TRY(inode_get_locked(&below->m->fs, below->tree, below->dir, &dir));
        int ret = dir_each(dir, 0, add_entry, below);
        inode_put(dir);
        if (ret < 0)
            return ret;
    }
    return 0;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Files of which all names were met. */
static int add_linked(struct below *below)
{
    uint64_t *list = below->linked.inodes;
    size_t count = below->linked.inode_count;

    if (count > 0)
        qsort(list, count, sizeof(*list), by_number);
    for (size_t i = 0, end; i < count; i = end) {
        struct inode *inode;

        for (end = i + 1; end < count && list[end] == list[i];)
            end++;
        TRY(inode_get_locked(&below->m->fs, below->tree, list[i], &inode));
        uint32_t links = inode->item.nlink;
        inode_put(inode);
        if (end - i == links)
            TRY(exclusive_add_inode(&below->set, list[i]));
    }
    return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int find_below(struct below *below, struct inode *inode)
{
    if (inode_is_reg(inode))
        return exclusive_add_inode(&below->set, inode->ino);
    if (!inode_is_dir(inode) || is_stub(inode))
        return 0;
    if (inode->ino == INO_SUBVOL_ROOT)
        return exclusive_add_tree(&below->set, below->tree->root.id);
    TRY(exclusive_add_inode(&below->dirs, inode->ino));
    TRY(read_dirs(below));
    return add_linked(below);
}

int mount_exclusive(struct mount *m, struct inode *inode, struct copse_exclusive *out)
{
    CLEANUP(below_clear)
    struct below below = {.m = m, .tree = inode->tree, .set = {.fs = &m->fs}};
    struct exclusive_bytes bytes;

    TRY(inode_is_there(inode));
    below.set.partial = inode->tree->root.id;
    if (!m->priv->readonly)
        TRY(files_writeback_all(&m->fs));
    store_read_lock(m->fs.store);
    int ret = find_below(&below, inode);
    if (ret == 0)
        ret = add_nested(&below);
    if (ret == 0)
        ret = exclusive_count(&below.set, &bytes);
    store_read_unlock(m->fs.store);
    if (ret == 0)
        *out = (struct copse_exclusive){bytes.data, bytes.metadata};
    return ret;
}

int mount_subvol_exclusive(struct mount *m, uint64_t id, struct copse_exclusive *out)
{
    CLEANUP(exclusive_clear) struct exclusive_set set = {.fs = &m->fs};
    struct exclusive_bytes bytes;

    if (!is_fs_tree(id))
        return fail(-ENOENT, "no subvolume %llu", (unsigned long long)id);
    TRY(exclusive_add_tree(&set, id));
    if (!m->priv->readonly)
        TRY(files_writeback_all(&m->fs));
    store_read_lock(m->fs.store);
    int ret = exclusive_count(&set, &bytes);
    store_read_unlock(m->fs.store);
    if (ret == 0)
        *out = (struct copse_exclusive){bytes.data, bytes.metadata};
    return ret;
}
