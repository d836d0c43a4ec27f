// SPDX-License-Identifier: GPL-2.0-or-later
/* Which parts of an extent are mapped, and whether all who map them can be re-pointed. */
#include "engine/extent/split_internal.h"

/* Distinct references, and items met, of one extent; with more it stays whole. */
#define REFS_MAX 1024
#define ITEMS_MAX (1U << 16)

void split_plan_clear(struct split_plan *plan)
{
    ref_list_clear(&plan->refs);
    free(plan->items);
    rangeset_clear(&plan->live);
}

static int add_item(struct split_plan *plan, const struct split_item *item)
{
    if (plan->count == plan->capacity) {
        size_t capacity = plan->capacity ? 2 * plan->capacity : 64;
        void *grown = realloc(plan->items, capacity * sizeof(*plan->items));

        if (!grown)
            return fail(-ENOMEM, "splitting an extent: out of memory");
        plan->items = grown;
        plan->capacity = capacity;
    }
    plan->items[plan->count++] = *item;
    return rangeset_add(&plan->live, item->offset, item->len);
}

/* Plain data, and inside its extent as it should be. */
static bool is_plain(const struct split_plan *plan, const struct key *key,
                     const struct file_extent *file)
{
    uint64_t sectors = key->offset | file->offset | file->num_bytes;

    return file->compression == 0 && file->encryption == 0 && file->other_encoding == 0 &&
           file->disk_num_bytes == plan->id.num_bytes && file->num_bytes > 0 &&
           file->offset < plan->id.num_bytes &&
           file->num_bytes <= plan->id.num_bytes - file->offset &&
           sectors % plan->extents->engine->sectorsize == 0;
}

static int leaf_is_own(struct split_plan *plan, const struct path *path, bool *own)
{
    struct view view = view_running(plan->extents);
    uint64_t leaf = node_bytenr(path_leaf(path));
    bool shared = false;

    if (leaf != plan->checked_leaf)
        TRY(sharing_path_is_shared(plan->extents, &view, path, &shared));
    if (!shared)
        plan->checked_leaf = leaf;
    *own = !shared;
    return 0;
}

static int plan_item(void *arg, const struct path *path, const struct key *key,
                     const struct file_extent *file)
{
    struct split_plan *plan = arg;
    struct split_item item = {path->root->id, key->objectid, key->offset, file->offset,
                              file->num_bytes};
    bool own;

    if (!is_plain(plan, key, file))
        return SPLIT_NEVER;
    TRY(leaf_is_own(plan, path, &own));
    return own ? add_item(plan, &item) : SPLIT_NOT_NOW;
}

static int open_tree(struct extents *extents, uint64_t id, struct root **out)
{
    if (!is_fs_tree(id))
        return SPLIT_NEVER;

    int ret = extents->trees->open(extents->trees_arg, id, out);

    if (ret != -ENOENT && ret != -EBUSY)
        return ret;
    fail_clear();
    return SPLIT_NOT_NOW;
}

/* Whether what a leaf maps is counted for the leaf; never of a young one. */
static int leaf_counts(struct split_plan *plan, const struct path *path, bool *counts)
{
    const struct node *leaf = path_leaf(path);
    uint64_t refs, flags = 0;

    if (node_generation(leaf) <= path->root->last_snapshot)
        TRY(extent_block_refs(plan->extents, node_bytenr(leaf), 0, &refs, &flags));
    *counts = flags & BLOCK_FLAG_FULL_BACKREF;
    return 0;
}

/* The tree may have items of the same key in leaves that count for themselves: plan_leaf's. */
static int plan_keyed_item(void *arg, const struct path *path, const struct key *key,
                           const struct file_extent *file)
{
    struct split_plan *plan = arg;
    uint64_t leaf = node_bytenr(path_leaf(path));
    bool counts = leaf == plan->counting_leaf;

    if (!counts && leaf != plan->checked_leaf)
        TRY(leaf_counts(plan, path, &counts));
    if (!counts)
        return plan_item(plan, path, key, file);
    plan->counting_leaf = leaf;
    return 0;
}

/* All items that a keyed reference counts. */
static int plan_keyed(struct split_plan *plan, const struct extent_ref *ref)
{
    size_t before = plan->count;
    struct root *tree;
    int ret = open_tree(plan->extents, ref->root, &tree);

    if (ret != 0)
        return ret;
    plan->checked_leaf = 0;
    ret = sharing_each_item(tree, &plan->id, ref, &plan->budget, plan_keyed_item, plan);
    if (ret != 0)
        return ret;
    return plan->count - before == ref->count ? 0 : SPLIT_NOT_NOW;
}

/* ---- leaves that another tree made ----------------------------------------------------------- */

struct only_ref {
    struct extent_ref ref;
    unsigned count;
};

static int take_only(void *arg, const struct extent_ref *ref)
{
    struct only_ref *only = arg;

    only->ref = *ref;
    return ++only->count > 1;
}

