// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sectors lie in slots. Slots belong to shards, each with its lock, hash and clock; 64 KiB of the
 * disk in a row belong to one shard, and have neighbouring buckets. Memory comes in arenas, from
 * which all shards get the same share.
 *
 * A reader shares the lock of the shard while it copies. Each hit marks its slot; the clock's hand
 * clears the marks and takes the slots it finds unmarked, those first that were never hit.
 *
 * Locks, in this order: cache->lock (arenas), shard->lock.
 */
#include "fs/file/data_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/lock.h"

#define SHARDS 8
#define UNIT_SHIFT 16 /* neighbours of one shard: 64 KiB */
#define UNIT_BYTES (1U << UNIT_SHIFT)
#define HUGE_PAGE (2 * MIB)
#define ARENA_BYTES_MAX HUGE_PAGE
#define ARENA_BYTES_MIN (SHARDS * UNIT_BYTES)
#define ARENAS_WANTED 4 /* small caches have small arenas, so that there are so many */
#define ADMIT_ONE_IN 4
#define NO_ADDR UINT64_MAX
#define HASH_MULTIPLIER 0x9E3779B97F4A7C15ULL /* 2^64 / golden ratio: Fibonacci hashing */

struct slot {
    uint64_t addr; /* NO_ADDR: nothing */
    uint32_t next; /* in the chain of its bucket: number of a slot plus one; 0: the last */
    atomic_bool recent;
};

struct arena {
    uint8_t *data;
    struct slot slots[]; /* those of shard 0, those of shard 1, ... */
};

struct shard {
    pthread_rwlock_t lock;
    uint32_t *buckets;      /* number of a slot plus one */
    _Atomic uint32_t taken; /* slots below were in use at least once */
    uint32_t hand;
    _Atomic uint32_t turned_away;
} __attribute__((aligned(64)));

struct data_cache {
    uint32_t sectorsize;
    unsigned sector_shift;
    unsigned unit_bits;   /* log2 of sectors in a unit */
    unsigned bucket_bits; /* of a shard */
    unsigned slot_bits;   /* log2 of the slots that a shard has in an arena */
    uint64_t arena_bytes;
    uint32_t max_arenas;
    pthread_mutex_t lock;
    _Atomic uint64_t forgotten; /* how often something was */
    _Atomic uint32_t arena_limit;
    _Atomic uint32_t arena_count;
    struct arena **arenas;
    struct shard shards[SHARDS];
};

static unsigned log2_of(uint64_t v)
{
    return 63 - (unsigned)__builtin_clzll(v);
}

/* ---- slots and buckets ----------------------------------------------------------------------- */

static struct shard *shard_of(struct data_cache *cache, uint64_t addr)
{
    uint64_t unit = addr >> UNIT_SHIFT;

    return &cache->shards[(unit ^ unit / SHARDS ^ unit / (SHARDS * SHARDS)) % SHARDS];
}

static uint32_t *bucket_of(const struct data_cache *cache, const struct shard *shard, uint64_t addr)
{
    uint64_t hash = (addr >> UNIT_SHIFT) * HASH_MULTIPLIER;
    uint64_t unit = hash >> (64 - cache->bucket_bits + cache->unit_bits);
    uint64_t sector = (addr & (UNIT_BYTES - 1)) >> cache->sector_shift;

    return &shard->buckets[unit << cache->unit_bits | sector];
}

/* Where a shard's slot lies among all of its arena. */
static size_t place(const struct data_cache *cache, const struct shard *shard, uint32_t number)
{
    size_t share = (size_t)(shard - cache->shards) << cache->slot_bits;

    return share + (number & ((1U << cache->slot_bits) - 1));
}

static struct slot *slot_at(const struct data_cache *cache, const struct shard *shard,
                            uint32_t number)
{
    return &cache->arenas[number >> cache->slot_bits]->slots[place(cache, shard, number)];
}

static uint8_t *data_at(const struct data_cache *cache, const struct shard *shard, uint32_t number)
{
    return cache->arenas[number >> cache->slot_bits]->data +
           (place(cache, shard, number) << cache->sector_shift);
}

/* Number of the slot plus one, 0: not there. Any lock of the shard. */
static uint32_t find(const struct data_cache *cache, const struct shard *shard, uint64_t addr)
{
    uint32_t found = *bucket_of(cache, shard, addr);

    while (found) {
        const struct slot *slot = slot_at(cache, shard, found - 1);

        if (slot->addr == addr)
            return found;
        found = slot->next;
    }
    return 0;
}

