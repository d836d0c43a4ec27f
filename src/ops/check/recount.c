// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where the sums of the ledger are not zero: the references of those extents once more, one by one.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/lock.h"
#include "ops/check/internal.h"

struct recount {
    struct check *c;
    pthread_mutex_t lock;
    const uint64_t *slots; /* the ledger: not zero where references differ */
    struct pile listed, met;
    int error;
};

static void keep(struct recount *recount, struct pile *pile, const struct reference *ref)
{
    int ret;

    if (recount->slots[ledger_slot(recount->c->seed, ref->bytenr)] == 0)
        return;
    SCOPED_LOCK(&recount->lock);
    ret = pile_push(pile, ref);
    if (ret < 0)
        recount->error = ret;
}

void recount_meet(struct recount *recount, const struct reference *ref)
{
    keep(recount, &recount->met, ref);
}

struct listing {
    struct recount *recount;
    struct extent_cursor cursor;
};

static int keep_listed(void *arg, const struct reference *ref)
{
    struct recount *recount = arg;

    keep(recount, &recount->listed, ref);
    return recount->error;
}

static int take_listed(void *arg, const struct spot *spot)
{
    struct listing *listing = arg;

    return each_listed(&listing->cursor, spot, keep_listed, listing->recount);
}

/* ---- comparing ------------------------------------------------------------------------------- */

static int reference_order(const void *a, const void *b)
{
    const struct reference *x = a, *y = b;
    const uint64_t keys[][2] = {{x->bytenr, y->bytenr}, {x->type, y->type},
                                {x->root, y->root},     {x->objectid, y->objectid},
                                {x->offset, y->offset}, {x->size, y->size}};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    return 0;
}

/* Equal ones become one with the sum of their counts. */
static void merge(struct pile *pile)
{
    struct reference *refs = pile->base;
    size_t out = 0;

    if (pile->count == 0)
        return;
    qsort(refs, pile->count, sizeof(*refs), reference_order);
    for (size_t i = 0; i < pile->count; i++) {
        if (out > 0 && reference_order(&refs[out - 1], &refs[i]) == 0)
            refs[out - 1].count += refs[i].count;
        else
            refs[out++] = refs[i];
    }
    pile->count = out;
}

static void differ(struct check *c, enum check_code code, const struct reference *ref,
                   const char *what)
{
    char size[64], owner[96];
    struct place place = PLACE(.tree = ref->root);

    if (ref->type == KEY_EXTENT_DATA_REF || ref->type == KEY_SHARED_DATA_REF)
        snprintf(size, sizeof(size), "%llu bytes", LLU(ref->size));
    else
        snprintf(size, sizeof(size), "level %llu of generation %llu", LLU(ref->size & 0xff),
                 LLU(ref->size >> 8));
    if (ref->type == KEY_EXTENT_DATA_REF) {
        snprintf(owner, sizeof(owner), "tree %llu inode %llu, extent from %lld", LLU(ref->root),
                 LLU(ref->objectid), (long long)ref->offset);
        place.ino = ref->objectid;
    } else if (ref->type == KEY_TREE_BLOCK_REF) {
        snprintf(owner, sizeof(owner), "tree %llu", LLU(ref->root));
    } else {
        snprintf(owner, sizeof(owner), "tree block %llu", LLU(ref->root));
        place = PLACE(.block = ref->root);
    }
    place.other = ref->bytenr;
    report(c, code, place, "extent %llu, %s: %s by %s, %u times", LLU(ref->bytenr), size, what,
           owner, ref->count);
}

/* What lies at one address, for who repairs. */
static size_t same_extent(const struct pile *pile, size_t at, uint64_t bytenr)
{
    size_t n = 0;

    while (at + n < pile->count && PILE_AT(pile, struct reference, at + n)->bytenr == bytenr)
        n++;
    return n;
}

/*
 * Its references agree with the trees, as far as is known, but not with its count, or where they
 * stand: they are to be counted again, so that who repairs is told all of them.
 */
int suspect_extent(struct check *c, uint64_t bytenr)
{
    if (!c->sink)
        return 0;
    c->ledger[ledger_slot(c->seed, bytenr)]++;
    return pile_push(&c->suspects, &bytenr);
}

