// SPDX-License-Identifier: GPL-2.0-or-later
/* Names, directories, xattrs, references to names, and what root items say of trees. */
#include "base/test/unit.h"

#include <string.h>

#include "disk/csum/csum.h"
#include "kinds.h"

#define BASE BASE_DEFAULT

static uint64_t ino(const char *path)
{
    return kind_ino(BASE, path);
}

static struct image_item hash_item(const struct image *image, const char *dir, const char *name)
{
    return kind_item(image, TREE_FS, ino(dir), KEY_DIR_ITEM, name_hash(name, strlen(name)));
}

/* The entry by index of that name. */
static struct image_item index_item(const struct image *image, const char *dir, const char *name)
{
    struct image_item item;
    uint8_t block[NODE_SIZE_MAX];

    for (uint64_t index = 0;; index = item.key.offset + 1) {
        item = kind_item(image, TREE_FS, ino(dir), KEY_DIR_INDEX, index);
        assert_int_equal(item.key.objectid, ino(dir));
        image_block_read(image, item.block, block);
        const uint8_t *text = block + item.offset + sizeof(disk_dir_item);
        if (item.size == sizeof(disk_dir_item) + strlen(name) &&
            memcmp(text, name, strlen(name)) == 0)
            return item;
    }
}

/* ---- names -------------------------------------------------------------------------------------
 */

/* Both entries of /inline get another name of the same length; the hash is made right. */
static void rename_entry(struct image *image, const char *name)
{
    struct image_item by_hash = hash_item(image, "", "inline");
    struct image_item by_index = index_item(image, "", "inline");
    struct key key = by_hash.key;

    image_item_edit(image, &by_hash, sizeof(disk_dir_item), name, 6);
    image_item_edit(image, &by_index, sizeof(disk_dir_item), name, 6);
    key.offset = name_hash(name, 6);
    image_item_set_key(image, &by_hash, &key);
}

static void index_name(struct image *image, const char *name, size_t len)
{
    struct image_item item = index_item(image, "", "inline");

    image_item_edit(image, &item, sizeof(disk_dir_item), name, len);
}
static void name_with_slash(struct image *image)
{
    index_name(image, "in/ine", 6);
}
static void name_with_nul(struct image *image)
{
    index_name(image, "in\0ine", 6);
}
static void name_with_slash_by_hash(struct image *image)
{
    rename_entry(image, "../../");
}
static void name_dot_dot(struct image *image)
{
    struct image_item item = index_item(image, "", "inline");
    uint8_t bytes[sizeof(disk_dir_item) + 2];
    uint8_t block[NODE_SIZE_MAX];

    image_block_read(image, item.block, block);
    memcpy(bytes, block + item.offset, sizeof(disk_dir_item));
    ((disk_dir_item *)bytes)->name_len = le16_of(2);
    memcpy(bytes + sizeof(disk_dir_item), "..", 2);
    image_item_replace(image, &item, bytes, sizeof(bytes));
}
static void name_newline(struct image *image)
{
    index_name(image, "in\nine", 6);
}
static void name_len_0(struct image *image)
{
    struct image_item item = index_item(image, "", "inline");

    ITEM_SET(image, &item, dir_item, name_len, 0);
}
static void name_len_long(struct image *image)
{
    struct image_item item = index_item(image, "", "inline");

    ITEM_SET(image, &item, dir_item, name_len, 65535);
}
static void name_len_256(struct image *image)
{
    struct image_item item = index_item(image, "", "inline");
    uint8_t bytes[sizeof(disk_dir_item) + 256];
    uint8_t block[NODE_SIZE_MAX];

    image_block_read(image, item.block, block);
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, block + item.offset, sizeof(disk_dir_item));
    ((disk_dir_item *)bytes)->name_len = le16_of(256);
    image_item_replace(image, &item, bytes, sizeof(bytes));
}
static void name_cut(struct image *image)
{
    struct image_item item = index_item(image, "", "inline");

    ITEM_SET(image, &item, dir_item, name_len, 7);
}
static void name_value(struct image *image)
{
    struct image_item item = index_item(image, "", "inline");

    ITEM_SET(image, &item, dir_item, data_len, 3);
}
static void hash_lies(struct image *image)
{
    struct image_item item = hash_item(image, "", "inline");
    struct key key = item.key;

    key.offset++;
    image_item_set_key(image, &item, &key);
}
static void only_by_index(struct image *image)
{
    struct image_item item = hash_item(image, "", "inline");

    image_item_remove(image, &item);
}
static void only_by_hash(struct image *image)
{
    struct image_item item = index_item(image, "", "inline");

    image_item_remove(image, &item);
}
static void empty_entry(struct image *image)
{
    struct image_item item = hash_item(image, "", "inline");

    image_item_replace(image, &item, "", 0);
}

