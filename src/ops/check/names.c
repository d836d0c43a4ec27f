// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Names against back references, across a whole tree.
 *
 * Every directory entry, back reference, inode and orphan item adds numbers to the sum of its leaf,
 * and takes away those of what it should find elsewhere; over a sound tree the sum is zero. Only a
 * tree whose sum is not zero is walked again here, with all its names in hand.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "ops/check/internal.h"

/* ---- sums ------------------------------------------------------------------------------------ */

static uint8_t type_of_mode(uint32_t mode)
{
    static const uint8_t types[16] = {[S_IFREG >> 12] = FT_REG_FILE, [S_IFDIR >> 12] = FT_DIR,
                                      [S_IFCHR >> 12] = FT_CHRDEV,   [S_IFBLK >> 12] = FT_BLKDEV,
                                      [S_IFIFO >> 12] = FT_FIFO,     [S_IFSOCK >> 12] = FT_SOCK,
                                      [S_IFLNK >> 12] = FT_SYMLINK};

    return types[(mode & S_IFMT) >> 12];
}

enum salt { SALT_NAME = 1, SALT_TYPE, SALT_ORPHAN };

static uint64_t name_number(const struct check *c, uint64_t dir, uint64_t index, uint64_t ino,
                            const uint8_t *name, uint16_t len)
{
    return DRAW(c->seed, SALT_NAME, dir, index, ino, draw_bytes(c->seed, name, len));
}

static bool is_root_ref(uint64_t dir, uint64_t ino)
{
    return dir == ino;
}

static uint64_t index_numbers(const struct check *c, const struct spot *spot)
{
    struct dir_item entry;
    const uint8_t *name = spot->data + sizeof(disk_dir_item);

    dir_item_decode(&entry, spot->data);
    if (entry.location.type != KEY_INODE_ITEM)
        return 0;
    return name_number(c, spot->key.objectid, spot->key.offset, entry.location.objectid, name,
                       entry.name_len) +
           DRAW(c->seed, SALT_TYPE, entry.location.objectid, entry.type);
}

static uint64_t ref_numbers(const struct check *c, const struct spot *spot)
{
    uint64_t sum = 0;

    for (uint32_t at = 0; at < spot->size;) {
        struct inode_ref ref;

        inode_ref_decode(&ref, spot->data + at);
        at += (uint32_t)sizeof(disk_inode_ref);
        if (!is_root_ref(spot->key.offset, spot->key.objectid))
            sum -= name_number(c, spot->key.offset, ref.index, spot->key.objectid, spot->data + at,
                               ref.name_len);
        at += ref.name_len;
    }
    return sum;
}

static uint64_t extref_numbers(const struct check *c, const struct spot *spot)
{
    uint64_t sum = 0;

    for (uint32_t at = 0; at < spot->size;) {
        struct inode_extref ref;

        inode_extref_decode(&ref, spot->data + at);
        at += (uint32_t)sizeof(disk_inode_extref);
        sum -= name_number(c, ref.parent, ref.index, spot->key.objectid, spot->data + at,
                           ref.name_len);
        at += ref.name_len;
    }
    return sum;
}

static uint64_t inode_numbers(const struct check *c, const struct spot *spot)
{
    struct inode_item item;

    inode_item_decode(&item, spot->data);
    if (spot->key.objectid == INO_SUBVOL_ROOT || spot->key.objectid == OBJ_FREE_INO)
        return 0;
    if (item.nlink == 0)
        return -DRAW(c->seed, SALT_ORPHAN, spot->key.objectid);
    return -(item.nlink * DRAW(c->seed, SALT_TYPE, spot->key.objectid, type_of_mode(item.mode)));
}

uint64_t entry_numbers(const struct check *c, const struct spot *spot)
{
    switch (spot->key.type) {
    case KEY_INODE_ITEM:
        return inode_numbers(c, spot);
    case KEY_INODE_REF:
        return ref_numbers(c, spot);
    case KEY_INODE_EXTREF:
        return extref_numbers(c, spot);
    case KEY_DIR_INDEX:
        return index_numbers(c, spot);
    case KEY_ORPHAN_ITEM:
        return DRAW(c->seed, SALT_ORPHAN, spot->key.offset);
    default:
        return 0;
    }
}

/* ---- one tree in detail ---------------------------------------------------------------------- */