/* The rest of this section: with the shard's lock held alone. */

static void empty_slot(struct data_cache *cache, struct shard *shard, uint32_t number)
{
    struct slot *slot = slot_at(cache, shard, number);
    uint32_t *at;

    if (slot->addr == NO_ADDR)
        return;
    at = bucket_of(cache, shard, slot->addr);
    while (*at != number + 1)
        at = &slot_at(cache, shard, *at - 1)->next;
    *at = slot->next;
    slot->addr = NO_ADDR;
}

static void fill_slot(struct data_cache *cache, struct shard *shard, uint32_t number, uint64_t addr,
                      const void *data)
{
    struct slot *slot = slot_at(cache, shard, number);
    uint32_t *bucket = bucket_of(cache, shard, addr);

    memcpy(data_at(cache, shard, number), data, cache->sectorsize);
    atomic_store_explicit(&slot->recent, false, memory_order_relaxed);
    slot->addr = addr;
    slot->next = *bucket;
    *bucket = number + 1;
}

/* An empty slot: a new one, or the next that the clock's hand may take. False: there are none. */
static bool take_slot(struct data_cache *cache, struct shard *shard, uint32_t *out)
{
    uint32_t taken = atomic_load_explicit(&shard->taken, memory_order_relaxed);

    if (taken < atomic_load(&cache->arena_count) << cache->slot_bits) {
        atomic_store_explicit(&shard->taken, taken + 1, memory_order_relaxed);
        *out = taken;
        return true;
    }
    if (taken == 0)
        return false;
    for (;; shard->hand++) {
        if (shard->hand >= taken)
            shard->hand = 0;
        struct slot *slot = slot_at(cache, shard, shard->hand);
        if (slot->addr == NO_ADDR ||
            !atomic_exchange_explicit(&slot->recent, false, memory_order_relaxed))
            break;
    }
    empty_slot(cache, shard, shard->hand);
    *out = shard->hand++;
    return true;
}

/* ---- arenas; with cache->lock held ----------------------------------------------------------- */

static struct arena *arena_new(const struct data_cache *cache, bool first)
{
    size_t count = (size_t)SHARDS << cache->slot_bits;
    struct arena *arena = malloc(sizeof(*arena) + count * sizeof(arena->slots[0]));
    uint8_t *data = aligned_alloc(cache->arena_bytes, cache->arena_bytes);

    if (!arena || !data) {
        free(arena);
        free(data);
        return NULL;
    }
    /* Large pages are quicker to find things in. The first arena does without: who reads little
     * should not pay for clearing one. */
    if (!first && cache->arena_bytes == HUGE_PAGE)
        madvise(data, HUGE_PAGE, MADV_HUGEPAGE);
    arena->data = data;
    for (size_t i = 0; i < count; i++)
        arena->slots[i] = (struct slot){.addr = NO_ADDR};
    return arena;
}

static void grow(struct data_cache *cache)
{
    SCOPED_LOCK(&cache->lock);
    uint32_t count = atomic_load(&cache->arena_count);

    if (count >= atomic_load(&cache->arena_limit))
        return;
    cache->arenas[count] = arena_new(cache, count == 0);
    if (cache->arenas[count])
        atomic_store(&cache->arena_count, count + 1);
}

/* The slots from `from` on, which are those of the last arena. */
static void leave_slots(struct data_cache *cache, struct shard *shard, uint32_t from)
{
    pthread_rwlock_wrlock(&shard->lock);
    uint32_t taken = atomic_load(&shard->taken);
    for (uint32_t number = from; number < taken; number++)
        empty_slot(cache, shard, number);
    atomic_store(&shard->taken, MIN(taken, from));
    pthread_rwlock_unlock(&shard->lock);
}

static void drop_last_arena(struct data_cache *cache)
{
    uint32_t last = atomic_load(&cache->arena_count) - 1;

    /* First the count, so that nobody takes a slot there again. */
    atomic_store(&cache->arena_count, last);
    for (unsigned i = 0; i < SHARDS; i++)
        leave_slots(cache, &cache->shards[i], last << cache->slot_bits);
    free(cache->arenas[last]->data);
    free(cache->arenas[last]);
    cache->arenas[last] = NULL;
}

