// SPDX-License-Identifier: GPL-2.0-or-later
/* Which trees there are: what the root tree says, and what only their blocks say. */
#include <stdlib.h>

#include "ops/rescue/internal.h"

/* ---- the table of subvolumes -------------------------------------------------------------------
 */

static size_t lower_bound(const struct rescue *r, uint64_t id)
{
    size_t low = 0, high = r->subvol_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (r->subvols[mid].tree.id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

int rescue_subvol(struct rescue *r, uint64_t id, struct rsubvol **out)
{
    size_t i = lower_bound(r, id);

    if (i == r->subvol_count || r->subvols[i].tree.id != id)
        return fail(-ENOENT, "subvolume %llu is not there", LLU(id));
    *out = &r->subvols[i];
    return 0;
}

static int need_subvol(struct rescue *r, uint64_t id, struct rsubvol **out)
{
    size_t i = lower_bound(r, id);

    if (i < r->subvol_count && r->subvols[i].tree.id == id) {
        *out = &r->subvols[i];
        return 0;
    }
    if (r->subvol_count == r->subvol_room) {
        size_t room = MAX(r->subvol_room * 2, (size_t)16);
        struct rsubvol *grown = realloc(r->subvols, room * sizeof(*grown));

        if (!grown)
            return fail(-ENOMEM, "out of memory");
        r->subvols = grown;
        r->subvol_room = room;
    }
    memmove(r->subvols + i + 1, r->subvols + i, (r->subvol_count - i) * sizeof(*r->subvols));
    r->subvols[i] = (struct rsubvol){
        .tree = {.id = id, .filled = true, .generation_max = r->super->generation + 1}};
    r->subvol_count++;
    *out = &r->subvols[i];
    return 0;
}

void rescue_roots_free(struct rescue *r)
{
    for (size_t i = 0; i < r->subvol_count; i++) {
        struct rsubvol *subvol = &r->subvols[i];

        for (size_t k = 0; k < subvol->extra_count; k++)
            free(subvol->extras[k].name);
        free(subvol->extras);
        free(subvol->name);
        rtree_free(&subvol->tree);
    }
    free(r->subvols);
    rtree_free(&r->root_tree);
    rtree_free(&r->chunk_tree);
    rtree_free(&r->extent_tree);
    rtree_free(&r->csum_tree);
}

/* ---- the root tree -----------------------------------------------------------------------------
 */

static void set_root(struct rtree *tree, const struct root_item *item, bool guessed)
{
    if (tree->rooted)
        return;
    tree->rooted = !guessed;
    tree->bytenr = item->bytenr;
    tree->generation = item->generation;
    tree->level = item->level;
}

static int take_root(struct rescue *r, const struct ritem *item)
{
    struct root_item root = {.generation = 0};
    uint8_t padded[sizeof(disk_root_item)] = {0};
    struct rsubvol *subvol;

    if (item->size < ROOT_ITEM_SIZE_V1)
        return 0;
    memcpy(padded, item->data, MIN(item->size, (uint32_t)sizeof(padded)));
    root_item_decode(&root, padded);
    if (root.level >= TREE_LEVELS_MAX)
        return 0;
    if (item->key.objectid == TREE_EXTENT)
        set_root(&r->extent_tree, &root, item->guessed);
    if (item->key.objectid == TREE_CSUM)
        set_root(&r->csum_tree, &root, item->guessed);
    if (!is_fs_tree(item->key.objectid))
        return 0;
    TRY(need_subvol(r, item->key.objectid, &subvol));
    set_root(&subvol->tree, &root, item->guessed);
    /* Written by a system that does not know the later fields. */
    if (root.generation_v2 != root.generation)
        memset(&root.uuid, 0, sizeof(root) - offsetof(struct root_item, uuid));
    subvol->item = root;
    subvol->has_item = true;
    subvol->deleted = root.refs == 0;
    return 0;
}

static int take_name(struct rescue *r, uint64_t id, uint64_t parent, const struct ritem *item)
{
    struct rsubvol *subvol;
    struct root_ref ref;
    char *name;

    if (item->size < sizeof(disk_root_ref) || !is_fs_tree(id) || !is_fs_tree(parent))
        return 0;
    root_ref_decode(&ref, item->data);
    if (ref.name_len > item->size - sizeof(disk_root_ref) ||
        !name_is_valid(item->data + sizeof(disk_root_ref), ref.name_len))
        return 0;
    TRY(need_subvol(r, id, &subvol));
    if (subvol->name)
        return 0;
    name = strndup((const char *)item->data + sizeof(disk_root_ref), ref.name_len);
    if (!name)
        return fail(-ENOMEM, "out of memory");
    subvol->name = name;
    subvol->name_len = ref.name_len;
    subvol->parent = parent;
    subvol->dirid = ref.dirid;
    return 0;
}

static int take_item(void *arg, const struct ritem *item)
{
    struct rescue *r = arg;

    switch (item->key.type) {
    case KEY_ROOT_ITEM:
        return take_root(r, item);
    case KEY_ROOT_REF:
        return take_name(r, item->key.offset, item->key.objectid, item);
    case KEY_ROOT_BACKREF:
        return take_name(r, item->key.objectid, item->key.offset, item);
    default:
        return 0;
    }
}

/* ---- what a snapshot comes from ----------------------------------------------------------------
 */

static struct rsubvol *by_uuid(struct rescue *r, const struct uuid *uuid)
{
    for (size_t i = 0; i < r->subvol_count; i++)
        if (uuid_equal(&r->subvols[i].item.uuid, uuid))
            return &r->subvols[i];
    return NULL;
}

static int add_forebear(struct rtree *tree, uint64_t id, uint64_t generation_max)
{
    void *grown = realloc(tree->forebears, (tree->forebear_count + 1) * sizeof(*tree->forebears));

    if (!grown)
        return fail(-ENOMEM, "out of memory");
    tree->forebears = grown;
    tree->forebears[tree->forebear_count].id = id;
    tree->forebears[tree->forebear_count++].generation_max = generation_max;
    return 0;
}

#define FOREBEARS_MAX 256

static int find_forebears(struct rescue *r, struct rsubvol *subvol)
{
    const struct rsubvol *at = subvol;
    uint64_t most = UINT64_MAX;

    while (subvol->tree.forebear_count < FOREBEARS_MAX) {
        const struct rsubvol *from;

        if (!at->has_item) {
            /* It may be a snapshot of anything. */
            subvol->tree.orphaned = true;
            subvol->tree.orphan_generation_max = most;
            return 0;
        }
        if (uuid_is_null(&at->item.parent_uuid))
            return 0;
        most = MIN(most, at->item.otransid);
        from = by_uuid(r, &at->item.parent_uuid);
        if (!from) {
            subvol->tree.orphaned = true;
            subvol->tree.orphan_generation_max = most;
            return 0;
        }
        if (from == subvol)
            return 0;
        TRY(add_forebear(&subvol->tree, from->tree.id, most));
        at = from;
    }
    return 0;
}

/* ---- trees that the root tree has lost ---------------------------------------------------------
 */

/*
 * The newest block of a tree is its root. What the root tree said in an older state may still be
 * right.
 */
static void confirm_root(struct rescue *r, struct rtree *tree)
{
    size_t count;
    const struct found_block *found = rescue_found_of(r, tree->id, &count);

    if (tree->rooted)
        return;
    for (size_t i = 0; i < count; i++) {
        if (found[i].use == FOUND_FREE)
            continue;
        tree->rooted = found[i].bytenr == tree->bytenr && found[i].generation == tree->generation &&
                       found[i].level == tree->level;
        return;
    }
}

static int find_trees(struct rescue *r)
{
    uint64_t owner = 0;
    struct rsubvol *subvol;

    TRY(rescue_scan(r));
    TRY(rescue_scan_use(r));
    for (size_t i = 0; i < r->found_count; i++) {
        if (r->found[i].owner == owner || r->found[i].use == FOUND_FREE)
            continue;
        owner = r->found[i].owner;
        if (is_fs_tree(owner))
            TRY(need_subvol(r, owner, &subvol));
    }
    for (size_t i = 0; i < r->subvol_count; i++)
        confirm_root(r, &r->subvols[i].tree);
    return 0;
}

/* Of the block that the caller names as the root, all is as it says itself. */
static int take_given_root(struct rescue *r)
{
    const struct node_expect expect = {.bytenr = r->options.root, .owner = TREE_ROOT, .level = -1};
    struct held *held;

    TRY(rescue_block(r, &expect, &held));
    const disk_node_header *header = (const void *)held_bytes(held);
    r->root_tree.bytenr = r->options.root;
    r->root_tree.generation = le64_get(header->generation);
    r->root_tree.level = header->level;
    held_put(held);
    return 0;
}

int rescue_load_roots(struct rescue *r)
{
    const struct key first = KEY_FIRST, last = KEY_LAST;

    r->root_tree = (struct rtree){.id = TREE_ROOT,
                                  .rooted = true,
                                  .filled = true,
                                  .bytenr = r->super->root,
                                  .generation = r->super->generation,
                                  .level = r->super->root_level,
                                  .generation_max = r->super->generation};
    r->extent_tree = (struct rtree){.id = TREE_EXTENT};
    r->csum_tree =
        (struct rtree){.id = TREE_CSUM, .filled = true, .generation_max = r->super->generation};
    if (r->options.root)
        TRY(take_given_root(r));
    TRY(rtree_each(r, &r->root_tree, &first, &last, take_item, r));
    if (r->root_tree.damaged)
        TRY(find_trees(r));
    for (size_t i = 0; i < r->subvol_count; i++)
        TRY(find_forebears(r, &r->subvols[i]));
    return 0;
}

/* ---- for the caller ----------------------------------------------------------------------------
 */

int rescue_subvols(struct rescue *r, int (*fn)(void *arg, const struct copse_rescue_subvol *subvol),
                   void *arg)
{
    for (size_t i = 0; i < r->subvol_count; i++) {
        const struct rsubvol *subvol = &r->subvols[i];
        const struct copse_rescue_subvol out = {
            .id = subvol->tree.id,
            .parent = subvol->parent,
            .dir_ino = subvol->dirid,
            .name = subvol->name,
            .name_len = subvol->name_len,
            .snapshot = !uuid_is_null(&subvol->item.parent_uuid),
            .guessed = !subvol->has_item,
        };
        int ret;

        if (subvol->deleted)
            continue;
        ret = fn(arg, &out);
        if (ret != 0)
            return ret < 0 ? ret : 0;
    }
    return 0;
}
