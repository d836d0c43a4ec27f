// SPDX-License-Identifier: GPL-2.0-or-later
/* Stages 2 and 3: directory entries and back references. */
#include "fs/fsync/internal.h"

#include <sys/stat.h>

#include "disk/csum/csum.h"

int next_ref(const struct key *key, const uint8_t *data, uint32_t size, uint32_t *at,
             struct log_ref *out)
{
    bool extended = key->type == KEY_INODE_EXTREF;
    uint32_t head = extended ? sizeof(disk_inode_extref) : sizeof(disk_inode_ref);

    if (*at == size)
        return 1;
    if (size - *at < head)
        return fail(-EUCLEAN, "log tree inode %llu: a reference is cut short",
                    (unsigned long long)key->objectid);
    if (extended) {
        struct inode_extref ref;

        inode_extref_decode(&ref, data + *at);
        *out = (struct log_ref){.parent = ref.parent, .index = ref.index, .len = ref.name_len};
    } else {
        struct inode_ref ref;

        inode_ref_decode(&ref, data + *at);
        *out = (struct log_ref){.parent = key->offset, .index = ref.index, .len = ref.name_len};
    }
    if (out->len == 0 || out->len > NAME_MAX_BYTES || out->len > size - *at - head)
        return fail(-EUCLEAN, "log tree inode %llu: a reference with a name of %u bytes",
                    (unsigned long long)key->objectid, out->len);
    out->name = (const char *)data + *at + head;
    *at += head + out->len;
    return 0;
}

/* Whether the item under key has a reference from parent by that name. */
static int has_ref(struct root *root, const struct key *key, uint64_t parent, const char *name,
                   uint16_t len, bool *has)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct log_ref ref;
    uint32_t at = 0;

    *has = false;
    int ret = tree_search(root, key, &path);
    if (ret != 0)
        return MIN(ret, 0);
    while ((ret = next_ref(key, path_data(&path), path_size(&path), &at, &ref)) == 0) {
        if (ref.parent == parent && ref.len == len && memcmp(ref.name, name, len) == 0) {
            *has = true;
            return 0;
        }
    }
    return MIN(ret, 0);
}

/* Whether the log refers to (parent, name) from inode ino, in either kind of item. */
static int log_has_ref(struct log *log, uint64_t ino, uint64_t parent, const char *name,
                       uint16_t len, bool *has)
{
    struct key key = key_make(ino, KEY_INODE_REF, parent);

    TRY(has_ref(&log->root, &key, parent, name, len, has));
    if (*has)
        return 0;
    key = key_make(ino, KEY_INODE_EXTREF, extref_hash(parent, name, len));
    return has_ref(&log->root, &key, parent, name, len, has);
}

int replay_unlink(struct replay *replay, struct inode *dir, const char *name, uint16_t len)
{
    struct dir_entry entry;
    struct inode *inode;

    TRY(dir_lookup(dir, name, len, &entry));
    TRY(dir_remove_name(dir, name, len, NULL));
    if (entry.location.type != KEY_INODE_ITEM)
        return 0;
    int ret = inode_get_locked(replay->fs, dir->tree, entry.location.objectid, &inode);
    if (ret == -ENOENT) {
        fail_clear();
        return 0;
    }
    if (ret < 0)
        return ret;
    inode_touch(inode, false); /* as Linux: losing a name is a change */
    ret = touch_inode(replay, inode);
    inode_put(inode);
    return ret;
}

static bool same_target(const struct dir_entry *entry, const struct key *location)
{
    return key_cmp(&entry->location, location) == 0;
}

/* ---- directory entries
 * ------------------------------------------------------------------------------ */

static int inode_exists(struct replay *replay, struct tree_handle *tree, const struct key *location,
                        bool *exists)
{
    AUTO_PATH struct path path = PATH_INIT;

    (void)replay;
    *exists = false;
    if (location->type != KEY_INODE_ITEM)
        return 0;
    int ret = tree_search(&tree->root, location, &path);
    *exists = ret == 0;
    return MIN(ret, 0);
}

