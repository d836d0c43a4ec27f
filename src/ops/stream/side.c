// SPDX-License-Identifier: GPL-2.0-or-later
#include "ops/stream/side.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define LLU(v) ((unsigned long long)(v))
/* More directories above each other are a loop. */
#define DEPTH_MAX 65536

void side_open(struct side *side, struct inode *subvol)
{
    static const struct uuid none;
    struct root_item *item = &subvol->tree->item;
    bool received = memcmp(&item->received_uuid, &none, sizeof(none)) != 0;

    *side = (struct side){
        .fs = subvol->fs,
        .tree = subvol->tree,
        .uuid = received ? item->received_uuid : item->uuid,
        .ctransid = item->ctransid,
    };
}

void side_close(struct side *side)
{
    for (unsigned i = 0; i < DIR_PATHS; i++)
        free(side->dir_paths[i].path);
}

static int damaged(struct side *side, uint64_t ino, const char *what)
{
    return fail(-EUCLEAN, "tree %llu inode %llu: %s", LLU(side->tree->root.id), LLU(ino), what);
}

/* ---- inodes and names ------------------------------------------------------------------------ */

int side_inode(struct side *side, uint64_t ino, struct inode_item *out)
{
    struct key key = key_make(ino, KEY_INODE_ITEM, 0);
    AUTO_PATH struct path path = PATH_INIT;
    struct inode_item item;

    int ret = tree_search(&side->tree->root, &key, &path);
    if (ret != 0)
        return ret < 0 ? ret : -ENOENT;
    if (path_size(&path) < sizeof(disk_inode_item))
        return damaged(side, ino, "the inode item is cut short");
    inode_item_decode(&item, path_data(&path));
    if (item.nlink == 0)
        return -ENOENT;
    *out = item;
    return 0;
}

static int keep_name(void *arg, uint64_t parent, uint64_t index, const char *name, uint16_t len)
{
    struct name_of *out = arg;

    (void)index;
    if (len > NAME_MAX_BYTES)
        return fail(-EUCLEAN, "a name of %u bytes", len);
    out->parent = parent;
    out->len = len;
    memcpy(out->name, name, len);
    out->name[len] = '\0';
    return 1;
}

int side_first_name(struct side *side, uint64_t ino, struct name_of *out)
{
    int ret = inode_each_name(side->tree, ino, keep_name, out);

    if (ret < 0)
        return ret;
    return ret == 0 ? -ENOENT : 0;
}

static struct dir_path *slot_of(struct side *side, uint64_t ino)
{
    return &side->dir_paths[(ino ^ ino >> 8) % DIR_PATHS];
}

/* Puts "name/" in front. */
static int prepend(char **path, const char *name, size_t len)
{
    size_t behind = strlen(*path);
    char *longer = malloc(len + 1 + behind + 1);

    if (!longer)
        return fail(-ENOMEM, "no memory for a path");
    memcpy(longer, name, len);
    longer[len] = '/';
    memcpy(longer + len + 1, *path, behind + 1);
    free(*path);
    *path = longer;
    return 0;
}

static int build_dir_path(struct side *side, uint64_t ino, char **path)
{
    for (unsigned depth = 0; ino != INO_SUBVOL_ROOT; depth++) {
        const struct dir_path *known = slot_of(side, ino);
        struct name_of name;

        if (known->ino == ino)
            return known->path[0] ? prepend(path, known->path, strlen(known->path) - 1) : 0;
        if (depth > DEPTH_MAX)
            return damaged(side, ino, "the directories above form a loop");
        int ret = side_first_name(side, ino, &name);
        if (ret == -ENOENT)
            return damaged(side, ino, "a directory has no name");
        if (ret < 0)
            return ret;
        TRY(prepend(path, name.name, name.len));
        ino = name.parent;
    }
    return 0;
}

