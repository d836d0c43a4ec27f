// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Walking back references, in the running trees or in those of the last durable commit (whose
 * blocks stay as they are until the next one).
 *
 * A keyed reference leads to file extent items of one inode, found by a search of its tree; a full
 * one to the items of a leaf. A mapper's own items are passed over; that others reach those very
 * items, through a leaf or a node that several trees share, is sharing_of_path's subject.
 */
#include "engine/extent/sharing_internal.h"

/* References and items looked at for one answer; an extent that has more counts as shared. */
#define WALK_BUDGET 4096

struct walk {
    struct extents *extents;
    struct view view;
    bool durable;
    struct extent_id id;  /* as this view knows it */
    struct mapper mapper; /* likewise */
    uint64_t shift;       /* where in `id` the extent asked about begins */
    uint64_t num_bytes;   /* of the extent asked about */
    unsigned budget;
    bool met;     /* an item that is not the mapper's */
    bool by_leaf; /* an item of the mapper's in a leaf with full references */
    struct rangeset *ranges;
};

static int find_tree(struct extents *extents, uint64_t id, bool durable, struct root *out)
{
    if (!extents->trees)
        return -ENOENT;
    if (durable)
        sharing_note_durable(extents);

    int ret = extents->trees->find(extents->trees_arg, id, durable, out);

    if (ret == -ENOENT)
        fail_clear();
    return ret;
}

static int share_all(struct walk *walk)
{
    walk->met = true;
    return rangeset_add(walk->ranges, 0, walk->num_bytes);
}

/* 1: there was more to look at than is reasonable. */
static int spend(struct walk *walk)
{
    if (walk->budget == 0)
        return 1;
    walk->budget--;
    return 0;
}

/* An item of somebody else's. */
static int share_item(struct walk *walk, const struct file_extent *file)
{
    uint64_t start = file->offset;
    uint64_t end;

    /* Of compressed data no part is anybody's. */
    if (file->compression != 0 || file->num_bytes > UINT64_MAX - file->offset)
        return share_all(walk);
    walk->met = true;
    end = MIN(file->offset + file->num_bytes, walk->shift + walk->num_bytes);
    start = MAX(start, walk->shift);
    return start < end ? rangeset_add(walk->ranges, start - walk->shift, end - start) : 0;
}

static bool is_of_extent(const struct walk *walk, const struct file_extent *file)
{
    return file->disk_bytenr == walk->id.bytenr;
}

/* ---- keyed references ----------------------------------------------------------------------- */

static bool is_own_ref(const struct walk *walk, uint64_t root, uint64_t objectid, uint64_t offset)
{
    return root == walk->mapper.root && objectid == walk->mapper.objectid &&
           offset == walk->mapper.offset;
}

int sharing_each_item(struct root *tree, const struct extent_id *id, const struct extent_ref *ref,
                      unsigned *budget, sharing_item_fn *fn, void *arg)
{
    AUTO_PATH struct path path = PATH_INIT;
    bool below_zero = ref->offset > INT64_MAX;
    struct key key = key_make(ref->objectid, KEY_EXTENT_DATA, below_zero ? 0 : ref->offset);
    /* Offsets into compressed extents count what they hold. */
    uint64_t span = MAX(id->num_bytes, (uint64_t)COMPRESSED_EXTENT_MAX);
    int ret = tree_search_ge(tree, &key, &path);

    for (; ret == 0; ret = path_next(&path)) {
        struct file_extent file;

        path_key(&path, &key);
        if (key.objectid != ref->objectid || key.type != KEY_EXTENT_DATA ||
            key.offset - ref->offset >= span)
            return 0;
        if ((*budget)-- == 0) {
            *budget = 0;
            return 1;
        }
        ret = file_extent_at(path_leaf(&path), path_slot(&path), &file);
        if (ret == 0 && file.disk_bytenr == id->bytenr && key.offset - file.offset == ref->offset)
            ret = fn(arg, &path, &key, &file);
        else if (ret > 0)
            ret = 0;
        if (ret != 0)
            return ret;
    }
    return ret < 0 ? ret : 0;
}

static int share_found(void *arg, const struct path *path, const struct key *key,
                       const struct file_extent *file)
{
    (void)path;
    (void)key;
    return share_item(arg, file);
}

static int walk_keyed(struct walk *walk, const struct extent_ref *ref)
{
    struct root tree;
    int ret;

    if (is_own_ref(walk, ref->root, ref->objectid, ref->offset))
        return 0;
    ret = find_tree(walk->extents, ref->root, walk->durable, &tree);
    if (ret == -ENOENT)
        return share_all(walk);
    TRY(ret);
    ret = sharing_each_item(&tree, &walk->id, ref, &walk->budget, share_found, walk);
    return ret > 0 ? share_all(walk) : ret;
}

