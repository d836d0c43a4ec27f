// SPDX-License-Identifier: GPL-2.0-or-later
/* What a file consists of, and its checksums. */
#include <stdlib.h>
#include <sys/stat.h>

#include "disk/csum/csum.h"
#include "ops/repair/fix.h"

#define SECTORS_MAX 256

/* ---- checksums ------------------------------------------------------------------------------- */

/* The bytes of one sector; all copies of it must be the same, or nobody knows which is right. */
static int read_sector(struct fix *fix, uint64_t addr, uint8_t *out, uint8_t *other)
{
    struct vol *vol = fix->engine->vol;
    unsigned mirrors = vol_mirrors(vol, laddr_of(addr));

    if (mirrors == 0)
        return 1;
    for (unsigned mirror = 0; mirror < mirrors; mirror++) {
        if (vol_read(vol, laddr_of(addr), mirror ? other : out, fix->engine->sectorsize, mirror) <
                0 ||
            (mirror && memcmp(out, other, fix->engine->sectorsize) != 0)) {
            fail_clear();
            return 1;
        }
    }
    return 0;
}

static int add_missing_csums(struct fix *fix, uint64_t start, uint32_t count)
{
    struct engine *e = fix->engine;
    uint8_t sums[SECTORS_MAX * CSUM_MAX];
    bool have[SECTORS_MAX];
    AUTO_FREE uint8_t *buf = malloc(2 * (size_t)e->sectorsize);

    if (!buf)
        return fail(-ENOMEM, "a checksum");
    TRY(csums_lookup(e, &e->csum_tree, start, (uint64_t)count * e->sectorsize, sums, have));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t addr = start + (uint64_t)i * e->sectorsize;
        uint8_t sum[CSUM_MAX];

        if (have[i] || read_sector(fix, addr, buf, buf + e->sectorsize) != 0)
            continue;
        csum_compute(e->csum_type, buf, e->sectorsize, sum);
        TRY(csums_insert(e, &e->csum_tree, addr, sum, 1));
    }
    return 0;
}

int mend_csum_range(struct fix *fix, uint64_t start, uint64_t len)
{
    struct engine *e = fix->engine;

    while (len > 0) {
        uint32_t count = (uint32_t)MIN(len / e->sectorsize, (uint64_t)SECTORS_MAX);

        if (count == 0)
            return 0;
        TRY(add_missing_csums(fix, start, count));
        start += (uint64_t)count * e->sectorsize;
        len -= (uint64_t)count * e->sectorsize;
    }
    return 0;
}

/* Only where the extent tree has the extent: not under what leads to nowhere. */
static int is_extent(struct fix *fix, const struct file_extent *extent, bool *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    const struct key key = key_make(extent->disk_bytenr, KEY_EXTENT_ITEM, extent->disk_num_bytes);
    int ret = tree_search(&fix->engine->extent_tree, &key, &path);

    TRY(ret);
    *out = ret == 0;
    return 0;
}

static int mend_csums(struct fix *fix, const struct file_extent *extent, bool wanted)
{
    struct engine *e = fix->engine;
    uint64_t start = extent->disk_bytenr + extent->offset, len = extent->num_bytes;
    bool there;

    if (!fix->csums || extent->type != FILE_EXTENT_REG)
        return 0;
    if (extent->compression) {
        start = extent->disk_bytenr;
        len = extent->disk_num_bytes;
    }
    TRY(is_extent(fix, extent, &there));
    if (!there)
        return 0;
    return wanted ? mend_csum_range(fix, start, len) : csums_delete(e, &e->csum_tree, start, len);
}

/* ---- extents --------------------------------------------------------------------------------- */

struct walk {
    struct fix *fix;
    uint64_t ino, nbytes, end;
    bool csums, compressed;
};

static int write_extent(struct fix *fix, const struct key *key, const struct file_extent *extent)
{
    disk_file_extent bytes;

    file_extent_encode(&bytes, extent);
    return tree_upsert(fix->root, key, &bytes, sizeof(bytes));
}

static int add_hole(struct fix *fix, uint64_t ino, uint64_t start, uint64_t end)
{
    const struct key key = key_make(ino, KEY_EXTENT_DATA, start);
    const struct file_extent hole = {.generation = fix->engine->txn.transid,
                                     .ram_bytes = end - start,
                                     .type = FILE_EXTENT_REG,
                                     .num_bytes = end - start};

    return start < end ? write_extent(fix, &key, &hole) : 0;
}

static int take_extent(struct walk *walk, const struct key *key, struct file_extent *extent)
{
    walk->end = MAX(walk->end, key->offset + extent->num_bytes);
    if (extent->disk_bytenr == 0)
        return 0;
    walk->nbytes += extent->num_bytes;
    walk->compressed |= extent->compression != 0;
    if (!extent->compression && extent->ram_bytes != extent->disk_num_bytes) {
        extent->ram_bytes = extent->disk_num_bytes;
        TRY(write_extent(walk->fix, key, extent));
    }
    return mend_csums(walk->fix, extent, walk->csums);
}

/* The first item at or after *key of the inode; 1: none. */
static int next_extent(struct walk *walk, struct key *key, struct file_extent *extent)
{
    AUTO_PATH struct path path = PATH_INIT;
    int ret = tree_search_ge(walk->fix->root, key, &path);

    if (ret != 0)
        return ret;
    path_key(&path, key);
    if (key->objectid != walk->ino || key->type != KEY_EXTENT_DATA)
        return 1;
    *extent = (struct file_extent){.type = FILE_EXTENT_INLINE};
    if (path_size(&path) == sizeof(disk_file_extent))
        file_extent_decode(extent, path_data(&path));
    if (path_size(&path) < FILE_EXTENT_INLINE_HEADER)
        return 1;
    const disk_file_extent *disk = path_data(&path);
    extent->type = disk->type;
    extent->ram_bytes = le64_get(disk->ram_bytes);
    return 0;
}

static int walk_extents(struct walk *walk, bool holes, uint64_t size)
{
    uint32_t sectorsize = walk->fix->engine->sectorsize;
    struct key key = key_make(walk->ino, KEY_EXTENT_DATA, 0);
    struct file_extent extent;
    int ret;

    while ((ret = next_extent(walk, &key, &extent)) == 0) {
        uint64_t start = key.offset;

        if (holes && start > walk->end)
            TRY(add_hole(walk->fix, walk->ino, walk->end, MIN(start, size)));
        if (extent.type == FILE_EXTENT_INLINE) {
            walk->nbytes += extent.ram_bytes;
            walk->end = MAX(walk->end, start + round_up_to(extent.ram_bytes, sectorsize));
        } else {
            TRY(take_extent(walk, &key, &extent));
        }
        if (start == UINT64_MAX)
            break;
        key = key_make(walk->ino, KEY_EXTENT_DATA, start + 1);
    }
    TRY(ret);
    return holes ? add_hole(walk->fix, walk->ino, walk->end, size) : 0;
}

int mend_extents(struct fix *fix, uint64_t ino, struct inode_item *item)
{
    struct walk walk = {.fix = fix, .ino = ino, .csums = !(item->flags & INODE_NODATASUM)};
    bool has_holes = engine_has(fix->engine, INCOMPAT_NO_HOLES);
    bool sane = item->size <= INT64_MAX;

    TRY(walk_extents(&walk, !has_holes && S_ISREG(item->mode) && sane,
                     round_up_to(MIN(item->size, (uint64_t)INT64_MAX), fix->engine->sectorsize)));
    if (!sane)
        item->size = walk.end;
    item->nbytes = walk.nbytes;
    return 0;
}
