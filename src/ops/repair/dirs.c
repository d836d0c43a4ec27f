// SPDX-License-Identifier: GPL-2.0-or-later
/* Directories: each name twice, by hash and by index, and a third time in its inode. */
#include <stdio.h>
#include <sys/stat.h>

#include "ops/repair/fix.h"

#define DEPTH_MAX 4096

int is_below(struct fix *fix, uint64_t ino, uint64_t dir, bool *out)
{
    for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
        struct names refs;
        uint64_t up = 0;
        int ret;

        *out = ino == dir;
        if (ino == dir || ino == INO_SUBVOL_ROOT)
            return 0;
        names_init(&refs, &fix->job->budget);
        ret = refs_load(fix->root, ino, &refs);
        if (ret == 0 && refs.list.count > 0)
            up = name_at(&refs, 0)->dir;
        names_free(&refs);
        TRY(ret);
        if (up == 0)
            return 0;
        ino = up;
    }
    *out = true; /* a loop: nothing more is to be put into it */
    return 0;
}

/* ---- an entry against its inode ----------------------------------------------------------------
 */

/* Whether a name that a directory says it has is really its own. */
static int has_true_name(struct fix *fix, uint64_t ino, const struct name *but,
                         const char *but_text, bool *out)
{
    struct names refs;
    int ret;

    *out = false;
    names_init(&refs, &fix->job->budget);
    ret = refs_load(fix->root, ino, &refs);
    for (size_t i = 0; ret == 0 && i < refs.list.count; i++) {
        const struct name *ref = name_at(&refs, i);
        const char *text = name_text(&refs, ref);
        struct dir_item entry;
        bool loop = false;

        if (ref->dir == but->dir && ref->len == but->len && memcmp(text, but_text, but->len) == 0)
            continue;
        ret = entry_find(fix->root, ref->dir, text, ref->len, &entry);
        if (ret == 0)
            ret = is_below(fix, ref->dir, ino, &loop);
        *out |= ret == 0 && !loop && entry.location.objectid == ino &&
                entry.location.type == KEY_INODE_ITEM;
        ret = MIN(ret, 0);
    }
    names_free(&refs);
    return ret;
}

static int drop_all_refs(struct fix *fix, uint64_t ino)
{
    struct names refs;
    int ret;

    names_init(&refs, &fix->job->budget);
    ret = refs_load(fix->root, ino, &refs);
    for (size_t i = 0; ret == 0 && i < refs.list.count; i++) {
        const struct name *ref = name_at(&refs, i);

        ret = ref_drop(fix->root, ino, ref->dir, name_text(&refs, ref), ref->len);
    }
    names_free(&refs);
    return ret;
}

static int drop_name(struct fix *fix, const struct name *name, const char *text)
{
    TRY(entry_drop(fix->root, name->dir, text, name->len));
    return index_drop(fix->root, name->dir, name->index);
}

/*
 * The inode does not know the name. A file gets one more link; a directory has one name, so this is
 * it only when it has no other.
 */
static int adopt_name(struct fix *fix, const struct name *name, const char *text, bool is_dir)
{
    bool other = false;

    if (is_dir) {
        TRY(has_true_name(fix, name->ino, name, text, &other));
        if (!other)
            TRY(is_below(fix, name->dir, name->ino, &other));
        if (other || name->ino == INO_SUBVOL_ROOT)
            return drop_name(fix, name, text);
        TRY(drop_all_refs(fix, name->ino));
    }
    return ref_put(fix->root, name->ino, name->dir, name->index, text, name->len,
                   engine_has(fix->engine, INCOMPAT_EXTENDED_IREF));
}

static int mend_target(struct fix *fix, const struct name *name, const char *text)
{
    struct inode_item inode;
    uint64_t index;
    bool any = false;
    int ret;

    if (name->location.type != KEY_INODE_ITEM)
        return 0;
    ret = inode_item_get(fix->root, name->ino, &inode);
    TRY(ret);
    if (ret > 0) {
        /* Its own turn makes it again from what is left of it. */
        TRY(has_items(fix->root, name->ino, KEY_INODE_REF, KEY_EXTENT_DATA, &any));
        return any ? 0 : drop_name(fix, name, text);
    }
    uint8_t type = type_of_mode(inode.mode);
    if ((name->type & (uint8_t)~FT_ENCRYPTED) != type) {
        TRY(index_put(fix->root, name->dir, name->index, text, name->len, &name->location, type));
        TRY(entry_put(fix->root, name->dir, text, name->len, &name->location, type));
    }
    ret = ref_find(fix->root, name->ino, name->dir, text, name->len, &index);
    TRY(ret);
    if (ret > 0)
        return adopt_name(fix, name, text, type == FT_DIR);
    if (index == name->index)
        return 0;
    return ref_put(fix->root, name->ino, name->dir, name->index, text, name->len,
                   engine_has(fix->engine, INCOMPAT_EXTENDED_IREF));
}

