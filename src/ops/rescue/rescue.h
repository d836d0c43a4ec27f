// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rescue: reads what can be read of a file system that nothing else opens any more.
 *
 * It changes no byte and asks neither the engine nor any tree that only counts space. What of a
 * tree cannot be reached from its root is looked for among all blocks of the tree that are on the
 * device (README.md says how). include/copse/copse.h documents each function.
 *
 * Threads: one at a time.
 */
#ifndef COPSE_OPS_RESCUE_RESCUE_H
#define COPSE_OPS_RESCUE_RESCUE_H

#include "base/env.h"
#include "base/err.h"
#include "copse/copse.h"
#include "disk/dev/dev.h"

struct rescue;

/* Takes the device (closed by rescue_close, also when this fails). */
int rescue_open(struct env *env, struct dev *dev, const struct copse_rescue_options *options,
                struct rescue **out) MUST_USE;
void rescue_close(struct rescue *r);

int rescue_subvols(struct rescue *r, int (*fn)(void *arg, const struct copse_rescue_subvol *subvol),
                   void *arg) MUST_USE;
int rescue_survey(struct rescue *r, uint64_t subvol, struct copse_rescue_survey *out) MUST_USE;
int rescue_stat(struct rescue *r, uint64_t subvol, uint64_t ino, struct copse_stat *out,
                bool *whole) MUST_USE;
int rescue_list(struct rescue *r, uint64_t subvol, uint64_t ino,
                int (*fn)(void *arg, const struct copse_rescue_name *name), void *arg) MUST_USE;
int rescue_parent(struct rescue *r, uint64_t subvol, uint64_t ino, uint64_t *parent) MUST_USE;
int rescue_next_inode(struct rescue *r, uint64_t subvol, uint64_t from, uint64_t *ino) MUST_USE;
int rescue_xattrs(struct rescue *r, uint64_t subvol, uint64_t ino,
                  int (*fn)(void *arg, const char *name, size_t name_len, const void *value,
                            size_t len),
                  void *arg) MUST_USE;
int rescue_read(struct rescue *r, uint64_t subvol, uint64_t ino,
                int (*fn)(void *arg, const struct copse_rescue_piece *piece), void *arg,
                uint64_t *lost) MUST_USE;
int rescue_find_roots(struct rescue *r, int (*fn)(void *arg, const struct copse_rescue_root *root),
                      void *arg) MUST_USE;

#endif
