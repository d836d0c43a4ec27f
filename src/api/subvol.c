// SPDX-License-Identifier: GPL-2.0-or-later
/* Subvolumes. */
#include "api/internal.h"

COPSE_EXPORT int
copse_subvol_list(copse_fs *fs, int (*fn)(void *arg, const struct copse_subvol *subvol), void *arg)
{
    return API_CALL(mount_subvol_list(mount_of(fs), fn, arg));
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

COPSE_EXPORT bool copse_is_subvol(const copse_node *node)
{
    const struct inode *inode = (const struct inode *)node;

    return inode->ino == INO_SUBVOL_ROOT && inode_is_dir(inode);
}
