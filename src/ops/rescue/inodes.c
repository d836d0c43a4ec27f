// SPDX-License-Identifier: GPL-2.0-or-later
/* Files and directories as their items tell, each item for itself. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "ops/rescue/internal.h"

/* All items of an inode with types from `from` to `to`. */
static int each_of(struct rescue *r, struct rtree *tree, uint64_t ino, uint8_t from, uint8_t to,
                   ritem_fn *fn, void *arg)
{
    const struct key lo = key_make(ino, from, 0), hi = key_make(ino, to, UINT64_MAX);

    return rtree_each(r, tree, &lo, &hi, fn, arg);
}

/* ---- names -------------------------------------------------------------------------------------
 */

struct name_of {
    uint64_t dir, index;
    const char *name;
    uint16_t len;
};

/* The names in an INODE_REF or INODE_EXTREF; stops at what fn returns when that is not 0. */
static int each_reference(const struct ritem *item,
                          int (*fn)(void *arg, const struct name_of *name), void *arg)
{
    bool extended = item->key.type == KEY_INODE_EXTREF;
    uint32_t head = extended ? sizeof(disk_inode_extref) : sizeof(disk_inode_ref);

    for (uint32_t at = 0; at + head < item->size;) {
        struct name_of name = {.dir = item->key.offset};

        if (extended) {
            struct inode_extref ref;
            inode_extref_decode(&ref, item->data + at);
            name.dir = ref.parent;
            name.index = ref.index;
            name.len = ref.name_len;
        } else {
            struct inode_ref ref;
            inode_ref_decode(&ref, item->data + at);
            name.index = ref.index;
            name.len = ref.name_len;
        }
        if (name.len > item->size - at - head)
            return 0;
        name.name = (const char *)item->data + at + head;
        if (name_is_valid(name.name, name.len)) {
            int ret = fn(arg, &name);
            if (ret != 0)
                return ret;
        }
        at += head + name.len;
    }
    return 0;
}

/* The entries of a DIR_ITEM, DIR_INDEX or XATTR_ITEM. */
static int each_entry(const struct ritem *item,
                      int (*fn)(void *arg, const struct dir_item *entry, const char *name),
                      void *arg)
{
    for (uint32_t at = 0; at + sizeof(disk_dir_item) <= item->size;) {
        struct dir_item entry;
        int ret;

        dir_item_decode(&entry, item->data + at);
        at += (uint32_t)sizeof(disk_dir_item);
        if ((uint32_t)entry.name_len + entry.data_len > item->size - at)
            return 0;
        ret = fn(arg, &entry, (const char *)item->data + at);
        if (ret != 0)
            return ret;
        at += (uint32_t)entry.name_len + entry.data_len;
    }
    return 0;
}

/* ---- what a tree has in it, and which names only the files know --------------------------------
 */

struct survey {
    struct rescue *r;
    struct rsubvol *subvol;
    struct copse_rescue_survey *out;
    uint64_t ino; /* of the item at hand */
    uint64_t last_ino;
};

static int count_item(void *arg, const struct ritem *item)
{
    struct survey *survey = arg;

    if (item->key.objectid != survey->last_ino && item->key.type == KEY_INODE_ITEM) {
        survey->last_ino = item->key.objectid;
        survey->out->inodes++;
    }
    return 0;
}

struct wanted {
    const struct name_of *name;
    uint64_t ino;
};

static int is_wanted(void *arg, const struct dir_item *entry, const char *name)
{
    const struct wanted *wanted = arg;

    return entry->location.objectid == wanted->ino && entry->name_len == wanted->name->len &&
           memcmp(name, wanted->name->name, entry->name_len) == 0;
}

static int find_wanted(void *arg, const struct ritem *item)
{
    return each_entry(item, is_wanted, arg);
}

static int add_extra(struct rsubvol *subvol, const struct name_of *name, uint64_t ino)
{
    struct extra *extra;

    if (subvol->extra_count == subvol->extra_room) {
        size_t room = MAX(subvol->extra_room * 2, (size_t)64);
        struct extra *grown = realloc(subvol->extras, room * sizeof(*grown));

        if (!grown)
            return fail(-ENOMEM, "out of memory");
        subvol->extras = grown;
        subvol->extra_room = room;
    }
    extra = &subvol->extras[subvol->extra_count];
    *extra = (struct extra){.dir = name->dir, .ino = ino, .len = name->len};
    extra->name = strndup(name->name, name->len);
    if (!extra->name)
        return fail(-ENOMEM, "out of memory");
    subvol->extra_count++;
    return 0;
}

