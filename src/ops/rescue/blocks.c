// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One tree block: the first good copy, or one put together from the good sectors of two, and a
 * small cache of them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "ops/rescue/internal.h"

#define CACHE_SETS 64
#define CACHE_WAYS 8

struct held {
    uint64_t bytenr, generation;
    uint64_t used; /* when last, as a count */
    unsigned refs;
    bool cached;
    uint8_t bytes[];
};

struct held_cache {
    uint64_t clock;
    struct held *at[CACHE_SETS][CACHE_WAYS];
};

struct bad_block {
    struct bad_key {
        uint64_t bytenr, generation; /* as it was wanted */
    } key;
    UT_hash_handle hh;
};

const uint8_t *held_bytes(const struct held *held)
{
    return held->bytes;
}

void held_put(struct held *held)
{
    if (held && --held->refs == 0 && !held->cached)
        free(held);
}

void rescue_blocks_free(struct rescue *r)
{
    struct bad_block *bad, *next;

    HASH_ITER (hh, r->bad, bad, next) {
        HASH_DEL(r->bad, bad);
        free(bad);
    }
    for (unsigned i = 0; r->cache && i < CACHE_SETS; i++)
        for (unsigned way = 0; way < CACHE_WAYS; way++)
            free(r->cache->at[i][way]);
    free(r->cache);
    r->cache = NULL;
}

/* ---- copies ------------------------------------------------------------------------------------
 */

/*
 * Sectors in which two bad copies differ are tried in all combinations. A block whose copies are
 * damaged in different places is whole again then.
 */
#define MERGE_SECTORS_MAX 10

static int merge_copies(struct rescue *r, const struct node_expect *expect, const uint8_t *one,
                        const uint8_t *other, uint8_t *out)
{
    const uint32_t step = SECTOR_SIZE_MIN;
    uint32_t differ[MERGE_SECTORS_MAX], count = 0;

    for (uint32_t at = 0; at < r->nodesize; at += step) {
        if (memcmp(one + at, other + at, step) == 0)
            continue;
        if (count == MERGE_SECTORS_MAX)
            return -EIO;
        differ[count++] = at;
    }
    for (uint32_t choice = 1; choice + 1 < 1U << count; choice++) {
        memcpy(out, one, r->nodesize);
        for (uint32_t i = 0; i < count; i++)
            if (choice & 1U << i)
                memcpy(out + differ[i], other + differ[i], step);
        if (node_validate(out, r->limits, expect) == 0)
            return 0;
    }
    return -EIO;
}

static int read_merged(struct rescue *r, const struct node_expect *expect, uint8_t *out)
{
    AUTO_FREE uint8_t *one = malloc(r->nodesize), *other = malloc(r->nodesize);
    laddr at = laddr_of(expect->bytenr);

    if (!one || !other)
        return -ENOMEM;
    TRY(vol_read(r->vol, at, one, r->nodesize, 0));
    TRY(vol_read(r->vol, at, other, r->nodesize, 1));
    return merge_copies(r, expect, one, other, out);
}

int rescue_block_merged(struct rescue *r, uint64_t addr, uint8_t *out)
{
    const struct node_expect expect = {.bytenr = addr, .level = -1};

    return vol_mirrors(r->vol, laddr_of(addr)) == 2 ? read_merged(r, &expect, out) : -EIO;
}

static int read_any(struct rescue *r, const struct node_expect *expect, uint8_t *out)
{
    unsigned mirrors = vol_mirrors(r->vol, laddr_of(expect->bytenr));
    char why[FAIL_MESSAGE_MAX];
    int ret = 0;

    if (mirrors == 0)
        return fail(-EUCLEAN, "tree %llu block %llu: address lies in no chunk", LLU(expect->owner),
                    LLU(expect->bytenr));
    for (unsigned mirror = 0; mirror < mirrors; mirror++) {
        ret = vol_read(r->vol, laddr_of(expect->bytenr), out, r->nodesize, mirror);
        if (ret == 0)
            ret = node_validate(out, r->limits, expect);
        if (ret == 0)
            return 0;
        if (mirror == 0)
            snprintf(why, sizeof(why), "%s", fail_message());
    }
    if (mirrors == 2 && read_merged(r, expect, out) == 0)
        return 0;
    return fail(ret, "%s", why);
}