/*
 * What stands under the name, and what stands under the index, may both be in the way of the
 * logged entry. *matches: both are there already and are the same.
 */
static int clear_the_way(struct replay *replay, struct inode *dir, const char *name, uint16_t len,
                         uint64_t index, const struct key *location, bool exists, bool *matches)
{
    char other[NAME_MAX_BYTES];
    struct dir_entry entry;
    uint16_t other_len;
    bool by_name, by_index;

    int ret = dir_lookup(dir, name, len, &entry);
    if (ret < 0 && ret != -ENOENT)
        return ret;
    by_name = ret == 0 && same_target(&entry, location);
    if (ret == 0 && !by_name && exists)
        TRY(replay_unlink(replay, dir, name, len));
    ret = dir_entry_at(dir, index, other, &other_len, &entry);
    if (ret < 0 && ret != -ENOENT)
        return ret;
    by_index = ret == 0 && same_target(&entry, location) && other_len == len &&
               memcmp(other, name, len) == 0;
    if (ret == 0 && !by_index && exists)
        TRY(replay_unlink(replay, dir, other, other_len));
    fail_clear();
    /* The name under another index than the log has: it is made anew. */
    if (by_name && !by_index && exists)
        TRY(replay_unlink(replay, dir, name, len));
    *matches = by_name && by_index;
    return 0;
}

static int replay_name(struct replay *replay, const struct log_item *item, struct inode *dir,
                       const struct dir_item *head, const char *name)
{
    struct inode *inode;
    bool exists, matches, later;

    TRY(inode_exists(replay, dir->tree, &head->location, &exists));
    TRY(clear_the_way(replay, dir, name, head->name_len, item->key.offset, &head->location, exists,
                      &matches));
    if (matches || !exists)
        return 0;
    /* With a back reference in the log, stage 3 makes the name. */
    TRY(log_has_ref(item->log, head->location.objectid, dir->ino, name, head->name_len, &later));
    if (later)
        return 0;
    TRY(dir_insert_name(dir, name, head->name_len, &head->location, head->type, item->key.offset,
                        true));
    TRY(inode_get_locked(replay->fs, dir->tree, head->location.objectid, &inode));
    int ret = touch_inode(replay, inode);
    inode_put(inode);
    return ret;
}

int replay_dir_index(struct replay *replay, const struct log_item *item)
{
    struct dir_item head;
    struct inode *dir;

    if (item->size < sizeof(disk_dir_item))
        return fail(-EUCLEAN, "%s: too short for a name", path_where(item->path));
    dir_item_decode(&head, item->data);
    if (head.name_len == 0 || head.name_len > NAME_MAX_BYTES ||
        head.name_len > item->size - sizeof(disk_dir_item))
        return fail(-EUCLEAN, "%s: a name of %u bytes", path_where(item->path), head.name_len);
    TRY(inode_get_locked(replay->fs, item->log->tree, item->key.objectid, &dir));
    int ret =
        replay_name(replay, item, dir, &head, (const char *)item->data + sizeof(disk_dir_item));
    inode_put(dir);
    return ret;
}

/* ---- back references
 * ------------------------------------------------------------------------------------ */

/* Names are collected before any is removed: removing moves the item they stand in. */
struct old_names {
    struct {
        uint64_t parent;
        uint16_t len;
        char name[NAME_MAX_BYTES];
    } * names;
    size_t count;
};

static int collect_old(struct root *root, const struct key *key, struct old_names *old)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct log_ref ref;
    uint32_t at = 0;

    int ret = tree_search(root, key, &path);
    if (ret != 0)
        return MIN(ret, 0);
    while ((ret = next_ref(key, path_data(&path), path_size(&path), &at, &ref)) == 0) {
        void *more = realloc(old->names, (old->count + 1) * sizeof(*old->names));

        if (!more)
            return fail(-ENOMEM, "no memory for names");
        old->names = more;
        old->names[old->count].parent = ref.parent;
        old->names[old->count].len = ref.len;
        memcpy(old->names[old->count].name, ref.name, ref.len);
        old->count++;
    }
    return MIN(ret, 0);
}

