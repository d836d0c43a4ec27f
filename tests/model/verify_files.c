// SPDX-License-Identifier: GPL-2.0-or-later
/* Inodes, their names in three places, and their extents. */
#include "tests/model/verify_internal.h"

#include <sys/stat.h>

struct v_inode {
    uint64_t ino;
    bool has_item, orphan;
    struct inode_item item;
    uint64_t names;     /* back references */
    uint64_t dir_bytes; /* of names in it, both ways */
    uint64_t bytes;     /* in extents */
    uint64_t extents_end;
    bool has_inline;
    uint64_t data_end; /* of extents that are not preallocated */
};

struct v_name {
    uint64_t dir, index, target;
    uint8_t type;
    bool subvol;
    uint16_t len;
    char name[NAME_MAX_BYTES];
};

typedef ARRAY_OF(struct v_name) v_names;

struct v_files {
    uint64_t tree;
    ARRAY_OF(struct v_inode) inodes;
    v_names items, indexes, refs;
    ARRAY_OF(uint64_t) orphans;
};

/* ---- collecting
 * -------------------------------------------------------------------------------------- */

void files_begin(struct verify *v)
{
    v->files = must_alloc(sizeof(*v->files));
    *v->files = (struct v_files){0};
}

/* Items come in order, so an inode's are together. */
static struct v_inode *inode_of(struct v_files *files, uint64_t ino)
{
    struct v_inode *last = files->inodes.count ? &files->inodes.v[files->inodes.count - 1] : NULL;

    if (last && last->ino == ino)
        return last;
    last = ARRAY_ADD(&files->inodes);
    *last = (struct v_inode){.ino = ino};
    return last;
}

static void add_name(v_names *names, uint64_t dir, uint64_t index, uint64_t target,
                     const uint8_t *name, uint16_t len)
{
    struct v_name *out = ARRAY_ADD(names);

    *out = (struct v_name){.dir = dir, .index = index, .target = target, .len = len};
    memcpy(out->name, name, MIN(len, (uint16_t)NAME_MAX_BYTES));
}

static void add_dir_entries(struct verify *v, const struct item_view *item)
{
    struct v_files *files = v->files;
    bool index = item->key.type == KEY_DIR_INDEX;
    v_names *names = index ? &files->indexes : &files->items;

    for (uint32_t at = 0; at < item->size;) {
        const uint8_t *name = item->data + at + sizeof(disk_dir_item);
        struct dir_item head;

        dir_item_decode(&head, item->data + at);
        add_name(names, item->key.objectid, index ? item->key.offset : 0, head.location.objectid,
                 name, head.name_len);
        names->v[names->count - 1].type = head.type;
        names->v[names->count - 1].subvol = head.location.type == KEY_ROOT_ITEM;
        if (!index && item->key.offset != name_hash(name, head.name_len))
            bad(v, "tree %llu directory %llu: a name under the wrong hash", LLU(item->tree),
                LLU(item->key.objectid));
        if (index)
            inode_of(files, item->key.objectid)->dir_bytes += 2u * head.name_len;
        at += (uint32_t)sizeof(disk_dir_item) + head.name_len + head.data_len;
    }
}

static void add_refs(struct verify *v, const struct item_view *item)
{
    struct v_inode *inode = inode_of(v->files, item->key.objectid);

    for (uint32_t at = 0; at < item->size;) {
        struct inode_ref ref;

        inode_ref_decode(&ref, item->data + at);
        at += (uint32_t)sizeof(disk_inode_ref);
        add_name(&v->files->refs, item->key.offset, ref.index, item->key.objectid, item->data + at,
                 ref.name_len);
        inode->names++;
        at += ref.name_len;
    }
}

static void add_extrefs(struct verify *v, const struct item_view *item)
{
    struct v_inode *inode = inode_of(v->files, item->key.objectid);

    for (uint32_t at = 0; at < item->size;) {
        struct inode_extref ref;

        inode_extref_decode(&ref, item->data + at);
        at += (uint32_t)sizeof(disk_inode_extref);
        add_name(&v->files->refs, ref.parent, ref.index, item->key.objectid, item->data + at,
                 ref.name_len);
        inode->names++;
        at += ref.name_len;
    }
}

