// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which files have the data at a logical address.
 *
 * The back references of its extent name inodes and file positions, though not every tree: a leaf
 * that snapshots share is named once. But whoever shares it has the same inode and position in it.
 * So the references give candidates, and each is looked for in every subvolume.
 */
#include "fs/mount/internal.h"

#include <stdlib.h>

#include "base/cleanup.h"

/* A file may have the extent: what its items say when the extent begins at `base` of the file. */
struct candidate {
    uint64_t ino;
    uint64_t base; /* may wrap below zero */
};

struct owner_search {
    struct mount *m;
    uint64_t logical;
    uint64_t bytenr, num_bytes; /* of the extent */
    unsigned flags;             /* COPSE_OWNERS_* */
    struct candidate *candidates;
    size_t candidate_count;
    struct copse_owner *owners;
    size_t owner_count;
};

static void search_clear(struct owner_search *search)
{
    free(search->candidates);
    free(search->owners);
}

/* Room for one more in an array that doubles. */
static int make_room(void **list, size_t count, size_t size)
{
    void *grown;

    if (count & (count - 1) || (count != 0 && count < 8))
        return 0;
    grown = realloc(*list, (count < 8 ? 8 : 2 * count) * size);
    if (!grown)
        return fail(-ENOMEM, "who has an extent: out of memory");
    *list = grown;
    return 0;
}

/* ---- the extent ------------------------------------------------------------------------------ */

static bool is_extent_item(const struct key *key)
{
    return key->type == KEY_EXTENT_ITEM || key->type == KEY_METADATA_ITEM;
}

static int no_extent(const struct owner_search *search)
{
    return fail(-ENOENT, "no extent at %llu", (unsigned long long)search->logical);
}

static int find_extent(struct owner_search *search)
{
    struct engine *e = &search->m->fs.store->engine;
    struct key key = key_make(search->logical, KEY_METADATA_ITEM, UINT64_MAX);
    AUTO_PATH struct path path = PATH_INIT;
    struct extent_item item;

    int ret = tree_search_le(&e->extent_tree, &key, &path);
    for (; ret == 0; ret = path_prev(&path)) {
        path_key(&path, &key);
        if (is_extent_item(&key))
            break;
    }
    if (ret != 0)
        return ret < 0 ? ret : no_extent(search);
    uint64_t len = key.type == KEY_EXTENT_ITEM ? key.offset : e->nodesize;
    if (search->logical - key.objectid >= len)
        return no_extent(search);
    if (path_size(&path) < sizeof(disk_extent_item))
        return fail(-EUCLEAN, "%s: extent item is cut short", path_where(&path));
    extent_item_decode(&item, path_data(&path));
    if (!(item.flags & EXTENT_FLAG_DATA))
        return fail(-EINVAL, "a tree block is at %llu, no data",
                    (unsigned long long)search->logical);
    search->bytenr = key.objectid;
    search->num_bytes = key.offset;
    return 0;
}

/* ---- candidates ------------------------------------------------------------------------------ */

static int add_candidate(struct owner_search *search, uint64_t ino, uint64_t base)
{
    for (size_t i = 0; i < search->candidate_count; i++) {
        if (search->candidates[i].ino == ino && search->candidates[i].base == base)
            return 0;
    }
    TRY(make_room((void **)&search->candidates, search->candidate_count,
                  sizeof(*search->candidates)));
    search->candidates[search->candidate_count++] = (struct candidate){ino, base};
    return 0;
}

/* Whether the item, of that size, refers to the extent. */
static bool refers(const struct owner_search *search, const void *data, uint32_t size,
                   struct file_extent *out)
{
    const disk_file_extent *disk = data;

    if (size < sizeof(*disk) ||
        (disk->type != FILE_EXTENT_REG && disk->type != FILE_EXTENT_PREALLOC))
        return false;
    file_extent_decode(out, disk);
    return out->disk_bytenr == search->bytenr;
}

static int add_of_leaf(struct owner_search *search, uint64_t bytenr)
{
    struct node_expect expect = {.level = 0, .bytenr = bytenr};
    struct node *leaf;
    int ret = 0;

    TRY(forest_read_node(search->m->fs.store->engine.forest, &expect, &leaf));
    for (uint32_t slot = 0; ret == 0 && slot < node_items(leaf); slot++) {
        struct file_extent item;
        struct key key;

        node_key(leaf, slot, &key);
        if (key.type == KEY_EXTENT_DATA &&
            refers(search, leaf_data(leaf, slot), leaf_size(leaf, slot), &item))
            ret = add_candidate(search, key.objectid, key.offset - item.offset);
    }
    node_put(leaf);
    return ret;
}

