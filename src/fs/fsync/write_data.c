// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Extents. The log gets every file extent item that the last commit does not have like that, and
 * holes where it has something that is gone. Replay cuts the file off behind its end first, so what
 * lies there (preallocation) is logged also when nothing changed.
 */
#include "engine/extent/split.h"
#include "fs/fsync/write.h"

/* Differences are looked at anew by each fsync; with that many a commit is cheaper. */
#define EXTENTS_MAX 1024

struct change {
    struct logging *l;
    struct inode *inode;
    uint64_t end; /* of the file, in whole sectors */
    struct rangeset lost, now;
    unsigned count;
};

/* The bytes of the file that an item is about. */
static int extent_range(const struct logging *l, const void *data, uint32_t size, uint64_t *len,
                        struct file_extent *out)
{
    uint32_t sector = l->engine->sectorsize;

    *out = (struct file_extent){.type = FILE_EXTENT_INLINE};
    *len = sector;
    if (size < FILE_EXTENT_INLINE_HEADER)
        return fail(-EUCLEAN, "a file extent item is cut short");
    if (((const disk_file_extent *)data)->type == FILE_EXTENT_INLINE)
        return 0;
    if (size < sizeof(disk_file_extent))
        return fail(-EUCLEAN, "a file extent item is cut short");
    file_extent_decode(out, data);
    *len = out->num_bytes;
    return 0;
}

static int add_now(struct change *c, const struct key *key, const void *data, uint32_t size)
{
    struct file_extent extent;
    uint64_t len;

    TRY(extent_range(c->l, data, size, &len, &extent));
    if (rangeset_overlaps(&c->now, key->offset, len))
        return 0; /* behind the end, and changed: it is there already */
    if (++c->count > EXTENTS_MAX)
        return FULL_COMMIT;
    if (extent.disk_bytenr != 0 && extent_was_split(c->l->fs->store->extents, extent.disk_bytenr))
        return FULL_COMMIT;
    TRY(rangeset_add(&c->now, key->offset, len));
    return wish_add(c->l, key, data, size);
}

static int add_lost(struct change *c, const struct key *key, const void *data, uint32_t size)
{
    struct file_extent extent;
    uint64_t len;

    TRY(extent_range(c->l, data, size, &len, &extent));
    if (++c->count > EXTENTS_MAX)
        return FULL_COMMIT;
    return rangeset_add(&c->lost, key->offset, len);
}

static int one_difference(struct change *c, const struct diff *diff, const struct diff_item *item)
{
    const struct diff_cursor *old = &diff->old_side, *new = &diff->new_side;

    if (item->in_new)
        PASS(add_now(c, &item->key, leaf_data(new->nodes[0], new->slots[0]),
                     leaf_size(new->nodes[0], new->slots[0])));
    if (item->in_old)
        PASS(add_lost(c, &item->key, leaf_data(old->nodes[0], old->slots[0]),
                      leaf_size(old->nodes[0], old->slots[0])));
    return 0;
}

static int differences(struct change *c)
{
    struct key key = key_make(c->inode->ino, KEY_EXTENT_DATA, 0);
    struct diff_item item;
    struct diff diff;

    TRY(diff_open(&diff, &c->l->log->durable, &c->l->tree->root));
    int ret = diff_skip_to(&diff, &key);
    while (ret == 0 && (ret = diff_next(&diff, &item)) == 0) {
        if (item.key.objectid != c->inode->ino || item.key.type != KEY_EXTENT_DATA)
            break;
        ret = one_difference(c, &diff, &item);
        if (ret == FULL_COMMIT) {
            diff_close(&diff);
            return FULL_COMMIT;
        }
    }
    diff_close(&diff);
    return MIN(ret, 0);
}

static int behind_the_end(struct change *c)
{
    struct root *root = &c->l->tree->root;
    struct key key = key_make(c->inode->ino, KEY_EXTENT_DATA, c->end);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search_le(root, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        struct file_extent extent;
        uint64_t len;

        path_key(&path, &key);
        if (key.objectid > c->inode->ino)
            return 0;
        if (key.objectid < c->inode->ino || key.type < KEY_EXTENT_DATA)
            continue;
        if (key.type > KEY_EXTENT_DATA)
            return 0;
        TRY(extent_range(c->l, path_data(&path), path_size(&path), &len, &extent));
        if (key.offset + len > c->end)
            PASS(add_now(c, &key, path_data(&path), path_size(&path)));
    }
    return MIN(ret, 0);
}

static int wish_hole(struct change *c, uint64_t start, uint64_t len)
{
    struct key key = key_make(c->inode->ino, KEY_EXTENT_DATA, start);
    const struct file_extent hole = {
        .generation = c->l->engine->txn.transid,
        .ram_bytes = len,
        .type = FILE_EXTENT_REG,
        .num_bytes = len,
    };
    disk_file_extent disk;

    file_extent_encode(&disk, &hole);
    return wish_add(c->l, &key, &disk, sizeof(disk));
}

/* What the last commit maps and nothing maps now. */
static int wish_holes(struct change *c)
{
    struct range range;

    for (uint64_t from = 0; rangeset_next(&c->now, from, &range); from = range.start + range.len)
        TRY(rangeset_remove(&c->lost, range.start, range.len));
    for (uint64_t from = 0; rangeset_next(&c->lost, from, &range) && range.start < c->end;
         from = range.start + range.len)
        TRY(wish_hole(c, range.start, MIN(range.start + range.len, c->end) - range.start));
    return 0;
}

static int wish_all(struct change *c)
{
    PASS(differences(c));
    PASS(behind_the_end(c));
    return wish_holes(c);
}

int wish_extents(struct logging *l, struct inode *inode)
{
    uint64_t size = inode_is_reg(inode) ? inode->disk_size : inode->item.size;
    struct change change = {
        .l = l,
        .inode = inode,
        .end = round_up_to(size, l->engine->sectorsize),
    };

    rangeset_init(&change.lost);
    rangeset_init(&change.now);
    int ret = wish_all(&change);
    rangeset_clear(&change.lost);
    rangeset_clear(&change.now);
    return ret;
}

int log_extent(struct logging *l, const struct wish *wish)
{
    const uint8_t *data = l->wishes.bytes + wish->at;
    struct engine *e = l->engine;
    struct file_extent extent;
    uint64_t len;

    TRY(extent_range(l, data, wish->size, &len, &extent));
    if (extent.type == FILE_EXTENT_INLINE || extent.disk_bytenr == 0)
        return 0;
    extent_note_logged(l->fs->store->extents, extent.disk_bytenr);
    /* Those of older data are in the last commit. */
    if (extent.type != FILE_EXTENT_REG || extent.generation < e->txn.transid)
        return 0;
    if (extent.compression != 0)
        return log_copy_csums(e, &e->csum_tree, &l->log->root, extent.disk_bytenr,
                              extent.disk_num_bytes);
    return log_copy_csums(e, &e->csum_tree, &l->log->root, extent.disk_bytenr + extent.offset,
                          extent.num_bytes);
}