int side_dir_path(struct side *side, uint64_t ino, const char **out)
{
    struct dir_path *slot = slot_of(side, ino);

    if (slot->ino != ino) {
        char *path = strdup("");

        int ret = path ? build_dir_path(side, ino, &path) : fail(-ENOMEM, "no memory for a path");
        if (ret < 0) {
            free(path);
            return ret;
        }
        free(slot->path);
        *slot = (struct dir_path){.ino = ino, .path = path};
    }
    *out = slot->path;
    return 0;
}

int side_path(struct side *side, uint64_t ino, struct text *out)
{
    struct name_of name;
    const char *dir;

    text_cut(out, 0);
    if (ino == INO_SUBVOL_ROOT)
        return text_add(out, "", 0);
    int ret = side_first_name(side, ino, &name);
    if (ret == -ENOENT)
        return damaged(side, ino, "it has no name");
    if (ret < 0)
        return ret;
    TRY(side_dir_path(side, name.parent, &dir));
    TRY(text_add(out, dir, strlen(dir)));
    return text_add(out, name.name, name.len);
}

/* ---- attributes ------------------------------------------------------------------------------ */

void side_xattrs_free(struct side_xattrs *xattrs)
{
    for (size_t i = 0; i < xattrs->count; i++) {
        free(xattrs->list[i].name);
        free(xattrs->list[i].value);
    }
    free(xattrs->list);
    *xattrs = (struct side_xattrs){0};
}

static int add_xattr(struct side_xattrs *xattrs, const uint8_t *name, uint16_t name_len,
                     uint16_t value_len)
{
    struct side_xattr *list = realloc(xattrs->list, (xattrs->count + 1) * sizeof(*list));

    if (!list)
        return fail(-ENOMEM, "no memory for attributes");
    xattrs->list = list;
    AUTO_FREE char *copy = strndup((const char *)name, name_len);
    AUTO_FREE uint8_t *value = malloc(value_len + 1U);
    if (!copy || !value)
        return fail(-ENOMEM, "no memory for attributes");
    memcpy(value, name + name_len, value_len);
    list[xattrs->count++] = (struct side_xattr){STEAL(copy), STEAL(value), value_len};
    return 0;
}

static int take_xattrs(struct side *side, uint64_t ino, const struct path *path,
                       struct side_xattrs *out)
{
    const uint8_t *data = path_data(path);
    uint32_t size = path_size(path), at = 0;

    while (at < size) {
        struct dir_item head;

        if (size - at < sizeof(disk_dir_item))
            return damaged(side, ino, "an attribute is cut short");
        dir_item_decode(&head, data + at);
        at += (uint32_t)sizeof(disk_dir_item);
        if ((uint32_t)head.name_len + head.data_len > size - at)
            return damaged(side, ino, "an attribute is cut short");
        TRY(add_xattr(out, data + at, head.name_len, head.data_len));
        at += (uint32_t)head.name_len + head.data_len;
    }
    return 0;
}

int side_xattrs(struct side *side, uint64_t ino, struct side_xattrs *out)
{
    struct key key = key_make(ino, KEY_XATTR_ITEM, 0);
    AUTO_PATH struct path path = PATH_INIT;
    struct side_xattrs all = {0};

    int ret = tree_search_ge(&side->tree->root, &key, &path);
    while (ret == 0) {
        path_key(&path, &key);
        if (key.objectid != ino || key.type != KEY_XATTR_ITEM)
            break;
        ret = take_xattrs(side, ino, &path, &all);
        if (ret == 0)
            ret = path_next(&path);
    }
    if (ret < 0) {
        side_xattrs_free(&all);
        return ret;
    }
    *out = all;
    return 0;
}

/* ---- content --------------------------------------------------------------------------------- */