static int check_reference(void *arg, const struct name_of *name)
{
    struct survey *survey = arg;
    struct rtree *tree = &survey->subvol->tree;
    struct wanted wanted = {name, survey->ino};
    struct key key = key_make(name->dir, KEY_DIR_INDEX, name->index);
    int ret;

    /* The top of a subvolume is ".." to itself. */
    if (name->dir == survey->ino)
        return 0;
    ret = rtree_each(survey->r, tree, &key, &key, find_wanted, &wanted);
    if (ret != 0)
        return ret < 0 ? ret : 0;
    key = key_make(name->dir, KEY_DIR_ITEM, name_hash(name->name, name->len));
    ret = rtree_each(survey->r, tree, &key, &key, find_wanted, &wanted);
    if (ret != 0)
        return ret < 0 ? ret : 0;
    return add_extra(survey->subvol, name, survey->ino);
}

static int check_item(void *arg, const struct ritem *item)
{
    struct survey *survey = arg;

    if (item->key.type != KEY_INODE_REF && item->key.type != KEY_INODE_EXTREF)
        return 0;
    survey->ino = item->key.objectid;
    return each_reference(item, check_reference, survey);
}

static int by_directory(const void *one, const void *other)
{
    const struct extra *a = one, *b = other;

    if (a->dir != b->dir)
        return a->dir < b->dir ? -1 : 1;
    return a->ino < b->ino ? -1 : a->ino > b->ino;
}

int rescue_survey(struct rescue *r, uint64_t id, struct copse_rescue_survey *out)
{
    const struct key first = key_make(0, 0, 0), last = KEY_LAST;
    struct copse_rescue_survey found = {0};
    struct survey survey = {.r = r, .out = &found};

    TRY(rescue_subvol(r, id, &survey.subvol));
    TRY(rtree_each(r, &survey.subvol->tree, &first, &last, count_item, &survey));
    found.damaged = survey.subvol->tree.damaged;
    found.items_lost = survey.subvol->tree.leaf_damaged;
    if (found.damaged && !survey.subvol->surveyed) {
        TRY(rtree_each(r, &survey.subvol->tree, &first, &last, check_item, &survey));
        if (survey.subvol->extra_count > 0)
            qsort(survey.subvol->extras, survey.subvol->extra_count, sizeof(struct extra),
                  by_directory);
        survey.subvol->surveyed = true;
    }
    *out = found;
    return 0;
}

/* ---- attributes --------------------------------------------------------------------------------
 */

struct look {
    struct rescue *r;
    bool any, has_item, has_entries, has_extents;
    struct inode_item item;
    uint64_t end; /* of extents */
};

static int look_at(void *arg, const struct ritem *item)
{
    struct look *look = arg;
    struct file_extent extent;
    uint8_t padded[sizeof(disk_file_extent)] = {0};
    uint64_t len;

    look->any = true;
    if (item->key.type == KEY_INODE_ITEM && item->size >= sizeof(disk_inode_item)) {
        inode_item_decode(&look->item, item->data);
        look->has_item = true;
        return 1;
    }
    look->has_entries |= item->key.type == KEY_DIR_ITEM || item->key.type == KEY_DIR_INDEX;
    if (item->key.type != KEY_EXTENT_DATA || item->size < FILE_EXTENT_INLINE_HEADER)
        return 0;
    memcpy(padded, item->data, MIN(item->size, (uint32_t)sizeof(padded)));
    file_extent_decode(&extent, padded);
    len = extent.type == FILE_EXTENT_INLINE ? extent.ram_bytes : extent.num_bytes;
    look->has_extents = true;
    if (len < UINT64_MAX / 2 && item->key.offset < UINT64_MAX / 2)
        look->end = MAX(look->end, item->key.offset + len);
    return 0;
}

static struct timespec to_timespec(const struct timestamp *t)
{
    return (struct timespec){.tv_sec = (time_t)(int64_t)t->sec,
                             .tv_nsec = t->nsec < 1000000000U ? (long)t->nsec : 0};
}

static uint32_t guessed_mode(const struct look *look)
{
    return look->has_entries && !look->has_extents ? S_IFDIR | 0700 : S_IFREG | 0600;
}

