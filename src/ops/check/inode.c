// SPDX-License-Identifier: GPL-2.0-or-later
/* One inode: its own item against all the others under its number. */
#include <sys/stat.h>

#include "disk/csum/csum.h"
#include "ops/check/internal.h"

#define NOWHERE UINT64_MAX

void part_init(struct inode_part *part, uint64_t ino)
{
    *part =
        (struct inode_part){.ino = ino, .gap = NOWHERE, .csum_at = NOWHERE, .no_csum_at = NOWHERE};
}

/* ---- items ----------------------------------------------------------------------------------- */

static void take_inode(struct check *c, const struct block *block, struct inode_part *part,
                       const struct spot *spot)
{
    struct inode_item item;

    inode_item_decode(&item, spot->data);
    part->has_item = true;
    part->mode = item.mode;
    part->nlink = item.nlink;
    part->size = item.size;
    part->nbytes = item.nbytes;
    part->flags = item.flags;
    if (item.generation > c->super->generation + 1 || item.transid > c->super->generation + 1)
        report(c, CHECK_INODE_GENERATION, PLACE(block->owner, block->bytenr, part->ino),
               "tree %llu inode %llu: is of generation %llu, changed in %llu, the superblock is of "
               "%llu",
               LLU(block->owner), LLU(part->ino), LLU(item.generation), LLU(item.transid),
               LLU(c->super->generation));
}

static void take_refs(struct inode_part *part, const struct spot *spot)
{
    for (uint32_t at = 0; at < spot->size; part->names++) {
        struct inode_ref ref;

        inode_ref_decode(&ref, spot->data + at);
        at += (uint32_t)sizeof(disk_inode_ref) + ref.name_len;
    }
}

static void take_extrefs(struct check *c, const struct block *block, struct inode_part *part,
                         const struct spot *spot)
{
    for (uint32_t at = 0; at < spot->size; part->names++) {
        struct inode_extref ref;

        inode_extref_decode(&ref, spot->data + at);
        at += (uint32_t)sizeof(disk_inode_extref);
        if (extref_hash(ref.parent, spot->data + at, ref.name_len) != spot->key.offset)
            report(c, CHECK_EXTREF_KEY, PLACE(block->owner, block->bytenr, part->ino),
                   "tree %llu block %llu item %u: a name of inode %llu under a hash that is not "
                   "its own",
                   LLU(block->owner), LLU(block->bytenr), spot->slot, LLU(part->ino));
        at += ref.name_len;
    }
}

static void take_entries(struct check *c, struct inode_part *part, const struct spot *spot)
{
    bool index = spot->key.type == KEY_DIR_INDEX;

    for (uint32_t at = 0; at < spot->size;) {
        const uint8_t *name = spot->data + at + sizeof(disk_dir_item);
        struct dir_item entry;
        uint64_t number;

        dir_item_decode(&entry, spot->data + at);
        number = DRAW(c->seed, draw_bytes(c->seed, name, entry.name_len), entry.location.objectid,
                      entry.location.type, entry.type);
        part->entries += index ? number : -number;
        if (index)
            part->dir_bytes += 2u * entry.name_len;
        at += (uint32_t)sizeof(disk_dir_item) + entry.name_len + entry.data_len;
    }
}

/* ---- extents --------------------------------------------------------------------------------- */

static void bad_extent(struct check *c, enum check_code code, const struct block *block,
                       const struct spot *spot, const char *what)
{
    report(c, code, PLACE(block->owner, block->bytenr, spot->key.objectid),
           "tree %llu block %llu item %u: inode %llu, extent at %llu %s", LLU(block->owner),
           LLU(block->bytenr), spot->slot, LLU(spot->key.objectid), LLU(spot->key.offset), what);
}

struct range extent_on_disk(const struct file_extent *extent)
{
    if (extent->compression)
        return (struct range){extent->disk_bytenr, extent->disk_num_bytes};
    return (struct range){extent->disk_bytenr + extent->offset, extent->num_bytes};
}

