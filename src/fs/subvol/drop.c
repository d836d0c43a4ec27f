// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/subvol/drop.h"

#include "base/cleanup.h"

#define LLU(x) ((unsigned long long)(x))

/* What is known of a block before it is read. */
struct child {
    uint64_t bytenr, generation;
    uint64_t refs;
    uint8_t level;
    bool full;
};

static struct extents *extents_of(const struct drop *drop)
{
    return drop->fs->store->extents;
}

static uint64_t id_of(const struct drop *drop)
{
    return drop->tree->root.id;
}

static int read_node(const struct drop *drop, uint64_t bytenr, uint64_t generation, uint8_t level,
                     struct node **out)
{
    struct node_expect expect = {.bytenr = bytenr, .generation = generation, .level = level};

    return forest_read_node(drop->tree->root.forest, &expect, out);
}

static int look_up(const struct drop *drop, struct child *child)
{
    uint64_t flags;

    TRY(extent_block_refs(extents_of(drop), child->bytenr, child->level, &child->refs, &flags));
    child->full = flags & BLOCK_FLAG_FULL_BACKREF;
    return 0;
}

/* A block that is not allocated though a tree refers to it is damage. */
static int look_up_used(const struct drop *drop, struct child *child)
{
    int ret = look_up(drop, child);

    return ret == -ENOENT ? fail_context(-EUCLEAN, "tree %llu uses a block without references",
                                         LLU(id_of(drop)))
                          : ret;
}

/* The child that `at`, a node of that level, comes to next; 1: there is no more. */
static int next_child(const struct drop *drop, const struct drop_node *at, uint8_t level,
                      struct child *out)
{
    struct node *node;

    TRY(read_node(drop, at->bytenr, at->generation, level, &node));
    int ret = at->slot >= node_items(node);
    if (ret == 0)
        *out = (struct child){
            .bytenr = node_child(node, at->slot),
            .generation = node_child_generation(node, at->slot),
            .level = (uint8_t)(level - 1),
        };
    node_put(node);
    return ret;
}

/* ---- where it stands ------------------------------------------------------------------------- */

/* The slot of the child under which key lies. */
static uint32_t slot_of(const struct node *node, const struct key *key)
{
    uint32_t slot = 0;
    struct key next;

    while (slot + 1 < node_items(node)) {
        node_key(node, slot + 1, &next);
        if (key_cmp(&next, key) > 0)
            break;
        slot++;
    }
    return slot;
}

static int enter(struct drop *drop, uint8_t level, uint64_t bytenr, uint64_t generation)
{
    struct child node = {.bytenr = bytenr, .generation = generation, .level = level};

    TRY(look_up_used(drop, &node));
    drop->path[level] =
        (struct drop_node){.bytenr = bytenr, .generation = generation, .full = node.full};
    drop->level = level;
    return 0;
}

static int enter_slot_of(struct drop *drop, const struct key *key)
{
    struct drop_node *at = &drop->path[drop->level];
    struct node *node;

    TRY(read_node(drop, at->bytenr, at->generation, drop->level, &node));
    at->slot = slot_of(node, key);
    node_put(node);
    return 0;
}

int drop_open(struct fs *fs, struct tree_handle *tree, struct drop *out)
{
    const struct root_item *item = &tree->item;
    struct drop drop = {.fs = fs, .tree = tree, .hand_top = -1};
    struct child child;

    TRY(enter(&drop, tree->root.level, tree->root.bytenr, tree->root.generation));
    if (item->drop_progress.objectid != 0) {
        if (item->drop_level == 0 || item->drop_level > drop.level)
            return fail(-EUCLEAN, "tree %llu: deletion stands at level %u of %u",
                        LLU(tree->root.id), item->drop_level, drop.level);
        drop.resumed = true;
        TRY(enter_slot_of(&drop, &item->drop_progress));
        while (drop.level > item->drop_level) {
            int ret = next_child(&drop, &drop.path[drop.level], drop.level, &child);
            if (ret != 0)
                return ret < 0 ? ret
                               : fail(-EUCLEAN, "tree %llu: an empty node", LLU(id_of(&drop)));
            TRY(enter(&drop, child.level, child.bytenr, child.generation));
            TRY(enter_slot_of(&drop, &item->drop_progress));
        }
    }
    *out = drop;
    return 0;
}

