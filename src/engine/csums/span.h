// SPDX-License-Identifier: GPL-2.0-or-later
/* span: one checksum item, seen as the range of logical addresses it covers. */
#ifndef COPSE_ENGINE_CSUMS_SPAN_H
#define COPSE_ENGINE_CSUMS_SPAN_H

#include <stdint.h>

#include "disk/format/format.h"
#include "engine/txn/txn.h"

struct span {
    uint64_t start;
    uint64_t end;
};

static inline struct key csum_key(uint64_t logical)
{
    return key_make(OBJ_EXTENT_CSUM, KEY_EXTENT_CSUM, logical);
}

/* Sectors and bytes of checksums of a range of an item. */
static inline uint64_t span_sectors(const struct engine *engine, uint64_t from, uint64_t to)
{
    return (to - from) / engine->sectorsize;
}
static inline uint32_t span_bytes(const struct engine *engine, uint64_t from, uint64_t to)
{
    return (uint32_t)(span_sectors(engine, from, to) * engine->csum_size);
}

/* Checksums in one item, at most: what Linux writes for this node size and kind of checksum. */
uint32_t csums_per_item(const struct engine *engine);

/* What the item under the path covers. 1: it is no checksum item. */
int span_of(const struct engine *engine, const struct path *path, struct span *out) MUST_USE;

/* The item after the path. 1: there is none, or it is no checksum item. */
int span_next(const struct engine *engine, struct path *path, struct span *out) MUST_USE;

/* The first item that ends after addr (it may begin before it). 1: there is none. */
int span_find(const struct engine *engine, struct root *root, uint64_t addr, struct path *path,
              struct span *out) MUST_USE;

#endif
