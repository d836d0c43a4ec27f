// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef COPSE_FS_INODE_TABLE_H
#define COPSE_FS_INODE_TABLE_H

#include "fs/inode/internal.h"

TAILQ_HEAD(inode_list, inode);

struct inode_table {
    struct inode **buckets; /* by tree and number, chained by hash_next */
    unsigned bucket_bits;
    uint64_t count;
    struct inode_list idle; /* least recently used first */
    struct inode_list dirty;
    uint64_t idle_count;
};

struct inode *table_new_inode(struct fs *fs, struct tree_handle *tree, uint64_t ino,
                              const struct inode_item *item);
struct inode *table_add(struct fs *fs, struct inode *inode);
/* Writes the item of an inode into its tree (inode.c). */
int inode_write_item(struct inode *inode) MUST_USE;

#endif