/* Tells the root item, and with it whoever goes on after a crash. */
static int record(struct drop *drop)
{
    struct root_item *item = &drop->tree->item;
    struct drop_node *at = &drop->path[drop->level];
    struct node *node;

    if (drop->level == 0)
        return 0;
    TRY(read_node(drop, at->bytenr, at->generation, drop->level, &node));
    bool there = at->slot < node_items(node);
    if (there)
        node_key(node, at->slot, &item->drop_progress);
    node_put(node);
    if (!there)
        return fail(-EUCLEAN, "tree %llu: deletion stands nowhere", LLU(id_of(drop)));
    item->drop_level = drop->level;
    roots_mark_dirty(drop->tree);
    return 0;
}

/* ---- dropping -------------------------------------------------------------------------------- */

/* By what the reference to a node of that level is keyed: the node above, or 0: the tree. */
static uint64_t parent_of(const struct drop *drop, uint8_t level)
{
    const struct drop_node *above = &drop->path[level + 1];

    return level < drop->tree->root.level && above->full ? above->bytenr : 0;
}

static int drop_ref(struct drop *drop, const struct child *child)
{
    TRY(extent_drop_tree_ref(extents_of(drop), child->bytenr, child->level, child->generation,
                             id_of(drop), parent_of(drop, child->level)));
    if (child->refs == 1)
        forest_forget(drop->tree->root.forest, child->bytenr);
    return 0;
}

static int drop_leaf(struct drop *drop, const struct child *leaf)
{
    struct node *node;

    TRY(read_node(drop, leaf->bytenr, leaf->generation, 0, &node));
    int ret = extent_ref_children(extents_of(drop), id_of(drop), node, leaf->full, false);
    node_put(node);
    if (ret < 0)
        return ret;
    ret = drop_ref(drop, leaf);
    return ret < 0 ? txn_abort(&drop->fs->store->engine, ret) : 0;
}

/* The node at the end of the path has nothing left: it goes. *done: it was the root. */
static int leave(struct drop *drop, bool *done)
{
    struct drop_node *at = &drop->path[drop->level];
    struct child node = {
        .bytenr = at->bytenr,
        .generation = at->generation,
        .refs = 1,
        .level = drop->level,
        .full = at->full,
    };

    TRY(drop_ref(drop, &node));
    *done = drop->level == drop->tree->root.level;
    if (!*done)
        drop->path[++drop->level].slot++;
    return 0;
}

/* ---- handing over ---------------------------------------------------------------------------- */

/* What was there before the tree was made cannot be its own. */
static bool may_be_own(const struct drop *drop, const struct child *child)
{
    return child->generation > drop->tree->item_offset;
}

/* Keys what the node refers to by the node: all of it, or the transaction is lost. */
static int key_by_node(struct drop *drop, const struct node *node)
{
    struct extents *extents = extents_of(drop);

    TRY(extent_ref_children(extents, id_of(drop), node, true, true));
    int ret = extent_ref_children(extents, id_of(drop), node, false, false);
    if (ret == 0)
        ret = extent_set_full_backref(extents, node_bytenr(node), node_level(node));
    return ret < 0 ? txn_abort(&drop->fs->store->engine, ret) : 0;
}

/*
 * Others go on using a block that this tree owns: what the block refers to is keyed by the block
 * from now on. *own: it was this tree's, so that blocks below it may be, too.
 */
static int hand_over(struct drop *drop, const struct child *child, bool *own)
{
    struct node *node;
    int ret = 0;

    TRY(read_node(drop, child->bytenr, child->generation, child->level, &node));
    *own = node_owner(node) == id_of(drop);
    if (*own && !child->full)
        ret = key_by_node(drop, node);
    node_put(node);
    return ret;
}

/* One block of a shared subtree; what lies below it follows. */
static int hand_over_child(struct drop *drop, struct child *child)
{
    bool own;

    if (!may_be_own(drop, child))
        return 0;
    TRY(look_up_used(drop, child));
    if (child->level == 0 && child->full)
        return 0;
    TRY(hand_over(drop, child, &own));
    if (!own || child->level == 0)
        return 0;
    drop->hand[child->level] =
        (struct drop_node){.bytenr = child->bytenr, .generation = child->generation};
    drop->hand_level = child->level;
    if (drop->hand_top < 0)
        drop->hand_top = child->level;
    return 0;
}