/* ---- extents of files
 * -------------------------------------------------------------------------------------- */

static void bad_extent(struct verify *v, const struct item_view *item, const char *what)
{
    bad(v, "tree %llu inode %llu extent at %llu: %s", LLU(item->tree), LLU(item->key.objectid),
        LLU(item->key.offset), what);
}

static void add_use(struct verify *v, const struct v_inode *inode, const struct file_extent *fe)
{
    struct v_use *use = ARRAY_ADD(&v->uses);

    *use = (struct v_use){
        .start = fe->disk_bytenr + fe->offset,
        .len = fe->num_bytes,
        .prealloc = fe->type == FILE_EXTENT_PREALLOC,
        .nodatasum = inode->item.flags & INODE_NODATASUM,
    };
    if (fe->compression) {
        use->start = fe->disk_bytenr;
        use->len = fe->disk_num_bytes;
    }
}

static void check_plain_extent(struct verify *v, struct v_inode *inode,
                               const struct item_view *item, const struct file_extent *fe)
{
    if (!fe->compression && fe->ram_bytes != fe->disk_num_bytes)
        bad_extent(v, item, "ram_bytes is not the size of the extent");
    if (fe->offset + fe->num_bytes > fe->ram_bytes)
        bad_extent(v, item, "leaves the extent on disk");
    if (fe->compression && (inode->item.flags & INODE_NODATASUM))
        bad_extent(v, item, "compressed, without checksums");
    if (item->fresh)
        refs_meet_data(v, item, fe);
    add_use(v, inode, fe);
    inode->bytes += fe->num_bytes;
}

static void add_inline(struct verify *v, struct v_inode *inode, const struct item_view *item,
                       const struct file_extent *fe)
{
    uint32_t stored = item->size - FILE_EXTENT_INLINE_HEADER;

    if (item->key.offset != 0)
        bad_extent(v, item, "inline, and not at the beginning");
    if (!fe->compression && stored != fe->ram_bytes)
        bad_extent(v, item, "inline data of another size than said");
    inode->has_inline = true;
    inode->bytes += fe->ram_bytes;
    inode->extents_end = inode->data_end = v->super->sectorsize;
}

static void add_extent(struct verify *v, const struct item_view *item)
{
    struct v_inode *inode = inode_of(v->files, item->key.objectid);
    bool no_holes = v->super->incompat_flags & INCOMPAT_NO_HOLES;
    uint8_t whole[sizeof(disk_file_extent)] = {0};
    struct file_extent fe;

    memcpy(whole, item->data, MIN((size_t)item->size, sizeof(whole)));
    file_extent_decode(&fe, whole);
    if (item->key.offset < inode->extents_end)
        bad_extent(v, item, "overlaps the one before");
    /* Behind the end there may be preallocated space anywhere. */
    if (!no_holes && item->key.offset > inode->extents_end && inode->extents_end < inode->item.size)
        bad_extent(v, item, "nothing says that there is a hole before");
    if (fe.type == FILE_EXTENT_INLINE) {
        add_inline(v, inode, item, &fe);
        return;
    }
    if (fe.disk_bytenr != 0)
        check_plain_extent(v, inode, item, &fe);
    inode->extents_end = item->key.offset + fe.num_bytes;
    if (fe.type != FILE_EXTENT_PREALLOC && fe.disk_bytenr != 0)
        inode->data_end = inode->extents_end;
}

static void check_xattr(struct verify *v, const struct item_view *item)
{
    for (uint32_t at = 0; at < item->size;) {
        struct dir_item head;

        dir_item_decode(&head, item->data + at);
        if (item->key.offset != name_hash(item->data + at + sizeof(disk_dir_item), head.name_len))
            bad(v, "tree %llu inode %llu: an attribute under the wrong hash", LLU(item->tree),
                LLU(item->key.objectid));
        at += (uint32_t)sizeof(disk_dir_item) + head.name_len + head.data_len;
    }
}

