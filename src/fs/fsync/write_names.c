// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Names. A log that gives an inode its names must be complete in itself: where a new name leads
 * through directories that the last commit does not have, or has elsewhere, those are logged too;
 * where a name went, so is the directory it went from; and where the last commit has that name for
 * something that still exists, the log cannot say what became of that, and everything is committed.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "disk/csum/csum.h"
#include "fs/fsync/write.h"

/* Looking at every pair of names takes a while. */
#define NAMES_MAX 64

struct name {
    uint64_t parent, index;
    uint16_t len;
    char text[NAME_MAX_BYTES];
};

struct name_list {
    size_t count;
    struct name name[NAMES_MAX];
};

/* The names that a tree has for an inode. FULL_COMMIT: too many, or some in extended references. */
static int list_names(struct root *root, uint64_t ino, struct name_list *list)
{
    struct key key = key_make(ino, KEY_INODE_REF, 0);
    AUTO_PATH struct path path = PATH_INIT;

    list->count = 0;
    int ret = tree_search_ge(root, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        struct log_ref ref;
        uint32_t at = 0;
        int end;

        path_key(&path, &key);
        if (key.objectid != ino || key.type > KEY_INODE_EXTREF)
            return 0;
        if (key.type == KEY_INODE_EXTREF)
            return FULL_COMMIT;
        while ((end = next_ref(&key, path_data(&path), path_size(&path), &at, &ref)) == 0) {
            if (list->count == NAMES_MAX)
                return FULL_COMMIT;
            struct name *name = &list->name[list->count++];
            *name = (struct name){.parent = ref.parent, .index = ref.index, .len = ref.len};
            memcpy(name->text, ref.name, ref.len);
        }
        TRY(end);
    }
    return MIN(ret, 0);
}

static bool has_name(const struct name_list *list, const struct name *name)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct name *other = &list->name[i];

        if (other->parent == name->parent && other->index == name->index &&
            other->len == name->len && memcmp(other->text, name->text, name->len) == 0)
            return true;
    }
    return false;
}

/* ---- what stands in the way of a name in the last commit --------------------------------------
 */

static int durable_is_empty(struct logging *l, uint64_t dir, bool *empty)
{
    struct key key = key_make(dir, KEY_DIR_INDEX, 0);
    AUTO_PATH struct path path = PATH_INIT;

    *empty = true;
    int ret = tree_search_ge(&l->log->durable, &key, &path);
    if (ret != 0)
        return MIN(ret, 0);
    path_key(&path, &key);
    *empty = key.objectid != dir || key.type != KEY_DIR_INDEX;
    return 0;
}

/*
 * The inode of the last commit is gone, so that replay may delete it with its name. A directory
 * takes with it what it held then, which may be elsewhere now. What had several names would be left
 * with those that went from directories not in the log: names that it never had together.
 */
static int must_be_gone(struct logging *l, uint64_t ino, uint8_t type, bool *gone)
{
    struct inode_item item;
    struct inode *inode;
    bool found, durable, empty;

    TRY(log_find(l, ino, &inode, &found));
    *gone = !found;
    if (found)
        return 0;
    if (type == FT_DIR) {
        TRY(durable_is_empty(l, ino, &empty));
        return empty ? 0 : FULL_COMMIT;
    }
    TRY(durable_inode(l, ino, &item, &durable));
    return durable && item.nlink > 1 ? FULL_COMMIT : 0;
}

int name_goes(struct logging *l, uint64_t child, uint8_t type)
{
    bool gone;

    PASS(must_be_gone(l, child, type, &gone));
    return gone ? 0 : todo_add(l, child);
}

static int check_entry(struct logging *l, const struct dir_item *head, uint64_t ino)
{
    bool gone;

    if (head->location.type != KEY_INODE_ITEM)
        return FULL_COMMIT;
    if (head->location.objectid == ino)
        return 0;
    PASS(must_be_gone(l, head->location.objectid, head->type, &gone));
    return gone ? 0 : FULL_COMMIT;
}

