// SPDX-License-Identifier: GPL-2.0-or-later
/* Names and inodes as items. Several names may share an item; such items are taken as a whole. */
#include <stdlib.h>

#include "disk/csum/csum.h"
#include "ops/repair/items.h"

/* ---- lists of names -------------------------------------------------------------------------- */

void names_init(struct names *names, struct budget *budget)
{
    pile_init(&names->list, sizeof(struct name), budget);
    pile_init(&names->texts, 1, budget);
}

void names_free(struct names *names)
{
    pile_free(&names->list);
    pile_free(&names->texts);
}

const char *name_text(const struct names *names, const struct name *name)
{
    return (const char *)names->texts.base + name->text;
}

static int name_order(const void *a, const void *b, void *arg)
{
    const struct name *x = a, *y = b;
    int order = memcmp(name_text(arg, x), name_text(arg, y), MIN(x->len, y->len));

    if (order == 0)
        order = (int)x->len - (int)y->len;
    return order ? order : x->index < y->index ? -1 : x->index > y->index;
}

void names_sort(struct names *names)
{
    if (names->list.count > 0)
        qsort_r(names->list.base, names->list.count, sizeof(struct name), name_order, names);
}

static int add_name(struct names *names, struct name name, const void *text)
{
    name.text = names->texts.count;
    for (uint16_t i = 0; i < name.len; i++)
        TRY(pile_push(&names->texts, (const char *)text + i));
    return pile_push(&names->list, &name);
}

/* ---- single items ---------------------------------------------------------------------------- */

int inode_item_get(struct root *root, uint64_t ino, struct inode_item *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    const struct key key = key_make(ino, KEY_INODE_ITEM, 0);
    int ret = tree_search(root, &key, &path);

    if (ret != 0)
        return ret;
    if (path_size(&path) < sizeof(disk_inode_item))
        return 1;
    inode_item_decode(out, path_data(&path));
    return 0;
}

int inode_item_put(struct root *root, uint64_t ino, const struct inode_item *item)
{
    const struct key key = key_make(ino, KEY_INODE_ITEM, 0);
    disk_inode_item bytes;

    inode_item_encode(&bytes, item);
    return tree_upsert(root, &key, &bytes, sizeof(bytes));
}

int item_drop(struct root *root, const struct key *key)
{
    int ret = tree_delete(root, key);

    if (ret == -ENOENT) {
        fail_clear();
        return 0;
    }
    return ret;
}

int has_items(struct root *root, uint64_t objectid, uint8_t type, uint8_t last, bool *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(objectid, type, 0);
    int ret = tree_search_ge(root, &key, &path);

    TRY(ret);
    *out = false;
    if (ret == 0) {
        path_key(&path, &key);
        *out = key.objectid == objectid && key.type <= last;
    }
    return 0;
}

/* An item as a whole; size 0: it is not there. */
struct bytes {
    uint8_t *at;
    uint32_t size, room;
};

static int take_item(struct root *root, const struct key *key, struct bytes *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    int ret = tree_search(root, key, &path);

    TRY(ret);
    *out = (struct bytes){.room = 2 * forest_nodesize(root->forest)};
    out->at = malloc(out->room);
    if (!out->at)
        return fail(-ENOMEM, "an item");
    if (ret == 0) {
        out->size = path_size(&path);
        memcpy(out->at, path_data(&path), out->size);
    }
    return 0;
}

static int give_item(struct root *root, const struct key *key, struct bytes *bytes)
{
    int ret;

    if (bytes->size == 0)
        ret = item_drop(root, key);
    else if (bytes->size > item_data_max(forest_nodesize(root->forest)))
        ret = fail(-EOVERFLOW, "names do not fit into one item");
    else
        ret = tree_upsert(root, key, bytes->at, bytes->size);
    free(bytes->at);
    return ret;
}

static void cut(struct bytes *bytes, uint32_t at, uint32_t len)
{
    memmove(bytes->at + at, bytes->at + at + len, bytes->size - at - len);
    bytes->size -= len;
}