void files_item(struct verify *v, const struct item_view *item)
{
    struct v_inode *inode;

    if (item->key.objectid == OBJ_ORPHAN) {
        *ARRAY_ADD(&v->files->orphans) = item->key.offset;
        return;
    }
    inode = inode_of(v->files, item->key.objectid);
    switch (item->key.type) {
    case KEY_INODE_ITEM:
        inode->has_item = true;
        inode_item_decode(&inode->item, item->data);
        break;
    case KEY_INODE_REF:
        add_refs(v, item);
        break;
    case KEY_INODE_EXTREF:
        add_extrefs(v, item);
        break;
    case KEY_DIR_ITEM:
    case KEY_DIR_INDEX:
        add_dir_entries(v, item);
        break;
    case KEY_XATTR_ITEM:
        check_xattr(v, item);
        break;
    case KEY_VERITY_DESC_ITEM:
    case KEY_VERITY_MERKLE_ITEM:
        break;
    case KEY_EXTENT_DATA:
        add_extent(v, item);
        break;
    default:
        bad(v, "tree %llu: an item of type %u", LLU(item->tree), item->key.type);
        break;
    }
}

/* ---- names
 * -------------------------------------------------------------------------------------- */

static int name_order(const void *a, const void *b)
{
    const struct v_name *x = a, *y = b;
    int order;

    if (x->dir != y->dir)
        return x->dir < y->dir ? -1 : 1;
    order = memcmp(x->name, y->name, MIN(x->len, y->len));
    if (order != 0)
        return order;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return 0;
}

static void sort_names(v_names *names)
{
    if (names->count > 0)
        qsort(names->v, names->count, sizeof(*names->v), name_order);
}

static struct v_inode *find_inode(struct v_files *files, uint64_t ino)
{
    size_t low = 0, high = files->inodes.count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (files->inodes.v[mid].ino < ino)
            low = mid + 1;
        else
            high = mid;
    }
    return low < files->inodes.count && files->inodes.v[low].ino == ino ? &files->inodes.v[low]
                                                                        : NULL;
}

static uint8_t type_of_mode(uint32_t mode)
{
    static const uint8_t types[16] = {[S_IFREG >> 12] = FT_REG_FILE, [S_IFDIR >> 12] = FT_DIR,
                                      [S_IFCHR >> 12] = FT_CHRDEV,   [S_IFBLK >> 12] = FT_BLKDEV,
                                      [S_IFIFO >> 12] = FT_FIFO,     [S_IFSOCK >> 12] = FT_SOCK,
                                      [S_IFLNK >> 12] = FT_SYMLINK};

    return types[(mode & S_IFMT) >> 12];
}

static void check_entry(struct verify *v, const struct v_name *index, const struct v_name *item)
{
    struct v_files *files = v->files;
    const struct v_inode *target = find_inode(files, index->target);

    if (name_order(index, item) != 0 || index->target != item->target || index->type != item->type)
        bad(v, "tree %llu directory %llu index %llu %.*s: DIR_ITEM and DIR_INDEX differ",
            LLU(files->tree), LLU(index->dir), LLU(index->index), index->len, index->name);
    if (index->subvol)
        return;
    if (!target || !target->has_item)
        bad(v, "tree %llu directory %llu: %.*s points at inode %llu, which is missing",
            LLU(files->tree), LLU(index->dir), index->len, index->name, LLU(index->target));
    else if (type_of_mode(target->item.mode) != index->type)
        bad(v, "tree %llu directory %llu: %.*s is of type %u, mode %o", LLU(files->tree),
            LLU(index->dir), index->len, index->name, index->type, target->item.mode);
}

static bool is_root_ref(const struct v_name *name)
{
    return name->dir == name->target && name->len == 2 && memcmp(name->name, "..", 2) == 0;
}

