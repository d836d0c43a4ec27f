// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads a fresh file system back by its superblock alone, and holds what its trees say of space
 * against the blocks that are really reached.
 */
#ifndef COPSE_OPS_MKFS_TEST_AUDIT_H
#define COPSE_OPS_MKFS_TEST_AUDIT_H

#include "base/test/unit.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/rangeset.h"
#include "disk/vol/vol.h"
#include "engine/tree/tree.h"

struct audit {
    struct vol *vol;
    struct forest *forest;
    struct rangeset reached; /* blocks found by walking */
    uint64_t blocks;
};

static inline struct root audit_root(struct audit *audit, uint64_t id, uint64_t bytenr,
                                     uint64_t generation, uint8_t level)
{
    return (struct root){
        .forest = audit->forest,
        .id = id,
        .bytenr = bytenr,
        .generation = generation,
        .level = level,
    };
}

static inline struct root audit_root_tree(struct audit *audit)
{
    const struct super *super = vol_super(audit->vol);

    return audit_root(audit, TREE_ROOT, super->root, super->generation, super->root_level);
}

static inline struct root audit_chunk_tree(struct audit *audit)
{
    const struct super *super = vol_super(audit->vol);

    return audit_root(audit, TREE_CHUNK, super->chunk_root, super->chunk_root_generation,
                      super->chunk_root_level);
}

/* Whether the root tree has it. */
static inline bool audit_find_tree(struct audit *audit, uint64_t id, struct root *out)
{
    struct root top = audit_root_tree(audit);
    struct key key = key_make(id, KEY_ROOT_ITEM, 0);
    AUTO_PATH struct path path = PATH_INIT;
    struct root_item item;
    int ret = tree_search(&top, &key, &path);

    assert_in_range(ret, 0, 1);
    if (ret == 1)
        return false;
    assert_int_equal(path_size(&path), sizeof(disk_root_item));
    root_item_decode(&item, path_data(&path));
    assert_int_equal(item.refs, 1);
    *out = audit_root(audit, id, item.bytenr, item.generation, item.level);
    return true;
}

/* Calls fn for every item of the tree, in order. */
static inline void audit_items(struct audit *audit, struct root *root,
                               void (*fn)(struct audit *audit, void *arg, const struct key *key,
                                          const void *data, uint32_t size),
                               void *arg)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key first = KEY_FIRST;
    int ret = tree_search_ge(root, &first, &path);

    for (; ret == 0; ret = path_next(&path)) {
        struct key key;

        path_key(&path, &key);
        fn(audit, arg, &key, path_data(&path), path_size(&path));
    }
    assert_int_equal(ret, 1);
}

/* Every block below and with this one, none of them reached before. */
static inline void audit_reach(struct audit *audit, uint64_t owner, uint64_t bytenr, int level,
                               uint64_t generation)
{
    uint32_t nodesize = vol_limits(audit->vol)->nodesize;
    struct node_expect expect = {
        .bytenr = bytenr,
        .owner = owner,
        .level = level,
        .generation = generation,
    };
    struct node *node;

    assert_int_equal(forest_read_node(audit->forest, &expect, &node), 0);
    assert_int_equal(node_owner(node), owner);
    assert_false(rangeset_overlaps(&audit->reached, bytenr, nodesize));
    assert_int_equal(rangeset_add(&audit->reached, bytenr, nodesize), 0);
    audit->blocks++;
    for (uint32_t i = 0; level > 0 && i < node_items(node); i++)
        audit_reach(audit, owner, node_child(node, i), level - 1, node_child_generation(node, i));
    node_put(node);
}

static inline void audit_reach_tree(struct audit *audit, const struct root *root)
{
    audit_reach(audit, root->id, root->bytenr, root->level, root->generation);
}

static inline void audit_add_chunk(struct audit *audit, void *arg, const struct key *key,
                                   const void *data, uint32_t size)
{
    struct chunk_map chunk;

    (void)arg;
    if (key->type != KEY_CHUNK_ITEM)
        return;
    assert_int_equal(chunk_map_decode(key->offset, data, size, &chunk), 0);
    assert_int_equal(vol_add_chunk(audit->vol, &chunk), 0);
}

static inline void audit_reach_item(struct audit *audit, void *arg, const struct key *key,
                                    const void *data, uint32_t size)
{
    struct root root;

    (void)arg;
    (void)data;
    (void)size;
    if (key->type != KEY_ROOT_ITEM)
        return;
    assert_true(audit_find_tree(audit, key->objectid, &root));
    audit_reach_tree(audit, &root);
}