/* ---- directories ----------------------------------------------------------------------------- */

static struct key hash_key(uint64_t dir, const char *text, uint16_t len)
{
    return key_make(dir, KEY_DIR_ITEM, name_hash(text, len));
}

/* The entry of a name; its size, or 0. */
static uint32_t find_entry(const struct bytes *bytes, const char *text, uint16_t len, uint32_t *at)
{
    for (*at = 0; bytes->size - *at >= sizeof(disk_dir_item);) {
        struct dir_item item;
        uint32_t whole;

        dir_item_decode(&item, bytes->at + *at);
        whole = (uint32_t)sizeof(disk_dir_item) + item.name_len + item.data_len;
        if (whole > bytes->size - *at)
            break;
        if (item.name_len == len && memcmp(bytes->at + *at + sizeof(disk_dir_item), text, len) == 0)
            return whole;
        *at += whole;
    }
    return 0;
}

static void add_entry(struct bytes *bytes, struct root *root, const char *text, uint16_t len,
                      const struct key *location, uint8_t type)
{
    const struct dir_item item = {.location = *location,
                                  .transid = forest_generation(root->forest),
                                  .name_len = len,
                                  .type = type};

    dir_item_encode(bytes->at + bytes->size, &item);
    memcpy(bytes->at + bytes->size + sizeof(disk_dir_item), text, len);
    bytes->size += (uint32_t)sizeof(disk_dir_item) + len;
}

int entry_find(struct root *root, uint64_t dir, const char *text, uint16_t len,
               struct dir_item *out)
{
    const struct key key = hash_key(dir, text, len);
    struct bytes bytes;
    uint32_t at, whole;

    TRY(take_item(root, &key, &bytes));
    whole = find_entry(&bytes, text, len, &at);
    if (whole > 0)
        dir_item_decode(out, bytes.at + at);
    free(bytes.at);
    return whole > 0 ? 0 : 1;
}

int entry_put(struct root *root, uint64_t dir, const char *text, uint16_t len,
              const struct key *location, uint8_t type)
{
    const struct key key = hash_key(dir, text, len);
    struct bytes bytes;
    uint32_t at, whole;

    TRY(take_item(root, &key, &bytes));
    whole = find_entry(&bytes, text, len, &at);
    cut(&bytes, at, whole);
    add_entry(&bytes, root, text, len, location, type);
    return give_item(root, &key, &bytes);
}

int entry_drop(struct root *root, uint64_t dir, const char *text, uint16_t len)
{
    const struct key key = hash_key(dir, text, len);
    struct bytes bytes;
    uint32_t at, whole;

    TRY(take_item(root, &key, &bytes));
    whole = find_entry(&bytes, text, len, &at);
    cut(&bytes, at, whole);
    return give_item(root, &key, &bytes);
}

int index_next(struct root *root, uint64_t dir, uint64_t *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(dir, KEY_DIR_INDEX, UINT64_MAX);
    int ret = tree_search_le(root, &key, &path);

    TRY(ret);
    *out = 2;
    if (ret > 0)
        return 0;
    path_key(&path, &key);
    if (key.objectid == dir && key.type == KEY_DIR_INDEX)
        *out = MAX(key.offset, (uint64_t)1) + 1;
    return *out == 0 ? fail(-ENOSPC, "directory %llu: no index is left", LLU(dir)) : 0;
}

int index_is_free(struct root *root, uint64_t dir, uint64_t index, bool *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    const struct key key = key_make(dir, KEY_DIR_INDEX, index);
    int ret = tree_search(root, &key, &path);

    TRY(ret);
    *out = ret > 0;
    return 0;
}

