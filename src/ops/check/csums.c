// SPDX-License-Identifier: GPL-2.0-or-later
/* The checksum tree: what has checksums, and whether there is data below them. */
#include <stdlib.h>

#include "ops/check/internal.h"

struct csum_load {
    struct check *c;
    uint64_t end;
    size_t gap; /* the first that ends behind `end` */
};

/* Neighbouring chunks may share an item; all of them must be for data. */
static bool in_data_chunks(const struct check *c, uint64_t start, uint64_t end)
{
    while (start < end) {
        const struct area *area = area_of(c, start);

        if (!area || !(area->map.type & BG_DATA))
            return false;
        start = area->map.logical + area->map.length;
    }
    return true;
}

/* A checksum is of data: not of free space, not of a tree block. */
static void check_owned(struct csum_load *load, const struct spot *spot, uint64_t start,
                        uint64_t end)
{
    struct check *c = load->c;

    if (!in_data_chunks(c, start, end)) {
        report(c, CHECK_CSUM_NO_DATA,
               PLACE(.tree = TREE_CSUM, .block = spot->block, .start = start, .len = end - start),
               "tree CSUM_TREE block %llu item %u: checksums of %llu to %llu, where no data can be",
               LLU(spot->block), spot->slot, LLU(start), LLU(end));
        return;
    }
    for (; load->gap < c->gaps.count; load->gap++) {
        const struct range *gap = PILE_AT(&c->gaps, struct range, load->gap);

        if (gap->start >= end)
            break;
        if (gap->start + gap->len > start)
            report(c, CHECK_CSUM_NO_DATA,
                   PLACE(.tree = TREE_CSUM, .block = spot->block, .start = MAX(gap->start, start),
                         .len = MIN(gap->start + gap->len, end) - MAX(gap->start, start)),
                   "tree CSUM_TREE block %llu item %u: checksums of %llu to %llu over free space",
                   LLU(spot->block), spot->slot, LLU(MAX(gap->start, start)),
                   LLU(MIN(gap->start + gap->len, end)));
        if (gap->start + gap->len > end)
            break;
    }
}

static int take_csum(void *arg, const struct spot *spot)
{
    struct csum_load *load = arg;
    struct check *c = load->c;
    uint64_t start = spot->key.offset;
    uint64_t end = start + (uint64_t)(spot->size / c->limits->csum_size) * c->sectorsize;
    struct range *last =
        c->csums.count ? PILE_AT(&c->csums, struct range, c->csums.count - 1) : NULL;

    if (spot->key.type != KEY_EXTENT_CSUM)
        return 0;
    if (start < load->end)
        report(c, CHECK_CSUM_OVERLAP, PLACE(.tree = TREE_CSUM, .block = spot->block),
               "tree CSUM_TREE block %llu item %u: checksums of %llu are there twice",
               LLU(spot->block), spot->slot, LLU(start));
    if (c->extents_known)
        check_owned(load, spot, start, end);
    load->end = MAX(load->end, end);
    if (last && last->start + last->len >= start) {
        last->len = load->end - last->start;
        return 0;
    }
    return pile_push(&c->csums, &(struct range){start, end - start});
}

int load_csums(struct check *c)
{
    const struct tree_root *root = find_root(c, TREE_CSUM);
    struct csum_load load = {.c = c};
    int ret;

    if (!root)
        return 0;
    ret = read_tree(c, root, take_csum, &load);
    c->csums_known = ret == 0;
    return ret == -EIO || ret == -EUCLEAN ? 0 : ret;
}

const void *range_behind(const struct pile *pile, uint64_t addr)
{
    const char *base = pile->base;
    size_t low = 0, high = pile->count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct range *range = (const void *)(base + mid * pile->each);

        if (range->start + range->len <= addr)
            low = mid + 1;
        else
            high = mid;
    }
    return low < pile->count ? base + low * pile->each : NULL;
}

enum coverage csum_coverage(const struct check *c, uint64_t start, uint64_t len)
{
    const struct range *range = range_behind(&c->csums, start);

    if (!range || range->start >= start + len)
        return COVERED_NOT;
    return range->start <= start && range->start + range->len >= start + len ? COVERED
                                                                             : COVERED_PARTLY;
}

/* ---- data against its checksums -------------------------------------------------------------- */

/* At most so many sectors are read at once. */
#define SECTORS_MAX 256