static void check_names(struct verify *v)
{
    struct v_files *files = v->files;
    size_t at = 0;

    sort_names(&files->items);
    sort_names(&files->indexes);
    sort_names(&files->refs);
    if (files->items.count != files->indexes.count) {
        bad(v, "tree %llu: %zu DIR_ITEM and %zu DIR_INDEX entries", LLU(files->tree),
            files->items.count, files->indexes.count);
        return;
    }
    for (size_t i = 0; i < files->indexes.count; i++) {
        const struct v_name *index = &files->indexes.v[i];

        check_entry(v, index, &files->items.v[i]);
        if (index->subvol)
            continue;
        while (at < files->refs.count && is_root_ref(&files->refs.v[at]))
            at++;
        const struct v_name *ref = at < files->refs.count ? &files->refs.v[at++] : NULL;
        if (!ref || name_order(ref, index) != 0 || ref->target != index->target ||
            ref->index != index->index)
            bad(v, "tree %llu directory %llu index %llu %.*s: no back reference like it",
                LLU(files->tree), LLU(index->dir), LLU(index->index), index->len, index->name);
    }
    while (at < files->refs.count && is_root_ref(&files->refs.v[at]))
        at++;
    if (at < files->refs.count)
        bad(v, "tree %llu inode %llu: a back reference to a name that is not there",
            LLU(files->tree), LLU(files->refs.v[at].target));
}

/* ---- inodes
 * -------------------------------------------------------------------------------------- */

static void bad_inode(struct verify *v, const struct v_inode *inode, const char *what, uint64_t is,
                      uint64_t should)
{
    bad(v, "tree %llu inode %llu: %s is %llu, should be %llu", LLU(v->files->tree), LLU(inode->ino),
        what, LLU(is), LLU(should));
}

static void check_size(struct verify *v, const struct v_inode *inode)
{
    uint64_t sector = v->super->sectorsize, size = inode->item.size;
    uint64_t end = round_up_to(size, sector);

    if (S_ISDIR(inode->item.mode)) {
        if (inode->dir_bytes != size)
            bad_inode(v, inode, "size", size, inode->dir_bytes);
        return;
    }
    if (inode->bytes != inode->item.nbytes)
        bad_inode(v, inode, "nbytes", inode->item.nbytes, inode->bytes);
    if (inode->data_end > end)
        bad_inode(v, inode, "data behind the end; size", size, inode->data_end);
    if (S_ISREG(inode->item.mode) && !(v->super->incompat_flags & INCOMPAT_NO_HOLES) &&
        inode->extents_end < end)
        bad_inode(v, inode, "end of extents", inode->extents_end, end);
}

static void check_inode(struct verify *v, struct v_inode *inode)
{
    if (!inode->has_item) {
        bad(v, "tree %llu inode %llu: has no INODE_ITEM", LLU(v->files->tree), LLU(inode->ino));
        return;
    }
    if (inode->item.nlink != inode->names)
        bad_inode(v, inode, "nlink", inode->item.nlink, inode->names);
    if (inode->item.nlink == 0 && !inode->orphan)
        bad(v, "tree %llu inode %llu: without names and no orphan", LLU(v->files->tree),
            LLU(inode->ino));
    if (S_ISDIR(inode->item.mode) && inode->names > 1)
        bad_inode(v, inode, "names of a directory", inode->names, 1);
    if (inode->item.generation > v->super->generation || inode->item.transid > v->super->generation)
        bad_inode(v, inode, "generation", inode->item.transid, v->super->generation);
    check_size(v, inode);
}

static void check_orphans(struct verify *v)
{
    struct v_files *files = v->files;

    for (size_t i = 0; i < files->orphans.count; i++) {
        struct v_inode *inode = find_inode(files, files->orphans.v[i]);

        if (v->flags & VERIFY_CLOSED)
            bad(v, "tree %llu inode %llu: still an orphan", LLU(files->tree),
                LLU(files->orphans.v[i]));
        if (!inode)
            bad(v, "tree %llu: an orphan item for inode %llu, which is missing", LLU(files->tree),
                LLU(files->orphans.v[i]));
        else
            inode->orphan = true;
    }
}

void files_end(struct verify *v, uint64_t tree)
{
    struct v_files *files = v->files;

    files->tree = tree;
    check_orphans(v);
    check_names(v);
    for (size_t i = 0; i < files->inodes.count; i++)
        check_inode(v, &files->inodes.v[i]);
    files_drop(v);
}

void files_drop(struct verify *v)
{
    struct v_files *files = v->files;

    free(files->inodes.v);
    free(files->items.v);
    free(files->indexes.v);
    free(files->refs.v);
    free(files->orphans.v);
    free(files);
    v->files = NULL;
}
