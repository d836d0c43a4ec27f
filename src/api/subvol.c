// SPDX-License-Identifier: GPL-2.0-or-later
/* Subvolumes. */
#include "api/internal.h"

COPSE_EXPORT int
copse_subvol_list(copse_fs *fs, int (*fn)(void *arg, const struct copse_subvol *subvol), void *arg)
{
    return API_CALL(mount_subvol_list(mount_of(fs), fn, arg));
}

COPSE_EXPORT int copse_subvol_exclusive(copse_fs *fs, uint64_t id, struct copse_exclusive *out)
{
    return API_CALL(mount_subvol_exclusive(mount_of(fs), id, out));
}

COPSE_EXPORT int copse_subvol_of(copse_node *node, struct copse_subvol *out)
{
    return API_CALL(mount_subvol_of(mount_of_node(node), inode_of(node), out));
}

static int get_default(struct mount *mount, uint64_t *id)
{
    int ret;

    store_read_lock(mount->fs.store);
    ret = subvol_get_default(&mount->fs, id);
    store_read_unlock(mount->fs.store);
    return ret;
}

COPSE_EXPORT int copse_subvol_get_default(copse_fs *fs, uint64_t *id)
{
    return API_CALL(get_default(mount_of(fs), id));
}

static int set_default(struct mount *mount, uint64_t id)
{
    int ret;

    TRY(store_begin(mount->fs.store, STORE_CREATE, 2));
    ret = subvol_set_default(&mount->fs, id);
    store_end(mount->fs.store);
    return ret;
}

COPSE_EXPORT int copse_subvol_set_default(copse_fs *fs, uint64_t id)
{
    return API_CALL(set_default(mount_of(fs), id));
}

/* ---- making ---------------------------------------------------------------------------------- */

static int take_options(const struct copse_subvol_options *given, struct copse_subvol_options *out)
{
    static const struct copse_subvol_options standard = COPSE_SUBVOL_OPTIONS_INIT;

    return api_take_options(out, sizeof(*out), given ? given : &standard);
}

static int create(copse_node *dir, const char *name, size_t len,
                  const struct copse_subvol_options *given, const struct copse_cred *cred,
                  struct inode **out)
{
    struct copse_subvol_options options;

    API_REQUIRE(dir && name && cred);
    TRY(take_options(given, &options));
    return mount_subvol_create(mount_of_node(dir), inode_of(dir), name, len, &options, cred, out);
}

COPSE_EXPORT int copse_subvol_create(copse_node *dir, const char *name, size_t len,
                                     const struct copse_subvol_options *options,
                                     const struct copse_cred *cred, copse_node **out)
{
    struct inode *made = NULL;
    int ret = API_CALL(create(dir, name, len, options, cred, &made));

    return api_hand_out(ret, made, out);
}

static int snapshot(copse_node *source, copse_node *dir, const char *name, size_t len,
                    const struct copse_subvol_options *given, struct inode **out)
{
    struct copse_subvol_options options;

    API_REQUIRE(source && dir && name);
    TRY(take_options(given, &options));
    TRY(api_same_fs(source, dir));
    return mount_subvol_snapshot(mount_of_node(dir), inode_of(source), inode_of(dir), name, len,
                                 &options, out);
}

COPSE_EXPORT int copse_subvol_snapshot(copse_node *source, copse_node *dir, const char *name,
                                       size_t len, const struct copse_subvol_options *options,
                                       copse_node **out)
{
    struct inode *made = NULL;
    int ret = API_CALL(snapshot(source, dir, name, len, options, &made));

    return api_hand_out(ret, made, out);
}

/* ---- deleting -------------------------------------------------------------------------------- */

COPSE_EXPORT int copse_subvol_delete(copse_node *dir, const char *name, size_t len)
{
    return API_CALL(mount_subvol_delete(mount_of_node(dir), inode_of(dir), name, len));
}

COPSE_EXPORT int copse_subvol_delete_id(copse_fs *fs, uint64_t id)
{
    return API_CALL(mount_subvol_delete_id(mount_of(fs), id));
}

COPSE_EXPORT int copse_subvol_undelete(copse_node *dir, const char *name, size_t len, uint64_t id)
{
    return API_CALL(mount_subvol_undelete(mount_of_node(dir), inode_of(dir), name, len, id));
}

COPSE_EXPORT int copse_subvol_clean(copse_fs *fs, unsigned *left)
{
    return API_CALL(mount_subvol_clean(mount_of(fs), left));
}

/* ---- flags ----------------------------------------------------------------------------------- */

COPSE_EXPORT int copse_subvol_set_readonly(copse_node *root, bool readonly, bool drop_received)
{
    return API_CALL(
        mount_subvol_set_readonly(mount_of_node(root), inode_of(root), readonly, drop_received));
}

COPSE_EXPORT int copse_subvol_set_received(copse_node *root, const struct copse_received *received)
{
    return API_CALL(mount_subvol_set_received(mount_of_node(root), inode_of(root), received));
}

COPSE_EXPORT int copse_subvol_root(copse_fs *fs, uint64_t id, copse_node **out)
{
    struct inode *root = NULL;
    int ret = API_CALL(mount_subvol_root(mount_of(fs), id, &root));

    if (ret == 0)
        *out = node_of(root);
    return ret;
}

COPSE_EXPORT uint64_t copse_subvol_ino(copse_fs *fs, uint64_t id)
{
    return subvol_ino(&mount_of(fs)->fs, id, INO_SUBVOL_ROOT);
}

COPSE_EXPORT bool copse_is_subvol(const copse_node *node)
{
    const struct inode *inode = (const struct inode *)node;

    return inode->ino == INO_SUBVOL_ROOT && inode_is_dir(inode);
}