/* ---- full references ------------------------------------------------------------------------ */

/* Whether the leaf is where the mapper's own tree has this item of its own. */
static int is_in_own_tree(struct walk *walk, uint64_t leaf, const struct key *key, bool *own)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct root tree;
    int ret = find_tree(walk->extents, walk->mapper.root, walk->durable, &tree);

    *own = false;
    if (ret == -ENOENT)
        return 0;
    TRY(ret);
    ret = tree_search(&tree, key, &path);
    TRY(ret);
    *own = ret == 0 && node_bytenr(path_leaf(&path)) == leaf;
    return 0;
}

static int walk_leaf_item(struct walk *walk, const struct node *leaf, uint32_t slot)
{
    struct file_extent file;
    struct key key;
    bool own = false;
    int ret = file_extent_at(leaf, slot, &file);

    TRY(ret);
    if (ret > 0 || !is_of_extent(walk, &file))
        return 0;
    node_key(leaf, slot, &key);
    if (is_own_ref(walk, walk->mapper.root, key.objectid, key.offset - file.offset))
        TRY(is_in_own_tree(walk, node_bytenr(leaf), &key, &own));
    walk->by_leaf |= own;
    return own ? 0 : share_item(walk, &file);
}

static int walk_leaf(struct walk *walk, const struct extent_ref *ref)
{
    struct node_expect expect = {.bytenr = ref->parent, .level = 0};
    struct node *leaf;
    int ret = 0;

    TRY(forest_read_node(walk->extents->engine->forest, &expect, &leaf));
    for (uint32_t slot = 0; ret == 0 && slot < node_items(leaf); slot++)
        ret = walk_leaf_item(walk, leaf, slot);
    node_put(leaf);
    return ret;
}

/* ---- all of them ---------------------------------------------------------------------------- */

static int walk_refs(struct walk *walk, const struct ref_list *list)
{
    bool walked = false;

    for (size_t i = 0; i < list->count; i++) {
        const struct extent_ref *ref = &list->refs[i].ref;

        if (spend(walk) > 0)
            return share_all(walk);
        walked |= ref->type != KEY_EXTENT_DATA_REF ||
                  !is_own_ref(walk, ref->root, ref->objectid, ref->offset);
        if (ref->type == KEY_EXTENT_DATA_REF)
            TRY(walk_keyed(walk, ref));
        else
            TRY(walk_leaf(walk, ref));
    }
    sharing_count(walk->extents, 0, 0, walked);
    return 0;
}

/* *generation: of the extent; 0: not even an item yet. */
static int walk_extent(struct walk *walk, uint64_t *generation)
{
    CLEANUP(ref_list_clear) struct ref_list list = {0};
    int ret = ref_list_fill(walk->extents, &walk->view, &walk->id, WALK_BUDGET, &list);

    sharing_count(walk->extents, 0, 1, 0);
    TRY(ret);
    *generation = list.generation;
    if (ret > 0)
        return share_all(walk);
    TRY(ref_list_merge(&list, &walk->id));
    return walk_refs(walk, &list);
}

/*
 * The data extent of the last commit that holds this address. 1: none. It is another one than
 * asked about when it was split since.
 */
static int find_durable(struct root *extent_tree, uint64_t bytenr, struct extent_id *out)
{
    struct key key = key_make(bytenr, KEY_EXTENT_ITEM, UINT64_MAX);

    for (;;) {
        AUTO_PATH struct path path = PATH_INIT;
        int ret = tree_search_le(extent_tree, &key, &path);

        if (ret != 0)
            return ret;
        path_key(&path, &key);
        if (key.type == KEY_EXTENT_ITEM)
            break;
        /* Something else that is filed under this address or a lower one. */
        if (key.type > KEY_EXTENT_ITEM)
            key = key_make(key.objectid, KEY_EXTENT_ITEM, UINT64_MAX);
        else
            return 1;
    }
    if (key.offset <= bytenr - key.objectid)
        return 1;
    *out = data_id(key.objectid, key.offset);
    return 0;
}