void data_cache_limit(struct data_cache *cache, uint64_t bytes)
{
    if (!cache)
        return;
    SCOPED_LOCK(&cache->lock);
    uint64_t arenas = MIN(bytes / cache->arena_bytes, (uint64_t)cache->max_arenas);

    atomic_store(&cache->arena_limit, (uint32_t)arenas);
    while (atomic_load(&cache->arena_count) > arenas)
        drop_last_arena(cache);
}

uint64_t data_cache_bytes(struct data_cache *cache)
{
    return cache ? atomic_load(&cache->arena_count) * cache->arena_bytes : 0;
}

/* ---- making and freeing ---------------------------------------------------------------------- */

void data_cache_free(struct data_cache *cache)
{
    if (!cache)
        return;
    data_cache_limit(cache, 0);
    for (unsigned i = 0; i < SHARDS; i++) {
        rwlock_destroy(&cache->shards[i].lock);
        free(cache->shards[i].buckets);
    }
    lock_destroy(&cache->lock);
    free(cache->arenas);
    free(cache);
}

static bool shard_init(const struct data_cache *cache, struct shard *shard)
{
    /* Readers may come without end; who has to forget something must get its turn. */
    rwlock_init_writers_first(&shard->lock, RANK_DATA_SHARD);
    shard->buckets = calloc(1ULL << cache->bucket_bits, sizeof(*shard->buckets));
    return shard->buckets != NULL;
}

static void choose_sizes(struct data_cache *cache, uint64_t max_bytes, uint32_t sectorsize)
{
    uint64_t arena = MAX(1ULL << log2_of(max_bytes / ARENAS_WANTED), (uint64_t)ARENA_BYTES_MIN);

    cache->sectorsize = sectorsize;
    cache->sector_shift = log2_of(sectorsize);
    cache->unit_bits = UNIT_SHIFT - cache->sector_shift;
    cache->arena_bytes = MIN(arena, ARENA_BYTES_MAX);
    cache->max_arenas = (uint32_t)MIN(max_bytes / cache->arena_bytes, 1ULL << 20);
    cache->slot_bits = log2_of(cache->arena_bytes / SHARDS / sectorsize);
    atomic_store(&cache->arena_limit, cache->max_arenas);
    cache->bucket_bits = cache->unit_bits + 1;
    while (1ULL << cache->bucket_bits < (uint64_t)cache->max_arenas << cache->slot_bits)
        cache->bucket_bits++;
}

int data_cache_new(uint64_t max_bytes, uint32_t sectorsize, struct data_cache **out)
{
    INVARIANT(is_pow2(sectorsize) && sectorsize <= UNIT_BYTES, "sectors have 4 to 64 KiB");
    if (max_bytes < ARENA_BYTES_MIN) {
        *out = NULL;
        return 0;
    }
    struct data_cache *cache = aligned_alloc(_Alignof(struct data_cache), sizeof(*cache));

    if (!cache)
        return fail(-ENOMEM, "no memory for a cache of file data");
    memset(cache, 0, sizeof(*cache));
    choose_sizes(cache, max_bytes, sectorsize);
    lock_init(&cache->lock, RANK_DATA_CACHE);
    cache->arenas = calloc(cache->max_arenas, sizeof(*cache->arenas));
    bool made = cache->arenas != NULL;
    for (unsigned i = 0; i < SHARDS; i++)
        made &= shard_init(cache, &cache->shards[i]);
    if (!made) {
        data_cache_free(cache);
        return fail(-ENOMEM, "no memory for a cache of file data");
    }
    *out = cache;
    return 0;
}

/* ---- unit by unit ---------------------------------------------------------------------------- */

/* How much of len bytes from addr on lies in the first unit. */
static uint64_t within_unit(uint64_t addr, uint64_t len)
{
    return MIN(len, UNIT_BYTES - (addr & (UNIT_BYTES - 1)));
}

/* What is to be copied, in as few pieces as it lies in. */
struct copy {
    uint8_t *to;
    const uint8_t *from;
    size_t len;
};

static void copy_more(struct copy *copy, const uint8_t *from, size_t len)
{
    if (copy->from + copy->len != from) {
        memcpy(copy->to, copy->from, copy->len);
        copy->to += copy->len;
        copy->from = from;
        copy->len = 0;
    }
    copy->len += len;
}

