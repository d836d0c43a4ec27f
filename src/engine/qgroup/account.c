// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a transaction changed: for each extent whose references changed, who reached it in the last
 * commit and who does now.
 *
 * Two changes reach further than the extents they are told of:
 * - A snapshot shares all that its source has. It is counted as if it had been made right after
 *   the last commit: the source's counters of then are its own (count_snapshot), and whoever was
 *   reached by the source then was reached by the snapshot too (with_snapshots).
 * - Deleting a tree drops its references to shared nodes, and all below them loses it. Their
 *   children are looked at one by one, but only where it makes a difference to any group.
 */
#include "engine/qgroup/internal.h"

/* Bytes that move from one set of subvolumes to another. */
struct pair_id {
    const struct rootset *from, *to;
};

struct pair {
    UT_hash_handle hh;
    struct pair_id id;
    uint64_t bytes;
    bool matters, known;
};

struct accounting {
    struct qgroups *q;
    struct view then, now;
    struct record **work; /* all records, those found on the way too */
    size_t count, capacity;
};

static void accounting_clear(struct accounting *a)
{
    struct pair *pair, *next;

    view_close(&a->then);
    view_close(&a->now);
    free(a->work);
    HASH_ITER (hh, a->q->pairs, pair, next) {
        HASH_DEL(a->q->pairs, pair);
        free(pair);
    }
}

static int pair_get(struct qgroups *q, const struct rootset *from, const struct rootset *to,
                    struct pair **out)
{
    struct pair_id id = {from, to};
    struct pair *pair;

    HASH_FIND(hh, q->pairs, &id, sizeof(id), pair);
    if (!pair) {
        pair = calloc(1, sizeof(*pair));
        if (!pair)
            return fail(-ENOMEM, "quota groups: out of memory");
        pair->id = id;
        HASH_ADD(hh, q->pairs, id, sizeof(pair->id), pair);
        if (!HASH_ADDED(pair)) {
            free(pair);
            return fail(-ENOMEM, "quota groups: out of memory");
        }
    }
    *out = pair;
    return 0;
}

static int push(struct accounting *a, struct record *record)
{
    if (a->count == a->capacity) {
        size_t capacity = 2 * a->capacity + 64;
        void *grown = realloc(a->work, capacity * sizeof(*a->work));

        if (!grown)
            return fail(-ENOMEM, "quota groups: out of memory");
        a->work = grown;
        a->capacity = capacity;
    }
    a->work[a->count++] = record;
    return 0;
}

/* ---- who --------------------------------------------------------------------------------------
 */

static int roots_of(struct view *view, const struct record *record, const struct rootset **out)
{
    return record->id.data ? roots_of_data(view, record->id.bytenr, record->id.num_bytes, out)
                           : roots_of_block(view, record->id.bytenr, record->level, out);
}

/* All references that changed are of one tree, which shares nothing of that age with any other. */
static int owner_of(struct view *view, const struct record *record, uint64_t generation,
                    const struct rootset **out)
{
    const struct view_tree *tree;

    *out = NULL;
    if (!record->one || record->root == 0 || generation == 0)
        return 0;
    TRY(view_tree(view, record->root, &tree));
    if (!tree->missing && generation > tree->last_snapshot)
        return rootset_one(&view->q->sets, record->root, out);
    return 0;
}

/* The set, and all snapshots made since of what is in it. */
static int with_snapshots(struct qgroups *q, const struct rootset *set, const struct rootset **out)
{
    CLEANUP(id_list_clear) struct id_list ids = {0};

    *out = set;
    if (q->snapshot_count == 0 || set->count == 0)
        return 0;
    TRY(id_list_add(&ids, set->ids, set->count));
    for (size_t i = 0; i < q->snapshot_count; i++)
        if (id_list_has(&ids, q->snapshots[i].src))
            TRY(id_list_add(&ids, &q->snapshots[i].id, 1));
    return rootset_make(&q->sets, &ids, out);
}

static int roots_then(struct accounting *a, const struct record *record, const struct rootset **out)
{
    const struct rootset *set = NULL;

    *out = &rootset_empty;
    if (record->fresh)
        return 0;
    /* Of what is gone every reference was dropped, so every one is known. */
    if (record->freed)
        TRY(owner_of(&a->then, record, record->generation, &set));
    if (!set)
        TRY(roots_of(&a->then, record, &set));
    return with_snapshots(a->q, set, out);
}

static int roots_now(struct accounting *a, const struct record *record, const struct rootset **out)
{
    const struct rootset *set = NULL;

    *out = &rootset_empty;
    if (record->freed)
        return 0;
    if (record->fresh)
        TRY(owner_of(&a->now, record, record->generation, &set));
    if (!set)
        TRY(roots_of(&a->now, record, &set));
    *out = set;
    return 0;
}