/* What a tree has under that name. */
static int find_entry(struct root *root, const struct name *name, struct dir_item *out, bool *found)
{
    struct key key = key_make(name->parent, KEY_DIR_ITEM, name_hash(name->text, name->len));
    AUTO_PATH struct path path = PATH_INIT;

    *found = false;
    int ret = tree_search(root, &key, &path);
    if (ret != 0)
        return MIN(ret, 0);
    const uint8_t *data = path_data(&path);
    uint32_t size = path_size(&path);
    for (uint32_t at = 0; at < size;) {
        struct dir_item head;

        if (size - at < sizeof(disk_dir_item))
            return fail(-EUCLEAN, "%s: an entry is cut short", path_where(&path));
        dir_item_decode(&head, data + at);
        uint32_t whole = (uint32_t)sizeof(disk_dir_item) + head.name_len + head.data_len;
        if (whole > size - at)
            return fail(-EUCLEAN, "%s: an entry leaves the item", path_where(&path));
        if (head.name_len == name->len &&
            memcmp(data + at + sizeof(disk_dir_item), name->text, name->len) == 0) {
            *out = head;
            *found = true;
            return 0;
        }
        at += whole;
    }
    return 0;
}

static int check_name(struct logging *l, const struct name *name, uint64_t ino)
{
    struct dir_item head;
    bool found;

    TRY(find_entry(&l->log->durable, name, &head, &found));
    return found ? check_entry(l, &head, ino) : 0;
}

/* An index of a directory that was given away twice: replay would find it taken. */
static int check_index(struct logging *l, const struct name *name)
{
    struct key key = key_make(name->parent, KEY_DIR_INDEX, name->index);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search(&l->log->durable, &key, &path);
    return ret == 0 ? FULL_COMMIT : MIN(ret, 0);
}

/* ---- the way to a name ------------------------------------------------------------------------
 */

static int first_look(struct logging *l, uint64_t ino, bool *first)
{
    *first = true;
    for (size_t i = 0; i < l->looked_count; i++)
        if (l->looked[i] == ino)
            *first = false;
    if (!*first)
        return 0;
    if (l->looked_count == l->looked_cap) {
        size_t cap = l->looked_cap ? 2 * l->looked_cap : 16;
        uint64_t *more = realloc(l->looked, cap * sizeof(*more));

        if (!more)
            return fail(-ENOMEM, "no memory for a log");
        l->looked = more;
        l->looked_cap = cap;
    }
    l->looked[l->looked_count++] = ino;
    return 0;
}

static bool same_names(const struct name_list *a, const struct name_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!has_name(b, &a->name[i]))
            return false;
    return true;
}

/* From a directory up to the root of the subvolume: all that the last commit has not, or not there,
 * are logged. */
static int log_way_up(struct logging *l, uint64_t dir)
{
    AUTO_FREE struct name_list *now = malloc(sizeof(*now)), *old = malloc(sizeof(*old));

    if (!now || !old)
        return fail(-ENOMEM, "no memory for a log");
    while (dir != INO_SUBVOL_ROOT) {
        struct inode_item item;
        struct inode *inode;
        bool first, found, durable;

        TRY(first_look(l, dir, &first));
        if (!first)
            return 0;
        TRY(log_find(l, dir, &inode, &found));
        if (!found)
            return FULL_COMMIT;
        TRY(durable_inode(l, dir, &item, &durable));
        PASS(list_names(&l->tree->root, dir, now));
        PASS(list_names(&l->log->durable, dir, old));
        if (now->count != 1)
            return FULL_COMMIT;
        if (!durable || item.generation != inode->item.generation || !same_names(now, old))
            TRY(todo_add(l, dir));
        dir = now->name[0].parent;
    }
    return 0;
}

static int new_name(struct logging *l, const struct name *name, uint64_t ino)
{
    PASS(check_name(l, name, ino));
    return check_index(l, name);
}