static size_t read_unit(struct data_cache *cache, uint64_t addr, uint8_t *buf, size_t len)
{
    struct shard *shard = shard_of(cache, addr);
    struct copy copy = {.to = buf, .from = buf};
    uint32_t skip = addr & (cache->sectorsize - 1);
    size_t done = 0;

    pthread_rwlock_rdlock(&shard->lock);
    while (done < len) {
        uint32_t found = find(cache, shard, addr + done - skip);
        size_t n = MIN((size_t)cache->sectorsize - skip, len - done);

        if (!found)
            break;
        struct slot *slot = slot_at(cache, shard, found - 1);
        if (!atomic_load_explicit(&slot->recent, memory_order_relaxed))
            atomic_store_explicit(&slot->recent, true, memory_order_relaxed);
        copy_more(&copy, data_at(cache, shard, found - 1) + skip, n);
        done += n;
        skip = 0;
    }
    memcpy(copy.to, copy.from, copy.len);
    pthread_rwlock_unlock(&shard->lock);
    return done;
}

size_t data_cache_read(struct data_cache *cache, uint64_t addr, void *buf, size_t len)
{
    size_t done = 0;

    if (!cache || atomic_load_explicit(&cache->arena_count, memory_order_relaxed) == 0)
        return 0;
    while (done < len) {
        size_t n = within_unit(addr + done, len - done);
        size_t got = read_unit(cache, addr + done, (uint8_t *)buf + done, n);

        done += got;
        if (got < n)
            break;
    }
    return done;
}

static bool is_full(struct data_cache *cache, struct shard *shard)
{
    return atomic_load_explicit(&shard->taken, memory_order_relaxed) >=
           atomic_load(&cache->arena_limit) << cache->slot_bits;
}

bool data_cache_admits(struct data_cache *cache, uint64_t addr)
{
    if (!cache)
        return false;
    struct shard *shard = shard_of(cache, addr);
    if (!is_full(cache, shard))
        return true;
    if (atomic_load(&cache->arena_limit) == 0)
        return false;
    return atomic_fetch_add_explicit(&shard->turned_away, 1, memory_order_relaxed) % ADMIT_ONE_IN ==
           0;
}

uint64_t data_cache_ticket(struct data_cache *cache)
{
    return cache ? atomic_load(&cache->forgotten) : 0;
}

static void put_unit(struct data_cache *cache, uint64_t ticket, uint64_t addr, const uint8_t *data,
                     size_t len)
{
    struct shard *shard = shard_of(cache, addr);

    pthread_rwlock_wrlock(&shard->lock);
    /* Who forgets from here on waits for the lock, and takes out what is put in now. */
    if (atomic_load(&cache->forgotten) != ticket)
        len = 0;
    for (size_t at = 0; at < len; at += cache->sectorsize) {
        uint32_t number;

        if (find(cache, shard, addr + at))
            continue;
        if (!take_slot(cache, shard, &number))
            break;
        fill_slot(cache, shard, number, addr + at, data + at);
    }
    pthread_rwlock_unlock(&shard->lock);
}

/* Not while the shard is locked: others are to be locked behind cache->lock. */
static void make_room(struct data_cache *cache, uint64_t addr, size_t len)
{
    const struct shard *shard = shard_of(cache, addr);
    uint32_t slots = atomic_load(&cache->arena_count) << cache->slot_bits;
    uint32_t want = (uint32_t)(len >> cache->sector_shift);

    if (atomic_load_explicit(&shard->taken, memory_order_relaxed) + want > slots)
        grow(cache);
}

void data_cache_put(struct data_cache *cache, uint64_t ticket, uint64_t addr, const void *data,
                    size_t len)
{
    const uint8_t *bytes = data;

    if (!cache)
        return;
    while (len > 0) {
        size_t n = within_unit(addr, len);

        make_room(cache, addr, n);
        put_unit(cache, ticket, addr, bytes, n);
        addr += n;
        bytes += n;
        len -= n;
    }
}

static void forget_unit(struct data_cache *cache, uint64_t addr, uint64_t len)
{
    struct shard *shard = shard_of(cache, addr);

    pthread_rwlock_wrlock(&shard->lock);
    for (uint64_t at = 0; at < len; at += cache->sectorsize) {
        uint32_t found = find(cache, shard, addr + at);

        if (found)
            empty_slot(cache, shard, found - 1);
    }
    pthread_rwlock_unlock(&shard->lock);
}

void data_cache_forget(struct data_cache *cache, uint64_t addr, uint64_t len)
{
    if (!cache)
        return;
    atomic_fetch_add(&cache->forgotten, 1);
    if (atomic_load(&cache->arena_count) == 0)
        return;
    while (len > 0) {
        uint64_t n = within_unit(addr, len);

        forget_unit(cache, addr, n);
        addr += n;
        len -= n;
    }
}
