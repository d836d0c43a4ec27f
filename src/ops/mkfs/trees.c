// SPDX-License-Identifier: GPL-2.0-or-later
/* The items that make the trees of an empty file system. */
#include <string.h>
#include <sys/stat.h>

#include "disk/csum/csum.h"
#include "ops/mkfs/internal.h"

#define DIRECTORY_MODE (S_IFDIR | 0755)
#define DEFAULT_NAME "default" /* of the top-level subvolume, in the root tree's directory */
#define PARENT_NAME ".."
#define NAME_LEN(name) (sizeof(name) - 1)

static struct root *tree(struct maker *maker, enum tree_index index)
{
    return &maker->roots[index];
}

/* ---- devices and chunks ------------------------------------------------------------------------
 */

static int fill_chunk_tree(struct maker *maker)
{
    struct root *root = tree(maker, T_CHUNK);
    struct key key = key_make(OBJ_DEV_ITEMS, KEY_DEV_ITEM, 1);
    disk_dev_item device;

    dev_item_encode(&device, &vol_device(maker->vol, 0)->item);
    TRY(tree_insert(root, &key, &device, sizeof(device)));
    for (unsigned i = 0; i < maker->plan.chunk_count; i++) {
        const struct chunk_map *chunk = &maker->plan.chunks[i];
        uint8_t item[sizeof(disk_chunk) + VOL_STRIPES_MAX * sizeof(disk_stripe)];
        uint32_t size = chunk_map_encode(maker->vol, chunk, item);

        key = key_make(FIRST_CHUNK_TREE_OBJECTID, KEY_CHUNK_ITEM, chunk->logical);
        TRY(tree_insert(root, &key, item, size));
    }
    return 0;
}

static int fill_dev_tree(struct maker *maker)
{
    for (unsigned i = 0; i < maker->plan.chunk_count; i++) {
        const struct chunk_map *chunk = &maker->plan.chunks[i];
        struct dev_extent extent = {
            .chunk_tree = TREE_CHUNK,
            .chunk_objectid = FIRST_CHUNK_TREE_OBJECTID,
            .chunk_offset = chunk->logical,
            .length = chunk->length,
            .chunk_tree_uuid = maker->plan.chunk_tree_uuid,
        };
        disk_dev_extent item;

        dev_extent_encode(&item, &extent);
        for (unsigned s = 0; s < chunk->num_stripes; s++) {
            struct key key =
                key_make(chunk->stripes[s].devid, KEY_DEV_EXTENT, chunk->stripes[s].offset);

            TRY(tree_insert(tree(maker, T_DEV), &key, &item, sizeof(item)));
        }
    }
    return 0;
}

/* ---- directories
 * --------------------------------------------------------------------------------- */

static struct timestamp now(const struct maker *maker)
{
    return (struct timestamp){
        .sec = (uint64_t)maker->plan.now.tv_sec,
        .nsec = (uint32_t)maker->plan.now.tv_nsec,
    };
}

static struct inode_item directory_inode(const struct maker *maker)
{
    return (struct inode_item){
        .generation = MKFS_GENERATION,
        .transid = MKFS_GENERATION,
        .nlink = 1,
        .mode = DIRECTORY_MODE,
        .nbytes = maker->plan.nodesize,
        .atime = now(maker),
        .ctime = now(maker),
        .mtime = now(maker),
        .otime = now(maker),
    };
}

static int insert_inode_ref(struct root *root, const struct key *key, const char *name,
                            uint16_t name_len)
{
    struct inode_ref ref = {.index = 0, .name_len = name_len};
    uint8_t item[sizeof(disk_inode_ref) + NAME_MAX_BYTES];

    inode_ref_encode(item, &ref);
    memcpy(item + sizeof(disk_inode_ref), name, name_len);
    return tree_insert(root, key, item, (uint32_t)sizeof(disk_inode_ref) + name_len);
}

/* A directory that is its own parent. */
static int insert_root_directory(struct maker *maker, struct root *root, uint64_t ino)
{
    struct key inode_key = key_make(ino, KEY_INODE_ITEM, 0);
    struct key ref_key = key_make(ino, KEY_INODE_REF, ino);
    struct inode_item inode = directory_inode(maker);
    disk_inode_item item;

    inode_item_encode(&item, &inode);
    TRY(tree_insert(root, &inode_key, &item, sizeof(item)));
    return insert_inode_ref(root, &ref_key, PARENT_NAME, NAME_LEN(PARENT_NAME));
}

/* The name under which the root tree's directory knows the default subvolume. */
static int insert_default_name(struct maker *maker)
{
    struct root *root = tree(maker, T_ROOT);
    struct key ref_key = key_make(TREE_FS, KEY_INODE_REF, ROOT_TREE_DIR);
    struct key dir_key =
        key_make(ROOT_TREE_DIR, KEY_DIR_ITEM, name_hash(DEFAULT_NAME, NAME_LEN(DEFAULT_NAME)));
    struct dir_item dir = {
        .location = key_make(TREE_FS, KEY_ROOT_ITEM, UINT64_MAX),
        .name_len = NAME_LEN(DEFAULT_NAME),
        .type = FT_DIR,
    };
    uint8_t item[sizeof(disk_dir_item) + NAME_LEN(DEFAULT_NAME)];

    dir_item_encode(item, &dir);
    memcpy(item + sizeof(disk_dir_item), DEFAULT_NAME, NAME_LEN(DEFAULT_NAME));
    TRY(tree_insert(root, &dir_key, item, sizeof(item)));
    return insert_inode_ref(root, &ref_key, DEFAULT_NAME, NAME_LEN(DEFAULT_NAME));
}

