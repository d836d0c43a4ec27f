// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is remembered about sharing: answers, until a reference of their extent changes, and what
 * was dropped in the running transaction, which the last durable commit still reaches.
 *
 * An answer that rests on items of others is good for one transaction, as those items may have been
 * larger in the last commit; an answer "nobody else" stays until some other reference comes.
 */

#include "base/hash.h"
#include "base/lock.h"
#include "engine/extent/sharing_internal.h"
#include "engine/extent/split.h"
#include "engine/extent/txn_set.h"

/* Extents with answers. The oldest go first. */
#define KNOWN_MAX 16384
/* Askers of one extent. */
#define ANSWERS_MAX 8

struct answer {
    struct mapper mapper;
    struct others others;
    uint64_t transid;
    struct answer *next;
};

/* All answers of one extent. */
struct known {
    uint64_t bytenr;
    struct answer *answers;
    unsigned count;
    UT_hash_handle hh;
};

struct sharing {
    pthread_mutex_t lock; /* known */
    struct known *known;
    /* Under the metadata lock. */
    struct txn_set dropped; /* extents that lost a file extent item */
    struct txn_set split;   /* extents that came from a split, and that were */
    struct txn_set logged;  /* extents that a log tree names */
    struct txn_set lost;    /* of those, the ones that lost a file extent item since */
    uint64_t trees_dropped; /* the last transaction in which trees were deleted */
    uint64_t tree_drops;    /* since open */
    struct extent_sharing_counters counters;
    bool read_durable; /* atomic */
};

int sharing_new(struct sharing **out)
{
    struct sharing *sharing = calloc(1, sizeof(*sharing));

    if (!sharing)
        return fail(-ENOMEM, "extents: out of memory");
    lock_init(&sharing->lock, RANK_SHARING);
    *out = sharing;
    return 0;
}

static void known_free(struct sharing *sharing, struct known *known)
{
    struct answer *next;

    for (struct answer *answer = known->answers; answer; answer = next) {
        next = answer->next;
        rangeset_clear(&answer->others.ranges);
        free(answer);
    }
    HASH_DEL(sharing->known, known);
    free(known);
}

void sharing_free(struct sharing *sharing)
{
    struct known *known, *next;

    if (!sharing)
        return;
    HASH_ITER (hh, sharing->known, known, next)
        known_free(sharing, known);
    lock_destroy(&sharing->lock);
    txn_set_clear(&sharing->dropped);
    txn_set_clear(&sharing->split);
    txn_set_clear(&sharing->logged);
    txn_set_clear(&sharing->lost);
    free(sharing);
}

/* ---- counters ------------------------------------------------------------------------------- */