/* ---- what names point at -----------------------------------------------------------------------
 */

static void point_entries(struct image *image, const char *dir, const char *name,
                          const struct key *location, uint8_t type)
{
    struct image_item items[2] = {hash_item(image, dir, name), index_item(image, dir, name)};
    disk_key bytes;

    key_encode(&bytes, location);
    for (unsigned i = 0; i < 2; i++) {
        image_item_edit(image, &items[i], offsetof(disk_dir_item, location), &bytes, sizeof(bytes));
        ITEM_SET(image, &items[i], dir_item, type, type);
    }
}
static void cycle_of_one(struct image *image)
{
    struct key key = key_make(ino("/dir"), KEY_INODE_ITEM, 0);

    point_entries(image, "/dir", "sub", &key, FT_DIR);
}
static void cycle_to_root(struct image *image)
{
    struct key key = key_make(INO_SUBVOL_ROOT, KEY_INODE_ITEM, 0);

    point_entries(image, "/dir", "sub", &key, FT_DIR);
}
static void points_at_no_inode(struct image *image)
{
    struct key key = key_make(100000, KEY_INODE_ITEM, 0);

    point_entries(image, "/dir", "sub", &key, FT_DIR);
}
static void points_at_odd_number(struct image *image)
{
    struct key key = key_make(3, KEY_INODE_ITEM, 0);

    point_entries(image, "", "inline", &key, FT_REG_FILE);
}
static void points_at_odd_key(struct image *image)
{
    struct key key = key_make(257, KEY_EXTENT_DATA, 0);

    point_entries(image, "", "inline", &key, FT_REG_FILE);
}
static void points_at_no_subvolume(struct image *image)
{
    struct key key = key_make(5000, KEY_ROOT_ITEM, UINT64_MAX);

    point_entries(image, "/dir", "sub", &key, FT_DIR);
}
static void points_at_own_subvolume(struct image *image)
{
    struct key key = key_make(TREE_FS, KEY_ROOT_ITEM, UINT64_MAX);

    point_entries(image, "/dir", "sub", &key, FT_DIR);
}
static void points_at_system_tree(struct image *image)
{
    struct key key = key_make(TREE_EXTENT, KEY_ROOT_ITEM, UINT64_MAX);

    point_entries(image, "/dir", "sub", &key, FT_DIR);
}
static void type_lies(struct image *image)
{
    struct key key = key_make(ino("/dir/sub"), KEY_INODE_ITEM, 0);

    point_entries(image, "/dir", "sub", &key, FT_REG_FILE);
}
static void type_unknown(struct image *image)
{
    struct key key = key_make(ino("/dir/sub"), KEY_INODE_ITEM, 0);

    point_entries(image, "/dir", "sub", &key, 77);
}
static void type_xattr(struct image *image)
{
    struct key key = key_make(ino("/dir/sub"), KEY_INODE_ITEM, 0);

    point_entries(image, "/dir", "sub", &key, FT_XATTR);
}

/* ---- references to names -----------------------------------------------------------------------
 */

