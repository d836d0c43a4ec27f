// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether a subvolume may be changed, and what it is a copy of. */
#include "fs/subvol/subvol.h"

#include "base/cleanup.h"

int subvol_set_received(struct fs *fs, struct tree_handle *tree,
                        const struct subvol_received *received)
{
    struct engine *engine = &fs->store->engine;
    struct root_item *item = &tree->item;
    uint64_t id = tree->root.id;

    if (memcmp(&item->received_uuid, &received->uuid, sizeof(struct uuid)) != 0) {
        TRY(uuid_tree_del(engine, &item->received_uuid, KEY_UUID_RECEIVED, id));
        int ret = uuid_tree_add(engine, &received->uuid, KEY_UUID_RECEIVED, id);
        if (ret < 0)
            return txn_abort(engine, ret);
    }
    item->received_uuid = received->uuid;
    item->stransid = received->stransid;
    item->stime = received->stime;
    item->rtransid = engine->txn.transid;
    item->rtime = timestamp_now(fs);
    roots_mark_dirty(tree);
    return 0;
}

int subvol_set_readonly(struct fs *fs, struct tree_handle *tree, bool readonly, bool drop_received)
{
    const struct subvol_received nothing = {0};
    bool is_readonly = tree->item.flags & ROOT_SUBVOL_RDONLY;

    if (readonly == is_readonly)
        return 0;
    if (!readonly && tree_is_sent(tree))
        return fail(-EPERM, "subvolume %llu is being sent", (unsigned long long)tree->root.id);
    if (!readonly && !uuid_is_null(&tree->item.received_uuid)) {
        if (!drop_received)
            return fail(-EPERM, "it was received: made writable it must forget that");
        TRY(subvol_set_received(fs, tree, &nothing));
    }
    tree->item.flags ^= ROOT_SUBVOL_RDONLY;
    roots_mark_dirty(tree);
    return 0;
}

/* ---- being sent ------------------------------------------------------------------------------ */

int subvol_send_begin(struct fs *fs, struct tree_handle *tree)
{
    int ret = 0;

    store_read_lock(fs->store);
    if (tree->item.refs == 0 || !(tree->item.flags & ROOT_SUBVOL_RDONLY))
        ret = fail(-EPERM, "subvolume %llu is not read-only", (unsigned long long)tree->root.id);
    else
        __atomic_fetch_add(&tree->sends, 1, __ATOMIC_RELAXED);
    store_read_unlock(fs->store);
    return ret;
}

void subvol_send_end(struct fs *fs, struct tree_handle *tree)
{
    store_read_lock(fs->store);
    __atomic_fetch_sub(&tree->sends, 1, __ATOMIC_RELAXED);
    store_read_unlock(fs->store);
}