int rescue_stat(struct rescue *r, uint64_t subvol, uint64_t ino, struct copse_stat *out,
                bool *whole)
{
    struct look look = {.r = r};
    struct rsubvol *in;

    TRY(rescue_subvol(r, subvol, &in));
    TRY(each_of(r, &in->tree, ino, KEY_INODE_ITEM, KEY_EXTENT_DATA, look_at, &look));
    if (!look.any)
        return fail(-ENOENT, "tree %llu inode %llu: nothing of it is left", LLU(subvol), LLU(ino));
    if (!look.has_item)
        look.item = (struct inode_item){.mode = guessed_mode(&look), .nlink = 1, .size = look.end};
    *whole = look.has_item;
    *out = (struct copse_stat){
        .subvol = subvol,
        .subvol_ino = ino,
        .ino = ino,
        .mode = look.item.mode,
        .nlink = look.item.nlink,
        .uid = look.item.uid,
        .gid = look.item.gid,
        .rdev = rdev_from_disk(look.item.rdev),
        .size = look.item.size,
        .blocks = look.item.nbytes / 512,
        .blksize = r->sectorsize,
        .generation = look.item.generation,
        .transid = look.item.transid,
        .atime = to_timespec(&look.item.atime),
        .mtime = to_timespec(&look.item.mtime),
        .ctime = to_timespec(&look.item.ctime),
        .btime = to_timespec(&look.item.otime),
    };
    return 0;
}

/* ---- directories -------------------------------------------------------------------------------
 */

struct known_name {
    UT_hash_handle hh;
    size_t len;
    char name[];
};

struct listing {
    struct rescue *r;
    bool unite; /* entries, hashed entries and extras, each name once */
    struct known_name *known;
    int (*fn)(void *arg, const struct copse_rescue_name *name);
    void *arg;
};

/* 1: the name is new. */
static int note_name(struct listing *listing, const char *name, size_t len)
{
    struct known_name *known;

    HASH_FIND(hh, listing->known, name, len, known);
    if (known)
        return 0;
    known = calloc(1, sizeof(*known) + len);
    if (!known)
        return fail(-ENOMEM, "out of memory");
    known->len = len;
    memcpy(known->name, name, len);
    HASH_ADD(hh, listing->known, name, len, known);
    if (!HASH_ADDED(known)) {
        free(known);
        return fail(-ENOMEM, "out of memory");
    }
    return 1;
}

static uint8_t dirent_type(uint8_t type)
{
    static const uint8_t types[FT_MAX] = {
        [FT_REG_FILE] = DT_REG, [FT_DIR] = DT_DIR,   [FT_CHRDEV] = DT_CHR, [FT_BLKDEV] = DT_BLK,
        [FT_FIFO] = DT_FIFO,    [FT_SOCK] = DT_SOCK, [FT_SYMLINK] = DT_LNK};

    return type < FT_MAX ? types[type] : DT_UNKNOWN;
}

static int tell_name(struct listing *listing, const struct copse_rescue_name *name)
{
    if (listing->unite) {
        int ret = note_name(listing, name->name, name->len);
        if (ret <= 0)
            return ret;
    }
    return listing->fn(listing->arg, name);
}

static int list_entry(void *arg, const struct dir_item *entry, const char *name)
{
    bool is_subvol = entry->location.type == KEY_ROOT_ITEM;
    const struct copse_rescue_name out = {
        .name = name,
        .len = entry->name_len,
        .type = is_subvol ? DT_DIR : dirent_type(entry->type),
        .subvol = is_subvol ? entry->location.objectid : 0,
        .ino = is_subvol ? INO_SUBVOL_ROOT : entry->location.objectid,
    };

    if (!name_is_valid(name, entry->name_len) ||
        (!is_subvol && entry->location.type != KEY_INODE_ITEM))
        return 0;
    return tell_name(arg, &out);
}

static int list_item(void *arg, const struct ritem *item)
{
    return each_entry(item, list_entry, arg);
}

static int list_extras(struct listing *listing, const struct rsubvol *subvol, uint64_t dir)
{
    size_t low = 0, high = subvol->extra_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (subvol->extras[mid].dir < dir)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < subvol->extra_count && subvol->extras[low].dir == dir; low++) {
        const struct extra *extra = &subvol->extras[low];
        const struct copse_rescue_name out = {.name = extra->name,
                                              .len = extra->len,
                                              .ino = extra->ino,
                                              .type = DT_UNKNOWN,
                                              .from_file = true};
        int ret = tell_name(listing, &out);

        if (ret != 0)
            return ret;
    }
    return 0;
}

