// SPDX-License-Identifier: GPL-2.0-or-later
/* One inode against everything else under its number, and its names against directories. */
#include <stdio.h>
#include <sys/stat.h>

#include "ops/repair/fix.h"

uint8_t type_of_mode(uint32_t mode)
{
    static const uint8_t types[16] = {[S_IFREG >> 12] = FT_REG_FILE, [S_IFDIR >> 12] = FT_DIR,
                                      [S_IFCHR >> 12] = FT_CHRDEV,   [S_IFBLK >> 12] = FT_BLKDEV,
                                      [S_IFIFO >> 12] = FT_FIFO,     [S_IFSOCK >> 12] = FT_SOCK,
                                      [S_IFLNK >> 12] = FT_SYMLINK};

    return types[(mode & S_IFMT) >> 12];
}

uint32_t mode_of_type(uint8_t type)
{
    static const uint32_t modes[] = {
        [FT_REG_FILE] = S_IFREG, [FT_DIR] = S_IFDIR,   [FT_CHRDEV] = S_IFCHR, [FT_BLKDEV] = S_IFBLK,
        [FT_FIFO] = S_IFIFO,     [FT_SOCK] = S_IFSOCK, [FT_SYMLINK] = S_IFLNK};

    return type < ARRAY_LEN(modes) ? modes[type] : 0;
}

/* ---- whether it is there, and what it is -------------------------------------------------------
 */

/* What its names call it; 0: nothing, or they do not agree. */
static int named_type(struct fix *fix, uint64_t ino, uint8_t *out)
{
    struct names refs;
    int ret;

    names_init(&refs, &fix->job->budget);
    ret = refs_load(fix->root, ino, &refs);
    *out = 0;
    for (size_t i = 0; ret == 0 && i < refs.list.count; i++) {
        const struct name *ref = name_at(&refs, i);
        struct dir_item entry;

        ret = entry_find(fix->root, ref->dir, name_text(&refs, ref), ref->len, &entry);
        if (ret != 0 || entry.location.objectid != ino) {
            ret = ret < 0 ? ret : 0;
            continue;
        }
        *out = *out == 0 || *out == entry.type ? entry.type : 0;
    }
    names_free(&refs);
    return ret;
}

/* The type of file that its items can only be of; 0: any. */
static int shown_type(struct fix *fix, uint64_t ino, uint8_t named, uint8_t *out)
{
    bool entries, extents;

    TRY(has_items(fix->root, ino, KEY_DIR_ITEM, KEY_DIR_INDEX, &entries));
    TRY(has_items(fix->root, ino, KEY_EXTENT_DATA, KEY_EXTENT_DATA, &extents));
    *out = 0;
    if (entries || ino == INO_SUBVOL_ROOT)
        *out = FT_DIR;
    else if (extents)
        *out = named == FT_SYMLINK ? FT_SYMLINK : FT_REG_FILE;
    return 0;
}

int make_inode(struct fix *fix, uint64_t ino, uint32_t mode, struct inode_item *out)
{
    struct env *env = fix->engine->env;
    struct timespec now = env_now(env);
    const struct timestamp stamp = {(uint64_t)now.tv_sec, (uint32_t)now.tv_nsec};

    (void)ino;
    *out = (struct inode_item){.generation = fix->engine->txn.transid,
                               .transid = fix->engine->txn.transid,
                               .nlink = 1,
                               .mode = mode,
                               .atime = stamp,
                               .ctime = stamp,
                               .mtime = stamp,
                               .otime = stamp};
    return 0;
}

