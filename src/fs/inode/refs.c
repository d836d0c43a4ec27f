// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From an inode to its names. INODE_REF items are keyed by directory and hold all names in that
 * directory; what does not fit there goes into INODE_EXTREF items, keyed by a hash of directory
 * and name.
 */
#include "fs/inode/internal.h"

#include "base/cleanup.h"
#include "disk/csum/csum.h"

struct ref_entry {
    uint64_t parent;
    uint64_t index;
    uint32_t at, size;
    uint16_t len;
    const char *name;
};

/* The entry at offset `at` of an INODE_REF or INODE_EXTREF item; 1: at the end. */
static int entry_at(const struct path *path, const struct key *key, uint32_t at,
                    struct ref_entry *out)
{
    bool extended = key->type == KEY_INODE_EXTREF;
    uint32_t head = extended ? sizeof(disk_inode_extref) : sizeof(disk_inode_ref);
    const uint8_t *data = path_data(path);
    uint32_t size = path_size(path);

    if (at == size)
        return 1;
    if (size - at < head)
        return fail(-EUCLEAN, "%s: a reference is cut short", path_where(path));
    if (extended) {
        struct inode_extref ref;

        inode_extref_decode(&ref, data + at);
        *out = (struct ref_entry){.parent = ref.parent, .index = ref.index, .len = ref.name_len};
    } else {
        struct inode_ref ref;

        inode_ref_decode(&ref, data + at);
        *out = (struct ref_entry){.parent = key->offset, .index = ref.index, .len = ref.name_len};
    }
    if (out->len == 0 || out->len > NAME_MAX_BYTES || out->len > size - at - head)
        return fail(-EUCLEAN, "%s: a reference with a name of %u bytes", path_where(path),
                    out->len);
    out->at = at;
    out->size = head + out->len;
    out->name = (const char *)data + at + head;
    return 0;
}

static int find_entry(const struct path *path, const struct key *key, uint64_t dir,
                      const void *name, uint16_t len, struct ref_entry *out)
{
    struct ref_entry entry;
    uint32_t at = 0;
    int ret;

    while ((ret = entry_at(path, key, at, &entry)) == 0) {
        if (entry.parent == dir && entry.len == len && memcmp(entry.name, name, len) == 0) {
            *out = entry;
            return 0;
        }
        at += entry.size;
    }
    return ret;
}

static struct key extref_key(uint64_t ino, uint64_t dir, const void *name, uint16_t len)
{
    return key_make(ino, KEY_INODE_EXTREF, extref_hash(dir, name, len));
}

/* Appends `size` bytes to the item under key, or makes it. -EOVERFLOW: it does not fit. */
static int append(struct root *root, const struct key *key, const void *entry, uint32_t size)
{
    AUTO_PATH struct path path = PATH_INIT;
    uint32_t old = 0;
    void *data;

    int ret = tree_insert_path(root, key, size, &path, &data);
    if (ret == -EEXIST) {
        old = path_size(&path);
        if (old + size > item_data_max(forest_nodesize(root->forest)))
            return -EOVERFLOW;
        TRY(path_resize(&path, old + size));
        data = (uint8_t *)path_data_mut(&path) + old;
    } else if (ret < 0) {
        return ret;
    }
    memcpy(data, entry, size);
    return 0;
}

static int add_extref(struct tree_handle *tree, uint64_t ino, uint64_t dir, uint64_t index,
                      const void *name, uint16_t len)
{
    uint8_t entry[sizeof(disk_inode_extref) + NAME_MAX_BYTES];
    struct inode_extref head = {.parent = dir, .index = index, .name_len = len};
    struct key key = extref_key(ino, dir, name, len);

    inode_extref_encode(entry, &head);
    memcpy(entry + sizeof(disk_inode_extref), name, len);
    int ret = append(&tree->root, &key, entry, (uint32_t)sizeof(disk_inode_extref) + len);
    return ret == -EOVERFLOW ? fail(-EMLINK, "no more names fit with that hash") : ret;
}