/* The directory tells that the name went. */
static int old_name(struct logging *l, const struct name *name)
{
    struct inode *dir;
    bool found;

    TRY(log_find(l, name->parent, &dir, &found));
    return found ? todo_add(l, name->parent) : FULL_COMMIT;
}

/*
 * A name that only the log had. Who has taken it since gets it there, too: it never was free. Where
 * the last commit has it, for something else, that would come back.
 */
static int name_is_free(struct logging *l, const struct name *name)
{
    struct dir_item head;
    struct inode *dir;
    bool found;

    TRY(log_find(l, name->parent, &dir, &found));
    if (!found)
        return FULL_COMMIT;
    TRY(find_entry(&l->tree->root, name, &head, &found));
    if (found)
        return head.location.type == KEY_INODE_ITEM ? todo_add(l, head.location.objectid)
                                                    : FULL_COMMIT;
    TRY(find_entry(&l->log->durable, name, &head, &found));
    return found ? FULL_COMMIT : 0;
}

/* What an earlier log said that the last commit did not, and that is so no more. */
static int logged_names(struct logging *l, uint64_t ino, const struct name_list *now,
                        const struct name_list *old)
{
    AUTO_FREE struct name_list *logged = malloc(sizeof(*logged));

    if (!logged)
        return fail(-ENOMEM, "no memory for a log");
    PASS(list_names(&l->log->root, ino, logged));
    for (size_t i = 0; i < logged->count; i++)
        if (!has_name(now, &logged->name[i]) && !has_name(old, &logged->name[i]))
            PASS(name_is_free(l, &logged->name[i]));
    return 0;
}

static int need(struct logging *l, struct inode *inode, bool durable, struct name_list *now,
                struct name_list *old)
{
    PASS(list_names(&l->tree->root, inode->ino, now));
    if (durable)
        PASS(list_names(&l->log->durable, inode->ino, old));
    if (now->count == 0)
        return FULL_COMMIT;
    for (size_t i = 0; i < now->count; i++) {
        PASS(log_way_up(l, now->name[i].parent));
        if (!has_name(old, &now->name[i]))
            PASS(new_name(l, &now->name[i], inode->ino));
    }
    for (size_t i = 0; i < old->count; i++)
        if (!has_name(now, &old->name[i]))
            PASS(old_name(l, &old->name[i]));
    return logged_names(l, inode->ino, now, old);
}

int names_need(struct logging *l, struct inode *inode, bool durable)
{
    AUTO_FREE struct name_list *now = malloc(sizeof(*now)), *old = malloc(sizeof(*old));

    if (!now || !old)
        return fail(-ENOMEM, "no memory for a log");
    if (inode->ino == INO_SUBVOL_ROOT)
        return 0;
    now->count = old->count = 0;
    return need(l, inode, durable, now, old);
}

/* ---- what is gone -----------------------------------------------------------------------------
 */

static int log_says_regular(struct logging *l, uint64_t ino, bool *is)
{
    struct key key = key_make(ino, KEY_INODE_ITEM, 0);
    AUTO_PATH struct path path = PATH_INIT;
    struct inode_item item;

    *is = false;
    int ret = tree_search(&l->log->root, &key, &path);
    if (ret != 0)
        return MIN(ret, 0);
    inode_item_decode(&item, path_data(&path));
    *is = S_ISREG(item.mode);
    return 0;
}

int log_gone(struct logging *l, uint64_t ino)
{
    AUTO_FREE struct name_list *names = malloc(sizeof(*names));
    struct inode_item item;
    bool durable, regular;

    if (!names)
        return fail(-ENOMEM, "no memory for a log");
    TRY(durable_inode(l, ino, &item, &durable));
    TRY(log_says_regular(l, ino, &regular));
    if (durable || !regular)
        return FULL_COMMIT;
    PASS(list_names(&l->log->root, ino, names));
    for (size_t i = 0; i < names->count; i++)
        PASS(name_is_free(l, &names->name[i]));
    l->wishes.count = l->wishes.used = 0;
    return wishes_put(l, ino);
}
