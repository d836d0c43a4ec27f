// SPDX-License-Identifier: GPL-2.0-or-later
/* pool: objects of one size, many at a time from malloc; what is put back is used again. */
#ifndef COPSE_ENGINE_EXTENT_POOL_H
#define COPSE_ENGINE_EXTENT_POOL_H

#include <stddef.h>

struct pool {
    size_t size; /* of an object; at least a pointer */
    void *free;
    size_t free_count;
    void *slabs;
};

void pool_init(struct pool *pool, size_t size);
/* Frees every object, also those not put back. */
void pool_clear(struct pool *pool);
/* The next `count` objects are there: 0. -1: out of memory. */
int pool_reserve(struct pool *pool, size_t count);
/* Zeroed; NULL: out of memory. */
void *pool_get(struct pool *pool);
void pool_put(struct pool *pool, void *object);

#endif
