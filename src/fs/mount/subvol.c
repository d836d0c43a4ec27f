// SPDX-License-Identifier: GPL-2.0-or-later
/* Making, snapshotting, protecting and deleting subvolumes. */
#include "fs/mount/internal.h"

#include <sys/stat.h>

#include "base/cleanup.h"

#define COMPRESSION "btrfs.compression"

/* What Linux answers to a name that no subvolume can have. */
static int subvol_name_ok(struct inode *dir, const char *name, size_t len)
{
    if (!inode_is_dir(dir))
        return fail(-ENOTDIR, "inode %llu is no directory", (unsigned long long)dir->ino);
    if (len == 0)
        return fail(-EACCES, "an empty name");
    return dir_may_change(dir, name, len, false);
}

/* ---- empty ones ------------------------------------------------------------------------------ */

/* A subvolume inherits the property of the subvolume it is made in, not of the directory. */
static int inherit_compression(struct inode *dir, struct inode *made)
{
    struct inode *from;
    char value[32];
    size_t len;

    TRY(inode_get_locked(dir->fs, dir->tree, INO_SUBVOL_ROOT, &from));
    int ret = -ENODATA;
    if (inode_flags(from) & (INODE_COMPRESS | INODE_NOCOMPRESS))
        ret = xattr_get(from, COMPRESSION, value, sizeof(value), &len);
    inode_put(from);
    if (ret == -ENODATA || ret == -ERANGE) {
        fail_clear();
        return 0;
    }
    return ret < 0 ? ret : setxattr_locked(made, COMPRESSION, value, len, 0);
}

static int dress(struct inode *dir, struct inode *made, const struct acl_inherited *acl)
{
    TRY(acl_apply(made, acl));
    return inherit_compression(dir, made);
}

static int create_locked(struct mount *m, struct inode *dir, const struct subvol_name *name,
                         const struct copse_subvol_options *options, const struct copse_cred *cred,
                         struct inode **out)
{
    struct inode_new what = {.mode = S_IFDIR | (options->mode & 07777)};
    struct acl_inherited acl = {0};
    struct tree_handle *tree;
    struct inode *made = NULL;

    what.uid = cred->uid;
    what.gid = cred->gid;
    TRY(dir_still_there(dir));
    TRY(acl_inherit(dir, &what.mode, &acl));
    int ret = subvol_create(dir, name, &what, &tree);
    if (ret == 0) {
        ret = inode_get_locked(&m->fs, tree, INO_SUBVOL_ROOT, &made);
        if (ret == 0)
            ret = dress(dir, made, &acl);
        if (ret < 0)
            txn_abort(&m->fs.store->engine, ret);
    }
    acl_inherited_free(&acl);
    if (ret < 0)
        inode_put(made);
    else
        *out = made;
    return ret;
}

int mount_subvol_create(struct mount *m, struct inode *dir, const char *name, size_t len,
                        const struct copse_subvol_options *options, const struct copse_cred *cred,
                        struct inode **out)
{
    const struct qgroup_inherit inherit = {options->groups, options->group_count, NULL};
    struct subvol_name subvol = {name, (uint16_t)len, inherit.count ? &inherit : NULL};

    TRY(subvol_name_ok(dir, name, len));
    TRY(store_begin_in(m->fs.store, dir->tree->root.id, STORE_CREATE, SUBVOL_CREATE_UNITS));
    int ret = create_locked(m, dir, &subvol, options, cred, out);
    store_end(m->fs.store);
    return ret;
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static int may_be_source(const struct inode *src)
{
    if (src->ino != INO_SUBVOL_ROOT || !inode_is_dir(src))
        return fail(-EINVAL, "inode %llu is no subvolume", (unsigned long long)src->ino);
    return 0;
}

static int snapshot_locked(struct mount *m, struct inode *src, struct inode *dir,
                           const struct subvol_name *name,
                           const struct copse_subvol_options *options, struct inode **out)
{
    struct tree_handle *tree;

    TRY(dir_still_there(dir));
    TRY(subvol_snapshot(src->tree, dir, name, options->readonly, &tree));
    int ret = inode_get_locked(&m->fs, tree, INO_SUBVOL_ROOT, out);
    return ret < 0 ? txn_abort(&m->fs.store->engine, ret) : 0;
}

int mount_subvol_snapshot(struct mount *m, struct inode *src, struct inode *dir, const char *name,
                          size_t len, const struct copse_subvol_options *options,
                          struct inode **out)
{
    const struct qgroup_inherit inherit = {options->groups, options->group_count, NULL};
    struct subvol_name subvol = {name, (uint16_t)len, inherit.count ? &inherit : NULL};
    struct inode *made;