static int add_ref(void *arg, const struct extent_ref *ref)
{
    struct owner_search *search = arg;

    if (ref->type == KEY_EXTENT_DATA_REF)
        return add_candidate(search, ref->objectid, ref->offset);
    return ref->type == KEY_SHARED_DATA_REF ? add_of_leaf(search, ref->parent) : 0;
}

/* ---- owners ---------------------------------------------------------------------------------- */

static int add_owner(struct owner_search *search, uint64_t subvol, uint64_t ino, uint64_t offset)
{
    TRY(make_room((void **)&search->owners, search->owner_count, sizeof(*search->owners)));
    search->owners[search->owner_count++] = (struct copse_owner){subvol, ino, offset};
    return 0;
}

/*
 * Whether the part of the extent that the item maps has the address asked for; *offset moves from
 * the item's beginning to it. Bytes of a compressed extent have no address of their own.
 */
static bool has_address(const struct owner_search *search, const struct file_extent *item,
                        uint64_t *offset)
{
    uint64_t at = search->logical - search->bytenr;

    if ((search->flags & COPSE_OWNERS_ANY_PART) || item->compression != 0)
        return true;
    if (at < item->offset || at - item->offset >= item->num_bytes)
        return false;
    *offset += at - item->offset;
    return true;
}

/* The items of the candidate's file that map the extent from that base, in one tree. */
static int look_in(struct owner_search *search, struct tree_handle *tree,
                   const struct candidate *candidate)
{
    /* No item maps more than the whole extent, unpacked; one that begins below zero begins at 0. */
    uint64_t reach = MAX(search->num_bytes, COMPRESSED_EXTENT_MAX);
    bool below_zero = candidate->base > INT64_MAX;
    struct key key = key_make(candidate->ino, KEY_EXTENT_DATA, below_zero ? 0 : candidate->base);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search_ge(&tree->root, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        struct file_extent item;
        uint64_t offset;

        path_key(&path, &key);
        if (key.objectid != candidate->ino || key.type != KEY_EXTENT_DATA ||
            key.offset - candidate->base >= reach)
            return 0;
        offset = key.offset;
        if (refers(search, path_data(&path), path_size(&path), &item) &&
            key.offset - item.offset == candidate->base && has_address(search, &item, &offset))
            TRY(add_owner(search, tree->root.id, candidate->ino, offset));
    }
    return MIN(ret, 0);
}

static int look_in_tree(void *arg, uint64_t id, uint64_t key_offset, const struct root_item *item)
{
    struct owner_search *search = arg;
    struct tree_handle *tree;

    (void)key_offset;
    if (!is_fs_tree(id) || item->refs == 0)
        return 0;
    TRY(roots_get(search->m->fs.store->roots, id, &tree));
    for (size_t i = 0; i < search->candidate_count; i++)
        TRY(look_in(search, tree, &search->candidates[i]));
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct copse_owner *x = a, *y = b;

    if (x->subvol != y->subvol)
        return x->subvol < y->subvol ? -1 : 1;
    if (x->ino != y->ino)
        return x->ino < y->ino ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int find_owners(struct owner_search *search)
{
    struct store *store = search->m->fs.store;

    TRY(find_extent(search));
    TRY(extent_each_ref(store->extents, search->bytenr, search->num_bytes, 0, add_ref, search));
    TRY(roots_each(store->roots, TREE_FS, look_in_tree, search));
    if (search->owner_count)
        qsort(search->owners, search->owner_count, sizeof(*search->owners), by_place);
    return 0;
}

int mount_logical_owners(struct mount *m, uint64_t logical, unsigned flags,
                         int (*fn)(void *arg, const struct copse_owner *owner), void *arg)
{
    CLEANUP(search_clear)
    struct owner_search search = {.m = m, .logical = logical, .flags = flags};

    /* What is not committed has no extent items yet. */
    if (!m->priv->readonly)
        TRY(mount_sync(m));
    store_read_lock(m->fs.store);
    int ret = find_owners(&search);
    store_read_unlock(m->fs.store);
    for (size_t i = 0; ret == 0 && i < search.owner_count; i++) {
        if (fn(arg, &search.owners[i]) != 0)
            break;
    }
    return ret;
}