static void check_coverage(struct check *c, const struct block *block, struct inode_part *part,
                           const struct spot *spot, const struct file_extent *extent)
{
    const struct range range = extent_on_disk(extent);

    if (!c->csums_known || block->owner == TREE_DATA_RELOC)
        return;
    enum coverage coverage = csum_coverage(c, range.start, range.len);
    if (extent->type == FILE_EXTENT_PREALLOC) {
        if (coverage != COVERED_NOT)
            note_unwritten(c, block, spot, &range);
        return;
    }
    if (coverage != COVERED)
        part->no_csum_at = MIN(part->no_csum_at, spot->key.offset);
    if (coverage != COVERED_NOT)
        part->csum_at = MIN(part->csum_at, spot->key.offset);
}

static void check_extent(struct check *c, const struct block *block, struct inode_part *part,
                         const struct spot *spot, const struct file_extent *extent)
{
    if (!extent->compression && extent->ram_bytes != extent->disk_num_bytes)
        bad_extent(c, CHECK_FILE_EXTENT_RAM, block, spot,
                   "says another length than its extent has on the disk (ram_bytes)");
    if (extent->type == FILE_EXTENT_PREALLOC && extent->compression)
        bad_extent(c, CHECK_FILE_EXTENT_COMPRESSED, block, spot,
                   "was allocated and never written, and is compressed");
    check_coverage(c, block, part, spot, extent);
    part->bytes += extent->num_bytes;
    part->compressed |= extent->compression != 0;
}

/* Inline data of one sector at most: more of it Linux could not read. */
static uint64_t take_inline(struct check *c, const struct block *block, struct inode_part *part,
                            const struct spot *spot)
{
    const disk_file_extent *disk = (const void *)spot->data;
    uint64_t ram_bytes = le64_get(disk->ram_bytes);

    if (ram_bytes > c->sectorsize && ram_bytes > 4096)
        bad_extent(c, CHECK_FILE_EXTENT_INLINE, block, spot, "is inline and larger than a sector");
    part->bytes += ram_bytes;
    part->has_inline = true;
    return round_up_to(ram_bytes, c->sectorsize);
}

static void take_extent(struct check *c, const struct block *block, struct inode_part *part,
                        const struct spot *spot)
{
    const disk_file_extent *disk = (const void *)spot->data;
    uint64_t start = spot->key.offset, end;
    struct file_extent extent;

    if (disk->type == FILE_EXTENT_INLINE) {
        end = start + take_inline(c, block, part, spot);
    } else {
        file_extent_decode(&extent, spot->data);
        end = start + extent.num_bytes;
        if (extent.disk_bytenr != 0)
            check_extent(c, block, part, spot, &extent);
    }
    if (!part->has_extent)
        part->begin = start;
    else if (start > part->end)
        part->gap = MIN(part->gap, part->end);
    /* Within a leaf the validator has seen it already. */
    part->has_extent = true;
    part->end = MAX(part->end, end);
}

void part_item(struct check *c, const struct block *block, struct inode_part *part,
               const struct spot *spot)
{
    switch (spot->key.type) {
    case KEY_INODE_ITEM:
        take_inode(c, block, part, spot);
        break;
    case KEY_INODE_REF:
        take_refs(part, spot);
        break;
    case KEY_INODE_EXTREF:
        take_extrefs(c, block, part, spot);
        break;
    case KEY_DIR_ITEM:
    case KEY_DIR_INDEX:
        take_entries(c, part, spot);
        break;
    case KEY_EXTENT_DATA:
        take_extent(c, block, part, spot);
        break;
    default:
        break;
    }
}

/* ---- parts ----------------------------------------------------------------------------------- */

void part_merge(struct check *c, uint64_t tree, struct inode_part *left,
                const struct inode_part *right)
{
    left->lost |= right->lost;
    left->names += right->names;
    left->dir_bytes += right->dir_bytes;
    left->entries += right->entries;
    left->bytes += right->bytes;
    left->compressed |= right->compressed;
    left->has_inline |= right->has_inline;
    left->gap = MIN(left->gap, right->gap);
    left->csum_at = MIN(left->csum_at, right->csum_at);
    left->no_csum_at = MIN(left->no_csum_at, right->no_csum_at);
    if (!right->has_extent)
        return;
    if (left->has_extent && right->begin < left->end)
        report(c, CHECK_FILE_EXTENT_OVERLAP, PLACE(.tree = tree, .ino = left->ino),
               "tree %llu inode %llu: extent at %llu begins before %llu, where the one before it "
               "ends",
               LLU(tree), LLU(left->ino), LLU(right->begin), LLU(left->end));
    if (left->has_extent && right->begin > left->end)
        left->gap = MIN(left->gap, left->end);
    if (!left->has_extent)
        left->begin = right->begin;
    left->has_extent = true;
    left->end = MAX(left->end, right->end);
}

