// SPDX-License-Identifier: GPL-2.0-or-later
/* What the files that repair trees of files share. */
#ifndef COPSE_OPS_REPAIR_FIX_H
#define COPSE_OPS_REPAIR_FIX_H

#include "ops/repair/items.h"

/* One tree of files being repaired. */
struct fix {
    struct job *job;
    struct store *store;
    struct engine *engine;
    struct root *root;
    uint64_t tree;
    bool csums; /* the checksums of the files at hand, too */
};

uint8_t type_of_mode(uint32_t mode);
uint32_t mode_of_type(uint8_t type);

/*
 * mend.c: everything about one inode: that it is there and of the type that its items and names
 * show, its names in both directions, its number of links, its size and its extents.
 */
int mend_inode(struct fix *fix, uint64_t ino) MUST_USE;

/* dirs.c: entries of a directory: by hash and by index the same, each of an inode that knows it. */
int mend_entries(struct fix *fix, uint64_t dir) MUST_USE;
/* The size that goes with the entries. */
int entries_bytes(struct fix *fix, uint64_t dir, uint64_t *out) MUST_USE;
int mend_dir_size(struct fix *fix, uint64_t dir) MUST_USE;
/* Adds all three items of a name, and the bytes of it to the directory. */
int add_name_to(struct fix *fix, uint64_t dir, uint64_t ino, uint8_t type, const char *text,
                uint16_t len) MUST_USE;
/* Adds a name for an inode, or (root: another tree) a subvolume, that has none, in lost+found. */
int put_into_lost_found(struct fix *fix, uint64_t ino, uint8_t type) MUST_USE;
int lost_found(struct fix *fix, uint64_t *dir) MUST_USE;
/* Whether the directory is dir, or somewhere below it. */
int is_below(struct fix *fix, uint64_t ino, uint64_t dir, bool *out) MUST_USE;
/* An inode item made up for items that have lost theirs. */
int make_inode(struct fix *fix, uint64_t ino, uint32_t mode, struct inode_item *out) MUST_USE;

/* extents.c: file extents; *nbytes, *end: of what is there. */
int mend_extents(struct fix *fix, uint64_t ino, struct inode_item *item) MUST_USE;
int mend_csum_range(struct fix *fix, uint64_t start, uint64_t len) MUST_USE;

/* subvols.c */
int mend_subvolume_names(struct fix *fix) MUST_USE;
int mend_uuid_tree(struct job *job, struct store *store) MUST_USE;

#endif