/* The inode item, made up where it is missing. 1: there is no such inode. */
static int find_inode(struct fix *fix, uint64_t ino, struct inode_item *out, bool *changed)
{
    uint8_t named = 0, shown = 0;
    bool any;
    int ret = inode_item_get(fix->root, ino, out);

    TRY(ret);
    if (ret > 0) {
        TRY(has_items(fix->root, ino, KEY_INODE_REF, KEY_EXTENT_DATA, &any));
        if (!any)
            return 1;
    }
    TRY(named_type(fix, ino, &named));
    TRY(shown_type(fix, ino, named, &shown));
    if (ret > 0) {
        uint8_t type = shown ? shown : named ? named : FT_REG_FILE;

        *changed = true;
        return make_inode(fix, ino, mode_of_type(type) | (type == FT_DIR ? 0700 : 0600), out);
    }
    bool wrong = shown == FT_DIR ? !S_ISDIR(out->mode)
                 : shown         ? !S_ISREG(out->mode) && !S_ISLNK(out->mode)
                                 : false;
    if (wrong) {
        out->mode = (out->mode & ~(uint32_t)S_IFMT) | mode_of_type(shown);
        *changed = true;
    }
    return 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Under which index a directory has the name. 1: none. */
static int index_of(struct fix *fix, const struct name *ref, const char *text, uint64_t *index)
{
    struct names names;
    int ret;

    names_init(&names, &fix->job->budget);
    ret = entries_load(fix->root, ref->dir, KEY_DIR_INDEX, &names);
    for (size_t i = 0; ret == 0 && i < names.list.count; i++) {
        const struct name *name = name_at(&names, i);

        if (name->len == ref->len && memcmp(name_text(&names, name), text, ref->len) == 0) {
            *index = name->index;
            names_free(&names);
            return 0;
        }
    }
    names_free(&names);
    return ret < 0 ? ret : 1;
}

/* Whether an entry leads to a subvolume that says so itself. */
static int is_subvolume(struct fix *fix, const struct name *ref, const char *text,
                        const struct dir_item *entry, bool *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    const struct key key = key_make(fix->tree, KEY_ROOT_REF, entry->location.objectid);
    int ret = tree_search(&fix->engine->root_tree, &key, &path);

    TRY(ret);
    *out = ret == 0 && path_size(&path) == sizeof(disk_root_ref) + ref->len &&
           memcmp((const uint8_t *)path_data(&path) + sizeof(disk_root_ref), text, ref->len) == 0;
    return 0;
}

/* The entry of that name is another inode's: whose shall it be? */
static int settle_dispute(struct fix *fix, const struct name *ref, const char *text,
                          const struct dir_item *entry, uint8_t type)
{
    const struct key location = key_make(ref->ino, KEY_INODE_ITEM, 0);
    uint64_t index = ref->index;
    bool other;
    int ret;

    if (entry->location.type == KEY_INODE_ITEM) {
        ret = ref_find(fix->root, entry->location.objectid, ref->dir, text, ref->len, &index);
        TRY(ret);
        other = ret == 0;
    } else {
        TRY(is_subvolume(fix, ref, text, entry, &other));
    }
    if (other)
        return ref_drop(fix->root, ref->ino, ref->dir, text, ref->len);
    TRY(entry_put(fix->root, ref->dir, text, ref->len, &location, type));
    return index_of(fix, ref, text, &index) == 0
               ? index_put(fix->root, ref->dir, index, text, ref->len, &location, type)
               : 0;
}

/* The directory has this very place under another name: that is the one. */
static int take_new_text(struct fix *fix, const struct name *ref, const char *text)
{
    char now[NAME_MAX_BYTES];
    struct dir_item entry;
    uint64_t index;
    int ret = index_get(fix->root, ref->dir, ref->index, &entry, now);

    if (ret != 0)
        return ret;
    if (entry.location.type != KEY_INODE_ITEM || entry.location.objectid != ref->ino)
        return 1;
    TRY(ref_drop(fix->root, ref->ino, ref->dir, text, ref->len));
    ret = ref_find(fix->root, ref->ino, ref->dir, now, entry.name_len, &index);
    if (ret <= 0)
        return ret;
    return ref_put(fix->root, ref->ino, ref->dir, ref->index, now, entry.name_len,
                   engine_has(fix->engine, INCOMPAT_EXTENDED_IREF));
}

/* Puts a name that only its inode knows back into its directory. */
static int restore_name(struct fix *fix, const struct name *ref, const char *text, uint8_t type)
{
    const struct key location = key_make(ref->ino, KEY_INODE_ITEM, 0);
    uint64_t index = ref->index;
    bool free = false;

    if (index >= 2 && index < UINT64_MAX / 2)
        TRY(index_is_free(fix->root, ref->dir, index, &free));
    if (!free)
        TRY(index_next(fix->root, ref->dir, &index));
    TRY(index_put(fix->root, ref->dir, index, text, ref->len, &location, type));
    TRY(entry_put(fix->root, ref->dir, text, ref->len, &location, type));
    TRY(mend_dir_size(fix, ref->dir));
    if (index == ref->index)
        return 0;
    return ref_put(fix->root, ref->ino, ref->dir, index, text, ref->len,
                   engine_has(fix->engine, INCOMPAT_EXTENDED_IREF));
}

static int mend_ref(struct fix *fix, const struct name *ref, const char *text, uint8_t type)
{
    struct inode_item dir;
    struct dir_item entry;
    bool below = false;
    int ret = inode_item_get(fix->root, ref->dir, &dir);

    TRY(ret);
    if (ret == 0 && type == FT_DIR)
        TRY(is_below(fix, ref->dir, ref->ino, &below));
    if (ret > 0 || !S_ISDIR(dir.mode) || below || !name_is_valid(text, ref->len))
        return ref_drop(fix->root, ref->ino, ref->dir, text, ref->len);
    ret = entry_find(fix->root, ref->dir, text, ref->len, &entry);
    TRY(ret);
    if (ret > 0) {
        ret = take_new_text(fix, ref, text);
        return ret <= 0 ? ret : restore_name(fix, ref, text, type);
    }
    if (entry.location.type == KEY_INODE_ITEM && entry.location.objectid == ref->ino)
        return 0;
    return settle_dispute(fix, ref, text, &entry, type);
}

/* *count: how many names it has then. */
static int mend_refs(struct fix *fix, uint64_t ino, uint8_t type, uint32_t *count)
{
    struct names refs;
    int ret;

    names_init(&refs, &fix->job->budget);
    ret = refs_load(fix->root, ino, &refs);
    for (size_t i = 0; ret == 0 && i < refs.list.count; i++) {
        const struct name *ref = name_at(&refs, i);

        ret = mend_ref(fix, ref, name_text(&refs, ref), type);
    }
    names_free(&refs);
    TRY(ret);
    names_init(&refs, &fix->job->budget);
    ret = refs_load(fix->root, ino, &refs);
    *count = (uint32_t)refs.list.count;
    names_free(&refs);
    return ret;
}

/* The top directory names itself. */
static int mend_top(struct fix *fix, uint32_t *count)
{
    const struct key key = key_make(INO_SUBVOL_ROOT, KEY_INODE_REF, INO_SUBVOL_ROOT);
    const struct inode_ref ref = {.index = 0, .name_len = 2};
    uint8_t item[sizeof(disk_inode_ref) + 2];
    AUTO_PATH struct path path = PATH_INIT;
    int ret = tree_search(fix->root, &key, &path);

    TRY(ret);
    *count = 1;
    if (ret == 0)
        return 0;
    path_release(&path);
    inode_ref_encode(item, &ref);
    memcpy(item + sizeof(disk_inode_ref), "..", 2);
    return tree_insert(fix->root, &key, item, sizeof(item));
}

/* ---- links ----------------------------------------------------------------------------------- */

static int is_orphan(struct fix *fix, uint64_t ino, bool *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    const struct key key = key_make(OBJ_ORPHAN, KEY_ORPHAN_ITEM, ino);
    int ret = tree_search(fix->root, &key, &path);

    TRY(ret);
    *out = ret == 0;
    return 0;
}

/* No name leads to it: it was deleted, or its name was lost. */
static int mend_nameless(struct fix *fix, uint64_t ino, struct inode_item *item, uint32_t *count)
{
    const struct key key = key_make(OBJ_ORPHAN, KEY_ORPHAN_ITEM, ino);
    bool orphan;

    TRY(is_orphan(fix, ino, &orphan));
    if (orphan)
        return 0;
    if (item->nlink == 0)
        return tree_insert(fix->root, &key, NULL, 0);
    TRY(inode_item_put(fix->root, ino, item));
    TRY(put_into_lost_found(fix, ino, type_of_mode(item->mode)));
    *count = 1;
    return 0;
}

/* One that has names and is to be deleted is not deleted. */
static int mend_orphan(struct fix *fix, uint64_t ino, uint32_t count)
{
    const struct key key = key_make(OBJ_ORPHAN, KEY_ORPHAN_ITEM, ino);

    return count > 0 && ino <= OBJ_LAST_FREE ? item_drop(fix->root, &key) : 0;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static int mend_numbers(struct fix *fix, uint64_t ino, struct inode_item *item, uint32_t count)
{
    item->nlink = count;
    if (item->generation > fix->engine->txn.transid)
        item->generation = fix->engine->durable_gen;
    if (S_ISDIR(item->mode)) {
        TRY(entries_bytes(fix, ino, &item->size));
        return 0;
    }
    return mend_extents(fix, ino, item);
}

static bool inode_differs(const struct inode_item *a, const struct inode_item *b)
{
    return a->mode != b->mode || a->nlink != b->nlink || a->size != b->size ||
           a->nbytes != b->nbytes || a->generation != b->generation || a->flags != b->flags;
}

int mend_inode(struct fix *fix, uint64_t ino)
{
    struct inode_item item, old;
    uint32_t count = 0;
    bool changed = false;
    int ret = find_inode(fix, ino, &item, &changed);

    if (ret != 0 || ino < OBJ_FIRST_FREE || ino > OBJ_LAST_FREE)
        return ret < 0 ? ret : 0;
    old = item;
    if (changed)
        TRY(inode_item_put(fix->root, ino, &item));
    if (S_ISDIR(item.mode))
        TRY(mend_entries(fix, ino));
    if (ino == INO_SUBVOL_ROOT)
        TRY(mend_top(fix, &count));
    else
        TRY(mend_refs(fix, ino, type_of_mode(item.mode), &count));
    if (count == 0)
        TRY(mend_nameless(fix, ino, &item, &count));
    TRY(mend_orphan(fix, ino, count));
    /* Names that were added meanwhile have changed the size of a directory. */
    TRY(inode_item_get(fix->root, ino, &item));
    TRY(mend_numbers(fix, ino, &item, count));
    if (!changed && !inode_differs(&item, &old) && item.transid <= fix->engine->txn.transid)
        return 0;
    item.transid = fix->engine->txn.transid;
    return inode_item_put(fix->root, ino, &item);
}
