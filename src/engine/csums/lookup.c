// SPDX-License-Identifier: GPL-2.0-or-later
/* Looking checksums up: one search, then along the leaves. */
#include "base/cleanup.h"
#include "engine/csums/csums.h"
#include "engine/csums/span.h"

int csums_lookup(struct engine *engine, struct root *root, uint64_t start, uint64_t len,
                 uint8_t *sums, bool *have)
{
    AUTO_PATH struct path path = PATH_INIT;
    uint64_t end = start + len;
    struct span span;

    memset(have, 0, span_sectors(engine, start, end) * sizeof(*have));
    if (len == 0)
        return 0;

    int ret = span_find(engine, root, start, &path, &span);

    while (ret == 0 && span.start < end) {
        uint64_t from = MAX(span.start, start);
        uint64_t to = MIN(span.end, end);
        uint64_t first = span_sectors(engine, start, from);
        const uint8_t *data = path_data(&path);

        memcpy(sums + first * engine->csum_size, data + span_bytes(engine, span.start, from),
               span_bytes(engine, from, to));
        memset(have + first, 1, span_sectors(engine, from, to) * sizeof(*have));
        if (to == end)
            break;
        ret = span_next(engine, &path, &span);
    }
    return MIN(ret, 0);
}

int csums_any(struct engine *engine, struct root *root, uint64_t start, uint64_t len, bool *any)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct span span;
    int ret = 1;

    if (len > 0)
        ret = span_find(engine, root, start, &path, &span);
    TRY(ret);
    *any = ret == 0 && span.start < start + len;
    return 0;
}