struct name {
    uint64_t dir, index, ino, text; /* place in texts */
    uint16_t len;
    uint8_t type;
};

struct inode {
    uint64_t ino;
    uint32_t nlink;
    uint8_t type;
};

struct names {
    struct check *c;
    uint64_t tree;
    struct pile inodes, entries, refs, orphans, texts;
};

static int keep_text(struct names *names, const uint8_t *text, uint16_t len, uint64_t *at)
{
    *at = names->texts.count;
    for (uint16_t i = 0; i < len; i++)
        TRY(pile_push(&names->texts, &text[i]));
    return 0;
}

static const uint8_t *text_of(const struct names *names, const struct name *name)
{
    return (const uint8_t *)names->texts.base + name->text;
}

static int take_entry(struct names *names, const struct spot *spot)
{
    struct dir_item entry;
    struct name name = {.dir = spot->key.objectid, .index = spot->key.offset};

    dir_item_decode(&entry, spot->data);
    if (entry.location.type != KEY_INODE_ITEM)
        return 0;
    name.ino = entry.location.objectid;
    name.len = entry.name_len;
    name.type = entry.type;
    TRY(keep_text(names, spot->data + sizeof(disk_dir_item), name.len, &name.text));
    return pile_push(&names->entries, &name);
}

static int take_ref(struct names *names, const struct spot *spot, uint64_t dir, uint64_t index,
                    const uint8_t *text, uint16_t len)
{
    struct name name = {.dir = dir, .index = index, .ino = spot->key.objectid, .len = len};

    if (is_root_ref(dir, spot->key.objectid))
        return 0;
    TRY(keep_text(names, text, len, &name.text));
    return pile_push(&names->refs, &name);
}

static int take_refs(struct names *names, const struct spot *spot)
{
    for (uint32_t at = 0; at < spot->size;) {
        struct inode_extref ref = {.parent = spot->key.offset};

        if (spot->key.type == KEY_INODE_REF) {
            struct inode_ref plain;

            inode_ref_decode(&plain, spot->data + at);
            ref.index = plain.index;
            ref.name_len = plain.name_len;
            at += (uint32_t)sizeof(disk_inode_ref);
        } else {
            inode_extref_decode(&ref, spot->data + at);
            at += (uint32_t)sizeof(disk_inode_extref);
        }
        TRY(take_ref(names, spot, ref.parent, ref.index, spot->data + at, ref.name_len));
        at += ref.name_len;
    }
    return 0;
}

static int take_name_item(void *arg, const struct spot *spot)
{
    struct names *names = arg;
    struct inode_item item;
    struct inode inode = {.ino = spot->key.objectid};

    switch (spot->key.type) {
    case KEY_INODE_ITEM:
        inode_item_decode(&item, spot->data);
        inode.nlink = item.nlink;
        inode.type = type_of_mode(item.mode);
        return pile_push(&names->inodes, &inode);
    case KEY_INODE_REF:
    case KEY_INODE_EXTREF:
        return take_refs(names, spot);
    case KEY_DIR_INDEX:
        return take_entry(names, spot);
    case KEY_ORPHAN_ITEM:
        return pile_push(&names->orphans, &spot->key.offset);
    default:
        return 0;
    }
}

/* ---- comparing ------------------------------------------------------------------------------- */

static int place_order(const struct names *names, const struct name *x, const struct name *y)
{
    int order;

    if (x->dir != y->dir)
        return x->dir < y->dir ? -1 : 1;
    order = memcmp(text_of(names, x), text_of(names, y), MIN(x->len, y->len));
    return order ? order : (int)x->len - (int)y->len;
}

static int name_order(const void *a, const void *b, void *arg)
{
    const struct name *x = a, *y = b;
    int order = place_order(arg, x, y);

    return order ? order : x->index < y->index ? -1 : x->index > y->index;
}