static int decode_span(struct side *side, const struct path *path, struct span *out)
{
    const disk_file_extent *disk = path_data(path);
    uint32_t sector = side->fs->store->engine.sectorsize;
    struct file_extent item;
    struct key key;

    path_key(path, &key);
    if (path_size(path) < FILE_EXTENT_INLINE_HEADER)
        return damaged(side, key.objectid, "an extent item is cut short");
    *out = (struct span){.start = key.offset, .compression = disk->compression};
    if (disk->type == FILE_EXTENT_INLINE) {
        out->kind = SPAN_INLINE;
        out->ram_bytes = le64_get(disk->ram_bytes);
        if (out->ram_bytes > NODE_SIZE_MAX)
            return damaged(side, key.objectid, "an impossible inline extent");
        out->end = key.offset + MAX(round_up_to(out->ram_bytes, sector), (uint64_t)sector);
        return 0;
    }
    if (path_size(path) < sizeof(disk_file_extent))
        return damaged(side, key.objectid, "an extent item is cut short");
    file_extent_decode(&item, path_data(path));
    if (item.num_bytes == 0 || key.offset + item.num_bytes < key.offset)
        return damaged(side, key.objectid, "an extent of impossible length");
    out->end = key.offset + item.num_bytes;
    out->bytenr = item.disk_bytenr;
    out->disk_bytes = item.disk_num_bytes;
    out->ram_bytes = item.ram_bytes;
    out->offset = item.offset;
    out->kind = item.disk_bytenr == 0           ? SPAN_HOLE
                : disk->type == FILE_EXTENT_REG ? SPAN_DATA
                                                : SPAN_PREALLOC;
    return 0;
}

static bool is_extent_of(const struct path *path, uint64_t ino)
{
    struct key key;

    path_key(path, &key);
    return key.objectid == ino && key.type == KEY_EXTENT_DATA;
}

int side_span(struct side *side, uint64_t ino, uint64_t pos, struct span *out)
{
    struct key key = key_make(ino, KEY_EXTENT_DATA, pos);
    AUTO_PATH struct path path = PATH_INIT;
    struct span span;

    int ret = tree_search_le(&side->tree->root, &key, &path);
    if (ret == 0 && is_extent_of(&path, ino)) {
        TRY(decode_span(side, &path, &span));
        if (pos < span.end) {
            *out = span_cut(&span, pos, span.end);
            return 0;
        }
    }
    if (ret >= 0)
        ret = tree_search_ge(&side->tree->root, &key, &path);
    if (ret < 0)
        return ret;
    *out = (struct span){.start = pos, .end = UINT64_MAX, .kind = SPAN_HOLE};
    if (ret == 0 && is_extent_of(&path, ino)) {
        path_key(&path, &key);
        out->end = key.offset;
    }
    return 0;
}

struct span span_cut(const struct span *span, uint64_t pos, uint64_t end)
{
    struct span out = *span;

    if (pos > out.start) {
        if (out.kind == SPAN_DATA || out.kind == SPAN_PREALLOC)
            out.offset += pos - out.start;
        out.start = pos;
    }
    out.end = MIN(out.end, end);
    return out;
}

int side_symlink(struct side *side, uint64_t ino, char **out)
{
    struct key key = key_make(ino, KEY_EXTENT_DATA, 0);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search(&side->tree->root, &key, &path);
    if (ret < 0)
        return ret;
    if (ret > 0 || path_size(&path) <= FILE_EXTENT_INLINE_HEADER)
        return damaged(side, ino, "a symlink without target");
    const disk_file_extent *disk = path_data(&path);
    if (disk->type != FILE_EXTENT_INLINE || disk->compression != 0)
        return damaged(side, ino, "a symlink whose target is not inline");
    /* btrfs-convert stores a NUL behind the target. */
    char *target = strndup((const char *)path_data(&path) + FILE_EXTENT_INLINE_HEADER,
                           path_size(&path) - FILE_EXTENT_INLINE_HEADER);
    if (!target)
        return fail(-ENOMEM, "no memory for a symlink");
    *out = target;
    return 0;
}
