// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every tree block once, in order of address, on all processors: those that the extent tree lists,
 * then those that these lead to and that it does not list, and so on.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ops/check/internal.h"

#define RUN_BYTES (1 * MIB) /* read at once */

/* ---- the table of blocks --------------------------------------------------------------------- */

struct block *find_block(const struct check *c, uint64_t bytenr)
{
    size_t low = 0, high = c->blocks.count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        struct block *block = PILE_AT(&c->blocks, struct block, mid);

        if (block->bytenr == bytenr)
            return block;
        if (block->bytenr < bytenr)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

uint32_t first_child(const struct check *c, uint64_t bytenr)
{
    for (size_t i = 0; i < c->dead_nodes.count; i++) {
        const struct dead_node *node = PILE_AT(&c->dead_nodes, struct dead_node, i);

        if (node->bytenr == bytenr)
            return node->first;
    }
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct scan {
    struct check *c;
    struct block *blocks;
    size_t count;
};

static void bad_block(struct check *c, struct block *block, const char *why)
{
    block->flags |= BLOCK_BAD;
    report(c, CHECK_BLOCK_BAD, PLACE(.block = block->bytenr), "%s", why);
}

/*
 * Whether the block in `bytes`, read from copy 0, is good; else another copy is read. All copies
 * are looked at: one that is bad is found today and not on the day it is needed.
 */
static bool pick_copy(struct check *c, struct block *block, uint8_t *bytes, uint8_t *other)
{
    const struct node_expect expect = {.bytenr = block->bytenr, .level = -1};
    unsigned mirrors = vol_mirrors(c->vol, laddr_of(block->bytenr)), bad = 0, last_bad = 0;
    bool good = node_validate(bytes, c->limits, &expect) == 0;
    char why[FAIL_MESSAGE_MAX] = "";

    if (!good) {
        snprintf(why, sizeof(why), "%s", fail_message());
        bad = 1;
    }
    for (unsigned mirror = 1; mirror < mirrors; mirror++) {
        int ret = vol_read(c->vol, laddr_of(block->bytenr), other, c->nodesize, mirror);

        if (ret == 0 && good && memcmp(bytes, other, c->nodesize) == 0)
            continue;
        if (ret == 0)
            ret = node_validate(other, c->limits, &expect);
        if (ret == 0 && good)
            ret = fail(-EUCLEAN, "differs from the one before");
        if (ret < 0) {
            snprintf(why, sizeof(why), "%s", fail_message());
            last_bad = mirror;
            bad++;
            continue;
        }
        memcpy(bytes, other, c->nodesize);
        good = true;
    }
    if (!good)
        bad_block(c, block, why);
    else if (bad)
        report(c, CHECK_BLOCK_COPY_BAD, PLACE(.block = block->bytenr),
               "copy %u of tree block %llu: %s", last_bad, LLU(block->bytenr), why);
    return good;
}

/* Neighbours on the device are read at once; how many blocks that is. */
static size_t run_length(const struct scan *scan, size_t at, size_t end)
{
    uint64_t nodesize = scan->c->nodesize;
    const struct area *area = area_of(scan->c, scan->blocks[at].bytenr);
    size_t n = 1, most = RUN_BYTES / nodesize;

    while (at + n < end && n < most && area &&
           scan->blocks[at + n].bytenr == scan->blocks[at].bytenr + n * nodesize &&
           scan->blocks[at + n].bytenr < area->map.logical + area->map.length)
        n++;
    return n;
}

static void scan_run(const struct scan *scan, struct lane *lane, size_t at, size_t count)
{
    struct check *c = scan->c;
    bool read =
        vol_read(c->vol, laddr_of(scan->blocks[at].bytenr), lane->run, count * c->nodesize, 0) == 0;

    for (size_t i = 0; i < count; i++) {
        struct block *block = &scan->blocks[at + i];
        uint8_t *bytes = lane->run + i * c->nodesize;

        if (!read && vol_read(c->vol, laddr_of(block->bytenr), bytes, c->nodesize, 0) < 0)
            memset(bytes, 0, c->nodesize);
        if (vol_mirrors(c->vol, laddr_of(block->bytenr)) == 0) {
            (void)fail(-EUCLEAN, "tree block %llu: address lies in no chunk", LLU(block->bytenr));
            bad_block(c, block, fail_message());
        } else if (pick_copy(c, block, bytes, lane->other)) {
            look_at_block(c, lane, block, bytes);
        }
    }
    check_progress(c, count * c->nodesize);
}

/* The second time nothing is said again. */
static void scan_again(struct check *c, struct lane *lane, struct block *block)
{
    const struct node_expect expect = {.bytenr = block->bytenr, .level = -1};

    if (!(block->flags & BLOCK_BAD) && read_block(c, &expect, lane->other) == 0)
        look_at_block(c, lane, block, lane->other);
}

static void scan_lane(void *arg, size_t i)
{
    struct scan *scan = arg;
    size_t at = scan->count * i / LANES, end = scan->count * (i + 1) / LANES;

    for (; scan->c->recount && at < end; at++)
        scan_again(scan->c, &scan->c->lanes[i], &scan->blocks[at]);

    while (at < end && scan->c->error == 0) {
        size_t count = run_length(scan, at, end);

        scan_run(scan, &scan->c->lanes[i], at, count);
        at += count;
    }
}

/* ---- blocks that the extent tree does not list ----------------------------------------------- */

static int number_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static int block_order(const void *a, const void *b)
{
    return number_order(&((const struct block *)a)->bytenr, &((const struct block *)b)->bytenr);
}

/* Takes what the lanes have met and nobody knows into `out`, each once, in order. */
static int take_unlisted(struct check *c, struct pile *out)
{
    for (unsigned i = 0; i < LANES; i++) {
        struct pile *unlisted = &c->lanes[i].unlisted;

        for (size_t j = 0; j < unlisted->count; j++) {
            const struct block block = {.bytenr = *PILE_AT(unlisted, uint64_t, j)};

            if (!find_block(c, block.bytenr))
                TRY(pile_push(out, &block));
        }
        unlisted->count = 0;
    }
    if (out->count > 0) {
        struct block *blocks = out->base;
        size_t kept = 1;

        qsort(blocks, out->count, sizeof(*blocks), block_order);
        for (size_t i = 1; i < out->count; i++)
            if (blocks[i].bytenr != blocks[kept - 1].bytenr)
                blocks[kept++] = blocks[i];
        out->count = kept;
    }
    return 0;
}

static int add_blocks(struct check *c, const struct pile *more)
{
    for (size_t i = 0; i < more->count; i++)
        TRY(pile_push(&c->blocks, PILE_AT(more, struct block, i)));
    qsort(c->blocks.base, c->blocks.count, sizeof(struct block), block_order);
    return 0;
}

static int scan_unlisted(struct check *c, bool *any)
{
    struct pile more;
    int ret;

    pile_init(&more, sizeof(struct block), &c->budget);
    ret = take_unlisted(c, &more);
    *any = more.count > 0;
    if (ret == 0 && more.count > 0) {
        struct scan scan = {c, more.base, more.count};

        env_parallel(c->env, LANES, scan_lane, &scan);
        ret = c->error ? c->error : add_blocks(c, &more);
    }
    pile_free(&more);
    return ret;
}

static int note_roots(struct check *c)
{
    for (size_t i = 0; i < c->roots.count; i++) {
        const struct tree_root *root = PILE_AT(&c->roots, struct tree_root, i);
        bool own = root->id == TREE_RELOC; /* such a root refers to itself */
        const struct reference ref = {
            .bytenr = root->bytenr,
            .size = root->generation << 8 | root->level,
            .type = own ? KEY_SHARED_BLOCK_REF : KEY_TREE_BLOCK_REF,
            .root = own ? root->bytenr : root->id,
            .count = 1,
        };

        meet(c, &c->lanes[0], &ref);
        if (!c->recount && !find_block(c, root->bytenr))
            TRY(pile_push(&c->lanes[0].unlisted, &root->bytenr));
    }
    return 0;
}

int scan_blocks(struct check *c)
{
    struct scan scan = {c, c->blocks.base, c->blocks.count};
    bool any = !c->recount;

    c->total = c->blocks.count * (uint64_t)c->nodesize;
    TRY(note_roots(c));
    env_parallel(c->env, LANES, scan_lane, &scan);
    while (c->error == 0 && any)
        TRY(scan_unlisted(c, &any));
    return c->error;
}