static void bad_number(struct check *c, enum check_code code, uint64_t tree,
                       const struct inode_part *part, const char *what, uint64_t is,
                       uint64_t should)
{
    report(c, code, PLACE(.tree = tree, .ino = part->ino),
           "tree %llu inode %llu: %s is %llu, should be %llu", LLU(tree), LLU(part->ino), what,
           LLU(is), LLU(should));
}

static void check_holes(struct check *c, uint64_t tree, const struct inode_part *part)
{
    uint64_t end = round_up_to(part->size, c->sectorsize), at = NOWHERE;

    if (c->no_holes || !S_ISREG(part->mode) || part->size > INT64_MAX)
        return;
    if (part->has_extent && part->begin > 0)
        at = 0;
    else if (part->gap < end)
        at = part->gap;
    else if (part->end < end)
        at = part->end;
    if (at < end)
        report(c, CHECK_HOLE_MISSING, PLACE(.tree = tree, .ino = part->ino),
               "tree %llu inode %llu: nothing says what is at %llu", LLU(tree), LLU(part->ino),
               LLU(at));
}

static void check_sums(struct check *c, uint64_t tree, const struct inode_part *part)
{
    bool none = part->flags & INODE_NODATASUM;

    if (none && part->csum_at != NOWHERE)
        report(c, CHECK_CSUM_UNWANTED, PLACE(.tree = tree, .ino = part->ino),
               "tree %llu inode %llu: has no checksums, and there are some for the extent at %llu",
               LLU(tree), LLU(part->ino), LLU(part->csum_at));
    if (!none && part->no_csum_at != NOWHERE)
        report(c, CHECK_CSUM_MISSING, PLACE(.tree = tree, .ino = part->ino),
               "tree %llu inode %llu: checksums are missing for the extent at %llu", LLU(tree),
               LLU(part->ino), LLU(part->no_csum_at));
    if (none && part->compressed)
        report(c, CHECK_FILE_EXTENT_COMPRESSED, PLACE(.tree = tree, .ino = part->ino),
               "tree %llu inode %llu: has no checksums, and compressed extents", LLU(tree),
               LLU(part->ino));
}

void part_check(struct check *c, uint64_t tree, const struct inode_part *part)
{
    if (part->lost || part->ino == OBJ_FREE_INO || tree == TREE_DATA_RELOC)
        return;
    if (part->names != part->nlink)
        bad_number(c, CHECK_INODE_NLINK, tree, part, "number of links", part->nlink, part->names);
    if (part->size > INT64_MAX)
        report(c, CHECK_INODE_SIZE, PLACE(.tree = tree, .ino = part->ino),
               "tree %llu inode %llu: size %llu is impossible", LLU(tree), LLU(part->ino),
               LLU(part->size));
    if (S_ISDIR(part->mode)) {
        if (part->dir_bytes != part->size)
            bad_number(c, CHECK_DIR_SIZE, tree, part, "size", part->size, part->dir_bytes);
        if (part->entries != 0)
            report(c, CHECK_DIR_ENTRIES, PLACE(.tree = tree, .ino = part->ino),
                   "tree %llu directory %llu: names by hash and names by index differ", LLU(tree),
                   LLU(part->ino));
        return;
    }
    if (part->dir_bytes > 0 || part->entries != 0)
        report(c, CHECK_DIR_ENTRIES, PLACE(.tree = tree, .ino = part->ino),
               "tree %llu inode %llu: is no directory, and has names in it", LLU(tree),
               LLU(part->ino));
    if (part->bytes != part->nbytes)
        bad_number(c, CHECK_INODE_NBYTES, tree, part, "nbytes", part->nbytes, part->bytes);
    check_holes(c, tree, part);
    check_sums(c, tree, part);
}