static int fill_uuid_tree(struct maker *maker)
{
    le64 half[2], id = le64_of(TREE_FS);
    struct key key;

    memcpy(half, maker->plan.subvol_uuid.b, sizeof(half));
    key = key_make(le64_get(half[0]), KEY_UUID_SUBVOL, le64_get(half[1]));
    return tree_insert(tree(maker, T_UUID), &key, &id, sizeof(id));
}

/* ---- quotas ------------------------------------------------------------------------------------
 */

static int insert_quota_status(struct maker *maker, bool simple)
{
    struct key key = key_make(0, KEY_QGROUP_STATUS, 0);
    struct qgroup_status status = {
        .version = 1,
        .generation = MKFS_GENERATION,
        .flags = QGROUP_STATUS_ON | (simple ? QGROUP_STATUS_SIMPLE : 0),
    };
    le64 enable_gen = le64_of(simple ? MKFS_GENERATION : 0);
    uint8_t item[sizeof(disk_qgroup_status) + sizeof(enable_gen)];

    qgroup_status_encode(item, &status);
    memcpy(item + sizeof(disk_qgroup_status), &enable_gen, sizeof(enable_gen));
    return tree_insert(tree(maker, T_QUOTA), &key, item, sizeof(item));
}

/* The top-level subvolume has one tree block, and nobody else does. */
static int fill_quota_tree(struct maker *maker)
{
    struct key info_key = key_make(0, KEY_QGROUP_INFO, TREE_FS);
    struct key limit_key = key_make(0, KEY_QGROUP_LIMIT, TREE_FS);
    struct qgroup_info info = {
        .generation = MKFS_GENERATION,
        .rfer = maker->plan.nodesize,
        .rfer_cmpr = maker->plan.nodesize,
        .excl = maker->plan.nodesize,
        .excl_cmpr = maker->plan.nodesize,
    };
    struct qgroup_limit limit = {0};
    disk_qgroup_info info_item;
    disk_qgroup_limit limit_item;

    if (!maker_has_tree(maker, T_QUOTA))
        return 0;
    TRY(insert_quota_status(maker, plan_has(&maker->plan, MKFS_SIMPLE_QUOTA)));
    qgroup_info_encode(&info_item, &info);
    TRY(tree_insert(tree(maker, T_QUOTA), &info_key, &info_item, sizeof(info_item)));
    qgroup_limit_encode(&limit_item, &limit);
    return tree_insert(tree(maker, T_QUOTA), &limit_key, &limit_item, sizeof(limit_item));
}

int trees_fill(struct maker *maker)
{
    TRY(fill_chunk_tree(maker));
    TRY(fill_dev_tree(maker));
    TRY(insert_root_directory(maker, tree(maker, T_FS), INO_SUBVOL_ROOT));
    TRY(insert_root_directory(maker, tree(maker, T_DATA_RELOC), INO_SUBVOL_ROOT));
    TRY(insert_root_directory(maker, tree(maker, T_ROOT), ROOT_TREE_DIR));
    TRY(insert_default_name(maker));
    TRY(fill_quota_tree(maker));
    return fill_uuid_tree(maker);
}

/* ---- root items
 * ----------------------------------------------------------------------------------- */

static struct root_item root_item_of(const struct maker *maker, enum tree_index index)
{
    const struct root *root = &maker->roots[index];
    struct root_item item = {
        /* What every root item carries in its inode, whether or not the tree has any. */
        .inode =
            {
                .generation = 1,
                .size = 3,
                .nlink = 1,
                .nbytes = maker->plan.nodesize,
                .mode = DIRECTORY_MODE,
            },
        .generation = root->generation,
        .root_dirid = is_fs_tree(root->id) || index == T_DATA_RELOC ? INO_SUBVOL_ROOT : 0,
        .bytenr = root->bytenr,
        .bytes_used = maker->plan.nodesize * (1 + (uint64_t)root->nodes_added),
        .refs = 1,
        .level = root->level,
        .generation_v2 = root->generation,
    };

    if (index == T_FS) {
        item.inode.flags = INODE_ROOT_ITEM_INIT;
        item.uuid = maker->plan.subvol_uuid;
        item.ctime = now(maker);
        item.otime = now(maker);
    }
    return item;
}

int trees_write_root_items(struct maker *maker)
{
    for (enum tree_index i = 0; i < TREES; i++) {
        struct key key = key_make(maker->roots[i].id, KEY_ROOT_ITEM, 0);
        struct root_item item;
        disk_root_item bytes;

        if (i == T_ROOT || i == T_CHUNK || !maker_has_tree(maker, i))
            continue;
        item = root_item_of(maker, i);
        root_item_encode(&bytes, &item);
        TRY(tree_upsert(tree(maker, T_ROOT), &key, &bytes, sizeof(bytes)));
    }
    return 0;
}