static bool is_suspect(const struct check *c, uint64_t bytenr)
{
    for (size_t i = 0; i < c->suspects.count; i++)
        if (*PILE_AT(&c->suspects, uint64_t, i) == bytenr)
            return true;
    return false;
}

static bool is_same(const struct check_extent *extent)
{
    if (extent->met_count != extent->listed_count)
        return false;
    for (size_t i = 0; i < extent->met_count; i++)
        if (reference_order(&extent->met[i], &extent->listed[i]) != 0 ||
            extent->met[i].count != extent->listed[i].count)
            return false;
    return true;
}

static int tell_extents(struct check *c, const struct pile *listed, const struct pile *met)
{
    size_t i = 0, j = 0;

    while (c->sink && (i < listed->count || j < met->count)) {
        struct check_extent extent = {.bytenr = UINT64_MAX};
        const struct block *block;

        if (i < listed->count)
            extent.bytenr = PILE_AT(listed, struct reference, i)->bytenr;
        if (j < met->count)
            extent.bytenr = MIN(extent.bytenr, PILE_AT(met, struct reference, j)->bytenr);
        extent.listed = i < listed->count ? PILE_AT(listed, struct reference, i) : NULL;
        extent.listed_count = same_extent(listed, i, extent.bytenr);
        extent.met = j < met->count ? PILE_AT(met, struct reference, j) : NULL;
        extent.met_count = same_extent(met, j, extent.bytenr);
        block = find_block(c, extent.bytenr);
        extent.full = block && (block->flags & BLOCK_FULL);
        if (!is_same(&extent) || is_suspect(c, extent.bytenr))
            TRY(c->sink->extent(c->sink->arg, &extent));
        i += extent.listed_count;
        j += extent.met_count;
    }
    return 0;
}

static void compare(struct check *c, const struct pile *listed, const struct pile *met)
{
    size_t i = 0, j = 0;

    while (i < listed->count || j < met->count) {
        const struct reference *a = i < listed->count ? PILE_AT(listed, struct reference, i) : NULL;
        const struct reference *b = j < met->count ? PILE_AT(met, struct reference, j) : NULL;
        int order = !a ? 1 : !b ? -1 : reference_order(a, b);

        if (order < 0)
            differ(c, CHECK_REF_EXTRA, a, "the extent tree lists a use, and there is none,");
        else if (order > 0)
            differ(c, CHECK_REF_MISSING, b, "used, and the extent tree does not list it,");
        else if (a->count != b->count)
            differ(c, CHECK_REF_COUNT, b, "used, and the extent tree lists it in another number,");
        i += order <= 0;
        j += order >= 0;
    }
}

static int recount(struct recount *r)
{
    struct check *c = r->c;
    struct listing listing = {.recount = r, .cursor = {.c = c}};
    const struct tree_root *root = find_root(c, TREE_EXTENT);
    int ret = root ? read_tree(c, root, take_listed, &listing) : 0;

    if (ret == -ENOMEM)
        return ret;
    c->recount = r;
    ret = scan_blocks(c);
    c->recount = NULL;
    TRY(ret);
    TRY(r->error);
    merge(&r->listed);
    merge(&r->met);
    compare(c, &r->listed, &r->met);
    return tell_extents(c, &r->listed, &r->met);
}

static bool agrees(const uint64_t *ledger)
{
    for (unsigned slot = 0; slot < LEDGER_SLOTS; slot++)
        if (ledger[slot] != 0)
            return false;
    return true;
}

int check_references(struct check *c)
{
    struct recount r = {.c = c, .slots = c->ledger};
    int ret;

    for (unsigned i = 0; i < LANES; i++)
        for (unsigned slot = 0; slot < LEDGER_SLOTS; slot++)
            c->ledger[slot] += c->lanes[i].ledger[slot];
    if (!c->extents_known || agrees(c->ledger))
        return 0;
    lock_init(&r.lock, RANK_RECOUNT);
    pile_init(&r.listed, sizeof(struct reference), &c->budget);
    pile_init(&r.met, sizeof(struct reference), &c->budget);
    ret = recount(&r);
    pile_free(&r.listed);
    pile_free(&r.met);
    lock_destroy(&r.lock);
    return ret;
}