static struct image_item ref_of(const struct image *image, const char *path)
{
    return kind_item(image, TREE_FS, ino(path), KEY_INODE_REF, 0);
}
static void ref_missing(struct image *image)
{
    struct image_item item = ref_of(image, "/dir/sub");

    image_item_remove(image, &item);
}
static void ref_name_len(struct image *image)
{
    struct image_item item = ref_of(image, "/dir/sub");

    ITEM_SET(image, &item, inode_ref, name_len, 60000);
}
static void ref_cut(struct image *image)
{
    struct image_item item = ref_of(image, "/dir/sub");

    image_item_replace(image, &item, "12345", 5);
}
static void ref_index(struct image *image)
{
    struct image_item item = ref_of(image, "/inline");

    ITEM_SET(image, &item, inode_ref, index, UINT64_MAX);
}
/* /dir/sub says that it is in itself. */
static void parents_loop(struct image *image)
{
    struct image_item item = ref_of(image, "/dir/sub");
    struct key key = item.key;

    key.offset = ino("/dir/sub");
    image_item_set_key(image, &item, &key);
}
static void parent_missing(struct image *image)
{
    struct image_item item = ref_of(image, "/dir/sub");
    struct key key = item.key;

    key.offset = 1ULL << 50;
    image_item_set_key(image, &item, &key);
}
static void ref_other_name(struct image *image)
{
    struct image_item item = ref_of(image, "/inline");

    image_item_edit(image, &item, sizeof(disk_inode_ref), "outlin", 6);
}
static void ref_name_with_slash(struct image *image)
{
    struct image_item item = ref_of(image, "/inline");

    image_item_edit(image, &item, sizeof(disk_inode_ref), "in/../", 6);
}
static void last_index(struct image *image)
{
    struct image_item item = index_item(image, "/dir/sub", "deep");
    struct key key = item.key;

    key.offset = UINT64_MAX;
    image_item_set_key(image, &item, &key);
}

/* ---- xattrs ------------------------------------------------------------------------------------
 */

static struct image_item xattr_of(const struct image *image, const char *name)
{
    return kind_item(image, TREE_FS, ino("/xattrs"), KEY_XATTR_ITEM, name_hash(name, strlen(name)));
}
static void xattr_long(struct image *image)
{
    struct image_item item = xattr_of(image, "user.large");

    ITEM_SET(image, &item, dir_item, data_len, 65535);
}
static void xattr_cut(struct image *image)
{
    struct image_item item = xattr_of(image, "user.large");

    ITEM_SET(image, &item, dir_item, data_len, 2001);
}
static void xattr_short(struct image *image)
{
    struct image_item item = xattr_of(image, "user.large");

    ITEM_SET(image, &item, dir_item, data_len, 1990);
}
static void xattr_name(struct image *image)
{
    struct image_item item = xattr_of(image, "user.small");

    image_item_edit(image, &item, sizeof(disk_dir_item) + 5, "\0", 1);
}
static void xattr_type(struct image *image)
{
    struct image_item item = xattr_of(image, "user.small");

    ITEM_SET(image, &item, dir_item, type, FT_REG_FILE);
}
static void xattr_location(struct image *image)
{
    struct image_item item = xattr_of(image, "user.small");

    ITEM_SET(image, &item, dir_item, location, 257);
}
static void xattr_no_namespace(struct image *image)
{
    struct image_item item = kind_item(image, TREE_FS, ino("/zlib"), KEY_XATTR_ITEM, 0);
    struct key key = item.key;

    image_item_edit(image, &item, sizeof(disk_dir_item), "btrfsXcompression", 17);
    key.offset = name_hash("btrfsXcompression", 17);
    image_item_set_key(image, &item, &key);
}
static void compression_unknown(struct image *image)
{
    struct image_item item = kind_item(image, TREE_FS, ino("/zlib"), KEY_XATTR_ITEM, 0);

    image_item_edit(image, &item, sizeof(disk_dir_item) + strlen("btrfs.compression"), "\n\n\n\n",
                    4);
}