/* Names that the subvolume has under this key and the log has not, are gone. */
static int unlink_old_names(struct replay *replay, const struct log_item *item, struct inode *inode)
{
    struct old_names old = {0};

    int ret = collect_old(&item->log->tree->root, &item->key, &old);
    for (size_t i = 0; ret == 0 && i < old.count; i++) {
        struct inode *dir;
        bool has;

        ret = log_has_ref(item->log, inode->ino, old.names[i].parent, old.names[i].name,
                          old.names[i].len, &has);
        if (ret < 0 || has)
            continue;
        ret = inode_get_locked(replay->fs, item->log->tree, old.names[i].parent, &dir);
        if (ret < 0)
            break;
        ret = replay_unlink(replay, dir, old.names[i].name, old.names[i].len);
        if (ret == -ENOENT) { /* an earlier step has removed it */
            fail_clear();
            ret = 0;
        }
        inode_put(dir);
    }
    free(old.names);
    return ret;
}

static uint8_t file_type(uint32_t mode)
{
    static const uint8_t types[16] = {
        [S_IFREG >> 12] = FT_REG_FILE, [S_IFDIR >> 12] = FT_DIR,  [S_IFCHR >> 12] = FT_CHRDEV,
        [S_IFBLK >> 12] = FT_BLKDEV,   [S_IFIFO >> 12] = FT_FIFO, [S_IFSOCK >> 12] = FT_SOCK,
        [S_IFLNK >> 12] = FT_SYMLINK,
    };

    return types[(mode >> 12) & 15];
}

static int link_name(struct replay *replay, struct inode *inode, struct inode *dir,
                     const struct log_ref *ref)
{
    struct key location = key_make(inode->ino, KEY_INODE_ITEM, 0);
    bool matches;

    TRY(clear_the_way(replay, dir, ref->name, ref->len, ref->index, &location, true, &matches));
    if (matches)
        return 0;
    return dir_insert_name(dir, ref->name, ref->len, &location, file_type(inode->item.mode),
                           ref->index, false);
}

static int link_names(struct replay *replay, const struct log_item *item, struct inode *inode,
                      bool *all_parents)
{
    struct log_ref ref;
    uint32_t at = 0;
    int ret;

    *all_parents = true;
    while ((ret = next_ref(&item->key, item->data, item->size, &at, &ref)) == 0) {
        struct inode *dir;

        ret = inode_get_locked(replay->fs, item->log->tree, ref.parent, &dir);
        if (ret == -ENOENT) { /* the directory is gone, and this name with it */
            fail_clear();
            *all_parents = false;
            continue;
        }
        if (ret < 0)
            return ret;
        ret = link_name(replay, inode, dir, &ref);
        inode_put(dir);
        if (ret < 0)
            return ret;
    }
    return MIN(ret, 0);
}

int replay_refs(struct replay *replay, const struct log_item *item)
{
    struct inode *inode;
    bool all_parents = false;

    /* The root of a subvolume refers to itself, as "..": there is no name behind that. */
    if (item->key.type == KEY_INODE_REF && item->key.objectid == item->key.offset)
        return 0;
    TRY(inode_get_locked(replay->fs, item->log->tree, item->key.objectid, &inode));
    int ret = unlink_old_names(replay, item, inode);
    if (ret == 0)
        ret = link_names(replay, item, inode, &all_parents);
    if (ret == 0)
        ret = touch_inode(replay, inode);
    inode_put(inode);
    if (ret < 0)
        return ret;
    /* An INODE_REF item names one directory: without it there is nothing to refer to. */
    if (!all_parents && item->key.type == KEY_INODE_REF)
        return 0;
    return replay_overwrite(replay, item);
}
