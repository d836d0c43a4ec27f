// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The log that a crash leaves behind: whether it can be replayed. Its blocks, and the data that
 * only it names, are in no extent item, so they must lie in what counts as free.
 */
#include "base/rangeset.h"
#include "ops/check/internal.h"

struct log_walk {
    struct check *c;
    uint64_t subvol; /* whose log it is */
};

enum use { USE_FREE, USE_TAKEN, USE_MIXED };

/* Whether extents lie in the range. */
static enum use use_of(const struct check *c, uint64_t start, uint64_t len)
{
    size_t low = 0, high = c->gaps.count;
    const struct range *gap;

    while (low < high) {
        size_t mid = (low + high) / 2;

        gap = PILE_AT(&c->gaps, struct range, mid);
        if (gap->start + gap->len <= start)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == c->gaps.count)
        return USE_TAKEN;
    gap = PILE_AT(&c->gaps, struct range, low);
    if (gap->start >= start + len)
        return USE_TAKEN;
    return gap->start <= start && gap->start + gap->len >= start + len ? USE_FREE : USE_MIXED;
}

static void check_log_extent(const struct log_walk *walk, const struct spot *spot)
{
    const disk_file_extent *disk = (const void *)spot->data;
    struct check *c = walk->c;
    struct file_extent extent;
    const struct area *area;

    if (disk->type == FILE_EXTENT_INLINE)
        return;
    file_extent_decode(&extent, spot->data);
    if (extent.disk_bytenr == 0)
        return;
    area = area_of(c, extent.disk_bytenr);
    if (!area || !(area->map.type & BG_DATA) ||
        extent.disk_num_bytes > area->map.logical + area->map.length - extent.disk_bytenr ||
        (c->extents_known && use_of(c, extent.disk_bytenr, extent.disk_num_bytes) == USE_MIXED))
        report(
            c, CHECK_LOG_BAD, PLACE(walk->subvol, spot->block, spot->key.objectid),
            "log of tree %llu block %llu item %u: inode %llu has data at %llu, %llu bytes, where "
            "it cannot be",
            LLU(walk->subvol), LLU(spot->block), spot->slot, LLU(spot->key.objectid),
            LLU(extent.disk_bytenr), LLU(extent.disk_num_bytes));
}

static int take_log_item(void *arg, const struct spot *spot)
{
    struct log_walk *walk = arg;

    if (spot->slot == 0 && walk->c->extents_known &&
        use_of(walk->c, spot->block, walk->c->nodesize) != USE_FREE)
        report(walk->c, CHECK_LOG_BAD, PLACE(.tree = walk->subvol, .block = spot->block),
               "log of tree %llu: block %llu lies where something else is", LLU(walk->subvol),
               LLU(spot->block));
    if (spot->key.type == KEY_EXTENT_DATA)
        check_log_extent(walk, spot);
    return 0;
}

static void bad_log(struct check *c, uint64_t subvol)
{
    report(c, CHECK_LOG_BAD, PLACE(.tree = subvol), "log of tree %llu: %s", LLU(subvol),
           fail_message());
}

static int take_log_root(void *arg, const struct spot *spot)
{
    struct check *c = arg;
    struct log_walk walk = {.c = c, .subvol = spot->key.offset};
    uint8_t whole[sizeof(disk_root_item)] = {0};
    const struct tree_root *subvol = find_root(c, spot->key.offset);
    struct tree_root root = {.id = TREE_LOG};
    int ret;

    if (spot->key.type != KEY_ROOT_ITEM)
        return 0;
    if (!subvol || subvol->dead || !is_files_tree(spot->key.offset))
        report(c, CHECK_LOG_BAD, PLACE(.block = spot->block),
               "log: is of tree %llu, which is not there", LLU(spot->key.offset));
    memcpy(whole, spot->data, MIN((size_t)spot->size, sizeof(whole)));
    root_item_decode(&root.item, whole);
    root.bytenr = root.item.bytenr;
    root.generation = root.item.generation;
    root.level = root.item.level;
    ret = read_tree(c, &root, take_log_item, &walk);
    if (ret == -ENOMEM)
        return ret;
    if (ret < 0)
        bad_log(c, walk.subvol);
    return 0;
}

int check_log(struct check *c)
{
    const struct tree_root root = {.id = TREE_LOG,
                                   .bytenr = c->super->log_root,
                                   .generation = c->super->generation + 1,
                                   .level = c->super->log_root_level};
    int ret;

    if (c->super->log_root == 0)
        return 0;
    ret = read_tree(c, &root, take_log_root, c);
    if (ret == -ENOMEM)
        return ret;
    if (ret < 0)
        report(c, CHECK_LOG_BAD, PLACE(.tree = TREE_LOG), "log: %s", fail_message());
    return 0;
}