/* Inodes were met in order. */
static const struct inode *find_inode(const struct names *names, uint64_t ino)
{
    size_t low = 0, high = names->inodes.count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct inode *inode = PILE_AT(&names->inodes, struct inode, mid);

        if (inode->ino == ino)
            return inode;
        if (inode->ino < ino)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static void bad_name(const struct names *names, enum check_code code, uint64_t ino,
                     const struct name *name, const char *what)
{
    report(
        names->c, code,
        PLACE(.tree = names->tree, .ino = ino, .other = ino == name->dir ? name->ino : name->dir),
        "tree %llu directory %llu index %llu: \"%.*s\", inode %llu, %s", LLU(names->tree),
        LLU(name->dir), LLU(name->index), name->len, (const char *)text_of(names, name),
        LLU(name->ino), what);
}

static void check_entry(const struct names *names, const struct name *entry, const struct name *ref)
{
    const struct inode *inode = find_inode(names, entry->ino);

    if (!inode)
        bad_name(names, CHECK_NAME_NO_INODE, entry->dir, entry, "which is not there");
    else if (inode->type != (entry->type & (uint8_t)~FT_ENCRYPTED))
        bad_name(names, CHECK_NAME_TYPE, entry->ino, entry, "which is of another type");
    if (inode && (!ref || ref->ino != entry->ino))
        bad_name(names, CHECK_NAME_NO_REF, entry->dir, entry, "which knows nothing of the name");
    else if (inode && ref->index != entry->index)
        bad_name(names, CHECK_NAME_NO_REF, entry->dir, entry,
                 "which knows the name under another index");
}

static void compare_names(const struct names *names)
{
    size_t i = 0, j = 0;

    while (i < names->entries.count || j < names->refs.count) {
        const struct name *entry =
            i < names->entries.count ? PILE_AT(&names->entries, struct name, i) : NULL;
        const struct name *ref =
            j < names->refs.count ? PILE_AT(&names->refs, struct name, j) : NULL;
        int order = !entry ? 1 : !ref ? -1 : place_order(names, entry, ref);

        if (order <= 0)
            check_entry(names, entry, order == 0 ? ref : NULL);
        if (order > 0 || (order == 0 && ref->ino != entry->ino))
            bad_name(names, CHECK_REF_NO_NAME, ref->dir, ref, "is not in the directory");
        i += order <= 0;
        j += order >= 0;
    }
}

static void check_orphans(const struct names *names)
{
    size_t at = 0;

    for (size_t i = 0; i < names->inodes.count; i++) {
        const struct inode *inode = PILE_AT(&names->inodes, struct inode, i);

        while (at < names->orphans.count && *PILE_AT(&names->orphans, uint64_t, at) < inode->ino)
            at++;
        if (inode->nlink == 0 && inode->ino != OBJ_FREE_INO &&
            (at == names->orphans.count || *PILE_AT(&names->orphans, uint64_t, at) != inode->ino))
            report(names->c, CHECK_ORPHAN_MISSING, PLACE(.tree = names->tree, .ino = inode->ino),
                   "tree %llu inode %llu: has no name and is no orphan", LLU(names->tree),
                   LLU(inode->ino));
    }
    for (size_t i = 0; i < names->orphans.count; i++) {
        uint64_t ino = *PILE_AT(&names->orphans, uint64_t, i);

        if (!find_inode(names, ino))
            report(names->c, CHECK_ORPHAN_NO_INODE, PLACE(.tree = names->tree, .other = ino),
                   "tree %llu: an orphan item for inode %llu, which is not there", LLU(names->tree),
                   LLU(ino));
    }
}

static void compare_all(struct names *names)
{
    if (names->entries.count)
        qsort_r(names->entries.base, names->entries.count, sizeof(struct name), name_order, names);
    if (names->refs.count)
        qsort_r(names->refs.base, names->refs.count, sizeof(struct name), name_order, names);
    compare_names(names);
    check_orphans(names);
}

int check_names(struct check *c, const struct tree_root *root)
{
    struct names names = {.c = c, .tree = root->id};
    int ret;

    pile_init(&names.inodes, sizeof(struct inode), &c->budget);
    pile_init(&names.entries, sizeof(struct name), &c->budget);
    pile_init(&names.refs, sizeof(struct name), &c->budget);
    pile_init(&names.orphans, sizeof(uint64_t), &c->budget);
    pile_init(&names.texts, 1, &c->budget);
    ret = read_tree(c, root, take_name_item, &names);
    if (ret == 0)
        compare_all(&names);
    pile_free(&names.inodes);
    pile_free(&names.entries);
    pile_free(&names.refs);
    pile_free(&names.orphans);
    pile_free(&names.texts);
    return ret == -EIO || ret == -EUCLEAN ? 0 : ret;
}