static int walk_durable(struct walk *walk)
{
    struct root extent_tree;
    uint64_t generation;
    int ret = find_tree(walk->extents, TREE_EXTENT, true, &extent_tree);

    if (ret == -ENOENT)
        return share_all(walk);
    TRY(ret);
    ret = find_durable(&extent_tree, walk->mapper.bytenr, &walk->id);
    if (ret != 0)
        return ret < 0 ? ret : 0;
    walk->view = (struct view){&extent_tree, false};
    walk->durable = true;
    walk->shift = walk->mapper.bytenr - walk->id.bytenr;
    walk->mapper.bytenr = walk->id.bytenr;
    walk->mapper.offset -= walk->shift;
    return walk_extent(walk, &generation);
}

int sharing_find_others(struct extents *extents, const struct mapper *mapper, uint64_t num_bytes,
                        struct others *others)
{
    struct walk walk = {
        .extents = extents,
        .view = view_running(extents),
        .id = data_id(mapper->bytenr, num_bytes),
        .mapper = *mapper,
        .num_bytes = num_bytes,
        .budget = WALK_BUDGET,
        .ranges = &others->ranges,
    };
    uint64_t generation;

    TRY(walk_extent(&walk, &generation));
    others->by_leaf = walk.by_leaf;
    others->settled = !walk.met && !sharing_was_dropped(extents, mapper->bytenr);
    if (others->settled || generation == 0 || generation > extents->engine->durable_gen)
        return 0;
    return walk_durable(&walk);
}

/* ---- above the mapper's own item ------------------------------------------------------------ */

int sharing_path_is_shared(struct extents *extents, const struct view *view,
                           const struct path *path, bool *shared)
{
    const struct root *tree = path->root;

    *shared = false;
    for (unsigned level = 0; level <= tree->level && !*shared; level++) {
        const struct node *node = path->nodes[level];
        uint64_t refs, flags;

        if (node_generation(node) > tree->last_snapshot && !(node_flags(node) & HEADER_FLAG_RELOC))
            break;
        TRY(block_refs_in(extents, view, node_bytenr(node), (uint8_t)level, &refs, &flags));
        sharing_count(extents, 0, 1, 0);
        *shared = refs > 1;
    }
    return 0;
}

/*
 * Where the tree has no item for this place, nobody shares it by this way; that holds up to the
 * next item.
 */
static int until_next_item(struct path *path, uint64_t objectid, uint64_t position, uint64_t *same)
{
    struct key key;
    int ret = path_next(path);

    if (ret != 0)
        return ret < 0 ? ret : 0;
    path_key(path, &key);
    if (key.objectid == objectid && key.type == KEY_EXTENT_DATA && key.offset > position)
        *same = MIN(*same, key.offset - position);
    return 0;
}

/*
 * The item that maps a position, if it is under the path. *end: up to where; *there: the address
 * that byte has, 0 where it has none.
 */
static int item_covers(const struct path *path, uint64_t objectid, uint64_t position, uint64_t *end,
                       uint64_t *there)
{
    struct file_extent file;
    struct key key;
    int ret;

    *end = 0;
    path_key(path, &key);
    if (key.objectid != objectid || key.type != KEY_EXTENT_DATA)
        return 0;
    ret = file_extent_at(path_leaf(path), path_slot(path), &file);
    TRY(ret);
    if (ret > 0 || file.num_bytes <= position - key.offset)
        return 0;
    *end = key.offset + file.num_bytes;
    *there = file.disk_bytenr + file.offset + (position - key.offset);
    return 0;
}

int sharing_of_path(struct extents *extents, const struct mapper *mapper, uint64_t start,
                    bool durable, bool *shared, uint64_t *same)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct view view = view_running(extents);
    uint64_t position = mapper->offset + start;
    struct key key = key_make(mapper->objectid, KEY_EXTENT_DATA, position);
    struct root tree, extent_tree;
    uint64_t end = 0;
    uint64_t there;
    int ret = find_tree(extents, mapper->root, durable, &tree);

    *shared = false;
    if (ret == -ENOENT)
        return 0;
    TRY(ret);
    if (durable) {
        TRY(find_tree(extents, TREE_EXTENT, true, &extent_tree));
        view = (struct view){&extent_tree, false};
    }
    sharing_count(extents, 0, 0, 1);
    ret = tree_search_le(&tree, &key, &path);
    if (ret != 0)
        return ret < 0 ? ret : 0;
    TRY(item_covers(&path, mapper->objectid, position, &end, &there));
    if (end == 0)
        return until_next_item(&path, mapper->objectid, position, same);
    *same = MIN(*same, end - position);
    /* In the last commit something else may have been at this place. */
    return there == mapper->bytenr + start ? sharing_path_is_shared(extents, &view, &path, shared)
                                           : 0;
}
