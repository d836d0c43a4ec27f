// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The last few unpacked extents, because who reads a compressed file in small pieces would unpack
 * 128 KiB for each. An extent is known by its address and the transaction that allocated it: no
 * other extent ever has both.
 */
#include "fs/file/internal.h"

#include "base/lock.h"

#define ENTRIES 16

struct entry {
    uint64_t bytenr, generation, offset_limit;
    uint64_t used; /* when last, as a count */
    uint8_t *data;
};

struct unpack_cache {
    pthread_mutex_t lock;
    uint64_t clock;
    struct entry entries[ENTRIES];
};

int unpack_cache_new(struct unpack_cache **out)
{
    struct unpack_cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        return fail(-ENOMEM, "no memory for unpacked extents");
    lock_init(&cache->lock, RANK_UNPACKED);
    *out = cache;
    return 0;
}

void unpack_cache_free(struct unpack_cache *cache)
{
    if (!cache)
        return;
    for (unsigned i = 0; i < ENTRIES; i++)
        free(cache->entries[i].data);
    lock_destroy(&cache->lock);
    free(cache);
}

static struct entry *find(struct unpack_cache *cache, const struct mapping *map)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        struct entry *entry = &cache->entries[i];

        if (entry->data && entry->bytenr == map->disk_bytenr &&
            entry->generation == map->generation && entry->offset_limit == map->ram_bytes)
            return entry;
    }
    return NULL;
}

bool unpack_cache_get(struct unpack_cache *cache, const struct mapping *map, uint64_t from,
                      void *buf, size_t len)
{
    SCOPED_LOCK(&cache->lock);
    struct entry *entry = find(cache, map);
    if (!entry)
        return false;
    entry->used = ++cache->clock;
    memcpy(buf, entry->data + from, len);
    return true;
}

void unpack_cache_put(struct unpack_cache *cache, const struct mapping *map, uint8_t *data)
{
    SCOPED_LOCK(&cache->lock);
    struct entry *entry = find(cache, map);
    if (!entry) {
        entry = &cache->entries[0];
        for (unsigned i = 1; i < ENTRIES; i++)
            if (cache->entries[i].used < entry->used)
                entry = &cache->entries[i];
    }
    free(entry->data);
    *entry = (struct entry){
        .bytenr = map->disk_bytenr,
        .generation = map->generation,
        .offset_limit = map->ram_bytes,
        .used = ++cache->clock,
        .data = data,
    };
}
