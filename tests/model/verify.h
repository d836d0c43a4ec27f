// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A small checker of its own: reads a device by its superblock alone and holds what its trees say
 * against each other, by counting everything. It shares with the engine only the reading of tree
 * blocks.
 */
#ifndef COPSE_TESTS_MODEL_VERIFY_H
#define COPSE_TESTS_MODEL_VERIFY_H

#include "base/env.h"
#include "base/err.h"
#include "disk/dev/dev.h"

enum {
    VERIFY_CLOSED = 1, /* nothing is in use: no orphans, and a good primary superblock */
    VERIFY_COPIES = 2, /* its copies are as new */
    VERIFY_BRIEF = 4,  /* without `copse check`, which takes several times as long */
};

/* 0, or -1 with what is wrong in report, one thing a line. The device is only read. */
int verify_device(struct env *env, struct dev *dev, unsigned flags, char *report,
                  size_t cap) MUST_USE;

#endif
