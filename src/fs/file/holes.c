// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Holes. Without the feature no-holes every byte of a file up to its size belongs to an item, so
 * holes need items too.
 */
#include "fs/file/internal.h"

int holes_fill(struct inode *inode, uint64_t start, uint64_t end)
{
    if (engine_has(file_engine(inode), INCOMPAT_NO_HOLES))
        return 0;
    while (start < end) {
        struct mapping map;

        TRY(map_find(inode, start, &map));
        if (!map.has_item) {
            struct mapping hole = map_slice(&map, start, end);

            hole.generation = file_engine(inode)->txn.transid;
            TRY(map_insert(inode, &hole));
        }
        start = mapping_end(&map);
    }
    return 0;
}
