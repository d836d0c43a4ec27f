// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What belongs where a block is lost.
 *
 * Whatever a transaction changes it writes anew, with all nodes up to the root. So of the blocks of
 * a tree that hold some key, the newest is the right one, and of those of one transaction the
 * highest: it leads to the others. Blocks are laid into the gap in that order; each takes of its
 * keys what the ones before left. What the extent tree calls free comes last, and only when asked
 * for; what only a forebear of a snapshot owns comes after what the snapshot owns itself.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "ops/rescue/internal.h"

struct fill {
    struct fill_key {
        uint64_t bytenr;
        uint64_t lo_objectid, lo_offset;
        uint64_t lo_type;
    } key;
    struct piece *pieces; /* in order of keys */
    size_t count, room;
    UT_hash_handle hh;
};

void rtree_free(struct rtree *tree)
{
    struct fill *fill, *next;

    HASH_ITER (hh, tree->fills, fill, next) {
        HASH_DEL(tree->fills, fill);
        free(fill->pieces);
        free(fill);
    }
    free(tree->forebears);
    tree->forebears = NULL;
}

/* Index of the first piece that ends at or after key. */
static size_t first_at(const struct fill *fill, const struct key *key)
{
    size_t low = 0, high = fill->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (key_cmp(&fill->pieces[mid].hi, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int insert_at(struct fill *fill, size_t i, const struct piece *piece)
{
    if (fill->count == fill->room) {
        size_t room = MAX(fill->room * 2, (size_t)16);
        struct piece *grown = realloc(fill->pieces, room * sizeof(*grown));

        if (!grown)
            return fail(-ENOMEM, "out of memory");
        fill->pieces = grown;
        fill->room = room;
    }
    memmove(fill->pieces + i + 1, fill->pieces + i, (fill->count - i) * sizeof(*fill->pieces));
    fill->pieces[i] = *piece;
    fill->count++;
    return 0;
}

/* Lays the block into what is left of [lo, hi]. */
static int lay(struct fill *fill, const struct found_block *block, struct key lo,
               const struct key *hi)
{
    size_t i = first_at(fill, &lo);

    while (key_cmp(&lo, hi) <= 0) {
        struct piece piece = {block, lo, *hi};

        if (i < fill->count && key_cmp(&fill->pieces[i].lo, &lo) <= 0) {
            /* Taken up to there. */
            if (key_cmp(&fill->pieces[i].hi, hi) >= 0)
                return 0;
            lo = key_after(fill->pieces[i++].hi);
            continue;
        }
        if (i < fill->count && key_cmp(&fill->pieces[i].lo, hi) <= 0)
            piece.hi = key_before(fill->pieces[i].lo);
        TRY(insert_at(fill, i, &piece));
        if (key_cmp(&piece.hi, hi) == 0)
            return 0;
        i++;
        lo = key_after(piece.hi);
    }
    return 0;
}

static int lay_owned(struct rescue *r, struct fill *fill, const struct gap *gap, uint64_t owner,
                     uint64_t generation_max, enum found_use use)
{
    size_t count;
    const struct found_block *found = rescue_found_of(r, owner, &count);

    for (size_t i = 0; i < count; i++) {
        const struct found_block *block = &found[i];
        struct key lo = block->first, hi = block->last;

        if ((block->use == FOUND_FREE) != (use == FOUND_FREE) ||
            block->generation > generation_max || block->level > gap->level_max ||
            block->bytenr == gap->bytenr)
            continue;
        if (key_cmp(&lo, &gap->lo) < 0)
            lo = gap->lo;
        if (key_cmp(&hi, &gap->hi) > 0)
            hi = gap->hi;
        if (key_cmp(&lo, &hi) <= 0)
            TRY(lay(fill, block, lo, &hi));
    }
    return 0;
}

/* A tree that it was made from is gone; whose blocks it left cannot be told any more. */
static int lay_strangers(struct rescue *r, const struct rtree *tree, struct fill *fill,
                         const struct gap *gap, enum found_use use)
{
    uint64_t most = MIN(gap->generation_max, tree->orphan_generation_max), owner = 0;

    for (size_t i = 0; i < r->found_count; i++) {
        struct rsubvol *subvol;

        if (r->found[i].owner == owner)
            continue;
        owner = r->found[i].owner;
        if (!is_fs_tree(owner) || rescue_subvol(r, owner, &subvol) == 0)
            continue;
        fail_clear();
        TRY(lay_owned(r, fill, gap, owner, most, use));
    }
    return 0;
}

static int lay_all(struct rescue *r, struct rtree *tree, struct fill *fill, const struct gap *gap,
                   enum found_use use)
{
    uint64_t most = MIN(gap->generation_max, tree->generation_max);

    TRY(lay_owned(r, fill, gap, tree->id, most, use));
    for (size_t i = 0; i < tree->forebear_count; i++)
        TRY(lay_owned(r, fill, gap, tree->forebears[i].id,
                      MIN(most, tree->forebears[i].generation_max), use));
    return tree->orphaned ? lay_strangers(r, tree, fill, gap, use) : 0;
}

static int make_fill(struct rescue *r, struct rtree *tree, struct fill *fill, const struct gap *gap)
{
    TRY(rescue_scan(r));
    /* The root tree must be read before anybody can look into the extent tree. */
    if (tree->id != TREE_ROOT)
        TRY(rescue_scan_use(r));
    TRY(lay_all(r, tree, fill, gap, FOUND_USED));
    return r->options.older ? lay_all(r, tree, fill, gap, FOUND_FREE) : 0;
}

int rescue_fill(struct rescue *r, struct rtree *tree, const struct gap *gap,
                const struct piece **pieces, size_t *count)
{
    const struct fill_key key = {gap->bytenr, gap->lo.objectid, gap->lo.offset, gap->lo.type};
    struct fill *fill;
    int ret;

    HASH_FIND(hh, tree->fills, &key, sizeof(key), fill);
    if (!fill) {
        fill = calloc(1, sizeof(*fill));
        if (!fill)
            return fail(-ENOMEM, "out of memory");
        fill->key = key;
        ret = make_fill(r, tree, fill, gap);
        if (ret == 0) {
            HASH_ADD(hh, tree->fills, key, sizeof(fill->key), fill);
            ret = HASH_ADDED(fill) ? 0 : fail(-ENOMEM, "out of memory");
        }
        if (ret < 0) {
            free(fill->pieces);
            free(fill);
            return ret;
        }
    }
    *pieces = fill->pieces;
    *count = fill->count;
    return 0;
}
