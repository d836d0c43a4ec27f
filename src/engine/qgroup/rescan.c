// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Counting everything anew, in order of address. The counters are always those of all extents
 * before `progress`, so a rescan may stop anywhere, also for good, and go on later.
 */
#include "engine/qgroup/internal.h"

void rescan_start(struct qgroups *q)
{
    count_reset(q);
    q->flags |= QGROUP_STATUS_RESCAN | QGROUP_STATUS_INCONSISTENT;
    q->progress = 0;
}

static void finish(struct qgroups *q)
{
    q->flags &= ~(QGROUP_STATUS_RESCAN | QGROUP_STATUS_INCONSISTENT);
    q->progress = PROGRESS_DONE;
}

/* What an item of the extent tree describes; 1: no extent. */
static int extent_at(const struct qgroups *q, const struct path *path, struct record_id *id,
                     uint8_t *level)
{
    struct extent_item item;
    struct tree_block_info info;
    struct key key;

    path_key(path, &key);
    *level = 0;
    if (key.type == KEY_METADATA_ITEM) {
        *id = (struct record_id){key.objectid, q->engine->nodesize, false};
        *level = (uint8_t)MIN(key.offset, (uint64_t)TREE_LEVELS_MAX);
        return 0;
    }
    if (key.type != KEY_EXTENT_ITEM || path_size(path) < sizeof(disk_extent_item))
        return 1;
    extent_item_decode(&item, path_data(path));
    *id = (struct record_id){key.objectid, key.offset, (item.flags & EXTENT_FLAG_DATA) != 0};
    if (id->data)
        return 0;
    if (path_size(path) < sizeof(disk_extent_item) + sizeof(disk_tree_block_info))
        return fail(-EUCLEAN, "%s: too short for a tree block", path_where(path));
    tree_block_info_decode(&info, (const uint8_t *)path_data(path) + sizeof(disk_extent_item));
    *level = info.level;
    return 0;
}

static int count_extent(struct view *view, const struct record_id *id, uint8_t level)
{
    struct qgroups *q = view->q;
    const struct rootset *roots;

    if (id->data)
        TRY(roots_of_data(view, id->bytenr, id->num_bytes, &roots));
    else
        TRY(roots_of_block(view, id->bytenr, level, &roots));
    return count_move(q, &rootset_empty, roots, id->num_bytes);
}

static int walk(struct view *view, uint64_t extents)
{
    struct qgroups *q = view->q;
    struct root tree = q->engine->extent_tree;
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(q->progress, 0, 0);
    uint64_t done = 0;
    int ret = tree_search_ge(&tree, &key, &path);

    for (; ret == 0; ret = path_next(&path)) {
        struct record_id id;
        uint8_t level;
        int none = extent_at(q, &path, &id, &level);

        TRY(none);
        if (none > 0)
            continue;
        if (extents > 0 && done++ == extents) {
            q->progress = id.bytenr;
            return 0;
        }
        TRY(count_extent(view, &id, level));
    }
    if (ret < 0)
        return ret;
    finish(q);
    return 0;
}

int rescan_step(struct qgroups *q, uint64_t extents)
{
    CLEANUP(view_close) struct view view;

    TRY(view_open(q, false, &view));
    return walk(&view, extents);
}
