// SPDX-License-Identifier: GPL-2.0-or-later
/* File extent items as mappings. */
#include "engine/extent/sharing.h"
#include "fs/file/internal.h"

static int bad(const struct path *path, const char *what)
{
    return fail(-EUCLEAN, "%s: %s", path_where(path), what);
}

static int decode_inline(const struct inode *inode, const struct path *path, struct mapping *map)
{
    const disk_file_extent *disk = path_data(path);

    map->ram_bytes = le64_get(disk->ram_bytes);
    map->inline_size = path_size(path) - FILE_EXTENT_INLINE_HEADER;
    if (map->start != 0 || map->ram_bytes > NODE_SIZE_MAX)
        return bad(path, "impossible inline extent");
    if (map->compression == 0 && map->ram_bytes != map->inline_size)
        return bad(path, "inline extent of another size than it says");
    map->len = MAX(round_up_to(map->ram_bytes, file_sectorsize(inode)), file_sectorsize(inode));
    return 0;
}

static int decode_regular(const struct inode *inode, const struct path *path, struct mapping *map)
{
    uint32_t sector = file_sectorsize(inode);
    struct file_extent item;

    if (path_size(path) < sizeof(disk_file_extent))
        return bad(path, "extent item is cut short");
    file_extent_decode(&item, path_data(path));
    map->len = item.num_bytes;
    map->disk_bytenr = item.disk_bytenr;
    map->disk_num_bytes = item.disk_num_bytes;
    map->ram_bytes = item.ram_bytes;
    map->offset = item.offset;
    if (map->len == 0 || map->start + map->len < map->start)
        return bad(path, "extent of impossible length");
    if (!is_aligned(map->start | map->len | map->disk_bytenr | map->disk_num_bytes | map->offset,
                    sector))
        return bad(path, "extent is not aligned to sectors");
    if (map->disk_bytenr == 0) {
        map->kind = MAP_HOLE;
        return 0;
    }
    uint64_t whole = map->compression ? map->ram_bytes : map->disk_num_bytes;
    if (map->len > whole || map->offset > whole - map->len ||
        map->disk_bytenr + map->disk_num_bytes < map->disk_bytenr)
        return bad(path, "file bytes outside their extent");
    if (map->compression &&
        (map->ram_bytes > COMPRESSED_EXTENT_MAX || map->disk_num_bytes > COMPRESSED_EXTENT_MAX))
        return bad(path, "compressed extent of impossible length");
    return 0;
}

int map_decode(const struct inode *inode, const struct path *path, struct mapping *out)
{
    const disk_file_extent *disk = path_data(path);
    struct mapping map = {.has_item = true};
    struct key key;

    path_key(path, &key);
    if (path_size(path) < FILE_EXTENT_INLINE_HEADER)
        return bad(path, "extent item is cut short");
    map.start = key.offset;
    map.generation = le64_get(disk->generation);
    map.compression = disk->compression;
    if (disk->encryption != 0 || le16_get(disk->other_encoding) != 0)
        return bad(path, "encoding is unknown");
    if (map.compression > 3)
        return bad(path, "compression is unknown");
    switch (disk->type) {
    case FILE_EXTENT_INLINE:
        map.kind = MAP_INLINE;
        TRY(decode_inline(inode, path, &map));
        break;
    case FILE_EXTENT_REG:
    case FILE_EXTENT_PREALLOC:
        map.kind = disk->type == FILE_EXTENT_REG ? MAP_REGULAR : MAP_PREALLOC;
        TRY(decode_regular(inode, path, &map));
        break;
    default:
        return bad(path, "extent of unknown type");
    }
    *out = map;
    return 0;
}

static bool is_extent_of(const struct path *path, uint64_t ino)
{
    struct key key;

    path_key(path, &key);
    return key.objectid == ino && key.type == KEY_EXTENT_DATA;
}

/* A hole from pos on, until the next item. */
static int hole_at(struct inode *inode, uint64_t pos, struct mapping *out)
{
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, pos);
    AUTO_PATH struct path path = PATH_INIT;
    uint64_t end = UINT64_MAX;

    int ret = tree_search_ge(&inode->tree->root, &key, &path);
    if (ret < 0)
        return ret;
    if (ret == 0 && is_extent_of(&path, inode->ino)) {
        path_key(&path, &key);
        end = key.offset;
    }
    *out = (struct mapping){.start = pos, .len = end - pos, .kind = MAP_HOLE};
    return 0;
}