/* ---- trees -------------------------------------------------------------------------------------
 */

static struct image_item root_of(const struct image *image, uint64_t tree)
{
    return kind_item(image, TREE_ROOT, tree, KEY_ROOT_ITEM, 0);
}
#define ROOT_SET(image, tree, field, value)                                                        \
    do {                                                                                           \
        struct image_item item_ = root_of(image, tree);                                            \
        ITEM_SET(image, &item_, root_item, field, value);                                          \
    } while (0)

static void fs_tree_missing(struct image *image)
{
    struct image_item item = root_of(image, TREE_FS);

    image_item_remove(image, &item);
}
static void csum_tree_missing(struct image *image)
{
    struct image_item item = root_of(image, TREE_CSUM);

    image_item_remove(image, &item);
}
static void group_tree_missing(struct image *image)
{
    struct image_item item = root_of(image, TREE_BLOCK_GROUP);

    image_item_remove(image, &item);
}
static void fs_tree_nowhere(struct image *image)
{
    ROOT_SET(image, TREE_FS, bytenr, 1ULL << 50);
}
static void fs_tree_at_0(struct image *image)
{
    ROOT_SET(image, TREE_FS, bytenr, 0);
}
static void fs_tree_level(struct image *image)
{
    ROOT_SET(image, TREE_FS, level, 7);
}
static void fs_tree_level_200(struct image *image)
{
    ROOT_SET(image, TREE_FS, level, 200);
}
static void fs_tree_generation(struct image *image)
{
    ROOT_SET(image, TREE_FS, generation, 3);
}
static void fs_tree_elsewhere(struct image *image)
{
    ROOT_SET(image, TREE_FS, bytenr, image_tree(image, TREE_DEV));
}
static void fs_tree_flags(struct image *image)
{
    ROOT_SET(image, TREE_FS, flags, 1ULL << 20);
}
static void fs_tree_snapshot(struct image *image)
{
    ROOT_SET(image, TREE_FS, last_snapshot, UINT64_MAX);
}
static void fs_tree_dead(struct image *image)
{
    ROOT_SET(image, TREE_FS, refs, 0);
}
static void fs_tree_short(struct image *image)
{
    struct image_item item = root_of(image, TREE_FS);

    image_item_replace(image, &item, "short", 5);
}
static void shared_trees(struct image *image)
{
    uint8_t block[NODE_SIZE_MAX];
    struct image_item item = root_of(image, TREE_EXTENT), to = root_of(image, TREE_DEV);
    struct root_item root;

    image_block_read(image, item.block, block);
    root_item_decode(&root, block + item.offset);
    ROOT_SET(image, TREE_DEV, bytenr, root.bytenr);
    ROOT_SET(image, TREE_DEV, generation, root.generation);
    ROOT_SET(image, TREE_DEV, level, root.level);
    (void)to;
}
static void default_missing(struct image *image)
{
    struct image_item item = kind_item(image, TREE_ROOT, ROOT_TREE_DIR, KEY_DIR_ITEM, 0);

    image_item_remove(image, &item);
}
static void default_no_tree(struct image *image)
{
    struct image_item item = kind_item(image, TREE_ROOT, ROOT_TREE_DIR, KEY_DIR_ITEM, 0);

    ITEM_SET(image, &item, dir_item, location, 4000);
}

#define SAYS(...)                                                                                  \
    {                                                                                              \
        "block", "item", __VA_ARGS__                                                               \
    }
#define ROOT_DIR                                                                                   \
    {                                                                                              \
        "/"                                                                                        \
    }
#define INLINE                                                                                     \
    {                                                                                              \
        "/inline", "/"                                                                             \
    }

