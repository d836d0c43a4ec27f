// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The split itself. In this order: file extent items, the old extent item away, the dead parts free
 * and without checksums, new extent items.
 */
#include "engine/csums/csums.h"
#include "engine/extent/split_internal.h"

/* The piece that holds an offset; there is one for every item. */
static struct range piece_at(const struct split_plan *plan, uint64_t offset)
{
    struct range piece = {0};

    INVARIANT(rangeset_next(&plan->live, offset, &piece) && piece.start <= offset,
              "what an item maps is a part of a piece");
    return piece;
}

/* ---- file extent items ---------------------------------------------------------------------- */

static int repoint(struct split_plan *plan, const struct split_item *item)
{
    struct extents *extents = plan->extents;
    struct range piece = piece_at(plan, item->offset);
    struct key key = key_make(item->objectid, KEY_EXTENT_DATA, item->pos);
    AUTO_PATH struct path path = PATH_INIT;
    struct file_extent file;
    struct root *tree;
    int ret;

    TRY(extents->trees->open(extents->trees_arg, item->root, &tree));
    ret = tree_search_cow(tree, &key, 0, &path);
    TRY(ret);
    if (ret > 0)
        return fail(-EUCLEAN, "tree %llu inode %llu: its extent at %llu is gone",
                    (unsigned long long)item->root, (unsigned long long)item->objectid,
                    (unsigned long long)item->pos);
    file_extent_decode(&file, path_data(&path));
    file.disk_bytenr += piece.start;
    file.disk_num_bytes = piece.len;
    file.ram_bytes = piece.len;
    file.offset -= piece.start;
    file_extent_encode(path_data_mut(&path), &file);
    return 0;
}

/* ---- extent items --------------------------------------------------------------------------- */

static int remove_keyed(struct extents *extents, uint64_t bytenr)
{
    struct root *tree = &extents->engine->extent_tree;

    for (;;) {
        struct key key = key_make(bytenr, KEY_EXTENT_DATA_REF, 0);
        {
            AUTO_PATH struct path path = PATH_INIT;
            int ret = tree_search_ge(tree, &key, &path);

            if (ret != 0)
                return ret < 0 ? ret : 0;
            path_key(&path, &key);
        }
        if (key.objectid != bytenr || key.type != KEY_EXTENT_DATA_REF)
            return 0;
        TRY(tree_delete(tree, &key));
    }
}

static int remove_whole(struct split_plan *plan)
{
    AUTO_PATH struct path path = PATH_INIT;
    int ret = item_find(plan->extents, &plan->id, true, &path);

    TRY(ret);
    if (ret > 0)
        return fail(-EUCLEAN, "%s: no extent item", extent_text(&plan->id));
    TRY(path_delete(&path, 1));
    return remove_keyed(plan->extents, plan->id.bytenr);
}

/* A head that is not among those pending: only what makes items and tells of them wants one. */
static struct head *loose_head(struct extents *extents, const struct extent_id *id)
{
    struct head *head = pool_get(&extents->head_pool);

    if (!head)
        return NULL;
    head->id = *id;
    head->fresh = true;
    RB_INIT(&head->refs);
    return head;
}

static int fill_head(const struct split_plan *plan, const struct range *piece, size_t *next,
                     struct head *head)
{
    struct extents *extents = plan->extents;
    uint64_t end = piece->start + piece->len;

    for (; *next < plan->count && plan->items[*next].offset < end; ++*next) {
        const struct split_item *item = &plan->items[*next];
        struct data_ref data = {
            .root = item->root,
            .objectid = item->objectid,
            .offset = item->pos - (item->offset - piece->start),
        };
        struct extent_ref ref = ref_of_data(&data);

        TRY(delayed_touch(extents, &head->id, &ref, TOUCH_FRESH, NULL));
        TRY(delayed_change(extents, head, &ref, 1));
    }
    head->generation = plan->refs.generation;
    head->set_flags = plan->refs.flags & ~(uint64_t)EXTENT_FLAG_DATA;
    head->owner = plan->refs.owner;
    return 0;
}

static int add_piece(const struct split_plan *plan, const struct range *piece, size_t *next)
{
    struct extents *extents = plan->extents;
    struct extent_id id = data_id(plan->id.bytenr + piece->start, piece->len);
    struct head *head = loose_head(extents, &id);
    int ret;

    if (!head)
        return fail(-ENOMEM, "%s: out of memory", extent_text(&id));
    ret = fill_head(plan, piece, next, head);
    if (ret == 0)
        ret = item_create(extents, head);
    if (ret == 0)
        ret = run_keyed(extents, head);
    if (ret == 0)
        ret = run_tell(extents, head, plan->refs.generation, false);
    if (ret == 0)
        ret = run_tell_owner(extents, head->owner, plan->refs.generation, (int64_t)piece->len);
    head_free(extents, head);
    sharing_note_split(extents, id.bytenr);
    return ret;
}

static int add_pieces(const struct split_plan *plan)
{
    struct range piece;
    size_t next = 0;

    for (uint64_t from = 0; rangeset_next(&plan->live, from, &piece);
         from = piece.start + piece.len)
        TRY(add_piece(plan, &piece, &next));
    return 0;
}