int split_tree_of_leaf(struct extents *extents, uint64_t bytenr, uint64_t *root_id)
{
    for (unsigned level = 0; level < TREE_LEVELS_MAX; level++) {
        struct only_ref only = {.count = 0};
        int ret = extent_each_ref(extents, bytenr, 0, (uint8_t)level, take_only, &only);

        if (ret == -ENOENT) {
            fail_clear();
            return 1;
        }
        if (ret != 0)
            return ret;
        if (only.ref.type == KEY_TREE_BLOCK_REF) {
            *root_id = only.ref.root;
            return 0;
        }
        bytenr = only.ref.parent;
    }
    return 1;
}

/* An item of the leaf, as its tree finds it there. */
static int plan_leaf_item(struct split_plan *plan, struct root *tree, const struct node *leaf,
                          uint32_t slot)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct file_extent file;
    struct key key;
    int ret = file_extent_at(leaf, slot, &file);

    if (ret != 0 || file.disk_bytenr != plan->id.bytenr)
        return ret < 0 ? ret : 0;
    node_key(leaf, slot, &key);
    ret = tree_search(tree, &key, &path);
    TRY(ret);
    if (ret > 0 || node_bytenr(path_leaf(&path)) != node_bytenr(leaf))
        return SPLIT_NOT_NOW;
    ret = plan_item(plan, &path, &key, &file);
    if (ret == 0)
        plan->items[plan->count - 1].leaf = node_bytenr(leaf);
    return ret;
}

/* All items that are counted for their leaf. */
static int plan_leaf(struct split_plan *plan, const struct extent_ref *ref)
{
    struct node_expect expect = {.bytenr = ref->parent, .level = 0};
    size_t before = plan->count;
    struct root *tree;
    struct node *leaf;
    uint64_t id;
    int ret = split_tree_of_leaf(plan->extents, ref->parent, &id);

    if (ret != 0)
        return ret < 0 ? ret : SPLIT_NOT_NOW;
    ret = open_tree(plan->extents, id, &tree);
    if (ret != 0)
        return ret;
    plan->checked_leaf = 0;
    TRY(forest_read_node(plan->extents->engine->forest, &expect, &leaf));
    for (uint32_t slot = 0; ret == 0 && slot < node_items(leaf); slot++)
        ret = plan_leaf_item(plan, tree, leaf, slot);
    node_put(leaf);
    plan->leaves++;
    if (ret != 0)
        return ret;
    return plan->count - before == ref->count ? 0 : SPLIT_NOT_NOW;
}

static int plan_ref(struct split_plan *plan, const struct extent_ref *ref)
{
    return ref->type == KEY_EXTENT_DATA_REF ? plan_keyed(plan, ref) : plan_leaf(plan, ref);
}

static int by_offset(const void *a, const void *b)
{
    const struct split_item *x = a;
    const struct split_item *y = b;

    if (x->offset == y->offset)
        return 0;
    return x->offset < y->offset ? -1 : 1;
}

static int list_refs(struct split_plan *plan)
{
    struct view view = view_running(plan->extents);
    int ret = ref_list_fill(plan->extents, &view, &plan->id, REFS_MAX, &plan->refs);

    if (ret == -ENOENT) {
        fail_clear();
        return SPLIT_NEVER;
    }
    if (ret != 0)
        return ret < 0 ? ret : SPLIT_NEVER;
    TRY(ref_list_merge(&plan->refs, &plan->id));
    return plan->refs.count > 0 ? 0 : SPLIT_NEVER;
}

int split_plan_make(struct extents *extents, uint64_t bytenr, uint64_t num_bytes,
                    struct split_plan *plan)
{
    int ret;

    *plan = (struct split_plan){
        .extents = extents, .id = data_id(bytenr, num_bytes), .budget = ITEMS_MAX};
    rangeset_init(&plan->live);
    if (!extents->trees)
        return SPLIT_NEVER;
    ret = list_refs(plan);
    for (size_t i = 0; ret == 0 && i < plan->refs.count; i++)
        ret = plan_ref(plan, &plan->refs.refs[i].ref);
    if (ret != 0)
        return ret;
    qsort(plan->items, plan->count, sizeof(*plan->items), by_offset);
    return plan->live.bytes < num_bytes ? 0 : SPLIT_NEVER;
}

int extent_split_look(struct extents *extents, uint64_t bytenr, uint64_t num_bytes,
                      struct extent_split *out)
{
    CLEANUP(split_plan_clear) struct split_plan plan;
    int ret = split_plan_make(extents, bytenr, num_bytes, &plan);

    TRY(ret);
    *out = (struct extent_split){.later = ret == SPLIT_NOT_NOW};
    if (ret == 0)
        *out = (struct extent_split){
            .frees = num_bytes - plan.live.bytes,
            .items = (unsigned)plan.count,
            .pieces = (unsigned)plan.live.count,
            .leaves = plan.leaves,
        };
    return 0;
}