/* Opens what is on dev, which stays the caller's, and walks all trees. */
static inline void audit_open(struct audit *audit, struct env *env, struct dev *dev)
{
    struct vol_open_options options = {.readonly = true};
    struct forest_options forest_options = {.cache_bytes = 16 * MIB};
    struct dev *view = dev_borrow(dev);
    struct root chunks, top;

    memset(audit, 0, sizeof(*audit));
    rangeset_init(&audit->reached);
    assert_int_equal(vol_open(env, &view, 1, &options, &audit->vol), 0);
    assert_int_equal(forest_new(audit->vol, &forest_options, &audit->forest), 0);
    chunks = audit_chunk_tree(audit);
    audit_items(audit, &chunks, audit_add_chunk, NULL);
    audit_reach_tree(audit, &chunks);
    top = audit_root_tree(audit);
    audit_reach_tree(audit, &top);
    audit_items(audit, &top, audit_reach_item, NULL);
}

static inline void audit_close(struct audit *audit)
{
    rangeset_clear(&audit->reached);
    forest_free(audit->forest);
    vol_close(audit->vol);
}

/* ---- what the trees say of space ---------------------------------------------------------------
 */

struct audit_claims {
    struct rangeset extents;
    struct rangeset free;
    uint64_t extent_items;
    uint64_t group_used;
    uint64_t group_bytes;
    uint64_t info_extents;
    uint64_t free_items;
    uint64_t device_bytes;
};

static inline void audit_claim(struct audit *audit, void *arg, const struct key *key,
                               const void *data, uint32_t size)
{
    struct audit_claims *claims = arg;
    struct block_group_item group;
    struct dev_extent extent;
    struct free_space_info info;

    (void)size;
    switch (key->type) {
    case KEY_METADATA_ITEM:
    case KEY_EXTENT_ITEM:
        claims->extent_items++;
        assert_int_equal(
            rangeset_add(&claims->extents, key->objectid, vol_limits(audit->vol)->nodesize), 0);
        break;
    case KEY_BLOCK_GROUP_ITEM:
        block_group_item_decode(&group, data);
        claims->group_used += group.used;
        claims->group_bytes += key->offset;
        assert_int_equal(group.used,
                         rangeset_overlap_bytes(&audit->reached, key->objectid, key->offset));
        break;
    case KEY_FREE_SPACE_INFO:
        free_space_info_decode(&info, data);
        claims->info_extents += info.extent_count;
        break;
    case KEY_FREE_SPACE_EXTENT:
        claims->free_items++;
        assert_int_equal(rangeset_add(&claims->free, key->objectid, key->offset), 0);
        break;
    case KEY_DEV_EXTENT:
        dev_extent_decode(&extent, data);
        claims->device_bytes += extent.length;
        break;
    default:
        break;
    }
}

static inline bool audit_claim_tree(struct audit *audit, uint64_t id, struct audit_claims *claims)
{
    struct root root;

    if (!audit_find_tree(audit, id, &root))
        return false;
    audit_items(audit, &root, audit_claim, claims);
    return true;
}

/* Every block is listed once, every byte of every chunk is used or free, and the sums agree. */
static inline void audit_space(struct audit *audit)
{
    const struct super *super = vol_super(audit->vol);
    struct audit_claims claims = {.extent_items = 0};
    uint64_t used = audit->blocks * super->nodesize;
    bool groups_apart, free_tree;

    rangeset_init(&claims.extents);
    rangeset_init(&claims.free);
    assert_true(audit_claim_tree(audit, TREE_EXTENT, &claims));
    assert_true(audit_claim_tree(audit, TREE_DEV, &claims));
    groups_apart = audit_claim_tree(audit, TREE_BLOCK_GROUP, &claims);
    free_tree = audit_claim_tree(audit, TREE_FREE_SPACE, &claims);
    assert_int_equal(groups_apart, !!(super->compat_ro_flags & COMPAT_RO_BLOCK_GROUP_TREE));
    assert_int_equal(free_tree, !!(super->compat_ro_flags & COMPAT_RO_FREE_SPACE_TREE));
    assert_int_equal(claims.extent_items, audit->blocks);
    assert_int_equal(claims.extents.bytes, used);
    assert_int_equal(claims.group_used, used);
    assert_int_equal(super->bytes_used, used);
    assert_int_equal(super->dev_item.bytes_used, claims.device_bytes);
    assert_int_equal(claims.info_extents, claims.free_items);
    if (free_tree)
        assert_int_equal(claims.free.bytes, claims.group_bytes - used);
    for (uint64_t at = 0; free_tree;) {
        struct range range;

        if (!rangeset_next(&audit->reached, at, &range))
            break;
        assert_true(rangeset_contains(&claims.extents, range.start, range.len));
        assert_false(rangeset_overlaps(&claims.free, range.start, range.len));
        at = range.start + range.len;
    }
    rangeset_clear(&claims.extents);
    rangeset_clear(&claims.free);
}

#endif
