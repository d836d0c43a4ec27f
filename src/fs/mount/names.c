// SPDX-License-Identifier: GPL-2.0-or-later
/* Making, linking and removing names. */
#include "fs/mount/internal.h"

#include <sys/stat.h>

#include "base/cleanup.h"

#define LINKS_MAX 65535 /* as Linux */

static uint8_t file_type(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return FT_REG_FILE;
    case S_IFDIR:
        return FT_DIR;
    case S_IFCHR:
        return FT_CHRDEV;
    case S_IFBLK:
        return FT_BLKDEV;
    case S_IFIFO:
        return FT_FIFO;
    case S_IFSOCK:
        return FT_SOCK;
    case S_IFLNK:
        return FT_SYMLINK;
    default:
        return FT_UNKNOWN;
    }
}

static struct key location_of(const struct inode *dir, const struct inode *inode)
{
    if (inode->tree != dir->tree)
        return key_make(inode->tree->root.id, KEY_ROOT_ITEM, UINT64_MAX);
    return key_make(inode->ino, KEY_INODE_ITEM, 0);
}

static bool is_dots(const char *name, size_t len)
{
    return (len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.');
}

int dir_may_change(const struct inode *dir, const char *name, size_t len, bool removing)
{
    if (!inode_is_dir(dir))
        return fail(-ENOTDIR, "inode %llu is no directory", (unsigned long long)dir->ino);
    if (len > NAME_MAX_BYTES)
        return fail(-ENAMETOOLONG, "a name of %zu bytes", len);
    if (len == 0)
        return fail(-ENOENT, "an empty name");
    if (is_dots(name, len))
        return fail(removing ? -EINVAL : -EEXIST, "%.*s", (int)len, name);
    if (memchr(name, '/', len) || memchr(name, '\0', len))
        return fail(-EINVAL, "a name with '/' or NUL in it");
    if (is_stub(dir))
        return fail(-EPERM, "what stands for a subvolume in a snapshot cannot be changed");
    if (!removing && dir->item.nlink == 0)
        return fail(-ENOENT, "the directory is deleted");
    return inode_may_change(dir, !removing);
}

static void set_nlink(struct inode *inode, int by)
{
    pthread_mutex_lock(&inode->item_lock);
    inode->item.nlink = (uint32_t)((int64_t)inode->item.nlink + by);
    pthread_mutex_unlock(&inode->item_lock);
    inode_touch(inode, false);
}

/* One name less; the last one makes an orphan. */
static int lose_name(struct inode *inode)
{
    if (inode->item.nlink == 0)
        return fail(-EUCLEAN, "tree %llu inode %llu: a name more than it counts",
                    (unsigned long long)inode->tree->root.id, (unsigned long long)inode->ino);
    set_nlink(inode, -1);
    if (inode->item.nlink > 0)
        return 0;
    /* Without the orphan item nobody would ever delete it. */
    int ret = orphan_add(inode);
    return ret < 0 ? txn_abort(&inode->fs->store->engine, ret) : 0;
}

int begin_on(const struct inode *inode, enum store_intent intent, unsigned units)
{
    struct store *store = inode->fs->store;

    TRY(store_begin_in(store, inode->tree->root.id, intent, units));
    int ret = inode_is_there(inode);
    if (ret == 0 && (inode->tree->item.flags & ROOT_SUBVOL_RDONLY))
        ret = fail(-EROFS, "subvolume %llu is read-only", (unsigned long long)inode->tree->root.id);
    if (ret < 0)
        store_end(store);
    return ret;
}

int dir_still_there(const struct inode *dir)
{
    return dir->item.nlink == 0 ? fail(-ENOENT, "the directory is deleted") : 0;
}

/* ---- making
 * ---------------------------------------------------------------------------------------- */

struct making {
    const char *name;
    size_t len;
    struct inode_new what;
    const char *target; /* of a symlink */
};

static int make_content(struct inode *inode, const struct making *making)
{
    size_t len;

    if (!making->target)
        return 0;
    len = strlen(making->target);
    TRY(file_insert_inline(inode, making->target, (uint32_t)len));
    return 0;
}

static int make_locked(struct mount *m, struct inode *dir, struct making *making,
                       struct inode **out)
{
    struct acl_inherited acl = {0};
    struct inode *inode;

    TRY(dir_still_there(dir));
    if (!making->target)
        TRY(acl_inherit(dir, &making->what.mode, &acl));
    making->what.nlink = 1;
    int ret = inode_create_named(dir, making->name, (uint16_t)making->len, &making->what,
                                 file_type(making->what.mode), &inode);
    if (ret < 0)
        goto out;
    ret = acl_apply(inode, &acl);
    if (ret == 0)
        ret = make_content(inode, making);
    if (ret < 0) {
        txn_abort(&m->fs.store->engine, ret);
        inode_put(inode);
        goto out;
    }
    *out = inode;
out:
    acl_inherited_free(&acl);
    return ret;
}

static int make(struct mount *m, struct inode *dir, struct making *making, struct inode **out)
{
    TRY(dir_may_change(dir, making->name, making->len, false));
    TRY(begin_on(dir, STORE_CREATE,
                 UNITS_CREATE + (making->target ? units_xattr(strlen(making->target)) : 0)));
    int ret = make_locked(m, dir, making, out);
    store_end(m->fs.store);
    return ret;
}

int mount_mknod(struct mount *m, struct inode *dir, const char *name, size_t len, uint32_t mode,
                uint64_t rdev, const struct copse_cred *cred, struct inode **out)
{
    bool device = S_ISCHR(mode) || S_ISBLK(mode);
    struct making making = {
        .name = name,
        .len = len,
        .what = {.mode = mode,
                 .uid = cred->uid,
                 .gid = cred->gid,
                 .rdev = device ? rdev_to_disk(rdev) : 0},
    };

    if (file_type(mode) == FT_UNKNOWN || S_ISDIR(mode) || S_ISLNK(mode))
        return fail(-EINVAL, "mode %o makes no file", mode);
    return make(m, dir, &making, out);
}

int mount_mkdir(struct mount *m, struct inode *dir, const char *name, size_t len, uint32_t mode,
                const struct copse_cred *cred, struct inode **out)
{
    struct making making = {
        .name = name,
        .len = len,
        .what = {.mode = S_IFDIR | (mode & 07777), .uid = cred->uid, .gid = cred->gid},
    };

    return make(m, dir, &making, out);
}

int mount_symlink(struct mount *m, struct inode *dir, const char *name, size_t len,
                  const char *target, const struct copse_cred *cred, struct inode **out)
{
    struct engine *engine = &m->fs.store->engine;
    struct making making = {
        .name = name,
        .len = len,
        .what = {.mode = S_IFLNK | 0777, .uid = cred->uid, .gid = cred->gid},
        .target = target,
    };
    size_t target_len = strlen(target);
    size_t max = MIN((size_t)engine->sectorsize - 1,
                     (size_t)item_data_max(engine->nodesize) - FILE_EXTENT_INLINE_HEADER);

    if (target_len == 0)
        return fail(-ENOENT, "an empty symlink");
    if (target_len > max)
        return fail(-ENAMETOOLONG, "a symlink of %zu bytes", target_len);
    return make(m, dir, &making, out);
}

/* A new inode without a name, an orphan until it gets one. */
static int nameless_locked(struct mount *m, struct inode *dir, struct inode_new *what,
                           struct inode **out)
{
    struct acl_inherited acl = {0};
    struct inode *inode;

    TRY(acl_inherit(dir, &what->mode, &acl));
    int ret = inode_create(&m->fs, dir->tree, dir, what, &inode);
    if (ret == 0) {
        ret = acl_apply(inode, &acl);
        if (ret == 0)
            ret = orphan_add(inode);
        if (ret < 0) {
            txn_abort(&m->fs.store->engine, ret);
            inode_put(inode);
        } else {
            *out = inode;
        }
    }
    acl_inherited_free(&acl);
    return ret;
}

int mount_tmpfile(struct mount *m, struct inode *dir, uint32_t mode, const struct copse_cred *cred,
                  struct inode **out)
{
    struct inode_new what = {.mode = S_IFREG | (mode & 07777), .uid = cred->uid, .gid = cred->gid};

    TRY(dir_may_change(dir, "t", 1, false));
    TRY(begin_on(dir, STORE_CREATE, UNITS_CREATE));
    int ret = nameless_locked(m, dir, &what, out);
    store_end(m->fs.store);
    return ret;
}

static int link_locked(struct inode *inode, struct inode *dir, const char *name, size_t len)
{
    struct key location = location_of(dir, inode);

    TRY(dir_still_there(dir));
    if (inode->item.nlink >= LINKS_MAX)
        return fail(-EMLINK, "inode %llu has %u names", (unsigned long long)inode->ino,
                    inode->item.nlink);
    if (inode->item.nlink == 0 && !inode->orphan)
        return fail(-ENOENT, "the file is deleted");
    TRY(dir_add(dir, name, (uint16_t)len, &location, file_type(inode->item.mode)));
    set_nlink(inode, 1);
    /* An orphan with a name would be deleted with its last user. */
    int ret = orphan_del(inode);
    return ret < 0 ? txn_abort(&inode->fs->store->engine, ret) : 0;
}

int mount_link(struct mount *m, struct inode *inode, struct inode *dir, const char *name,
               size_t len)
{
    if (inode_is_dir(inode))
        return fail(-EPERM, "a directory has one name");
    if (inode->tree != dir->tree)
        return fail(-EXDEV, "a link into another subvolume");
    TRY(dir_may_change(dir, name, len, false));
    TRY(inode_may_change(inode, false));
    TRY(begin_on(dir, STORE_CREATE, UNITS_NAME));
    int ret = link_locked(inode, dir, name, len);
    store_end(m->fs.store);
    return ret;
}

/* ---- removing
 * --------------------------------------------------------------------------------------- */

void delete_orphan(struct inode *inode)
{
    struct store *store = inode->fs->store;
    bool more = true;
    int ret = 0;

    if (store_readonly(store)) {
        inode_put_deleted(inode);
        return;
    }
    file_forget_dirty(inode, 0);
    while (ret == 0 && more) {
        ret = store_begin(store, STORE_RELEASE, UNITS_DELETE + 4 * FILE_DROP_STEP_ITEMS);
        if (ret < 0)
            break;
        more = false;
        if (tree_is_deleted(inode->tree)) {
            store_end(store);
            break;
        }
        if (inode_is_reg(inode) || inode_is_symlink(inode))
            ret = file_drop_extents_from(inode, 0, &more);
        if (ret == 0 && !more)
            ret = inode_delete(inode);
        if (ret < 0)
            txn_abort(&store->engine, ret);
        store_end(store);
    }
    /* What could not be deleted now stays an orphan, which the next open deletes. */
    inode_put_deleted(inode);
}

enum removing { REMOVE_FILE, REMOVE_DIR };

/* Whether inode may lose its name by unlink or rmdir. */
static int may_remove(struct mount *m, struct inode *inode, enum removing how)
{
    bool empty;

    if (is_stub(inode))
        return how == REMOVE_DIR ? 0 : fail(-EISDIR, "a directory");
    if (how == REMOVE_FILE)
        return inode_is_dir(inode) ? fail(-EISDIR, "a directory") : inode_may_change(inode, false);
    if (!inode_is_dir(inode))
        return fail(-ENOTDIR, "no directory");
    if (inode == m->root)
        return fail(-EBUSY, "the root of the mount");
    if (inode->ino == INO_SUBVOL_ROOT)
        return fail(-ENOTEMPTY, "a subvolume");
    TRY(inode_may_change(inode, false));
    TRY(dir_is_empty(inode, &empty));
    return empty ? 0 : fail(-ENOTEMPTY, "the directory is not empty");
}

/* *victim: what the name pointed at, to be put after store_end. */
static int remove_locked(struct mount *m, struct inode *dir, const char *name, size_t len,
                         enum removing how, struct inode **victim)
{
    struct dir_entry entry;
    bool done;

    TRY(dir_lookup_to_remove(dir, name, (uint16_t)len, &entry));
    TRY(entry_inode(m, dir, name, (uint16_t)len, &entry, victim));
    TRY(may_remove(m, *victim, how));
    TRY(inode_remove_named(dir, name, (uint16_t)len, *victim, &done));
    if (done)
        return 0;
    TRY(dir_remove(dir, name, (uint16_t)len, NULL));
    return is_stub(*victim) ? 0 : lose_name(*victim);
}

static int remove_name(struct mount *m, struct inode *dir, const char *name, size_t len,
                       enum removing how)
{
    struct inode *victim = NULL;

    TRY(dir_may_change(dir, name, len, true));
    TRY(begin_on(dir, STORE_RELEASE, UNITS_NAME));
    int ret = remove_locked(m, dir, name, len, how, &victim);
    store_end(m->fs.store);
    bool subvol = ret == -ENOTEMPTY && victim->ino == INO_SUBVOL_ROOT;
    inode_put(victim);
    return subvol ? subvol_rmdir(m, dir, name, len) : ret;
}

int mount_unlink(struct mount *m, struct inode *dir, const char *name, size_t len)
{
    return remove_name(m, dir, name, len, REMOVE_FILE);
}

int mount_rmdir(struct mount *m, struct inode *dir, const char *name, size_t len)
{
    if (len == 1 && name[0] == '.')
        return fail(-EINVAL, "\".\" cannot be removed");
    if (len == 2 && name[0] == '.' && name[1] == '.')
        return fail(-ENOTEMPTY, "\"..\" is not empty");
    return remove_name(m, dir, name, len, REMOVE_DIR);
}

/* ---- renaming
 * ------------------------------------------------------------------------------------------ */

struct renaming {
    struct mount *m;
    struct inode *from_dir, *to_dir;
    const char *from, *to;
    uint16_t from_len, to_len;
    struct inode *inode;    /* what is renamed */
    struct inode *target;   /* what the new name pointed at, NULL: nothing */
    struct inode *whiteout; /* to be left where the old name was, NULL: nothing */
    uint8_t type, target_type;
};

/* From a directory to the one above, out of subvolumes too; *top: there is none. */
static int step_up(struct mount *m, struct tree_handle **tree, uint64_t *ino, bool *top)
{
    char name[NAME_MAX_BYTES + 1];
    uint64_t tree_id, dir, index;
    struct inode *step;
    uint16_t len;

    if (*ino != INO_SUBVOL_ROOT) {
        TRY(inode_get_locked(&m->fs, *tree, *ino, &step));
        int ret = dir_parent(step, ino);
        inode_put(step);
        return ret;
    }
    int ret =
        root_ref_find(&m->fs.store->engine, (*tree)->root.id, &tree_id, &dir, &index, name, &len);
    if (ret == -ENOENT) {
        fail_clear();
        *top = true;
        return 0;
    }
    if (ret < 0)
        return ret;
    *ino = dir;
    return roots_get(m->fs.store->roots, tree_id, tree);
}

/* Whether dir is, or lies below, inode: then inode cannot move into dir. */
static int is_below(struct mount *m, struct inode *dir, const struct inode *inode, bool *below)
{
    struct tree_handle *tree = dir->tree;
    uint64_t ino = dir->ino;
    bool top = false;

    *below = false;
    for (unsigned depth = 0; !top; depth++) {
        *below = tree == inode->tree && ino == inode->ino;
        /* Only a subvolume has anything outside its tree below it. */
        if (*below || (ino == INO_SUBVOL_ROOT && inode->ino != INO_SUBVOL_ROOT))
            return 0;
        if (depth > 65536)
            return fail(-EUCLEAN, "tree %llu: the parents of directory %llu form a loop",
                        (unsigned long long)tree->root.id, (unsigned long long)dir->ino);
        TRY(step_up(m, &tree, &ino, &top));
    }
    return 0;
}

static int find_both(struct renaming *r)
{
    struct dir_entry entry;

    TRY(dir_lookup(r->from_dir, r->from, r->from_len, &entry));
    r->type = entry.type;
    TRY(entry_inode(r->m, r->from_dir, r->from, r->from_len, &entry, &r->inode));
    int ret = dir_lookup(r->to_dir, r->to, r->to_len, &entry);
    if (ret == -ENOENT) {
        fail_clear();
        return 0;
    }
    if (ret < 0)
        return ret;
    r->target_type = entry.type;
    return entry_inode(r->m, r->to_dir, r->to, r->to_len, &entry, &r->target);
}

static int may_move(struct renaming *r, struct inode *inode, struct inode *to_dir)
{
    bool below;

    if (is_stub(inode))
        return fail(-ENOTEMPTY, "what stands for a subvolume in a snapshot cannot be moved");
    /* A subvolume's root shares its struct with every way to reach it: only its name moves. */
    if (inode->ino != INO_SUBVOL_ROOT) {
        TRY(inode_may_change(inode, false));
        if (r->from_dir->tree != r->to_dir->tree)
            return fail(-EXDEV, "a move into another subvolume");
    }
    if (!inode_is_dir(inode))
        return 0;
    TRY(is_below(r->m, to_dir, inode, &below));
    return below ? fail(-EINVAL, "a directory cannot move below itself") : 0;
}

/* A name that does not fit is refused while nothing has been changed yet. */
static int names_fit(struct renaming *r, bool exchange)
{
    bool same = r->from_dir == r->to_dir && exchange;

    if (r->inode->ino != INO_SUBVOL_ROOT)
        TRY(inode_name_fits(r->inode, r->to_dir, r->to_len, same ? r->from_len : 0));
    if (exchange && r->target->ino != INO_SUBVOL_ROOT)
        TRY(inode_name_fits(r->target, r->from_dir, r->from_len, same ? r->to_len : 0));
    return 0;
}

static int may_replace(struct renaming *r)
{
    if (inode_is_dir(r->inode) && !inode_is_dir(r->target))
        return fail(-ENOTDIR, "a directory over something else");
    if (!inode_is_dir(r->inode) && inode_is_dir(r->target))
        return fail(-EISDIR, "something else over a directory");
    return may_remove(r->m, r->target, inode_is_dir(r->target) ? REMOVE_DIR : REMOVE_FILE);
}

/* Where a name of inode in dir points. A subvolume is told by its root inode. */
static struct key rename_location(const struct inode *inode)
{
    if (inode->ino == INO_SUBVOL_ROOT)
        return key_make(inode->tree->root.id, KEY_ROOT_ITEM, UINT64_MAX);
    return key_make(inode->ino, KEY_INODE_ITEM, 0);
}

static int move_name(struct renaming *r)
{
    struct engine *engine = &r->m->fs.store->engine;
    struct key location = rename_location(r->inode);

    if (r->target) {
        TRY(dir_remove(r->to_dir, r->to, r->to_len, NULL));
        if (!is_stub(r->target)) {
            int ret = lose_name(r->target);
            if (ret < 0)
                return txn_abort(engine, ret);
        }
    }
    /* A subvolume has one reference per parent, so the old name goes first; everything else gets
     * the new name first, because that is what can be refused. */
    if (location.type == KEY_ROOT_ITEM) {
        TRY(dir_remove(r->from_dir, r->from, r->from_len, NULL));
        int ret = dir_add(r->to_dir, r->to, r->to_len, &location, r->type);
        return ret < 0 ? txn_abort(engine, ret) : 0;
    }
    int ret = dir_add(r->to_dir, r->to, r->to_len, &location, r->type);
    if (ret < 0)
        return r->target ? txn_abort(engine, ret) : ret;
    return dir_remove(r->from_dir, r->from, r->from_len, NULL);
}

static int exchange_names(struct renaming *r)
{
    struct engine *engine = &r->m->fs.store->engine;
    struct key there = rename_location(r->inode);
    struct key back = rename_location(r->target);

    int ret = dir_remove(r->from_dir, r->from, r->from_len, NULL);
    if (ret == 0)
        ret = dir_remove(r->to_dir, r->to, r->to_len, NULL);
    if (ret == 0)
        ret = dir_add(r->to_dir, r->to, r->to_len, &there, r->type);
    if (ret == 0)
        ret = dir_add(r->from_dir, r->from, r->from_len, &back, r->target_type);
    return ret < 0 ? txn_abort(engine, ret) : 0;
}

/* Before anything moves: all that can be refused about the whiteout is asked here. */
static int make_whiteout(struct renaming *r)
{
    struct inode_new what = {.mode = S_IFCHR, .uid = r->inode->item.uid, .gid = r->inode->item.gid};
    uint64_t index;

    TRY(dir_next_index(r->from_dir, &index));
    if (r->from_dir == r->to_dir && index == UINT64_MAX - 1)
        return fail(-ENOSPC, "directory %llu has one index left and needs two",
                    (unsigned long long)r->from_dir->ino);
    return nameless_locked(r->m, r->from_dir, &what, &r->whiteout);
}

/* The old name is gone, so nothing but the device can stand in its way. */
static int leave_whiteout(struct renaming *r)
{
    int ret = link_locked(r->whiteout, r->from_dir, r->from, r->from_len);

    return ret < 0 ? txn_abort(&r->m->fs.store->engine, ret) : 0;
}

static int rename_locked(struct renaming *r, unsigned flags)
{
    TRY(dir_still_there(r->to_dir));
    TRY(find_both(r));
    if (flags & COPSE_RENAME_EXCHANGE) {
        if (!r->target)
            return fail(-ENOENT, "%.*s", (int)r->to_len, r->to);
        TRY(may_move(r, r->inode, r->to_dir));
        TRY(may_move(r, r->target, r->from_dir));
        if (r->inode != r->target) {
            TRY(names_fit(r, true));
            TRY(exchange_names(r));
        }
        inode_touch(r->target, false);
        inode_touch(r->inode, false);
        return 0;
    }
    if (r->target && (flags & COPSE_RENAME_NOREPLACE))
        return fail(-EEXIST, "%.*s", (int)r->to_len, r->to);
    /* Two names of one file: POSIX has it that nothing happens. */
    if (r->target == r->inode)
        return 0;
    TRY(may_move(r, r->inode, r->to_dir));
    if (r->target)
        TRY(may_replace(r));
    TRY(names_fit(r, false));
    if (flags & COPSE_RENAME_WHITEOUT)
        TRY(make_whiteout(r));
    TRY(move_name(r));
    inode_touch(r->inode, false);
    return r->whiteout ? leave_whiteout(r) : 0;
}

int mount_rename(struct mount *m, struct inode *from_dir, const char *from, size_t from_len,
                 struct inode *to_dir, const char *to, size_t to_len, unsigned flags)
{
    struct renaming r = {
        .m = m,
        .from_dir = from_dir,
        .to_dir = to_dir,
        .from = from,
        .to = to,
        .from_len = (uint16_t)from_len,
        .to_len = (uint16_t)to_len,
    };

    if (flags & ~(COPSE_RENAME_NOREPLACE | COPSE_RENAME_EXCHANGE | COPSE_RENAME_WHITEOUT) ||
        ((flags & COPSE_RENAME_EXCHANGE) && (flags & ~COPSE_RENAME_EXCHANGE)))
        return fail(-EINVAL, "rename flags %#x", flags);
    TRY(dir_may_change(from_dir, from, from_len, true));
    TRY(dir_may_change(to_dir, to, to_len, true));
    if (to_dir->item.nlink == 0)
        return fail(-ENOENT, "the directory is deleted");
    TRY(begin_on(from_dir, STORE_CREATE,
                 UNITS_RENAME + (flags & COPSE_RENAME_WHITEOUT ? UNITS_ORPHAN : 0)));
    int ret = inode_may_change(to_dir, true);
    if (ret == 0)
        ret = rename_locked(&r, flags);
    store_end(m->fs.store);
    inode_put(r.inode);
    inode_put(r.target);
    inode_put(r.whiteout); /* one that got no name is deleted */
    return ret;
}
