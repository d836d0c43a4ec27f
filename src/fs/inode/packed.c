// SPDX-License-Identifier: GPL-2.0-or-later
/* Items that hold several names because the hashes in their keys collide. */
#include "fs/inode/internal.h"

#include "base/cleanup.h"

int packed_entry_at(const struct path *path, uint32_t at, struct packed_entry *out)
{
    uint32_t size = path_size(path);
    const uint8_t *data = path_data(path);
    struct dir_item head;

    if (at == size)
        return 1;
    if (size - at < sizeof(disk_dir_item))
        return fail(-EUCLEAN, "%s: an entry is cut short", path_where(path));
    dir_item_decode(&head, data + at);
    uint32_t whole = (uint32_t)sizeof(disk_dir_item) + head.name_len + head.data_len;
    if (head.name_len == 0 || head.name_len > NAME_MAX_BYTES || whole > size - at)
        return fail(-EUCLEAN, "%s: an entry leaves the item", path_where(path));
    *out = (struct packed_entry){
        .head = head,
        .at = at,
        .size = whole,
        .name = (const char *)data + at + sizeof(disk_dir_item),
        .value = data + at + sizeof(disk_dir_item) + head.name_len,
    };
    return 0;
}

int packed_find(const struct path *path, const void *name, uint16_t len, struct packed_entry *out)
{
    struct packed_entry entry;
    uint32_t at = 0;
    int ret;

    while ((ret = packed_entry_at(path, at, &entry)) == 0) {
        if (entry.head.name_len == len && memcmp(entry.name, name, len) == 0) {
            *out = entry;
            return 0;
        }
        at += entry.size;
    }
    return ret;
}

int packed_has_room(const struct path *path, uint16_t name_len, uint16_t data_len)
{
    uint32_t size = (uint32_t)sizeof(disk_dir_item) + name_len + data_len;

    if (path_size(path) + size > item_data_max(forest_nodesize(path->root->forest)))
        return fail(-EOVERFLOW, "too many names with one hash");
    return 0;
}

int packed_add(struct root *root, const struct key *key, const struct dir_item *head,
               const void *name, const void *value)
{
    uint32_t size = (uint32_t)sizeof(disk_dir_item) + head->name_len + head->data_len;
    uint32_t max = item_data_max(forest_nodesize(root->forest));
    AUTO_PATH struct path path = PATH_INIT;
    void *data;

    if (size > max)
        return fail(-EOVERFLOW, "an entry of %u bytes does not fit into a tree block", size);
    int ret = tree_insert_path(root, key, size, &path, &data);
    if (ret == -EEXIST) {
        uint32_t old = path_size(&path);
        struct packed_entry there;

        ret = packed_find(&path, name, head->name_len, &there);
        if (ret != 1)
            return ret < 0 ? ret : fail(-EEXIST, "%.*s", (int)head->name_len, (const char *)name);
        TRY(packed_has_room(&path, head->name_len, head->data_len));
        TRY(path_resize(&path, old + size));
        data = (uint8_t *)path_data_mut(&path) + old;
    } else if (ret < 0) {
        return ret;
    }
    dir_item_encode(data, head);
    memcpy((uint8_t *)data + sizeof(disk_dir_item), name, head->name_len);
    if (head->data_len != 0)
        memcpy((uint8_t *)data + sizeof(disk_dir_item) + head->name_len, value, head->data_len);
    return 0;
}

int packed_remove(struct path *path, const struct packed_entry *entry)
{
    uint32_t size = path_size(path);

    if (entry->size == size)
        return path_delete(path, 1);
    uint8_t *data = path_data_mut(path);
    memmove(data + entry->at, data + entry->at + entry->size, size - entry->at - entry->size);
    return path_resize(path, size - entry->size);
}