/* ---- cache -------------------------------------------------------------------------------------
 */

static bool matches(const uint8_t *bytes, const struct node_expect *expect)
{
    struct node_header header;
    struct key first;

    node_header_decode(&header, bytes);
    if (expect->level >= 0 && header.level != expect->level)
        return false;
    if (!expect->has_first_key)
        return true;
    key_decode(&first, bytes + NODE_HEADER_SIZE);
    return header.nritems > 0 && key_cmp(&first, &expect->first_key) == 0;
}

static struct held **cache_set(struct rescue *r, uint64_t bytenr)
{
    return r->cache->at[bytenr / SECTOR_SIZE_MIN * 0x9E3779B97F4A7C15ULL >> 58];
}

static struct held *cache_find(struct rescue *r, const struct node_expect *expect)
{
    struct held **set = cache_set(r, expect->bytenr);

    for (unsigned way = 0; way < CACHE_WAYS; way++) {
        struct held *held = set[way];

        if (held && held->bytenr == expect->bytenr &&
            (expect->generation == 0 || held->generation == expect->generation) &&
            matches(held->bytes, expect)) {
            held->used = ++r->cache->clock;
            held->refs++;
            return held;
        }
    }
    return NULL;
}

/* Takes the place of the one that was not used for longest and that nobody holds. */
static void cache_add(struct rescue *r, struct held *held)
{
    struct held **set = cache_set(r, held->bytenr), **place = NULL;

    for (unsigned way = 0; way < CACHE_WAYS; way++) {
        if (set[way] && set[way]->refs > 0)
            continue;
        if (!place || !set[way] || (*place && set[way]->used < (*place)->used))
            place = &set[way];
    }
    if (!place)
        return;
    free(*place);
    *place = held;
    held->cached = true;
    held->used = ++r->cache->clock;
}

/* ---- what is bad -------------------------------------------------------------------------------
 */

static bool known_bad(struct rescue *r, const struct node_expect *expect)
{
    const struct bad_key key = {expect->bytenr, expect->generation};
    struct bad_block *bad;

    HASH_FIND(hh, r->bad, &key, sizeof(key), bad);
    return bad != NULL;
}

static void note_bad(struct rescue *r, const struct node_expect *expect)
{
    struct bad_block *bad = calloc(1, sizeof(*bad));

    if (!bad)
        return;
    bad->key = (struct bad_key){expect->bytenr, expect->generation};
    HASH_ADD(hh, r->bad, key, sizeof(bad->key), bad);
    if (!HASH_ADDED(bad))
        free(bad);
    env_note(r->env, NOTE_WARNING, "lost: %s", fail_message());
}

int rescue_block(struct rescue *r, const struct node_expect *expect, struct held **out)
{
    struct held *held;
    int ret;

    if (!r->cache)
        r->cache = calloc(1, sizeof(*r->cache));
    if (!r->cache)
        return fail(-ENOMEM, "out of memory");
    held = cache_find(r, expect);
    if (held) {
        *out = held;
        return 0;
    }
    if (known_bad(r, expect))
        return fail(-EIO, "tree %llu block %llu: lost", LLU(expect->owner), LLU(expect->bytenr));
    held = malloc(sizeof(*held) + r->nodesize);
    if (!held)
        return fail(-ENOMEM, "out of memory");
    *held = (struct held){.bytenr = expect->bytenr, .refs = 1};
    ret = read_any(r, expect, held->bytes);
    if (ret < 0) {
        if (ret != -ENOMEM)
            note_bad(r, expect);
        free(held);
        return ret;
    }
    held->generation = le64_get(((const disk_node_header *)held->bytes)->generation);
    cache_add(r, held);
    *out = held;
    return 0;
}
