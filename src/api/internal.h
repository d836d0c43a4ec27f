// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the files of the API share: the handles and the error message.
 *
 * A copse_fs is a struct mount and a copse_node a struct inode; nobody outside knows.
 */
#ifndef COPSE_API_INTERNAL_H
#define COPSE_API_INTERNAL_H

#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "copse/copse.h"
#include "fs/mount/mount.h"

#define COPSE_EXPORT __attribute__((visibility("default")))

static inline struct mount *mount_of(copse_fs *fs)
{
    return (struct mount *)fs;
}

static inline struct inode *inode_of(copse_node *node)
{
    return (struct inode *)node;
}

static inline copse_node *node_of(struct inode *inode)
{
    return (copse_node *)inode;
}

/* struct fs is a member of the mount of every inode in it. */
static inline struct mount *mount_of_node(copse_node *node)
{
    return (struct mount *)((char *)inode_of(node)->fs - offsetof(struct mount, fs));
}

/* Gives a failure without a message the text of its number; returns ret. */
int api_result(int ret);

/* Runs a call of the library: its message, or none, is that of this call. */
#define API_CALL(expr)                                                                             \
    ({                                                                                             \
        fail_clear();                                                                              \
        api_result(expr);                                                                          \
    })

#define API_REQUIRE(cond)                                                                          \
    do {                                                                                           \
        if (!(cond))                                                                               \
            return fail(-EINVAL, "%s: not true of the arguments: %s", __func__, #cond);            \
    } while (0)

/*
 * The caller's options in a struct of our own size: what an older program does not know is zero.
 * -EINVAL for a size that is no options struct.
 */
int api_take_options(void *out, size_t out_size, const void *given) MUST_USE;

/* Hands out a node that was made, or gives it back when the caller does not want it. */
int api_hand_out(int ret, struct inode *made, copse_node **out) MUST_USE;
/* -EXDEV: they are not in one file system. */
int api_same_fs(copse_node *a, copse_node *b) MUST_USE;

/* Opens devices one after another; on failure none stays open. */
int api_open_devices(const char *const *paths, unsigned count, bool readonly,
                     struct dev **out) MUST_USE;

#endif
