// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which subvolumes reach an extent: up along the back references, node by node, to the roots. What
 * was found for a node is remembered while the view lasts, as its neighbours will ask for it too.
 *
 * A node that is younger than the last snapshot of its tree belongs to that tree alone, and so
 * does all above it. That ends most walks at once.
 */
#include "engine/qgroup/internal.h"

struct view_block {
    UT_hash_handle hh;
    uint64_t bytenr;
    const struct rootset *roots;
};

void view_close(struct view *view)
{
    struct view_tree *tree, *next_tree;
    struct view_block *block, *next_block;

    HASH_ITER (hh, view->trees, tree, next_tree) {
        HASH_DEL(view->trees, tree);
        free(tree);
    }
    HASH_ITER (hh, view->blocks, block, next_block) {
        HASH_DEL(view->blocks, block);
        free(block);
    }
}

/* The roots of one extent, as they come together. */
struct gather {
    struct view *view;
    uint64_t bytenr, num_bytes;
    uint8_t level;
    uint64_t generation;
    struct id_list ids;
    const struct rootset *last; /* what was added last */
};

static void gather_clear(struct gather *gather)
{
    id_list_clear(&gather->ids);
}

static int add_roots_of(struct gather *gather, uint64_t block, uint8_t level)
{
    const struct rootset *roots;

    TRY(roots_of_block(gather->view, block, level, &roots));
    if (roots == gather->last)
        return 0;
    gather->last = roots;
    return id_list_add(&gather->ids, roots->ids, roots->count);
}

/* ---- down to a parent ------------------------------------------------------------------------ */

