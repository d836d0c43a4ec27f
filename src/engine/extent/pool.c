// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/extent/pool.h"

#include <stdlib.h>
#include <string.h>

#define POOL_SLAB_OBJECTS 128

/* Free objects, and slabs, are chained through their first bytes. */
union link {
    void *next;
    max_align_t align;
};

void pool_init(struct pool *pool, size_t size)
{
    size_t unit = _Alignof(max_align_t);

    *pool = (struct pool){.size = (size + unit - 1) / unit * unit};
}

void pool_clear(struct pool *pool)
{
    while (pool->slabs) {
        union link *slab = pool->slabs;

        pool->slabs = slab->next;
        free(slab);
    }
    pool->free = NULL;
    pool->free_count = 0;
}

static int pool_grow(struct pool *pool)
{
    union link *slab = malloc(sizeof(*slab) + POOL_SLAB_OBJECTS * pool->size);

    if (!slab)
        return -1;
    slab->next = pool->slabs;
    pool->slabs = slab;

    char *objects = (char *)(slab + 1);

    for (size_t i = POOL_SLAB_OBJECTS; i > 0; i--)
        pool_put(pool, objects + (i - 1) * pool->size);
    return 0;
}

int pool_reserve(struct pool *pool, size_t count)
{
    while (pool->free_count < count) {
        if (pool_grow(pool) < 0)
            return -1;
    }
    return 0;
}

void *pool_get(struct pool *pool)
{
    if (pool_reserve(pool, 1) < 0)
        return NULL;

    union link *object = pool->free;

    pool->free = object->next;
    pool->free_count--;
    memset(object, 0, pool->size);
    return object;
}

void pool_put(struct pool *pool, void *object)
{
    union link *link = object;

    link->next = pool->free;
    pool->free = link;
    pool->free_count++;
}
