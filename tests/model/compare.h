// SPDX-License-Identifier: GPL-2.0-or-later
/* The file system against the model. All return 0, or -1 after wrong(). */
#ifndef COPSE_TESTS_MODEL_COMPARE_H
#define COPSE_TESTS_MODEL_COMPARE_H

#include "tests/model/world.h"

int wrong_node(struct world *world, const struct mnode *node, const char *what, uint64_t is,
               uint64_t should);
int failed_node(struct world *world, const struct mnode *node, const char *what, int ret);

/* The whole tree and what is held. After a crash, content that is uncertain is taken over. */
/* The same for a tree beside it. */
int compare_other(struct world *world, struct model *model, struct inode *root) MUST_USE;
int compare_all(struct world *world, bool after_crash) MUST_USE;
int compare_node(struct world *world, struct mnode *node, struct inode *inode) MUST_USE;
int compare_dir(struct world *world, struct mnode *node, struct inode *inode) MUST_USE;

/* ---- content (compare_data.c) */

int compare_content(struct world *world, const struct mnode *node, struct inode *inode) MUST_USE;
int compare_range(struct world *world, const struct mnode *node, struct inode *inode,
                  uint64_t offset, uint64_t len) MUST_USE;
/* SEEK_DATA and SEEK_HOLE against what is known to be there. */
int compare_holes(struct world *world, const struct mnode *node, struct inode *inode) MUST_USE;
/* Extents as fiemap shows them: in order, apart, covering all that is not zero. */
int compare_extents(struct world *world, const struct mnode *node, struct inode *inode) MUST_USE;
/* After a crash: each page is as it was at some time since it was last durable. */
int compare_older(struct world *world, struct mnode *node, struct inode *inode) MUST_USE;
/* Takes the content over from the file system, where it may be one thing or another. */
int adopt_content(struct world *world, struct mnode *node, struct inode *inode) MUST_USE;

#endif