int index_get(struct root *root, uint64_t dir, uint64_t index, struct dir_item *out,
              char text[NAME_MAX_BYTES])
{
    AUTO_PATH struct path path = PATH_INIT;
    const struct key key = key_make(dir, KEY_DIR_INDEX, index);
    int ret = tree_search(root, &key, &path);

    if (ret != 0)
        return ret;
    if (path_size(&path) < sizeof(disk_dir_item))
        return 1;
    dir_item_decode(out, path_data(&path));
    if (out->name_len > NAME_MAX_BYTES || out->name_len > path_size(&path) - sizeof(disk_dir_item))
        return 1;
    memcpy(text, (const uint8_t *)path_data(&path) + sizeof(disk_dir_item), out->name_len);
    return 0;
}

int index_put(struct root *root, uint64_t dir, uint64_t index, const char *text, uint16_t len,
              const struct key *location, uint8_t type)
{
    const struct key key = key_make(dir, KEY_DIR_INDEX, index);
    uint8_t data[sizeof(disk_dir_item) + NAME_MAX_BYTES];
    struct bytes bytes = {.at = data};

    add_entry(&bytes, root, text, len, location, type);
    return tree_upsert(root, &key, data, bytes.size);
}

int index_drop(struct root *root, uint64_t dir, uint64_t index)
{
    const struct key key = key_make(dir, KEY_DIR_INDEX, index);

    return item_drop(root, &key);
}

static int take_entries(const struct path *path, const struct key *key, struct names *out)
{
    const uint8_t *data = path_data(path);
    uint32_t size = path_size(path);

    for (uint32_t at = 0; size - at >= sizeof(disk_dir_item);) {
        struct dir_item item;

        dir_item_decode(&item, data + at);
        if (sizeof(disk_dir_item) + item.name_len + item.data_len > size - at)
            break;
        const struct name name = {.dir = key->objectid,
                                  .index = key->type == KEY_DIR_INDEX ? key->offset : 0,
                                  .ino = item.location.objectid,
                                  .location = item.location,
                                  .len = item.name_len,
                                  .type = item.type};
        TRY(add_name(out, name, data + at + sizeof(disk_dir_item)));
        at += (uint32_t)sizeof(disk_dir_item) + item.name_len + item.data_len;
    }
    return 0;
}

int entries_load(struct root *root, uint64_t dir, uint8_t type, struct names *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(dir, type, 0);
    int ret = tree_search_ge(root, &key, &path);

    for (; ret == 0; ret = path_next(&path)) {
        path_key(&path, &key);
        if (key.objectid != dir || key.type != type)
            return 0;
        TRY(take_entries(&path, &key, out));
    }
    return ret < 0 ? ret : 0;
}

/* ---- references ------------------------------------------------------------------------------ */

/* The reference at *at of either kind, with its name behind it; moves on. 1: no more. */
static int next_ref(const struct bytes *bytes, const struct key *key, uint32_t *at,
                    struct inode_extref *out, const uint8_t **text)
{
    uint32_t head = key->type == KEY_INODE_REF ? sizeof(disk_inode_ref) : sizeof(disk_inode_extref);

    if (bytes->size - *at < head)
        return 1;
    if (key->type == KEY_INODE_REF) {
        struct inode_ref ref;

        inode_ref_decode(&ref, bytes->at + *at);
        *out = (struct inode_extref){key->offset, ref.index, ref.name_len};
    } else {
        inode_extref_decode(out, bytes->at + *at);
    }
    if (out->name_len > bytes->size - *at - head)
        return 1;
    *text = bytes->at + *at + head;
    *at += head + out->name_len;
    return 0;
}

int refs_load(struct root *root, uint64_t ino, struct names *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(ino, KEY_INODE_REF, 0);
    int ret = tree_search_ge(root, &key, &path);

    for (; ret == 0; ret = path_next(&path)) {
        struct inode_extref ref;
        const uint8_t *text;
        uint32_t at = 0;

        path_key(&path, &key);
        if (key.objectid != ino || key.type > KEY_INODE_EXTREF)
            return 0;
        const struct bytes bytes = {.at = (uint8_t *)(uintptr_t)path_data(&path),
                                    .size = path_size(&path)};
        while (next_ref(&bytes, &key, &at, &ref, &text) == 0) {
            const struct name name = {
                .dir = ref.parent, .index = ref.index, .ino = ino, .len = ref.name_len};

            if (ref.parent != ino || ino != INO_SUBVOL_ROOT)
                TRY(add_name(out, name, text));
        }
    }
    return ret < 0 ? ret : 0;
}

