// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/csums/span.h"

/* Linux has this limit, beside that of the leaf, as the size of a page. */
#define CSUMS_PER_ITEM_MAX 4096

uint32_t csums_per_item(const struct engine *engine)
{
    uint32_t bytes = leaf_capacity(engine->nodesize) - 2 * (uint32_t)LEAF_ITEM_SIZE;

    return MIN(bytes / engine->csum_size - 1, (uint32_t)CSUMS_PER_ITEM_MAX);
}

int span_of(const struct engine *engine, const struct path *path, struct span *out)
{
    uint32_t size = path_size(path);
    struct key key;

    path_key(path, &key);
    if (key.objectid != OBJ_EXTENT_CSUM || key.type != KEY_EXTENT_CSUM)
        return 1;

    uint64_t len = (uint64_t)(size / engine->csum_size) * engine->sectorsize;

    if (len == 0 || size % engine->csum_size != 0 || !is_aligned(key.offset, engine->sectorsize) ||
        key.offset > UINT64_MAX - len)
        return fail(-EUCLEAN, "%s: checksum item of %u bytes at an impossible place",
                    path_where(path), size);
    *out = (struct span){key.offset, key.offset + len};
    return 0;
}

int span_next(const struct engine *engine, struct path *path, struct span *out)
{
    int ret = path_next(path);

    return ret != 0 ? ret : span_of(engine, path, out);
}

int span_find(const struct engine *engine, struct root *root, uint64_t addr, struct path *path,
              struct span *out)
{
    struct key key = csum_key(addr);
    struct span span;
    int ret = tree_search_le(root, &key, path);

    TRY(ret);
    if (ret == 0) {
        ret = span_of(engine, path, &span);
        TRY(ret);
        if (ret == 0 && span.end > addr) {
            *out = span;
            return 0;
        }
        return span_next(engine, path, out);
    }
    path_release(path);
    ret = tree_search_ge(root, &key, path);
    return ret != 0 ? ret : span_of(engine, path, out);
}