/* One step on in the subtree at work. */
static int hand_over_more(struct drop *drop)
{
    struct drop_node *at = &drop->hand[drop->hand_level];
    struct child child;

    int ret = next_child(drop, at, (uint8_t)drop->hand_level, &child);
    if (ret < 0)
        return ret;
    if (ret == 0) {
        at->slot++;
        return hand_over_child(drop, &child);
    }
    if (drop->hand_level == drop->hand_top)
        drop->hand_top = -1;
    else
        drop->hand_level++;
    return 0;
}

/* ---- walking --------------------------------------------------------------------------------- */

struct own_ref {
    uint64_t root, parent;
    bool found;
};

static int is_own_ref(void *arg, const struct extent_ref *ref)
{
    struct own_ref *own = arg;

    own->found = own->parent ? ref->type == KEY_SHARED_BLOCK_REF && ref->parent == own->parent
                             : ref->type == KEY_TREE_BLOCK_REF && ref->root == own->root;
    return own->found;
}

/* Whoever began this may have recorded the place before he dropped what stands there. */
static int was_dropped(struct drop *drop, const struct child *child, bool *out)
{
    struct own_ref own = {.root = id_of(drop), .parent = parent_of(drop, child->level)};

    *out = false;
    if (!drop->resumed)
        return 0;
    int ret = extent_each_ref(extents_of(drop), child->bytenr, 0, child->level, is_own_ref, &own);
    if (ret < 0 && ret != -ENOENT)
        return ret;
    fail_clear();
    *out = !own.found;
    drop->resumed = *out;
    return 0;
}

/* A child that others use too: it stays, after it has been handed over. */
static int leave_to_others(struct drop *drop, struct child *child)
{
    if (!drop->handed) {
        drop->handed = true;
        return hand_over_child(drop, child);
    }
    drop->handed = false;
    TRY(drop_ref(drop, child));
    drop->path[drop->level].slot++;
    return 0;
}

static int visit(struct drop *drop, struct child *child)
{
    bool dropped;

    TRY(was_dropped(drop, child, &dropped));
    if (dropped) {
        drop->path[drop->level].slot++;
        return 0;
    }
    TRY(look_up_used(drop, child));
    if (child->refs > 1)
        return leave_to_others(drop, child);
    drop->handed = false;
    if (child->level > 0)
        return enter(drop, child->level, child->bytenr, child->generation);
    TRY(drop_leaf(drop, child));
    drop->path[drop->level].slot++;
    return 0;
}

/* A tree of one leaf. */
static int drop_root_leaf(struct drop *drop, bool *done)
{
    struct drop_node *root = &drop->path[0];
    struct child leaf = {.bytenr = root->bytenr, .generation = root->generation};

    TRY(look_up_used(drop, &leaf));
    *done = true;
    return drop_leaf(drop, &leaf);
}

static int visit_next(struct drop *drop, bool *done)
{
    struct child child;

    if (drop->hand_top >= 0)
        return hand_over_more(drop);
    if (drop->tree->root.level == 0)
        return drop_root_leaf(drop, done);
    int ret = next_child(drop, &drop->path[drop->level], drop->level, &child);
    if (ret < 0)
        return ret;
    return ret == 1 ? leave(drop, done) : visit(drop, &child);
}

/* Out of nodes that have nothing left, so that what comes next has a key. */
static int leave_exhausted(struct drop *drop, bool *done)
{
    struct child child;

    while (!*done && drop->hand_top < 0 && drop->tree->root.level > 0) {
        int ret = next_child(drop, &drop->path[drop->level], drop->level, &child);
        if (ret != 1)
            return ret;
        TRY(leave(drop, done));
    }
    return 0;
}

int drop_step(struct drop *drop, unsigned nodes, bool *done)
{
    bool finished = false;
    int ret = 0;

    for (unsigned i = 0; i < nodes && !finished && ret == 0; i++)
        ret = visit_next(drop, &finished);
    if (ret == 0)
        ret = leave_exhausted(drop, &finished);
    /* Also when something could not be read: what has been dropped is. */
    if (!finished && !store_readonly(drop->fs->store) && record(drop) < 0)
        return txn_abort(&drop->fs->store->engine, -EIO);
    if (ret < 0)
        return fail_context(ret, "deleting tree %llu", LLU(id_of(drop)));
    *done = finished;
    return 0;
}

unsigned drop_units(unsigned nodesize, unsigned nodes)
{
    /* Each reference dropped is an item in a leaf of the extent tree of its own, at worst; handing
     * over changes it twice. A unit pays for a handful of those. */
    unsigned refs = nodesize / 33;

    return 8 + nodes * (refs / 6 + 1);
}