/* Where the name stands in the item; its size, or 0. */
static uint32_t find_ref(const struct bytes *bytes, const struct key *key, uint64_t dir,
                         const char *name, uint16_t len, uint32_t *start, uint64_t *index)
{
    struct inode_extref ref;
    const uint8_t *text;
    uint32_t at = 0;

    for (*start = 0; next_ref(bytes, key, &at, &ref, &text) == 0; *start = at) {
        if (ref.parent != dir || ref.name_len != len || memcmp(text, name, len) != 0)
            continue;
        *index = ref.index;
        return at - *start;
    }
    return 0;
}

static void ref_keys(uint64_t ino, uint64_t dir, const char *text, uint16_t len, struct key keys[2])
{
    keys[0] = key_make(ino, KEY_INODE_REF, dir);
    keys[1] = key_make(ino, KEY_INODE_EXTREF, extref_hash(dir, text, len));
}

int ref_find(struct root *root, uint64_t ino, uint64_t dir, const char *text, uint16_t len,
             uint64_t *index)
{
    struct key keys[2];

    ref_keys(ino, dir, text, len, keys);
    for (unsigned i = 0; i < 2; i++) {
        struct bytes bytes;
        uint32_t at, whole;

        TRY(take_item(root, &keys[i], &bytes));
        whole = find_ref(&bytes, &keys[i], dir, text, len, &at, index);
        free(bytes.at);
        if (whole > 0)
            return 0;
    }
    return 1;
}

int ref_drop(struct root *root, uint64_t ino, uint64_t dir, const char *text, uint16_t len)
{
    struct key keys[2];

    ref_keys(ino, dir, text, len, keys);
    for (unsigned i = 0; i < 2; i++) {
        struct bytes bytes;
        uint64_t index;
        uint32_t at, whole;

        TRY(take_item(root, &keys[i], &bytes));
        if (bytes.size == 0) {
            free(bytes.at);
            continue;
        }
        whole = find_ref(&bytes, &keys[i], dir, text, len, &at, &index);
        cut(&bytes, at, whole);
        TRY(give_item(root, &keys[i], &bytes));
    }
    return 0;
}

int ref_put(struct root *root, uint64_t ino, uint64_t dir, uint64_t index, const char *text,
            uint16_t len, bool extref)
{
    const struct inode_ref ref = {.index = index, .name_len = len};
    const struct inode_extref longer = {.parent = dir, .index = index, .name_len = len};
    struct key keys[2];
    struct bytes bytes;
    uint32_t size = (uint32_t)sizeof(disk_inode_ref) + len;

    TRY(ref_drop(root, ino, dir, text, len));
    ref_keys(ino, dir, text, len, keys);
    TRY(take_item(root, &keys[0], &bytes));
    if (!extref || bytes.size + size <= item_data_max(forest_nodesize(root->forest))) {
        inode_ref_encode(bytes.at + bytes.size, &ref);
        memcpy(bytes.at + bytes.size + sizeof(disk_inode_ref), text, len);
        bytes.size += size;
        return give_item(root, &keys[0], &bytes);
    }
    free(bytes.at);
    TRY(take_item(root, &keys[1], &bytes));
    inode_extref_encode(bytes.at + bytes.size, &longer);
    memcpy(bytes.at + bytes.size + sizeof(disk_inode_extref), text, len);
    bytes.size += (uint32_t)sizeof(disk_inode_extref) + len;
    return give_item(root, &keys[1], &bytes);
}