/* ---- by hash and by index ----------------------------------------------------------------------
 */

static bool same_target(const struct name *a, const struct name *b)
{
    return key_cmp(&a->location, &b->location) == 0 && a->type == b->type;
}

static bool same_text(const struct names *xs, const struct name *x, const struct names *ys,
                      const struct name *y)
{
    return x->len == y->len && memcmp(name_text(xs, x), name_text(ys, y), x->len) == 0;
}

/* They lead to different inodes: the one that knows of the name counts. */
static int settle(struct fix *fix, const struct name *by_index, const struct name *by_hash,
                  const char *text)
{
    const struct name *right = by_index;
    uint64_t index;
    int ret;

    if (key_cmp(&by_index->location, &by_hash->location) != 0 &&
        by_hash->location.type == KEY_INODE_ITEM) {
        ret = ref_find(fix->root, by_hash->ino, by_hash->dir, text, by_hash->len, &index);
        TRY(ret);
        if (ret == 0)
            right = by_hash;
    }
    TRY(index_put(fix->root, by_index->dir, by_index->index, text, by_index->len, &right->location,
                  right->type));
    return entry_put(fix->root, by_index->dir, text, by_index->len, &right->location, right->type);
}

static int add_index(struct fix *fix, const struct name *by_hash, const char *text)
{
    uint64_t index;
    bool free = false;
    int ret = 1;

    if (by_hash->location.type == KEY_INODE_ITEM)
        ret = ref_find(fix->root, by_hash->ino, by_hash->dir, text, by_hash->len, &index);
    TRY(ret);
    if (ret == 0)
        TRY(index_is_free(fix->root, by_hash->dir, index, &free));
    if (!free)
        TRY(index_next(fix->root, by_hash->dir, &index));
    return index_put(fix->root, by_hash->dir, index, text, by_hash->len, &by_hash->location,
                     by_hash->type);
}

static int compare(struct fix *fix, const struct names *by_index, const struct names *by_hash)
{
    size_t i = 0, j = 0;

    while (i < by_index->list.count || j < by_hash->list.count) {
        const struct name *a = i < by_index->list.count ? name_at(by_index, i) : NULL;
        const struct name *b = j < by_hash->list.count ? name_at(by_hash, j) : NULL;
        int order = !a ? 1 : !b ? -1 : 0;

        if (order == 0 && !same_text(by_index, a, by_hash, b)) {
            int text = memcmp(name_text(by_index, a), name_text(by_hash, b), MIN(a->len, b->len));

            order = text ? text : (int)a->len - (int)b->len;
        }
        if (order == 0 && !same_target(a, b))
            TRY(settle(fix, a, b, name_text(by_index, a)));
        else if (order < 0 && i > 0 && same_text(by_index, a, by_index, name_at(by_index, i - 1)))
            TRY(index_drop(fix->root, a->dir, a->index)); /* the same name once more */
        else if (order < 0)
            TRY(entry_put(fix->root, a->dir, name_text(by_index, a), a->len, &a->location,
                          a->type));
        else if (order > 0)
            TRY(add_index(fix, b, name_text(by_hash, b)));
        i += order <= 0;
        j += order >= 0;
    }
    return 0;
}

static int make_equal(struct fix *fix, uint64_t dir)
{
    struct names by_index, by_hash;
    int ret;

    names_init(&by_index, &fix->job->budget);
    names_init(&by_hash, &fix->job->budget);
    ret = entries_load(fix->root, dir, KEY_DIR_INDEX, &by_index);
    if (ret == 0)
        ret = entries_load(fix->root, dir, KEY_DIR_ITEM, &by_hash);
    if (ret == 0) {
        names_sort(&by_index);
        names_sort(&by_hash);
        ret = compare(fix, &by_index, &by_hash);
    }
    names_free(&by_index);
    names_free(&by_hash);
    return ret;
}

