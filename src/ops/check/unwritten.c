// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Checksums under what was allocated and never written. They are right where somebody else has
 * written those very bytes: after a power cut a file that was fsynced before it was written is
 * unwritten again, and its clone, fsynced later, is not. That is rare, so what looks like it is
 * kept, and only then all leaves with files are read once more, for who maps these bytes as
 * written. Of a file without checksums, too: join.c says that there are some.
 */
#include <stdlib.h>

#include "ops/check/internal.h"

static uint64_t end_of(const struct range *range)
{
    return range->start + range->len;
}

void note_unwritten(struct check *c, const struct block *block, const struct spot *spot,
                    const struct range *range)
{
    const struct unwritten unwritten = {
        .range = *range,
        .tree = block->owner,
        .block = block->bytenr,
        .ino = spot->key.objectid,
        .offset = spot->key.offset,
        .slot = spot->slot,
    };

    (void)check_failed(c, pile_push(&c->lanes[block->lane].unwritten, &unwritten));
}

/* ---- what is unwritten ----------------------------------------------------------------------- */

static int unwritten_order(const void *a, const void *b)
{
    const struct unwritten *x = a, *y = b;
    const uint64_t keys[][2] = {
        {x->range.start, y->range.start}, {x->block, y->block}, {x->slot, y->slot}};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    return 0;
}

/* Of all lanes, in order; of several that say so of the same bytes the first is asked for them. */
static int gather_unwritten(struct check *c, struct pile *out)
{
    struct unwritten *all;
    size_t kept = 0;
    uint64_t end = 0;

    for (unsigned i = 0; i < LANES; i++)
        for (size_t j = 0; j < c->lanes[i].unwritten.count; j++)
            TRY(pile_push(out, PILE_AT(&c->lanes[i].unwritten, struct unwritten, j)));
    if (out->count == 0)
        return 0;
    all = out->base;
    qsort(all, out->count, sizeof(*all), unwritten_order);
    for (size_t i = 0; i < out->count; i++) {
        struct unwritten one = all[i];

        if (end_of(&one.range) <= end)
            continue;
        one.range.len = end_of(&one.range) - MAX(one.range.start, end);
        one.range.start = MAX(one.range.start, end);
        end = end_of(&one.range);
        all[kept++] = one;
    }
    out->count = kept;
    return 0;
}

/* ---- what is written of it ------------------------------------------------------------------- */

struct rescan {
    struct check *c;
    const struct pile *unwritten;
};

static int take_written(const struct rescan *rescan, struct lane *lane, const struct spot *spot)
{
    const disk_file_extent *disk = (const void *)spot->data;
    struct pile *written = &lane->written;
    struct file_extent extent;

    if (spot->key.type != KEY_EXTENT_DATA || disk->type != FILE_EXTENT_REG)
        return 0;
    file_extent_decode(&extent, spot->data);
    if (extent.disk_bytenr == 0)
        return 0;
    const struct range range = extent_on_disk(&extent);
    const struct unwritten *first = range_behind(rescan->unwritten, range.start);
    const struct range *last =
        written->count ? PILE_AT(written, struct range, written->count - 1) : NULL;
    bool known = last && last->start <= range.start && end_of(last) >= end_of(&range);

    return first && first->range.start < end_of(&range) && !known ? pile_push(written, &range) : 0;
}

static int rescan_leaf(const struct rescan *rescan, struct lane *lane, const struct block *block)
{
    const struct node_expect expect = {.bytenr = block->bytenr, .level = 0};
    const uint8_t *bytes = lane->other;
    uint32_t count;

    if (read_block(rescan->c, &expect, lane->other) < 0)
        return 0; /* was read a moment ago; what is not known to be written is reported */
    count = le32_get(((const disk_node_header *)(const void *)bytes)->nritems);
    for (uint32_t i = 0; i < count; i++) {
        const struct spot spot = spot_at(block, bytes, i);

        TRY(take_written(rescan, lane, &spot));
    }
    return 0;
}

static void rescan_lane(void *arg, size_t i)
{
    const struct rescan *rescan = arg;
    struct check *c = rescan->c;
    size_t at = c->blocks.count * i / LANES, end = c->blocks.count * (i + 1) / LANES;

    for (; at < end && c->error == 0; at++) {
        const struct block *block = PILE_AT(&c->blocks, struct block, at);

        if (block->level == 0 && (block->flags & BLOCK_FILES) && !(block->flags & BLOCK_BAD))
            (void)check_failed(c, rescan_leaf(rescan, &c->lanes[i], block));
    }
}

static int range_order(const void *a, const void *b)
{
    const struct range *x = a, *y = b;

    return x->start < y->start ? -1 : x->start > y->start;
}

/* Of all lanes, in order; neighbours are one. */
static int gather_written(struct check *c, struct pile *out)
{
    struct range *all;
    size_t kept = 0;

    for (unsigned i = 0; i < LANES; i++)
        for (size_t j = 0; j < c->lanes[i].written.count; j++)
            TRY(pile_push(out, PILE_AT(&c->lanes[i].written, struct range, j)));
    if (out->count == 0)
        return 0;
    all = out->base;
    qsort(all, out->count, sizeof(*all), range_order);
    for (size_t i = 1; i < out->count; i++) {
        if (all[i].start > end_of(&all[kept]))
            all[++kept] = all[i];
        else
            all[kept].len = MAX(end_of(&all[kept]), end_of(&all[i])) - all[kept].start;
    }
    out->count = kept + 1;
    return 0;
}

/* ---- the difference -------------------------------------------------------------------------- */

static void report_stray(struct check *c, const struct unwritten *one, uint64_t start, uint64_t end)
{
    report(c, CHECK_CSUM_UNWRITTEN,
           PLACE(one->tree, one->block, one->ino, .start = start, .len = end - start),
           "tree %llu block %llu item %u: inode %llu, extent at %llu was allocated and never "
           "written, and %llu to %llu has checksums",
           LLU(one->tree), LLU(one->block), one->slot, LLU(one->ino), LLU(one->offset), LLU(start),
           LLU(end));
}

static void compare(struct check *c, const struct unwritten *one, const struct pile *written)
{
    uint64_t at = one->range.start, end = end_of(&one->range);

    while (at < end) {
        const struct range *sums = range_behind(&c->csums, at), *known;
        uint64_t stop;

        if (!sums || sums->start >= end)
            return;
        at = MAX(at, sums->start);
        stop = MIN(end, end_of(sums));
        known = range_behind(written, at);
        if (known && known->start <= at) {
            at = end_of(known);
            continue;
        }
        if (known)
            stop = MIN(stop, known->start);
        report_stray(c, one, at, stop);
        at = stop;
    }
}

static int compare_all(struct check *c, struct pile *unwritten, struct pile *written)
{
    struct rescan rescan = {c, unwritten};

    TRY(gather_unwritten(c, unwritten));
    if (unwritten->count == 0)
        return 0;
    env_parallel(c->env, LANES, rescan_lane, &rescan);
    TRY(c->error);
    TRY(gather_written(c, written));
    for (size_t i = 0; i < unwritten->count; i++)
        compare(c, PILE_AT(unwritten, struct unwritten, i), written);
    return c->error;
}

int check_unwritten(struct check *c)
{
    struct pile unwritten, written;
    int ret;

    pile_init(&unwritten, sizeof(struct unwritten), &c->budget);
    pile_init(&written, sizeof(struct range), &c->budget);
    ret = compare_all(c, &unwritten, &written);
    pile_free(&unwritten);
    pile_free(&written);
    return ret;
}
