// SPDX-License-Identifier: GPL-2.0-or-later
/* New subvolumes, empty ones and snapshots: their trees, their root items, their names. */
#include "fs/subvol/subvol.h"

#include <sys/stat.h>

#include "base/cleanup.h"

static const char parent_name[] = "..";
#define PARENT_NAME_LEN (sizeof(parent_name) - 1)

static struct uuid random_uuid(struct env *env)
{
    struct uuid uuid;

    env_random(env, uuid.b, sizeof(uuid.b));
    uuid.b[6] = (uint8_t)((uuid.b[6] & 0x0f) | 0x40);
    uuid.b[8] = (uint8_t)((uuid.b[8] & 0x3f) | 0x80);
    return uuid;
}

/* What can be refused, is before anything changes. */
static int may_make(struct inode *dir, const struct subvol_name *name)
{
    TRY(dir_name_is_free(dir, name->text, name->len));
    return name->inherit ? qgroups_check_inherit(dir->fs->store->qgroups, name->inherit) : 0;
}

/*
 * What the two kinds have in common, once the tree is there: root item, name, uuid, quota group.
 * src: what it is a snapshot of, or 0. Whatever goes wrong here would leave half a subvolume, so it
 * ends the transaction.
 */
static int register_tree(struct inode *dir, const struct subvol_name *name, struct root *root,
                         const struct root_item *item, uint64_t src, struct tree_handle **out)
{
    struct store *store = dir->fs->store;
    struct key location = key_make(root->id, KEY_ROOT_ITEM, UINT64_MAX);
    /*
     * Whoever deletes a snapshot takes blocks that are no younger than this for its source's. Linux
     * makes snapshots at the end of a transaction and writes that one here; ours may be written to
     * in the same one still.
     */
    uint64_t key_offset = src ? store->engine.txn.transid - 1 : 0;
    struct tree_handle *tree;

    int ret = roots_insert(store->roots, root, item, key_offset, &tree);
    if (ret == 0)
        ret = dir_add(dir, name->text, name->len, &location, FT_DIR);
    if (ret == 0)
        ret = uuid_tree_add(&store->engine, &item->uuid, KEY_UUID_SUBVOL, root->id);
    if (ret == 0)
        ret = uuid_tree_add(&store->engine, &item->received_uuid, KEY_UUID_RECEIVED, root->id);
    if (ret == 0)
        ret = qgroups_subvol_made(store->qgroups, root->id, src, dir->tree->root.id, name->inherit);
    if (ret < 0)
        return txn_abort(&store->engine, ret);
    *out = tree;
    return 0;
}

/* ---- empty ----------------------------------------------------------------------------------- */

static int insert_root_dir(struct root *root, const struct inode_item *item)
{
    struct key inode_key = key_make(INO_SUBVOL_ROOT, KEY_INODE_ITEM, 0);
    struct key ref_key = key_make(INO_SUBVOL_ROOT, KEY_INODE_REF, INO_SUBVOL_ROOT);
    struct inode_ref ref = {.index = 0, .name_len = PARENT_NAME_LEN};
    uint8_t ref_item[sizeof(disk_inode_ref) + PARENT_NAME_LEN];
    disk_inode_item disk;

    inode_item_encode(&disk, item);
    TRY(tree_insert(root, &inode_key, &disk, sizeof(disk)));
    inode_ref_encode(ref_item, &ref);
    memcpy(ref_item + sizeof(disk_inode_ref), parent_name, PARENT_NAME_LEN);
    return tree_insert(root, &ref_key, ref_item, sizeof(ref_item));
}

static void fill_new(struct fs *fs, const struct inode_new *what, struct inode_item *dir,
                     struct root_item *item)
{
    struct engine *engine = &fs->store->engine;
    uint64_t transid = engine->txn.transid;
    struct timestamp now = timestamp_now(fs);

    *dir = (struct inode_item){
        .generation = transid,
        .transid = transid,
        .nlink = 1,
        .mode = S_IFDIR | (what->mode & 07777),
        .uid = what->uid,
        .gid = what->gid,
        .atime = now,
        .ctime = now,
        .mtime = now,
        .otime = now,
    };
    /* The inode in a root item says nothing, but this is what everybody writes there. */
    *item = (struct root_item){
        .inode = {.generation = 1,
                  .size = 3,
                  .nlink = 1,
                  .nbytes = engine->nodesize,
                  .mode = S_IFDIR | 0755,
                  .flags = INODE_ROOT_ITEM_INIT},
        .root_dirid = INO_SUBVOL_ROOT,
        .bytes_used = engine->nodesize,
        .refs = 1,
        .uuid = random_uuid(fs->env),
        .ctransid = transid,
        .otransid = transid,
        .ctime = now,
        .otime = now,
    };
}

int subvol_create(struct inode *dir, const struct subvol_name *name, const struct inode_new *what,
                  struct tree_handle **out)
{
    struct store *store = dir->fs->store;
    struct root root = {.forest = store->engine.forest, .shareable = true};
    struct root_item item;
    struct inode_item root_dir;

    TRY(may_make(dir, name));
    TRY(roots_new_id(store->roots, &root.id));
    TRY(root_create(&root));
    fill_new(dir->fs, what, &root_dir, &item);
    int ret = insert_root_dir(&root, &root_dir);
    if (ret < 0)
        return txn_abort(&store->engine, ret);
    return register_tree(dir, name, &root, &item, 0, out);
}

/* ---- snapshots ------------------------------------------------------------------------------- */

/* The root item of a snapshot: its source's, with what makes it another subvolume. */
static void fill_snapshot(struct fs *fs, const struct tree_handle *src, bool readonly,
                          struct root_item *item)
{
    *item = src->item;
    item->parent_uuid = src->item.uuid;
    item->uuid = random_uuid(fs->env);
    item->otime = timestamp_now(fs);
    item->otransid = fs->store->engine.txn.transid;
    item->flags = readonly ? ROOT_SUBVOL_RDONLY : 0;
    if (!readonly) {
        /* It can change, so it is no longer what was received. */
        memset(&item->received_uuid, 0, sizeof(item->received_uuid));
        item->stransid = item->rtransid = 0;
        item->stime = item->rtime = (struct timestamp){0};
    }
    if (!(item->inode.flags & INODE_ROOT_ITEM_INIT)) {
        item->inode.flags = INODE_ROOT_ITEM_INIT;
        item->byte_limit = 0;
    }
}

int subvol_snapshot(struct tree_handle *src, struct inode *dir, const struct subvol_name *name,
                    bool readonly, struct tree_handle **out)
{
    struct fs *fs = dir->fs;
    struct store *store = fs->store;
    struct root_item item;
    struct root root;
    uint64_t id;

    if (src->deleted || src->item.refs == 0)
        return fail(-ENOENT, "subvolume %llu is deleted", (unsigned long long)src->root.id);
    TRY(may_make(dir, name));
    TRY(roots_new_id(store->roots, &id));
    TRY(inodes_write_dirty_of(fs, src->root.id));
    TRY(tree_copy_root(&src->root, id, &root));
    store_shared_tree(store);
    fill_snapshot(fs, src, readonly, &item);
    /* Only now the name: a snapshot in its own source does not contain itself. */
    return register_tree(dir, name, &root, &item, src->root.id, out);
}

unsigned subvol_snapshot_units(const struct tree_handle *src)
{
    /* Each child of the root node, or each extent of a root leaf, gains a reference: an item in
     * a leaf of the extent tree of its own, at worst. A unit pays for a handful of those. */
    unsigned children = forest_nodesize(src->root.forest) / 33;

    return 24 + children / 6;
}
