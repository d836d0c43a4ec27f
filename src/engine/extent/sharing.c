// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The question: who else reaches a byte of a data extent.
 *
 * Others reach it by file extent items of their own (sharing_find_others; remembered), or because
 * a tree block above the asker's item is theirs too (sharing_of_path; not asked where the item is
 * younger than the last snapshot, as its leaf is then). Both are looked for in the running trees
 * and, where something was dropped since, in those of the last durable commit.
 */
#include "engine/extent/sharing_internal.h"

void extents_set_trees(struct extents *extents, const struct extent_trees *trees, void *arg)
{
    extents->trees = trees;
    extents->trees_arg = arg;
}

static int others_at(struct extents *extents, const struct mapper *mapper,
                     const struct extent_use *use, bool *shared, uint64_t *same, bool *settled)
{
    struct others others = {0};
    int ret;

    if (sharing_recall(extents, mapper, use->start, use->len, shared, same, settled))
        return 0;
    rangeset_init(&others.ranges);
    ret = sharing_find_others(extents, mapper, use->num_bytes, &others);
    if (ret < 0) {
        rangeset_clear(&others.ranges);
        return ret;
    }
    sharing_read(&others.ranges, use->start, use->len, shared, same);
    *settled = others.settled;
    sharing_remember(extents, mapper, &others);
    return 0;
}

/* Whether the leaf with the asker's item is younger than any snapshot of its tree. */
static int item_is_young(struct extents *extents, const struct extent_use *use, bool *young)
{
    struct root tree;
    int ret = -ENOENT;

    *young = false;
    if (use->generation <= extents->engine->txn.transid)
        ret = extents->trees->find(extents->trees_arg, use->root, false, &tree);
    if (ret == -ENOENT)
        return 0;
    TRY(ret);
    *young = use->generation > tree.last_snapshot;
    return 0;
}

static bool in_extent(const struct extent_use *use)
{
    return use->len > 0 && use->len <= use->num_bytes && use->start <= use->num_bytes - use->len;
}

int extent_sharing_at(struct extents *extents, const struct extent_use *use, bool *shared,
                      uint64_t *same)
{
    struct mapper mapper = {use->bytenr, use->root, use->objectid, use->position - use->start};
    bool yes, young, settled;
    uint64_t len;

    if (!in_extent(use))
        return fail(-EINVAL, "data extent %llu+%llu has no part %llu+%llu",
                    (unsigned long long)use->bytenr, (unsigned long long)use->num_bytes,
                    (unsigned long long)use->start, (unsigned long long)use->len);
    sharing_count(extents, 1, 0, 0);
    if (!extents->trees || sharing_log_has(extents, use->bytenr)) {
        *shared = true;
        *same = use->len;
        return 0;
    }
    TRY(others_at(extents, &mapper, use, &yes, &len, &settled));
    if (!yes) {
        TRY(item_is_young(extents, use, &young));
        if (!young)
            TRY(sharing_of_path(extents, &mapper, use->start, false, &yes, &len));
    }
    if (!yes && (!settled || sharing_trees_dropped(extents)))
        TRY(sharing_of_path(extents, &mapper, use->start, true, &yes, &len));
    *shared = yes;
    *same = len;
    return 0;
}

int extent_range_is_shared(struct extents *extents, const struct extent_use *use, bool *shared)
{
    struct extent_use rest = *use;
    bool yes = false;

    while (rest.len > 0 && !yes) {
        uint64_t same;

        TRY(extent_sharing_at(extents, &rest, &yes, &same));
        rest.start += same;
        rest.position += same;
        rest.len -= same;
    }
    *shared = yes;
    return 0;
}
