// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The plain model of a file system that the real one is held against: a tree of nodes in memory,
 * written to be obviously right. It knows no blocks, no transactions, no limits of space.
 */
#ifndef COPSE_TESTS_MODEL_MODEL_H
#define COPSE_TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "copse/copse.h"

#define PAGE_BYTES 4096ULL
#define MODEL_NAME_MAX 255

/* ---- content: bytes of a file; pages that are missing are zero --------------------------------
 */

struct page {
    unsigned refs; /* copies of a model share pages until one of them writes */
    uint8_t bytes[PAGE_BYTES];
};

struct content {
    struct page_ref {
        uint64_t index;
        struct page *page;
    } * refs; /* by index */
    size_t count, cap;
    uint64_t size;
};

void content_read(const struct content *content, uint64_t offset, void *buf, size_t len);
/* Grows the content when it must; buf NULL: zeroes. */
void content_write(struct content *content, uint64_t offset, const void *buf, size_t len);
void content_truncate(struct content *content, uint64_t size);
/* Zeroes what of [offset, end) lies within the size. */
void content_zero(struct content *content, uint64_t offset, uint64_t end);
/* Copies a range, as a clone does; the ranges do not overlap. */
void content_copy(struct content *dst, uint64_t dst_offset, const struct content *src,
                  uint64_t src_offset, uint64_t len);
void content_clone(struct content *dst, const struct content *src);
/* Whether [offset, offset + len), within one page, reads the same in both. */
bool content_same(const struct content *a, const struct content *b, uint64_t offset, size_t len);
void content_free(struct content *content);

/* ---- nodes ------------------------------------------------------------------------------------
 */

struct mxattr {
    char name[MODEL_NAME_MAX + 1];
    uint8_t *value;
    size_t len;
};

/*
 * Contents that a file had after a moment at which it was durable, known to it and to the copies
 * that remember that moment: what is written in place reaches the disk before it is durable.
 */
struct lineage {
    unsigned refs;
    struct content *contents;
    size_t count;
};

struct mnode;

struct mname {
    char name[MODEL_NAME_MAX + 1];
    struct mnode *node;
};

struct mnode {
    unsigned id;
    uint32_t mode, uid, gid;
    uint64_t rdev;
    uint32_t flags; /* FS_*_FL */
    unsigned nlink;
    bool held;    /* in use without regard to its names */
    uint64_t ino; /* 0: not known */
    bool asked;   /* fsynced at this moment (moments.h) */
    struct content content;
    struct content *older; /* contents it had since it was last made durable */
    size_t older_count;
    struct lineage *later;
    char *target;
    struct mname *names;
    size_t name_count;
    struct mnode *parent; /* of a directory */
    struct mxattr *xattrs;
    size_t xattr_count;
    bool has_stat; /* stat is what the file system said when it was last made durable */
    struct copse_stat stat;
    struct mnode *copy; /* while copying a model */
};

struct model {
    struct mnode **nodes; /* root first, then in order of making */
    size_t count, cap;
    unsigned next_id;
};

/* Called before the content changes: a crash may bring this one back. */
void model_will_change(struct mnode *node);
/* A crash brings back what it is now and nothing else. */
void model_is_durable(struct mnode *node);

/* What it is now belongs to the contents it had after the last durable moment. */
void model_remember(struct mnode *node);
/* From now on contents follow another durable moment. */
void model_new_moment(struct model *model);

void model_init(struct model *model);
void model_free(struct model *model);
/* A copy without the nodes that have no name. */
void model_copy(struct model *dst, const struct model *src);

static inline struct mnode *model_root(const struct model *model)
{
    return model->nodes[0];
}

struct mnode *model_new(struct model *model, uint32_t mode);
/* Forgets a node when it has no names and nobody holds it. */
void model_drop(struct model *model, struct mnode *node);

struct mname *model_find(const struct mnode *dir, const char *name);
void model_add_name(struct mnode *dir, const char *name, struct mnode *node);
void model_remove_name(struct model *model, struct mnode *dir, const char *name);
/* Whether node is dir or lies above it. */
bool model_is_above(const struct mnode *node, const struct mnode *dir);
/* The path of some name of the node, for messages; in a static buffer. */
const char *model_path(const struct model *model, const struct mnode *node);

struct mxattr *model_xattr(const struct mnode *node, const char *name);
void model_set_xattr(struct mnode *node, const char *name, const void *value, size_t len);
void model_remove_xattr(struct mnode *node, const char *name);

/* malloc that does not fail. */
void *must_alloc(size_t size);
void *must_grow(void *array, size_t count, size_t *cap, size_t item);

#endif