struct data_batch {
    struct check *c;
    struct csum_piece {
        uint64_t start;
        uint32_t count;
        uint8_t sums[SECTORS_MAX * CSUM_MAX];
    } pieces[LANES * 4];
    size_t count;
};

/* Which sectors of the copy are not what their checksums say. */
static void compare_copy(struct check *c, const struct csum_piece *piece, uint8_t *data,
                         unsigned mirror, bool bad[SECTORS_MAX])
{
    uint32_t each = c->limits->csum_size;
    uint8_t sum[CSUM_MAX];
    bool read = vol_read(c->vol, laddr_of(piece->start), data,
                         (uint64_t)piece->count * c->sectorsize, mirror) == 0;

    for (uint32_t i = 0; i < piece->count; i++) {
        csum_compute(c->limits->csum_type, data + (size_t)i * c->sectorsize, c->sectorsize, sum);
        bad[i] = !read || memcmp(sum, piece->sums + (size_t)i * each, each) != 0;
    }
}

/* A sector is lost when no copy of it is good. */
static void report_sectors(struct check *c, const struct csum_piece *piece, unsigned mirrors,
                           bool bad[VOL_STRIPES_MAX][SECTORS_MAX])
{
    for (uint32_t i = 0; i < piece->count; i++) {
        uint64_t at = piece->start + (uint64_t)i * c->sectorsize;
        unsigned good = 0;

        for (unsigned mirror = 0; mirror < mirrors; mirror++)
            good += !bad[mirror][i];
        if (good == 0)
            report(c, CHECK_DATA_BAD, PLACE(.start = at, .len = c->sectorsize),
                   "data at %llu: the checksum is wrong%s", LLU(at),
                   mirrors > 1 ? " in all copies" : "");
        for (unsigned mirror = 0; good > 0 && mirror < mirrors; mirror++)
            if (bad[mirror][i])
                report(c, CHECK_DATA_COPY_BAD, PLACE(.start = at, .len = c->sectorsize),
                       "data at %llu: copy %u is bad", LLU(at), mirror);
    }
}

static void check_piece(void *arg, size_t i)
{
    struct data_batch *batch = arg;
    struct check *c = batch->c;
    const struct csum_piece *piece = &batch->pieces[i];
    AUTO_FREE uint8_t *data = malloc((size_t)piece->count * c->sectorsize);
    unsigned mirrors = vol_mirrors(c->vol, laddr_of(piece->start));
    bool bad[VOL_STRIPES_MAX][SECTORS_MAX];

    if (!data) {
        (void)check_failed(c, fail(-ENOMEM, "file data"));
        return;
    }
    for (unsigned mirror = 0; mirror < mirrors; mirror++)
        compare_copy(c, piece, data, mirror, bad[mirror]);
    if (mirrors > 0)
        report_sectors(c, piece, mirrors, bad);
    check_progress(c, (uint64_t)piece->count * c->sectorsize);
}

static void run_batch(struct data_batch *batch)
{
    env_parallel(batch->c->env, batch->count, check_piece, batch);
    batch->count = 0;
}

static int take_sums(void *arg, const struct spot *spot)
{
    struct data_batch *batch = arg;
    struct check *c = batch->c;
    uint32_t each = c->limits->csum_size, left = spot->size / each, done = 0;

    if (spot->key.type != KEY_EXTENT_CSUM)
        return 0;
    while (left > 0) {
        struct csum_piece *piece = &batch->pieces[batch->count++];

        piece->count = MIN(left, (uint32_t)SECTORS_MAX);
        piece->start = spot->key.offset + (uint64_t)done * c->sectorsize;
        memcpy(piece->sums, spot->data + (size_t)done * each, (size_t)piece->count * each);
        done += piece->count;
        left -= piece->count;
        if (batch->count == ARRAY_LEN(batch->pieces))
            run_batch(batch);
    }
    return c->error;
}

int check_data(struct check *c)
{
    const struct tree_root *root = find_root(c, TREE_CSUM);
    AUTO_FREE struct data_batch *batch = calloc(1, sizeof(*batch));
    int ret;

    if (!batch)
        return fail(-ENOMEM, "checksums");
    batch->c = c;
    if (!root)
        return 0;
    ret = read_tree(c, root, take_sums, batch);
    run_batch(batch);
    return ret == -EIO || ret == -EUCLEAN ? 0 : ret;
}