    TRY(may_be_source(src));
    TRY(subvol_name_ok(dir, name, len));
    TRY(files_quiesce(&m->fs, src->tree->root.id));
    int ret = store_begin_in(m->fs.store, dir->tree->root.id, STORE_CREATE,
                             subvol_snapshot_units(src->tree));
    if (ret == 0) {
        ret = snapshot_locked(m, src, dir, &subvol, options, &made);
        store_end(m->fs.store);
    }
    files_resume(&m->fs);
    if (ret < 0)
        return ret;
    /* Files that were open without a name in the source are nobody's in the snapshot. */
    ret = drop_orphans_of(m, made->tree);
    if (ret < 0)
        inode_put(made);
    else
        *out = made;
    return ret;
}

/* ---- deleting -------------------------------------------------------------------------------- */

struct deleting {
    struct mount *m;
    struct inode *dir;
    struct subvol_name name;
    bool only_empty; /* rmdir */
    struct inode *victim;
};

static int find_victim(struct deleting *del, struct inode **out)
{
    struct dir_entry entry;

    TRY(dir_lookup(del->dir, del->name.text, del->name.len, &entry));
    return entry_inode(del->m, del->dir, del->name.text, del->name.len, &entry, out);
}

static int may_be_victim(const struct deleting *del)
{
    struct inode *victim = del->victim;
    bool empty = true;

    if (!inode_is_dir(victim))
        return fail(-ENOTDIR, "inode %llu is no directory", (unsigned long long)victim->ino);
    if (victim->ino != INO_SUBVOL_ROOT)
        return fail(-EINVAL, "inode %llu is no subvolume", (unsigned long long)victim->ino);
    if (del->only_empty)
        TRY(dir_is_empty(victim, &empty));
    if (!empty)
        return fail(-ENOTEMPTY, "the subvolume is not empty");
    TRY(subvol_may_delete(&del->m->fs, victim->tree));
    return victim->tree == del->m->root->tree ? fail(-EBUSY, "the root of the mount") : 0;
}

static int delete_locked(struct deleting *del)
{
    struct inode *found;

    /* The name may mean another one by now. */
    TRY(find_victim(del, &found));
    bool same = found == del->victim;
    inode_put(found);
    if (!same)
        return fail(-ENOENT, "renamed meanwhile");
    TRY(may_be_victim(del));
    return subvol_unlink(del->dir, &del->name, del->victim->tree);
}

static int delete_victim(struct deleting *del)
{
    struct fs *fs = &del->m->fs;
    struct files_held held;

    TRY(files_hold_tree(fs, del->victim->tree->root.id, &held));
    int ret = begin_on(del->dir, STORE_RELEASE, SUBVOL_DELETE_UNITS);
    if (ret == 0) {
        ret = delete_locked(del);
        store_end(fs->store);
    }
    if (ret == 0)
        files_forget_held(fs, &held);
    else
        files_release_held(fs, &held);
    return ret;
}

static int delete_subvol(struct deleting *del)
{
    store_read_lock(del->m->fs.store);
    int ret = find_victim(del, &del->victim);
    if (ret == 0)
        ret = may_be_victim(del);
    store_read_unlock(del->m->fs.store);
    if (ret == 0)
        ret = delete_victim(del);
    inode_put(del->victim);
    return ret;
}

int subvol_rmdir(struct mount *m, struct inode *dir, const char *name, size_t len)
{
    struct deleting del = {
        .m = m, .dir = dir, .name = {name, (uint16_t)len, NULL}, .only_empty = true};

    return delete_subvol(&del);
}

int mount_subvol_delete(struct mount *m, struct inode *dir, const char *name, size_t len)
{
    struct deleting del = {.m = m, .dir = dir, .name = {name, (uint16_t)len, NULL}};

    if (inode_is_dir(dir) && (len == 0 || (len == 1 && name[0] == '.')))
        return fail(-EACCES, "no name of a subvolume");
    TRY(dir_may_change(dir, name, len, true));
    return delete_subvol(&del);
}

/* The directory that a subvolume is in, and its name there. */
static int place_of(struct mount *m, uint64_t id, struct inode **dir, char *name, uint16_t *len)
{
    struct tree_handle *tree;
    uint64_t parent, dirid, index;

    if (id == TREE_FS || !is_fs_tree(id))
        return fail(-EINVAL, "%llu is not the id of a subvolume that can be deleted",
                    (unsigned long long)id);
    TRY(roots_get(m->fs.store->roots, id, &tree));
    TRY(root_ref_find(&m->fs.store->engine, id, &parent, &dirid, &index, name, len));
    TRY(roots_get(m->fs.store->roots, parent, &tree));
    return inode_get_locked(&m->fs, tree, dirid, dir);
}

int mount_subvol_delete_id(struct mount *m, uint64_t id)
{
    char name[NAME_MAX_BYTES + 1];
    struct inode *dir;
    uint16_t len;

    store_read_lock(m->fs.store);
    int ret = place_of(m, id, &dir, name, &len);
    store_read_unlock(m->fs.store);
    if (ret < 0)
        return ret;
    ret = mount_subvol_delete(m, dir, name, len);
    inode_put(dir);
    return ret;
}

int mount_subvol_undelete(struct mount *m, struct inode *dir, const char *name, size_t len,
                          uint64_t id)
{
    struct subvol_name subvol = {name, (uint16_t)len, NULL};
    struct tree_handle *tree;

    TRY(subvol_name_ok(dir, name, len));
    /* Out of the global reserve: to make room, what is to come back might be dropped. */
    TRY(begin_on(dir, STORE_RELEASE, SUBVOL_DELETE_UNITS));
    int ret = dir_still_there(dir);
    if (ret == 0)
        ret = subvol_undelete(dir, &subvol, id, &tree);
    store_end(m->fs.store);
    return ret;
}

int mount_subvol_clean(struct mount *m, unsigned *left)
{
    bool more = true;

    if (m->priv->readonly)
        return fail(-EROFS, "the file system is read-only");
    if (subvol_count_dead(&m->fs) == 0) {
        *left = 0;
        return 0;
    }
    /* A deletion that is not durable yet must be, before it begins. */
    TRY(subvol_drop_step(&m->fs, &more));
    if (!more)
        TRY(store_commit(m->fs.store));
    *left = subvol_count_dead(&m->fs);
    return 0;
}

/* ---- flags ----------------------------------------------------------------------------------- */

int mount_subvol_set_readonly(struct mount *m, struct inode *inode, bool readonly,
                              bool drop_received)
{
    TRY(may_be_source(inode));
    TRY(inode_is_there(inode));
    /* What was written before belongs to it, what comes after is refused. */
    TRY(files_quiesce(&m->fs, inode->tree->root.id));
    int ret = store_begin(m->fs.store, STORE_RELEASE, UNITS_NAME);
    if (ret == 0) {
        ret = inode_is_there(inode);
        if (ret == 0)
            ret = subvol_set_readonly(&m->fs, inode->tree, readonly, drop_received);
        store_end(m->fs.store);
    }
    files_resume(&m->fs);
    return ret;
}

int mount_subvol_set_received(struct mount *m, struct inode *inode,
                              const struct copse_received *received)
{
    struct subvol_received what = {
        .stransid = received->stransid,
        .stime = {.sec = (uint64_t)received->stime.tv_sec,
                  .nsec = (uint32_t)received->stime.tv_nsec},
    };

    memcpy(what.uuid.b, received->uuid, sizeof(what.uuid.b));
    TRY(may_be_source(inode));
    TRY(begin_on(inode, STORE_RELEASE, UNITS_NAME));
    int ret = subvol_set_received(&m->fs, inode->tree, &what);
    store_end(m->fs.store);
    return ret;
}