int entries_bytes(struct fix *fix, uint64_t dir, uint64_t *out)
{
    struct names names;
    int ret;

    names_init(&names, &fix->job->budget);
    ret = entries_load(fix->root, dir, KEY_DIR_INDEX, &names);
    *out = 0;
    for (size_t i = 0; i < names.list.count; i++)
        *out += 2u * name_at(&names, i)->len;
    names_free(&names);
    return ret;
}

int mend_dir_size(struct fix *fix, uint64_t dir)
{
    struct inode_item item;
    uint64_t size;
    int ret = inode_item_get(fix->root, dir, &item);

    if (ret != 0)
        return ret < 0 ? ret : 0;
    TRY(entries_bytes(fix, dir, &size));
    if (size == item.size || !S_ISDIR(item.mode))
        return 0;
    item.size = size;
    return inode_item_put(fix->root, dir, &item);
}

int mend_entries(struct fix *fix, uint64_t dir)
{
    struct names names;
    int ret;

    TRY(make_equal(fix, dir));
    names_init(&names, &fix->job->budget);
    ret = entries_load(fix->root, dir, KEY_DIR_INDEX, &names);
    for (size_t i = 0; ret == 0 && i < names.list.count; i++) {
        const struct name *name = name_at(&names, i);

        ret = mend_target(fix, name, name_text(&names, name));
    }
    names_free(&names);
    TRY(ret);
    return mend_dir_size(fix, dir);
}

/* ---- new names ------------------------------------------------------------------------------- */

int add_name_to(struct fix *fix, uint64_t dir, uint64_t ino, uint8_t type, const char *text,
                uint16_t len)
{
    const struct key location = key_make(ino, KEY_INODE_ITEM, 0);
    uint64_t index;

    TRY(index_next(fix->root, dir, &index));
    TRY(index_put(fix->root, dir, index, text, len, &location, type));
    TRY(entry_put(fix->root, dir, text, len, &location, type));
    TRY(ref_put(fix->root, ino, dir, index, text, len,
                engine_has(fix->engine, INCOMPAT_EXTENDED_IREF)));
    return mend_dir_size(fix, dir);
}

static int next_ino(struct fix *fix, uint64_t *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = {OBJ_LAST_FREE, UINT8_MAX, UINT64_MAX};
    int ret = tree_search_le(fix->root, &key, &path);

    TRY(ret);
    *out = OBJ_FIRST_FREE + 1;
    if (ret > 0)
        return 0;
    path_key(&path, &key);
    if (key.objectid >= OBJ_LAST_FREE)
        return fail(-ENOSPC, "tree %llu: no inode number is left", LLU(fix->tree));
    *out = MAX(key.objectid, OBJ_FIRST_FREE) + 1;
    return 0;
}

int lost_found(struct fix *fix, uint64_t *dir)
{
    static const char name[] = "lost+found";
    const uint16_t len = sizeof(name) - 1;
    struct inode_item item;
    struct dir_item entry;
    int ret = entry_find(fix->root, INO_SUBVOL_ROOT, name, len, &entry);

    TRY(ret);
    if (ret == 0) {
        *dir = entry.location.objectid;
        if (entry.location.type != KEY_INODE_ITEM || inode_item_get(fix->root, *dir, &item) != 0 ||
            !S_ISDIR(item.mode))
            return fail(-EEXIST, "tree %llu: lost+found is no directory", LLU(fix->tree));
        return 0;
    }
    TRY(next_ino(fix, dir));
    TRY(make_inode(fix, *dir, S_IFDIR | 0700, &item));
    TRY(inode_item_put(fix->root, *dir, &item));
    return add_name_to(fix, INO_SUBVOL_ROOT, *dir, FT_DIR, name, len);
}

int put_into_lost_found(struct fix *fix, uint64_t ino, uint8_t type)
{
    char text[32];
    uint64_t dir;
    int len = snprintf(text, sizeof(text), "#%llu", LLU(ino));

    TRY(lost_found(fix, &dir));
    return add_name_to(fix, dir, ino, type, text, (uint16_t)len);
}
