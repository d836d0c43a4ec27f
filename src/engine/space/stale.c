// SPDX-License-Identifier: GPL-2.0-or-later
/* Caches of free space that others left behind and that our writing makes wrong. */
#include "engine/space/space_internal.h"

void space_set_drop_extent(struct space *space, space_drop_extent_fn *drop, void *ctx)
{
    space->drop_extent = drop;
    space->drop_extent_ctx = ctx;
}

uint64_t space_cache_generation(const struct space *space)
{
    /* mkfs's words for "none": 0 beside a free-space tree, -1 where Linux may keep a v1 cache. */
    if (free_tree_kept(space))
        return 0;
    return vol_super(space->engine->vol)->cache_generation == 0 ? 0 : UINT64_MAX;
}

/* ---- v1: files in the root tree
 * -------------------------------------------------------------------------- */

/* The next item of the root tree at or after *key. 0, or 1: none. */
static int next_item(struct space *space, struct path *path, struct key *key)
{
    int ret = tree_search_ge(&space->engine->root_tree, key, path);

    if (ret == 0)
        path_key(path, key);
    return ret;
}

static int drop_file_extent(struct space *space, const struct path *path, const struct key *key)
{
    struct file_extent extent;

    if (path_size(path) < sizeof(disk_file_extent))
        return 0; /* inline */
    file_extent_decode(&extent, path_data(path));
    if (extent.type == FILE_EXTENT_INLINE || extent.disk_bytenr == 0)
        return 0;
    INVARIANT(space->drop_extent, "engine/store lends a way to drop extents");
    return space->drop_extent(space->drop_extent_ctx, extent.disk_bytenr, extent.disk_num_bytes,
                              TREE_ROOT, key->objectid, key->offset - extent.offset);
}

/*
 * Deletes a cache file, extents too. A subvolume may have the same number: its items have higher
 * types.
 */
static int delete_file(struct space *space, uint64_t ino)
{
    for (;;) {
        AUTO_PATH struct path path = PATH_INIT;
        struct key key = {ino, 0, 0};
        int ret = next_item(space, &path, &key);

        TRY(ret);
        if (ret > 0 || key.objectid != ino || key.type > KEY_EXTENT_DATA)
            return 0;
        if (key.type == KEY_EXTENT_DATA)
            TRY(drop_file_extent(space, &path, &key));
        path_release(&path);
        TRY(tree_delete(&space->engine->root_tree, &key));
    }
}

/* The inode that a header item names. */
static int cache_inode(const struct path *path, uint64_t *ino)
{
    struct free_space_header header;

    if (path_size(path) != sizeof(disk_free_space_header))
        return fail(-EUCLEAN, "%s: free space header of %u bytes", path_where(path),
                    path_size(path));
    free_space_header_decode(&header, path_data(path));
    if (header.location.type != KEY_INODE_ITEM || header.location.objectid < OBJ_FIRST_FREE ||
        header.location.objectid > OBJ_LAST_FREE)
        return fail(-EUCLEAN, "%s: names no cache file", path_where(path));
    *ino = header.location.objectid;
    return 0;
}

static int delete_v1(struct space *space)
{
    for (;;) {
        AUTO_PATH struct path path = PATH_INIT;
        struct key key = {OBJ_FREE_SPACE, 0, 0};
        uint64_t ino = 0;
        int ret = next_item(space, &path, &key);

        TRY(ret);
        if (ret > 0 || key.objectid != OBJ_FREE_SPACE)
            return 0;
        TRY(cache_inode(&path, &ino));
        path_release(&path);
        TRY(delete_file(space, ino));
        TRY(tree_delete(&space->engine->root_tree, &key));
    }
}

/* ---- the free-space tree
 * ---------------------------------------------------------------------------------- */

static int rebuild_tree(struct space *space)
{
    if (!free_tree_kept(space) || space->engine->free_space_tree.bytenr == 0)
        return 0;
    TRY(free_tree_delete_strays(space));
    /* Loading without a usable tree has marked every group to be written anew. */
    space->engine->compat_ro |= COMPAT_RO_FREE_SPACE_TREE_VALID;
    return 0;
}

int space_clear_stale_caches(struct space *space)
{
    if (space->caches_cleared)
        return 0;
    TRY(txn_writable(space->engine));
    space->caches_cleared = true;
    TRY(delete_v1(space));
    return rebuild_tree(space);
}
