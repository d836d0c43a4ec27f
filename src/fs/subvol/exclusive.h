// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * exclusive: the space that whole subvolumes, and single files of one other subvolume, would free
 * together if they were deleted: extents and tree blocks that nobody else reaches.
 */
#ifndef COPSE_FS_SUBVOL_EXCLUSIVE_H
#define COPSE_FS_SUBVOL_EXCLUSIVE_H

#include "fs/inode/inode.h"

struct exclusive_set {
    struct fs *fs;
    uint64_t *trees; /* subvolumes that go altogether */
    size_t tree_count;
    uint64_t partial; /* the subvolume that the files are in; 0: no files */
    uint64_t *inodes; /* its files: in any order, each once */
    size_t inode_count;
    size_t kept_max; /* shared extents remembered at a time; 0: as many as is sensible */
};

struct exclusive_bytes {
    uint64_t data;
    uint64_t metadata; /* tree blocks of `trees` */
};

int exclusive_add_tree(struct exclusive_set *set, uint64_t id) MUST_USE;
int exclusive_add_inode(struct exclusive_set *set, uint64_t ino) MUST_USE;
void exclusive_clear(struct exclusive_set *set);

/* Metadata lock held; what is not written back has no extents yet. Sorts `inodes`. */
int exclusive_count(struct exclusive_set *set, struct exclusive_bytes *out) MUST_USE;

#endif
