// SPDX-License-Identifier: GPL-2.0-or-later
/* The content of files. */
#include "api/internal.h"

COPSE_EXPORT int copse_pread(copse_node *node, void *buf, size_t len, uint64_t offset, size_t *done)
{
    return API_CALL(mount_pread(mount_of_node(node), inode_of(node), buf, len, offset, done));
}

COPSE_EXPORT int copse_pwrite(copse_node *node, const void *buf, size_t len, uint64_t offset,
                              size_t *done)
{
    return API_CALL(mount_pwrite(mount_of_node(node), inode_of(node), buf, len, offset, done));
}

COPSE_EXPORT int copse_pwrite_direct(copse_node *node, const void *buf, size_t len, uint64_t offset,
                                     size_t *done)
{
    return API_CALL(
        mount_pwrite_direct(mount_of_node(node), inode_of(node), buf, len, offset, done));
}

COPSE_EXPORT int copse_fallocate(copse_node *node, int mode, uint64_t offset, uint64_t len)
{
    return API_CALL(file_fallocate(inode_of(node), mode, offset, len));
}

COPSE_EXPORT int copse_lseek(copse_node *node, uint64_t offset, int whence, uint64_t *out)
{
    return API_CALL(file_seek(inode_of(node), offset, whence, out));
}

COPSE_EXPORT int copse_fsync(copse_node *node, bool data_only)
{
    return API_CALL(mount_fsync(mount_of_node(node), inode_of(node), data_only));
}

COPSE_EXPORT int copse_flush(copse_node *node)
{
    return API_CALL(file_take_error(inode_of(node)));
}

COPSE_EXPORT uint64_t copse_errors_seen(copse_node *node)
{
    return file_errors_seen(inode_of(node));
}

COPSE_EXPORT int copse_fsync_since(copse_node *node, bool data_only, uint64_t *seen)
{
    API_REQUIRE(seen);
    return API_CALL(mount_fsync_for(mount_of_node(node), inode_of(node), data_only, seen));
}

COPSE_EXPORT int copse_flush_since(copse_node *node, uint64_t *seen)
{
    API_REQUIRE(seen);
    return API_CALL(file_new_error(inode_of(node), seen));
}

/* ---- extents --------------------------------------------------------------------------------- */

struct map_call {
    int (*fn)(void *arg, const struct copse_extent *extent);
    void *arg;
};

static int pass_extent(void *arg, const struct file_map *map)
{
    const struct map_call *call = arg;
    const struct copse_extent extent = {
        .offset = map->offset,
        .len = map->len,
        .address = map->address,
        .flags = (map->is_inline ? COPSE_EXTENT_INLINE : 0) |
                 (map->prealloc ? COPSE_EXTENT_PREALLOC : 0) |
                 (map->compressed ? COPSE_EXTENT_COMPRESSED : 0) |
                 (map->shared ? COPSE_EXTENT_SHARED : 0) |
                 (map->delalloc ? COPSE_EXTENT_DELALLOC : 0),
    };

    return call->fn(call->arg, &extent);
}

COPSE_EXPORT int copse_fiemap(copse_node *node, uint64_t offset, uint64_t len,
                              int (*fn)(void *arg, const struct copse_extent *extent), void *arg)
{
    struct map_call call = {fn, arg};

    return API_CALL(file_each_extent(inode_of(node), offset, len, pass_extent, &call));
}

COPSE_EXPORT int copse_reclaim(copse_fs *fs, copse_node *node, uint64_t *freed)
{
    return API_CALL(mount_reclaim(mount_of(fs), node ? inode_of(node) : NULL, freed));
}

COPSE_EXPORT int copse_exclusive(copse_node *node, struct copse_exclusive *out)
{
    return API_CALL(mount_exclusive(mount_of_node(node), inode_of(node), out));
}

/* ---- defragmenting --------------------------------------------------------------------------- */

#define DEFRAG_THRESHOLD (32 * MIB)

static int defrag(copse_node *node, const struct copse_defrag_options *given, uint64_t *rewritten)
{
    struct copse_defrag_options options;
    struct file_defrag what = {0};
    uint64_t bytes = 0;

    TRY(api_take_options(&options, sizeof(options), given));
    what.start = options.start;
    what.len = options.len ? options.len : UINT64_MAX;
    what.threshold = options.threshold ? options.threshold : DEFRAG_THRESHOLD;
    what.recompress = options.compression != NULL;
    if (options.compression)
        TRY(mount_parse_compression(options.compression, &what.type, &what.level));
    TRY(file_defragment(inode_of(node), &what, &bytes));
    if (rewritten)
        *rewritten = bytes;
    return 0;
}

COPSE_EXPORT int copse_defrag(copse_node *node, const struct copse_defrag_options *options,
                              uint64_t *rewritten)
{
    return API_CALL(defrag(node, options, rewritten));
}