/* Subvolumes whose names the root tree still has. */
static int list_subvols(struct listing *listing, uint64_t parent, uint64_t dir)
{
    struct rescue *r = listing->r;

    for (size_t i = 0; i < r->subvol_count; i++) {
        const struct rsubvol *subvol = &r->subvols[i];
        const struct copse_rescue_name out = {.name = subvol->name,
                                              .len = subvol->name_len,
                                              .type = DT_DIR,
                                              .subvol = subvol->tree.id,
                                              .ino = INO_SUBVOL_ROOT};
        int ret;

        if (!subvol->name || subvol->deleted || subvol->parent != parent || subvol->dirid != dir)
            continue;
        ret = tell_name(listing, &out);
        if (ret != 0)
            return ret;
    }
    return 0;
}

int rescue_list(struct rescue *r, uint64_t subvol, uint64_t ino,
                int (*fn)(void *arg, const struct copse_rescue_name *name), void *arg)
{
    struct listing listing = {.r = r, .fn = fn, .arg = arg};
    struct known_name *known, *next;
    struct rsubvol *in;
    int ret;

    TRY(rescue_subvol(r, subvol, &in));
    listing.unite = in->tree.damaged;
    ret = each_of(r, &in->tree, ino, KEY_DIR_INDEX, KEY_DIR_INDEX, list_item, &listing);
    if (ret == 0 && listing.unite)
        ret = each_of(r, &in->tree, ino, KEY_DIR_ITEM, KEY_DIR_ITEM, list_item, &listing);
    if (ret == 0 && listing.unite)
        ret = list_extras(&listing, in, ino);
    if (ret == 0 && listing.unite)
        ret = list_subvols(&listing, subvol, ino);
    HASH_ITER (hh, listing.known, known, next) {
        HASH_DEL(listing.known, known);
        free(known);
    }
    return ret < 0 ? ret : 0;
}

/* ---- finding what nothing names ----------------------------------------------------------------
 */

static int take_parent(void *arg, const struct name_of *name)
{
    *(uint64_t *)arg = name->dir;
    return 1;
}

static int parent_of(void *arg, const struct ritem *item)
{
    return each_reference(item, take_parent, arg);
}

int rescue_parent(struct rescue *r, uint64_t subvol, uint64_t ino, uint64_t *parent)
{
    struct rsubvol *in;
    int ret;

    TRY(rescue_subvol(r, subvol, &in));
    ret = each_of(r, &in->tree, ino, KEY_INODE_REF, KEY_INODE_EXTREF, parent_of, parent);
    if (ret < 0)
        return ret;
    return ret == 1 ? 0 : fail(-ENOENT, "inode %llu has no name", LLU(ino));
}

static int take_ino(void *arg, const struct ritem *item)
{
    *(uint64_t *)arg = item->key.objectid;
    return 1;
}

int rescue_next_inode(struct rescue *r, uint64_t subvol, uint64_t from, uint64_t *ino)
{
    const struct key lo = key_make(MAX(from, OBJ_FIRST_FREE), 0, 0),
                     hi = key_make(OBJ_LAST_FREE, UINT8_MAX, UINT64_MAX);
    struct rsubvol *in;
    int ret;

    TRY(rescue_subvol(r, subvol, &in));
    ret = rtree_each(r, &in->tree, &lo, &hi, take_ino, ino);
    if (ret < 0)
        return ret;
    return ret == 1 ? 0 : fail(-ENOENT, "no more inodes");
}

/* ---- extended attributes -----------------------------------------------------------------------
 */

struct xattrs {
    int (*fn)(void *arg, const char *name, size_t name_len, const void *value, size_t len);
    void *arg;
};

static int tell_xattr(void *arg, const struct dir_item *entry, const char *name)
{
    const struct xattrs *xattrs = arg;

    if (entry->name_len == 0 || memchr(name, 0, entry->name_len))
        return 0;
    return xattrs->fn(xattrs->arg, name, entry->name_len, name + entry->name_len, entry->data_len);
}

static int tell_xattrs(void *arg, const struct ritem *item)
{
    return each_entry(item, tell_xattr, arg);
}

int rescue_xattrs(struct rescue *r, uint64_t subvol, uint64_t ino,
                  int (*fn)(void *arg, const char *name, size_t name_len, const void *value,
                            size_t len),
                  void *arg)
{
    struct xattrs xattrs = {fn, arg};
    struct rsubvol *in;
    int ret;

    TRY(rescue_subvol(r, subvol, &in));
    ret = each_of(r, &in->tree, ino, KEY_XATTR_ITEM, KEY_XATTR_ITEM, tell_xattrs, &xattrs);
    return ret < 0 ? ret : 0;
}