/* Whoever counts references hears that the old ones are gone. */
static int tell_whole(const struct split_plan *plan)
{
    struct extents *extents = plan->extents;
    struct head *head = loose_head(extents, &plan->id);
    int ret = head ? 0 : fail(-ENOMEM, "%s: out of memory", extent_text(&plan->id));

    for (size_t i = 0; ret == 0 && i < plan->refs.count; i++) {
        const struct extent_ref *ref = &plan->refs.refs[i].ref;

        ret = delayed_touch(extents, &plan->id, ref, TOUCH_REF, NULL);
        if (ret == 0)
            ret = delayed_change(extents, head, ref, -(int64_t)ref->count);
    }
    if (ret == 0) {
        head->fresh = false;
        ret = run_tell(extents, head, plan->refs.generation, true);
        if (ret == 0)
            ret = run_tell_owner(extents, plan->refs.owner, plan->refs.generation,
                                 -(int64_t)plan->id.num_bytes);
    }
    if (head)
        head_free(extents, head);
    return ret;
}

/* ---- dead parts ----------------------------------------------------------------------------- */

static int free_part(const struct split_plan *plan, uint64_t start, uint64_t end)
{
    struct extents *extents = plan->extents;
    struct engine *engine = extents->engine;
    uint64_t bytenr = plan->id.bytenr + start;

    if (start == end)
        return 0;
    TRY(space_freed(extents->space, bytenr, end - start));
    if (engine->csum_tree.id == 0)
        return 0;
    return csums_delete(engine, &engine->csum_tree, bytenr, end - start);
}

static int free_dead(const struct split_plan *plan)
{
    struct range piece;
    uint64_t at = 0;

    while (rangeset_next(&plan->live, at, &piece)) {
        TRY(free_part(plan, at, piece.start));
        at = piece.start + piece.len;
    }
    return free_part(plan, at, plan->id.num_bytes);
}

/* ---- all together --------------------------------------------------------------------------- */

static int split(struct split_plan *plan)
{
    struct extents *extents = plan->extents;

    for (size_t i = 0; i < plan->count; i++)
        TRY(repoint(plan, &plan->items[i]));
    TRY(remove_whole(plan));
    TRY(tell_whole(plan));
    sharing_note_split(extents, plan->id.bytenr);
    TRY(free_dead(plan));
    TRY(add_pieces(plan));
    sharing_forget(extents, plan->id.bytenr);
    return 0;
}

/* Leaves that another tree made are copied: then the items in them are counted by tree and inode.
 */
static int take_leaves(const struct split_plan *plan)
{
    struct extents *extents = plan->extents;

    for (size_t i = 0; i < plan->count; i++) {
        const struct split_item *item = &plan->items[i];
        struct key key = key_make(item->objectid, KEY_EXTENT_DATA, item->pos);
        AUTO_PATH struct path path = PATH_INIT;
        struct root *tree;

        if (item->leaf == 0)
            continue;
        TRY(extents->trees->open(extents->trees_arg, item->root, &tree));
        int ret = tree_search_cow(tree, &key, 0, &path);
        TRY(ret);
    }
    return 0;
}

/* A plan by which all references are keyed. 1: none. */
static int plan_keyed_only(struct extents *extents, uint64_t bytenr, uint64_t num_bytes,
                           unsigned items_max, struct split_plan *plan)
{
    int ret = split_plan_make(extents, bytenr, num_bytes, plan);

    if (ret != 0 || plan->count > items_max)
        return ret < 0 ? ret : 1;
    if (plan->leaves == 0)
        return 0;
    TRY(take_leaves(plan));
    split_plan_clear(plan);
    ret = split_plan_make(extents, bytenr, num_bytes, plan);
    if (ret != 0 || plan->leaves > 0)
        return ret < 0 ? ret : 1;
    return 0;
}

int extent_split(struct extents *extents, uint64_t bytenr, uint64_t num_bytes, unsigned items_max,
                 uint64_t *freed)
{
    CLEANUP(split_plan_clear) struct split_plan plan;
    int ret;

    *freed = 0;
    ret = plan_keyed_only(extents, bytenr, num_bytes, items_max, &plan);
    if (ret != 0)
        return ret < 0 ? ret : 0;
    /* What is pending for the extent counts it by what it was. */
    ret = run_extent(extents, bytenr);
    if (ret < 0)
        return txn_abort(extents->engine, ret);
    ret = space_hold_still(extents->space, bytenr, num_bytes);
    if (ret == -EROFS) {
        fail_clear();
        return 0;
    }
    TRY(ret);
    /* An extent of this transaction has its generation only now. */
    if (plan.refs.generation == 0)
        plan.refs.generation = extents->engine->txn.transid;
    ret = split(&plan);
    if (ret < 0)
        return txn_abort(extents->engine, fail_context(ret, "splitting %s", extent_text(&plan.id)));
    *freed = num_bytes - plan.live.bytes;
    return 0;
}
