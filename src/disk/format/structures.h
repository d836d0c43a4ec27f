// SPDX-License-Identifier: GPL-2.0-or-later
/* Every structure that has a table, with its size and what it is: for proofs and documentation. */
#ifndef COPSE_DISK_FORMAT_STRUCTURES_H
#define COPSE_DISK_FORMAT_STRUCTURES_H

/* X(name, "what it is") */
#define STRUCTURES(X)                                                                              \
    X(super, "Superblock")                                                                         \
    X(backup_root, "Backup root, in the superblock")                                               \
    X(node_header, "Header of every tree block")                                                   \
    X(key, "Key")                                                                                  \
    X(leaf_item, "Item header in a leaf")                                                          \
    X(key_ptr, "Key pointer in an internal node")                                                  \
    X(timestamp, "Time")                                                                           \
    X(inode_item, "INODE_ITEM")                                                                    \
    X(inode_ref, "INODE_REF, followed by the name; may repeat")                                    \
    X(inode_extref, "INODE_EXTREF, followed by the name; may repeat")                              \
    X(dir_item,                                                                                    \
      "DIR_ITEM, DIR_INDEX, XATTR_ITEM, followed by name and value; may repeat on equal hashes")   \
    X(dir_log_item, "DIR_LOG_INDEX (and DIR_LOG_ITEM of old kernels), in log trees")               \
    X(file_extent, "EXTENT_DATA; inline data begins at byte 21")                                   \
    X(root_item, "ROOT_ITEM")                                                                      \
    X(root_ref, "ROOT_REF and ROOT_BACKREF, followed by the name")                                 \
    X(extent_item, "EXTENT_ITEM and METADATA_ITEM, followed by inline references")                 \
    X(tree_block_info, "Between an EXTENT_ITEM of a tree block and its inline references")         \
    X(extent_inline_ref, "Inline reference")                                                       \
    X(extent_data_ref, "EXTENT_DATA_REF, keyed or inline")                                         \
    X(shared_data_ref, "SHARED_DATA_REF, keyed or inline behind the parent's address")             \
    X(extent_owner_ref, "EXTENT_OWNER_REF, inline, with simple quotas")                            \
    X(block_group_item, "BLOCK_GROUP_ITEM")                                                        \
    X(free_space_info, "FREE_SPACE_INFO")                                                          \
    X(free_space_header, "Header of a v1 space cache file, key (FREE_SPACE, 0, block group)")      \
    X(chunk, "CHUNK_ITEM, followed by stripes")                                                    \
    X(stripe, "Stripe of a chunk")                                                                 \
    X(dev_item, "DEV_ITEM")                                                                        \
    X(dev_extent, "DEV_EXTENT")                                                                    \
    X(dev_stats, "PERSISTENT_ITEM of DEV_STATS: errors met on a device")                           \
    X(balance_args, "What a balance selects, for one kind of block group")                         \
    X(balance_item, "TEMPORARY_ITEM of BALANCE: a balance to be resumed")                          \
    X(qgroup_status, "QGROUP_STATUS")                                                              \
    X(qgroup_info, "QGROUP_INFO")                                                                  \
    X(qgroup_limit, "QGROUP_LIMIT")                                                                \
    X(verity_descriptor, "VERITY_DESC_ITEM at offset 0")

#endif