int map_find(struct inode *inode, uint64_t pos, struct mapping *out)
{
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, pos);
    AUTO_PATH struct path path = PATH_INIT;
    struct mapping map;

    int ret = tree_search_le(&inode->tree->root, &key, &path);
    if (ret < 0)
        return ret;
    if (ret == 0 && is_extent_of(&path, inode->ino)) {
        TRY(map_decode(inode, &path, &map));
        if (pos < mapping_end(&map)) {
            *out = map;
            return 0;
        }
    }
    return hole_at(inode, pos, out);
}

int map_last(struct inode *inode, struct mapping *out)
{
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, UINT64_MAX);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search_le(&inode->tree->root, &key, &path);
    if (ret < 0)
        return ret;
    if (ret == 1 || !is_extent_of(&path, inode->ino))
        return -ENOENT;
    return map_decode(inode, &path, out);
}

int map_lost(const struct inode *inode, uint64_t start)
{
    return fail(-EUCLEAN, "tree %llu inode %llu: the extent at %llu is not where its key leads",
                (unsigned long long)inode->tree->root.id, (unsigned long long)inode->ino,
                (unsigned long long)start);
}

int map_inline_data(struct inode *inode, const struct mapping *map, void *out)
{
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, map->start);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search(&inode->tree->root, &key, &path);
    if (ret < 0)
        return ret;
    if (ret == 1 || path_size(&path) != FILE_EXTENT_INLINE_HEADER + map->inline_size)
        return map_lost(inode, map->start);
    memcpy(out, (const uint8_t *)path_data(&path) + FILE_EXTENT_INLINE_HEADER, map->inline_size);
    return 0;
}

struct data_ref map_ref(const struct inode *inode, const struct mapping *map)
{
    return (struct data_ref){
        .root = inode->tree->root.id,
        .objectid = inode->ino,
        .offset = map->start - map->offset,
    };
}

struct extent_use map_use(const struct inode *inode, const struct mapping *map, uint64_t pos,
                          uint64_t len)
{
    struct extent_use use = {
        .bytenr = map->disk_bytenr,
        .num_bytes = map->disk_num_bytes,
        .start = map->offset + (pos - map->start),
        .len = len,
        .root = inode->tree->root.id,
        .objectid = inode->ino,
        .position = pos,
        .generation = map->generation,
    };

    if (map->compression) {
        use.position -= use.start;
        use.start = 0;
        use.len = map->disk_num_bytes;
    }
    return use;
}

struct mapping map_slice(const struct mapping *map, uint64_t start, uint64_t end)
{
    struct mapping slice = *map;

    start = MAX(start, map->start);
    end = MIN(end, mapping_end(map));
    slice.start = start;
    slice.len = end - start;
    if (map->kind == MAP_REGULAR || map->kind == MAP_PREALLOC)
        slice.offset += start - map->start;
    return slice;
}

void map_encode(const struct mapping *map, uint8_t item[sizeof(disk_file_extent)])
{
    bool hole = map->kind == MAP_HOLE;
    struct file_extent extent = {
        .generation = map->generation,
        .ram_bytes = hole ? map->len : map->ram_bytes,
        .compression = hole ? 0 : map->compression,
        .type = map->kind == MAP_PREALLOC ? FILE_EXTENT_PREALLOC : FILE_EXTENT_REG,
        .disk_bytenr = hole ? 0 : map->disk_bytenr,
        .disk_num_bytes = hole ? 0 : map->disk_num_bytes,
        .offset = hole ? 0 : map->offset,
        .num_bytes = map->len,
    };

    file_extent_encode(item, &extent);
}

int map_insert(struct inode *inode, const struct mapping *map)
{
    struct key key = key_make(inode->ino, KEY_EXTENT_DATA, map->start);
    uint8_t item[sizeof(disk_file_extent)];

    map_encode(map, item);
    return tree_insert(&inode->tree->root, &key, item, sizeof(item));
}