static void add(uint64_t *counter, uint64_t by)
{
    __atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

void sharing_count(struct extents *extents, uint64_t asked, uint64_t item_lookups, uint64_t walks)
{
    struct extent_sharing_counters *counters = &extents->sharing->counters;

    add(&counters->asked, asked);
    add(&counters->item_lookups, item_lookups);
    add(&counters->walks, walks);
}

void extent_sharing_counters(const struct extents *extents, struct extent_sharing_counters *out)
{
    const struct extent_sharing_counters *counters = &extents->sharing->counters;

    out->asked = __atomic_load_n(&counters->asked, __ATOMIC_RELAXED);
    out->item_lookups = __atomic_load_n(&counters->item_lookups, __ATOMIC_RELAXED);
    out->walks = __atomic_load_n(&counters->walks, __ATOMIC_RELAXED);
}

void sharing_note_durable(struct extents *extents)
{
    __atomic_store_n(&extents->sharing->read_durable, true, __ATOMIC_RELAXED);
}

bool extent_sharing_read_durable(struct extents *extents)
{
    return __atomic_exchange_n(&extents->sharing->read_durable, false, __ATOMIC_RELAXED);
}

/* ---- what was dropped ----------------------------------------------------------------------- */

static uint64_t running(const struct extents *extents)
{
    return extents->engine->txn.transid;
}

void sharing_note_dropped(struct extents *extents, uint64_t bytenr)
{
    const struct head *head = delayed_find(extents, bytenr);
    struct sharing *sharing = extents->sharing;

    if (txn_set_has(&sharing->logged, running(extents), bytenr))
        txn_set_add(&sharing->lost, running(extents), bytenr);
    /* Of a fresh extent the last commit knows nothing. */
    if (!head || !head->fresh)
        txn_set_add(&sharing->dropped, running(extents), bytenr);
}

void extent_note_logged(struct extents *extents, uint64_t bytenr)
{
    txn_set_add(&extents->sharing->logged, running(extents), bytenr);
}

bool sharing_log_has(struct extents *extents, uint64_t bytenr)
{
    const struct sharing *sharing = extents->sharing;
    uint64_t now = running(extents);

    /* With a whole tree, all that it had counts as lost; of that the logged ones matter. */
    return txn_set_has(&sharing->logged, now, bytenr) && txn_set_has(&sharing->lost, now, bytenr);
}

void sharing_note_tree_dropped(struct extents *extents)
{
    extents->sharing->tree_drops++;
    extents->sharing->trees_dropped = running(extents);
    txn_set_add_all(&extents->sharing->dropped, running(extents));
    txn_set_add_all(&extents->sharing->lost, running(extents));
}

bool sharing_was_dropped(struct extents *extents, uint64_t bytenr)
{
    return txn_set_has(&extents->sharing->dropped, running(extents), bytenr);
}

bool sharing_trees_dropped(struct extents *extents)
{
    return extents->sharing->trees_dropped == running(extents);
}

/* ---- what was split ------------------------------------------------------------------------- */

bool extent_was_split(const struct extents *extents, uint64_t bytenr)
{
    return txn_set_has(&extents->sharing->split, running(extents), bytenr);
}

uint64_t extent_tree_drops(const struct extents *extents)
{
    return extents->sharing->tree_drops;
}

void sharing_note_split(struct extents *extents, uint64_t bytenr)
{
    struct sharing *sharing = extents->sharing;

    txn_set_add(&sharing->split, running(extents), bytenr);
    /* Whose item shrank before, its reference staying, may have none of this piece any more. */
    txn_set_add(&sharing->dropped, running(extents), bytenr);
}

/* ---- answers -------------------------------------------------------------------------------- */

static bool same_mapper(const struct mapper *a, const struct mapper *b)
{
    return a->root == b->root && a->objectid == b->objectid && a->offset == b->offset;
}

static struct known *known_of(struct sharing *sharing, uint64_t bytenr)
{
    struct known *known;

    HASH_FIND(hh, sharing->known, &bytenr, sizeof(bytenr), known);
    return known;
}

static bool is_own(const struct mapper *mapper, const struct extent_ref *ref)
{
    return ref->type == KEY_EXTENT_DATA_REF && ref->root == mapper->root &&
           ref->objectid == mapper->objectid && ref->offset == mapper->offset;
}

void sharing_forget(struct extents *extents, uint64_t bytenr)
{
    struct sharing *sharing = extents->sharing;

    SCOPED_LOCK(&sharing->lock);
    struct known *known = known_of(sharing, bytenr);

    if (known)
        known_free(sharing, known);
}

void sharing_ref_changed(struct extents *extents, uint64_t bytenr, const struct extent_ref *ref)
{
    struct sharing *sharing = extents->sharing;

    SCOPED_LOCK(&sharing->lock);
    struct known *known = sharing->known ? known_of(sharing, bytenr) : NULL;

    for (struct answer *answer = known ? known->answers : NULL; answer; answer = answer->next) {
        if (answer->others.by_leaf || !is_own(&answer->mapper, ref)) {
            known_free(sharing, known);
            return;
        }
    }
}

void extent_sharing_trimmed(struct extents *extents, uint64_t bytenr, const struct data_ref *ref)
{
    struct extent_ref changed = ref_of_data(ref);

    sharing_ref_changed(extents, bytenr, &changed);
}

void sharing_read(const struct rangeset *ranges, uint64_t start, uint64_t len, bool *shared,
                  uint64_t *same)
{
    struct range next;

    *shared = false;
    *same = len;
    if (!rangeset_next(ranges, start, &next))
        return;
    if (next.start > start) {
        *same = MIN(len, next.start - start);
    } else {
        *shared = true;
        *same = MIN(len, next.start + next.len - start);
    }
}

bool sharing_recall(struct extents *extents, const struct mapper *mapper, uint64_t start,
                    uint64_t len, bool *shared, uint64_t *same, bool *settled)
{
    struct sharing *sharing = extents->sharing;

    SCOPED_LOCK(&sharing->lock);
    struct known *known = known_of(sharing, mapper->bytenr);

    for (struct answer *answer = known ? known->answers : NULL; answer; answer = answer->next) {
        if (!same_mapper(&answer->mapper, mapper))
            continue;
        if (!answer->others.settled && answer->transid != extents->engine->txn.transid)
            return false;
        sharing_read(&answer->others.ranges, start, len, shared, same);
        *settled = answer->others.settled;
        return true;
    }
    return false;
}

/* The list of answers of an extent, with room for one more; NULL: no memory. */
static struct known *known_for(struct sharing *sharing, uint64_t bytenr)
{
    struct known *known = known_of(sharing, bytenr);

    if (known && known->count == ANSWERS_MAX) {
        known_free(sharing, known);
        known = NULL;
    }
    if (known)
        return known;
    if (HASH_COUNT(sharing->known) >= KNOWN_MAX)
        known_free(sharing, sharing->known);
    known = calloc(1, sizeof(*known));
    if (!known)
        return NULL;
    known->bytenr = bytenr;
    HASH_ADD(hh, sharing->known, bytenr, sizeof(known->bytenr), known);
    if (!HASH_ADDED(known)) {
        free(known);
        return NULL;
    }
    return known;
}

/* Takes the answer for this mapper out, as there is a new one. */
static void forget_answer(struct known *known, const struct mapper *mapper)
{
    for (struct answer **link = &known->answers; *link; link = &(*link)->next) {
        struct answer *answer = *link;

        if (!same_mapper(&answer->mapper, mapper))
            continue;
        *link = answer->next;
        rangeset_clear(&answer->others.ranges);
        free(answer);
        known->count--;
        return;
    }
}

void sharing_remember(struct extents *extents, const struct mapper *mapper, struct others *others)
{
    struct sharing *sharing = extents->sharing;
    struct answer *answer = calloc(1, sizeof(*answer));

    SCOPED_LOCK(&sharing->lock);
    struct known *known = answer ? known_for(sharing, mapper->bytenr) : NULL;

    if (!known) {
        free(answer);
        rangeset_clear(&others->ranges);
        return;
    }
    forget_answer(known, mapper);
    answer->mapper = *mapper;
    answer->others = *others;
    answer->transid = extents->engine->txn.transid;
    answer->next = known->answers;
    known->answers = answer;
    known->count++;
    rangeset_init(&others->ranges);
}