/* ---- one extent after another -----------------------------------------------------------------
 */

/* Whether all of `from` still reach it. */
static bool nobody_lost(const struct rootset *from, const struct rootset *to)
{
    for (size_t i = 0; i < from->count; i++)
        if (!rootset_has(to, from->ids[i]))
            return false;
    return true;
}

static int visit_child(struct accounting *a, const struct record_id *id, uint8_t level)
{
    struct record *record;

    HASH_FIND(hh, a->q->records, id, sizeof(*id), record);
    if (record && record->subtree)
        return 0;
    if (!record) {
        TRY(record_get(a->q, id, level, &record));
        record->one = false;
    }
    /* Perhaps a second time, to go on to its children. */
    record->subtree = true;
    return push(a, record);
}

static int visit_slot(struct accounting *a, const struct node *node, uint32_t slot)
{
    uint8_t level = node_level(node);
    struct file_extent file;
    struct key key;

    if (level > 0) {
        struct record_id id = {node_child(node, slot), a->q->engine->nodesize, false};

        return visit_child(a, &id, level - 1);
    }
    node_key(node, slot, &key);
    const disk_file_extent *disk = leaf_data(node, slot);
    if (key.type != KEY_EXTENT_DATA || leaf_size(node, slot) < sizeof(*disk) ||
        disk->type == FILE_EXTENT_INLINE)
        return 0;
    file_extent_decode(&file, disk);
    if (file.disk_bytenr == 0)
        return 0;
    struct record_id id = {file.disk_bytenr, file.disk_num_bytes, true};
    return visit_child(a, &id, 0);
}

static int visit_children(struct accounting *a, const struct record *record)
{
    struct node_expect expect = {.bytenr = record->id.bytenr, .level = record->level};
    struct node *node;
    int ret = 0;

    TRY(forest_read_node(a->q->engine->forest, &expect, &node));
    for (uint32_t slot = 0; ret == 0 && slot < node_items(node); slot++)
        ret = visit_slot(a, node, slot);
    node_put(node);
    return ret;
}

static int pair_matters(struct accounting *a, struct pair *pair)
{
    if (pair->known)
        return 0;
    TRY(count_matters(a->q, pair->id.from, pair->id.to, &a->now, &pair->matters));
    pair->known = true;
    return 0;
}

static int visit(struct accounting *a, struct record *record)
{
    const struct rootset *from, *to;
    struct pair *pair;

    TRY(roots_then(a, record, &from));
    TRY(roots_now(a, record, &to));
    if (from == to)
        return 0;
    TRY(pair_get(a->q, from, to, &pair));
    if (record->id.bytenr < a->q->progress && !record->counted)
        pair->bytes += record->id.num_bytes;
    record->counted = true;
    if (record->id.data || !record->subtree || nobody_lost(from, to))
        return 0;
    /* One tree's own block is gone: it told of what lies below itself. Of a block that was shared
     * one tree may have gone first, and the other has copied it since as its own, telling nobody.
     */
    if (to->count == 0 && from->count < 2)
        return 0;
    TRY(pair_matters(a, pair));
    return pair->matters ? visit_children(a, record) : 0;
}

/* The root node of a snapshot's source stays its own: with_snapshots gives it to both. */
static int add_snapshot_roots(struct accounting *a)
{
    for (size_t i = 0; i < a->q->snapshot_count; i++) {
        const struct view_tree *tree;
        struct record *record;

        TRY(view_tree(&a->then, a->q->snapshots[i].src, &tree));
        if (tree->missing)
            continue;
        struct record_id id = {tree->root.bytenr, a->q->engine->nodesize, false};
        TRY(record_get(a->q, &id, tree->root.level, &record));
        record->one = false;
    }
    return 0;
}

static int visit_all(struct accounting *a)
{
    struct record *record, *next;
    struct pair *pair, *next_pair;

    TRY(add_snapshot_roots(a));
    HASH_ITER (hh, a->q->records, record, next)
        TRY(push(a, record));
    for (size_t i = 0; i < a->count; i++)
        TRY(visit(a, a->work[i]));
    for (size_t i = 0; i < a->q->snapshot_count; i++)
        TRY(count_snapshot(a->q, &a->q->snapshots[i]));
    HASH_ITER (hh, a->q->pairs, pair, next_pair)
        if (pair->bytes > 0)
            TRY(count_move(a->q, pair->id.from, pair->id.to, pair->bytes));
    return 0;
}

int account(struct qgroups *q)
{
    CLEANUP(accounting_clear) struct accounting a = {.q = q};

    q->looked_back = true;
    TRY(view_open(q, true, &a.then));
    TRY(view_open(q, false, &a.now));
    return visit_all(&a);
}