int inode_name_fits(const struct inode *inode, const struct inode *dir, uint16_t len,
                    uint16_t leaving)
{
    struct root *root = &inode->tree->root;
    struct key key = key_make(inode->ino, KEY_INODE_REF, dir->ino);
    AUTO_PATH struct path path = PATH_INIT;

    if (vol_limits(forest_vol(root->forest))->incompat & INCOMPAT_EXTENDED_IREF)
        return 0;
    int ret = tree_search(root, &key, &path);
    if (ret != 0)
        return ret < 0 ? ret : 0;
    uint32_t size = path_size(&path) + (uint32_t)sizeof(disk_inode_ref) + len;
    if (leaving > 0)
        size -= (uint32_t)sizeof(disk_inode_ref) + leaving;
    if (size > item_data_max(forest_nodesize(root->forest)))
        return fail(-EMLINK, "no more names of one inode fit in one directory");
    return 0;
}

int ref_add(struct tree_handle *tree, uint64_t ino, uint64_t dir, uint64_t index, const void *name,
            uint16_t len)
{
    uint64_t incompat = vol_limits(forest_vol(tree->root.forest))->incompat;
    uint8_t entry[sizeof(disk_inode_ref) + NAME_MAX_BYTES];
    struct inode_ref head = {.index = index, .name_len = len};
    struct key key = key_make(ino, KEY_INODE_REF, dir);

    inode_ref_encode(entry, &head);
    memcpy(entry + sizeof(disk_inode_ref), name, len);
    int ret = append(&tree->root, &key, entry, (uint32_t)sizeof(disk_inode_ref) + len);
    if (ret != -EOVERFLOW)
        return ret;
    if (!(incompat & INCOMPAT_EXTENDED_IREF))
        return fail(-EMLINK, "no more names of one inode fit in one directory");
    return add_extref(tree, ino, dir, index, name, len);
}

static int cut_entry(struct path *path, const struct ref_entry *entry)
{
    uint32_t size = path_size(path);

    if (entry->size == size)
        return path_delete(path, 1);
    uint8_t *data = path_data_mut(path);
    memmove(data + entry->at, data + entry->at + entry->size, size - entry->at - entry->size);
    return path_resize(path, size - entry->size);
}

/* 1: not in that item. */
static int remove_under(struct tree_handle *tree, const struct key *key, uint64_t dir,
                        const void *name, uint16_t len, uint64_t *index)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct ref_entry entry;

    int ret = tree_search_cow(&tree->root, key, -1, &path);
    if (ret == 0)
        ret = find_entry(&path, key, dir, name, len, &entry);
    if (ret != 0)
        return ret;
    TRY(cut_entry(&path, &entry));
    *index = entry.index;
    return 0;
}

int ref_remove(struct tree_handle *tree, uint64_t ino, uint64_t dir, const void *name, uint16_t len,
               uint64_t *index)
{
    struct key key = key_make(ino, KEY_INODE_REF, dir);

    int ret = remove_under(tree, &key, dir, name, len, index);
    if (ret != 1)
        return ret;
    key = extref_key(ino, dir, name, len);
    ret = remove_under(tree, &key, dir, name, len, index);
    if (ret != 1)
        return ret;
    return fail(-ENOENT, "tree %llu inode %llu: no reference to a name in directory %llu",
                (unsigned long long)tree->root.id, (unsigned long long)ino,
                (unsigned long long)dir);
}

int inode_each_name(struct tree_handle *tree, uint64_t ino,
                    int (*fn)(void *arg, uint64_t parent, uint64_t index, const char *name,
                              uint16_t len),
                    void *arg)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(ino, KEY_INODE_REF, 0);

    int ret = tree_search_ge(&tree->root, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        struct ref_entry entry;
        uint32_t at = 0;

        path_key(&path, &key);
        if (key.objectid != ino || key.type > KEY_INODE_EXTREF)
            return 0;
        while ((ret = entry_at(&path, &key, at, &entry)) == 0) {
            int stop = fn(arg, entry.parent, entry.index, entry.name, entry.len);
            if (stop != 0)
                return stop;
            at += entry.size;
        }
        if (ret < 0)
            return ret;
    }
    return ret < 0 ? ret : 0;
}