/* The slot whose child covers the key: the last one that does not begin behind it. */
static uint32_t slot_for(const struct node *node, const struct key *key)
{
    uint32_t low = 0, high = node_items(node);

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        struct key there;

        node_key(node, middle, &there);
        if (key_cmp(&there, key) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The block of that level on the way from a root to the key; 0: the tree is not that high. */
static int block_on_path(struct view *view, const struct root *root, const struct key *key,
                         uint8_t level, uint64_t *out)
{
    struct forest *forest = view->q->engine->forest;
    struct node_expect expect = {root->bytenr, root->generation, root->id, root->level};

    *out = 0;
    if (root->level < level)
        return 0;
    while (expect.level > level) {
        struct node *node;

        TRY(forest_read_node(forest, &expect, &node));
        if (node_items(node) == 0) {
            node_put(node);
            return 0;
        }
        uint32_t slot = slot_for(node, key);
        expect = (struct node_expect){node_child(node, slot), node_child_generation(node, slot),
                                      root->id, expect.level - 1};
        node_put(node);
    }
    *out = expect.bytenr;
    return 0;
}

static int first_key(struct view *view, uint64_t bytenr, uint8_t level, struct key *out)
{
    struct node_expect expect = {.bytenr = bytenr, .level = level};
    struct node *node;

    TRY(forest_read_node(view->q->engine->forest, &expect, &node));
    int ret =
        node_items(node) == 0 ? fail(-EUCLEAN, "block %llu: empty, with parents", LLU(bytenr)) : 0;
    if (ret == 0)
        node_key(node, 0, out);
    node_put(node);
    return ret;
}

/* ---- references ------------------------------------------------------------------------------ */

static int add_tree_ref(struct gather *gather, const struct view_tree *tree)
{
    struct view *view = gather->view;
    uint64_t there, parent;
    struct key key;

    if (tree->root.bytenr == gather->bytenr)
        return id_list_add(&gather->ids, &tree->id, 1);
    TRY(first_key(view, gather->bytenr, gather->level, &key));
    TRY(block_on_path(view, &tree->root, &key, gather->level, &there));
    if (there != gather->bytenr)
        return fail(-EUCLEAN, "tree %llu: block %llu is not where its key leads", LLU(tree->id),
                    LLU(gather->bytenr));
    TRY(block_on_path(view, &tree->root, &key, gather->level + 1, &parent));
    return add_roots_of(gather, parent, gather->level + 1);
}

/* Whether the item under the path is the one that a data reference means. */
static bool is_item_of(const struct path *path, const struct gather *gather,
                       const struct extent_ref *ref)
{
    const disk_file_extent *disk = path_data(path);
    struct file_extent file;
    struct key key;

    path_key(path, &key);
    if (path_size(path) < sizeof(*disk) || disk->type == FILE_EXTENT_INLINE ||
        node_owner(path_leaf(path)) != ref->root)
        return false;
    file_extent_decode(&file, disk);
    return file.disk_bytenr == gather->bytenr && key.offset - file.offset == ref->offset;
}

/* Compressed extents hold more bytes of a file than they have on disk, but never more than this. */
#define COMPRESSED_EXTENT_MAX (128 * KIB)

static int add_data_ref(struct gather *gather, const struct view_tree *tree,
                        const struct extent_ref *ref)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct root root = tree->root;
    uint64_t reach = MAX(gather->num_bytes, COMPRESSED_EXTENT_MAX);
    uint64_t leaf = 0;
    uint32_t found = 0;
    struct key key =
        key_make(ref->objectid, KEY_EXTENT_DATA, ref->offset > INT64_MAX ? 0 : ref->offset);

    if (key_cmp(&key, &tree->progress) < 0)
        key = tree->progress;
    int ret = tree_search_ge(&root, &key, &path);
    for (; ret == 0 && found < ref->count; ret = path_next(&path)) {
        path_key(&path, &key);
        if (key.objectid != ref->objectid || key.type > KEY_EXTENT_DATA ||
            key.offset - ref->offset >= reach)
            break;
        if (key.type != KEY_EXTENT_DATA || !is_item_of(&path, gather, ref))
            continue;
        found++;
        if (node_bytenr(path_leaf(&path)) != leaf) {
            leaf = node_bytenr(path_leaf(&path));
            TRY(add_roots_of(gather, leaf, 0));
        }
    }
    if (ret < 0)
        return ret;
    if (found == 0)
        return fail(-EUCLEAN, "extent %llu: tree %llu inode %llu does not refer to it",
                    LLU(gather->bytenr), LLU(ref->root), LLU(ref->objectid));
    return 0;
}

static int add_ref(void *arg, const struct extent_ref *ref)
{
    struct gather *gather = arg;
    const struct view_tree *tree;

    if (ref->type == KEY_SHARED_BLOCK_REF)
        return add_roots_of(gather, ref->parent, gather->level + 1);
    if (ref->type == KEY_SHARED_DATA_REF)
        return add_roots_of(gather, ref->parent, 0);
    if (!is_fs_tree(ref->root))
        return 0;
    TRY(view_tree(gather->view, ref->root, &tree));
    if (tree->missing)
        return fail(-EUCLEAN, "block %llu: kept by tree %llu, which is gone", LLU(gather->bytenr),
                    LLU(ref->root));
    if (gather->generation > tree->last_snapshot)
        return id_list_add(&gather->ids, &tree->id, 1);
    return ref->type == KEY_TREE_BLOCK_REF ? add_tree_ref(gather, tree)
                                           : add_data_ref(gather, tree, ref);
}

static int gather(struct gather *g, const struct rootset **out)
{
    struct view *view = g->view;
    int ret = extent_each_ref_in(view->q->extents, &view->extent_tree, g->bytenr, g->num_bytes,
                                 g->level, &g->generation, add_ref, g);

    if (ret < 0 && ret != -ENOENT)
        return ret;
    return rootset_make(&view->q->sets, &g->ids, out);
}

int roots_of_data(struct view *view, uint64_t bytenr, uint64_t num_bytes,
                  const struct rootset **out)
{
    CLEANUP(gather_clear)
    struct gather g = {.view = view, .bytenr = bytenr, .num_bytes = num_bytes};

    return gather(&g, out);
}

int roots_of_block(struct view *view, uint64_t bytenr, uint8_t level, const struct rootset **out)
{
    CLEANUP(gather_clear) struct gather g = {.view = view, .bytenr = bytenr, .level = level};
    struct view_block *block;

    HASH_FIND(hh, view->blocks, &bytenr, sizeof(bytenr), block);
    if (block) {
        *out = block->roots;
        return 0;
    }
    if (level >= TREE_LEVELS_MAX)
        return fail(-EUCLEAN, "block %llu: parents without end", LLU(bytenr));
    TRY(gather(&g, out));
    block = malloc(sizeof(*block));
    if (!block)
        return fail(-ENOMEM, "quota groups: out of memory");
    block->bytenr = bytenr;
    block->roots = *out;
    HASH_ADD(hh, view->blocks, bytenr, sizeof(block->bytenr), block);
    if (!HASH_ADDED(block)) {
        free(block);
        return fail(-ENOMEM, "quota groups: out of memory");
    }
    return 0;
}