/* clang-format off */
const struct kind kinds_names[] = {
    {"name with a slash", BASE, name_with_slash, -EUCLEAN, 0,
     SAYS("name is one that no file can have")},
    {"name with a NUL", BASE, name_with_nul, -EUCLEAN, 0,
     SAYS("name is one that no file can have")},
    {"name with slashes and a good hash", BASE, name_with_slash_by_hash, -EUCLEAN, 0,
     SAYS("name is one that no file can have")},
    {"name ..", BASE, name_dot_dot, -EUCLEAN, 0, SAYS("name is one that no file can have")},
    {"name with a newline", BASE, name_newline, 0, 0, {NULL}, INLINE, 1, "/inline"},
    {"empty name", BASE, name_len_0, -EUCLEAN, 0, SAYS("name of 0 bytes")},
    {"name of 65,535 bytes", BASE, name_len_long, -EUCLEAN, 0, SAYS("name of 65535 bytes")},
    {"name of 256 bytes", BASE, name_len_256, -EUCLEAN, 0, SAYS("name of 256 bytes")},
    {"name cut off", BASE, name_cut, -EUCLEAN, 0, SAYS("cut off")},
    {"name with a value", BASE, name_value, -EUCLEAN, 0, SAYS("value of 3 bytes")},
    {"hash of a name lies", BASE, hash_lies, -EUCLEAN, 0, SAYS("hash of the name")},
    {"name by index only", BASE, only_by_index, 0, 0, {NULL}, INLINE, 1, "/inline"},
    {"name by hash only", BASE, only_by_hash, 0, 0, {NULL}, INLINE, 1, "/inline"},
    {"empty entry", BASE, empty_entry, -EUCLEAN, 0, SAYS("DIR_ITEM")},
    {"directory in itself", BASE, cycle_of_one, 0, 0, {NULL}, {"/dir"}, 1, "/dir/sub"},
    {"root in a directory", BASE, cycle_to_root, 0, 0, {NULL}, {"/dir"}, 1, "/dir/sub"},
    {"name of no inode", BASE, points_at_no_inode, 0, -EUCLEAN, {"inode 100000", "missing"},
     {"/dir/sub"}, 1, "/dir/sub"},
    {"name of inode 3", BASE, points_at_odd_number, -EUCLEAN, 0,
     SAYS("points at (CHUNK_TREE INODE_ITEM 0)")},
    {"name of an extent", BASE, points_at_odd_key, -EUCLEAN, 0,
     SAYS("points at (257 EXTENT_DATA 0)")},
    {"name of no subvolume", BASE, points_at_no_subvolume, 0, 0, {NULL}, {"/dir/sub"}, 1,
     "/dir/sub"},
    {"subvolume in itself", BASE, points_at_own_subvolume, 0, 0, {NULL}, {"/dir/sub"}, 1,
     "/dir/sub"},
    {"name of a system tree", BASE, points_at_system_tree, 0, -EUCLEAN, SAYS("points at"), {"/dir"},
     1, "/dir/sub"},
    {"type of a name lies", BASE, type_lies, 0, 0, {NULL}, {"/dir/sub"}, 1, "/dir/sub"},
    {"unknown type of a name", BASE, type_unknown, 0, -EUCLEAN, SAYS("type 77"), {"/dir"}, 1,
     "/dir/sub"},
    {"name of type xattr", BASE, type_xattr, 0, -EUCLEAN, SAYS("type 8"), {"/dir"}, 1, "/dir/sub"},
    {"missing reference", BASE, ref_missing, 0, -EUCLEAN, {"directory", "no name"}, {"/dir/sub"}, 1,
     "/dir/sub"},
    {"reference of 60,000 bytes", BASE, ref_name_len, 0, -EUCLEAN, SAYS("name of 60000 bytes"),
     {"/dir"}, 0, "/dir/sub"},
    {"reference cut off", BASE, ref_cut, 0, -EUCLEAN, SAYS("cut off"), {"/dir"}, 0, "/dir/sub"},
    {"reference to the last index", BASE, ref_index, 0, 0, {NULL}, {"/inline"}, 1, "/inline"},
    {"parents in a loop", BASE, parents_loop, 0, 0, {NULL}, {"/dir"}, 1, "/dir/sub"},
    {"missing parent", BASE, parent_missing, 0, -EUCLEAN, {"no inode 1125899906842624"},
     {"/dir/sub"}, 1, "/dir/sub"},
    {"reference of another name", BASE, ref_other_name, 0, 0, {NULL}, {"/inline"}, 1, "/inline"},
    {"reference with slashes", BASE, ref_name_with_slash, 0, 0, {NULL}, {"/inline"}, 1, "/inline"},
    {"last index taken", BASE, last_index, 0, 0, {NULL}, {"/dir/sub"}, 1, "/dir/sub"},
    {"xattr of 65,535 bytes", BASE, xattr_long, 0, -EUCLEAN, SAYS("XATTR_ITEM", "bytes"), {"/"}, 1,
     "/xattrs"},
    {"xattr cut off", BASE, xattr_cut, 0, -EUCLEAN, SAYS("XATTR_ITEM", "cut off"), {"/"}, 1,
     "/xattrs"},
    {"bytes behind an xattr", BASE, xattr_short, 0, -EUCLEAN, SAYS("XATTR_ITEM"), {"/"}, 1,
     "/xattrs"},
    {"xattr name with a NUL", BASE, xattr_name, 0, -EUCLEAN, SAYS("XATTR_ITEM", "hash"), {"/"}, 1,
     "/xattrs"},
    {"xattr called a file", BASE, xattr_type, 0, -EUCLEAN, SAYS("XATTR_ITEM", "type 1"), {"/"}, 1,
     "/xattrs"},
    {"xattr that points somewhere", BASE, xattr_location, 0, -EUCLEAN, SAYS("XATTR_ITEM",
     "points at"), {"/"}, 1, "/xattrs"},
    {"xattr of no namespace", BASE, xattr_no_namespace, 0, 0, {NULL}, {"/zlib"}, 1, "/zlib"},
    {"unknown compression by name", BASE, compression_unknown, 0, 0, {NULL}, {"/zlib"}, 1, "/zlib"},
    {"missing file tree", BASE, fs_tree_missing, -EUCLEAN, 0, {"tree 5"}},
    {"missing checksum tree", BASE, csum_tree_missing, -EUCLEAN, 0, {"tree 7"}},
    {"missing block group tree", BASE, group_tree_missing, -EUCLEAN, 0, {"tree 11"}},
    {"file tree in no chunk", BASE, fs_tree_nowhere, -EUCLEAN, 0, {"tree 5 block 1125899906842624",
     "no chunk"}},
    {"file tree at 0", BASE, fs_tree_at_0, -EUCLEAN, 0, {"tree 5"}},
    {"level of the file tree lies", BASE, fs_tree_level, -EUCLEAN, 0, {"FS_TREE block", "level"}},
    {"file tree of level 200", BASE, fs_tree_level_200, -EUCLEAN, 0, SAYS("levels 200")},
    {"generation of the file tree lies", BASE, fs_tree_generation, -EUCLEAN, 0, {"FS_TREE block",
     "generation"}},
    {"another tree as file tree", BASE, fs_tree_elsewhere, -EUCLEAN, 0, {"tree 5 block"}},
    {"unknown flags of the file tree", BASE, fs_tree_flags, -EUCLEAN, 0, SAYS("unknown bits")},
    {"last snapshot in the future", BASE, fs_tree_snapshot, 0, 0, {NULL}, {NULL}, 1, "/plain"},
    {"dead file tree", BASE, fs_tree_dead, -EUCLEAN, 0, {"subvolume 5", "deleted"}},
    {"short root item", BASE, fs_tree_short, -EUCLEAN, 0, SAYS("size is 5")},
    {"two trees of one root", BASE, shared_trees, 0, 0, {NULL}},
    {"no default subvolume", BASE, default_missing, 0, 0, {NULL}, {NULL}, 1, "/plain"},
    {"default subvolume is missing", BASE, default_no_tree, -EUCLEAN, 0, {"4000"}},
    {0},
};
/* clang-format on */
