// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * side: a read-only subvolume as sending reads it, straight from its tree.
 *
 * Its nodes are older than the running transaction and never change while a side is open; still
 * the metadata lock is held (shared) in all of these, because reading may fill the node cache.
 */
#ifndef COPSE_OPS_STREAM_SIDE_H
#define COPSE_OPS_STREAM_SIDE_H

#include "fs/mount/mount.h"
#include "ops/stream/text.h"

#define DIR_PATHS 256

struct side {
    struct fs *fs;
    struct tree_handle *tree;
    struct uuid uuid; /* by which receivers know it */
    uint64_t ctransid;
    /* Paths of directories that were asked for last. */
    struct dir_path {
        uint64_t ino; /* 0: nothing here */
        char *path;   /* with a slash behind, "" for the root */
    } dir_paths[DIR_PATHS];
};

void side_open(struct side *side, struct inode *subvol);
void side_close(struct side *side);

struct name_of {
    uint64_t parent;
    uint16_t len;
    char name[NAME_MAX_BYTES + 1];
};

/* -ENOENT, without a message: no such inode, or none that has a name. */
int side_inode(struct side *side, uint64_t ino, struct inode_item *out) MUST_USE;
/* The first name of an inode, by which this side always speaks of it. -ENOENT as above. */
int side_first_name(struct side *side, uint64_t ino, struct name_of *out) MUST_USE;
/* Path of an inode from the root, by its first name; "" for the root. */
int side_path(struct side *side, uint64_t ino, struct text *out) MUST_USE;
/* The same for a directory, with a slash behind unless it is the root; valid until the next call.
 */
int side_dir_path(struct side *side, uint64_t ino, const char **out) MUST_USE;
/* Target of a symlink, NUL-terminated, to be freed. */
int side_symlink(struct side *side, uint64_t ino, char **out) MUST_USE;

/* The attributes of an inode, in the order of the tree. */
struct side_xattr {
    char *name;
    uint8_t *value;
    size_t len;
};
struct side_xattrs {
    struct side_xattr *list;
    size_t count;
};
int side_xattrs(struct side *side, uint64_t ino, struct side_xattrs *out) MUST_USE;
void side_xattrs_free(struct side_xattrs *xattrs);

enum span_kind { SPAN_HOLE, SPAN_INLINE, SPAN_DATA, SPAN_PREALLOC };

/* What a stretch of a file is mapped to. */
struct span {
    uint64_t start, end; /* of the file; holes reach to the next item or UINT64_MAX */
    enum span_kind kind;
    uint8_t compression;
    uint64_t bytenr, disk_bytes; /* the whole extent */
    uint64_t ram_bytes;          /* the whole extent, or inline data, unpacked */
    uint64_t offset;             /* of start in the unpacked extent */
};
int side_span(struct side *side, uint64_t ino, uint64_t pos, struct span *out) MUST_USE;
/* The span without what lies before pos or from end on. */
struct span span_cut(const struct span *span, uint64_t pos, uint64_t end);

#endif
