// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Replaying a log tree, in the order that gives Linux's result:
 *
 *   claim.c    every block of the log and every data extent it names is taken out of free space
 *   inodes.c   stage 1: inode items; attributes and directory entries deleted since the last commit
 *   names.c    stage 2: directory entries; stage 3: back references
 *   extents.c  stage 3: file extents and their checksums
 *   links.c    at last: link counts, and orphans of what lost all its names
 */
#ifndef COPSE_FS_FSYNC_INTERNAL_H
#define COPSE_FS_FSYNC_INTERNAL_H

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/rangeset.h"
#include "fs/fsync/fsync.h"

/* An inode whose links are counted again at the end; held until the replay is durable. */
struct touched {
    struct {
        uint64_t tree;
        uint64_t ino;
    } key;
    struct inode *inode;
    UT_hash_handle hh;
};

/* The log of one subvolume. */
struct log {
    struct root root;
    uint64_t subvol;
    struct tree_handle *tree; /* NULL: the subvolume is gone, its log is only read */
};

struct replay {
    struct fs *fs;
    struct engine *engine;
    struct root log_roots; /* the tree whose items name the logs */
    struct log *logs;
    size_t log_count;
    struct touched *touched;
    struct rangeset blocks; /* of the log, claimed */
    struct rangeset data;   /* extents the log brings, claimed and not yet referenced */
    uint64_t items;         /* in all logs: how much there is to do */
};

/* One item of a log. */
struct log_item {
    struct log *log;
    struct path *path;
    struct key key;
    const uint8_t *data;
    uint32_t size;
};

/* Calls fn for every item of the log, in order of keys. */
int log_each_item(struct replay *replay, struct log *log,
                  int (*fn)(struct replay *replay, const struct log_item *item)) MUST_USE;

int claim_logs(struct replay *replay) MUST_USE;
/* What was claimed and is not needed: free after the commit. */
int claim_settle(struct replay *replay) MUST_USE;

int replay_inode_item(struct replay *replay, const struct log_item *item) MUST_USE;
int replay_dir_index(struct replay *replay, const struct log_item *item) MUST_USE;
int replay_refs(struct replay *replay, const struct log_item *item) MUST_USE;
int replay_extent(struct replay *replay, const struct log_item *item) MUST_USE;
/* Copies what one tree has of the checksums of [start, start + len) to another. */
int log_copy_csums(struct engine *e, struct root *from, struct root *to, uint64_t start,
                   uint64_t len) MUST_USE;

/* Puts the log's item in place of the subvolume's. */
int replay_overwrite(struct replay *replay, const struct log_item *item) MUST_USE;

/* Remembers that the inode's links must be counted. Takes a reference of its own. */
int touch_inode(struct replay *replay, struct inode *inode) MUST_USE;
int fix_links(struct replay *replay) MUST_USE;
void release_touched(struct replay *replay);

/* Removes a name and touches what it named. A name of a missing inode goes too. */
int replay_unlink(struct replay *replay, struct inode *dir, const char *name,
                  uint16_t len) MUST_USE;

/* One name in an INODE_REF or INODE_EXTREF item. */
struct log_ref {
    uint64_t parent;
    uint64_t index;
    const char *name;
    uint16_t len;
};
/* Decodes the reference at *at and moves *at behind it; 1: at the end; -EUCLEAN. */
int next_ref(const struct key *key, const uint8_t *data, uint32_t size, uint32_t *at,
             struct log_ref *out) MUST_USE;

#endif
