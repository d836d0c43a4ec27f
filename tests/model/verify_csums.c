// SPDX-License-Identifier: GPL-2.0-or-later
/* Checksums: where there is data that wants them, and nowhere else, and right on every mirror. */
#include "tests/model/verify_internal.h"

#include "base/bits.h"
#include "base/cleanup.h"

void csums_item(struct verify *v, const struct item_view *item)
{
    uint32_t each = csum_size((enum csum_type)v->super->csum_type);
    struct v_csum *csum;

    if (item->key.type != KEY_EXTENT_CSUM)
        return;
    csum = ARRAY_ADD(&v->csums);
    csum->start = item->key.offset;
    csum->count = item->size / each;
    csum->sums = must_alloc(item->size);
    memcpy(csum->sums, item->data, item->size);
}

static void check_sectors(struct verify *v, const struct v_csum *csum, unsigned mirror)
{
    uint32_t sector = v->super->sectorsize, each = csum_size((enum csum_type)v->super->csum_type);
    AUTO_FREE uint8_t *data = must_alloc((size_t)csum->count * sector);
    uint8_t sum[CSUM_MAX];

    if (vol_read(v->vol, laddr_of(csum->start), data, (uint64_t)csum->count * sector, mirror) < 0) {
        bad(v, "data at %llu: %s", LLU(csum->start), fail_message());
        return;
    }
    for (uint32_t i = 0; i < csum->count; i++) {
        csum_compute((enum csum_type)v->super->csum_type, data + (size_t)i * sector, sector, sum);
        if (memcmp(sum, csum->sums + (size_t)i * each, each) != 0)
            bad(v, "data at %llu mirror %u: the checksum is wrong",
                LLU(csum->start + (uint64_t)i * sector), mirror);
    }
}

/* Extents follow each other, so that both are walked at once. */
static void check_owned(struct verify *v, const struct v_csum *csum)
{
    uint64_t start = csum->start, end = start + (uint64_t)csum->count * v->super->sectorsize;

    for (size_t i = 0; i < v->extents.count && start < end; i++) {
        const struct v_extent *extent = &v->extents.v[i];

        if (extent->bytenr + extent->len <= start)
            continue;
        if (extent->bytenr > start || !(extent->flags & EXTENT_FLAG_DATA))
            break;
        start = extent->bytenr + extent->len;
    }
    if (start < end)
        bad(v, "checksum of %llu, where there is no data", LLU(start));
}

/* What files have written, with checksums. */
static void find_written(const struct verify *v, struct rangeset *written)
{
    rangeset_init(written);
    for (size_t i = 0; i < v->uses.count; i++) {
        const struct v_use *use = &v->uses.v[i];

        if (!use->prealloc && !use->nodatasum && rangeset_add(written, use->start, use->len) < 0)
            abort();
    }
}

/* Checksums are those of another file that has written the same bytes. */
static void check_unwritten(struct verify *v, const struct v_use *use, const struct rangeset *have,
                            const struct rangeset *written)
{
    uint64_t end = use->start + use->len, stop;
    struct range sums;

    for (uint64_t at = use->start; at < end && rangeset_next(have, at, &sums) && sums.start < end;
         at = stop) {
        uint64_t start = MAX(at, sums.start);

        stop = MIN(end, sums.start + sums.len);
        if (!rangeset_contains(written, start, stop - start))
            bad(v, "unwritten data at %llu, %llu bytes, has checksums", LLU(start),
                LLU(stop - start));
    }
}

static void check_uses(struct verify *v, const struct rangeset *have)
{
    struct rangeset written;

    find_written(v, &written);
    for (size_t i = 0; i < v->uses.count; i++) {
        const struct v_use *use = &v->uses.v[i];

        if (!use->prealloc && !use->nodatasum && !rangeset_contains(have, use->start, use->len))
            bad(v, "data at %llu, %llu bytes: checksums are missing", LLU(use->start),
                LLU(use->len));
        if (use->prealloc)
            check_unwritten(v, use, have, &written);
        if (use->nodatasum && rangeset_overlaps(have, use->start, use->len))
            bad(v, "data at %llu, %llu bytes, has checksums and should have none", LLU(use->start),
                LLU(use->len));
    }
    rangeset_clear(&written);
}

void csums_check(struct verify *v)
{
    struct rangeset have;

    rangeset_init(&have);
    for (size_t i = 0; i < v->csums.count; i++) {
        const struct v_csum *csum = &v->csums.v[i];
        uint64_t len = (uint64_t)csum->count * v->super->sectorsize;

        if (rangeset_overlaps(&have, csum->start, len))
            bad(v, "checksums of %llu are there twice", LLU(csum->start));
        if (rangeset_add(&have, csum->start, len) < 0)
            abort();
        check_owned(v, csum);
        for (unsigned m = 0; m < vol_mirrors(v->vol, laddr_of(csum->start)); m++)
            check_sectors(v, csum, m);
    }
    check_uses(v, &have);
    rangeset_clear(&have);
}
