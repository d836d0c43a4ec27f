/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a sequence is made of: operations, each on fixed names, and ways to make things durable. */
#ifndef COPSE_TESTS_BOUNDED_STEPS_H
#define COPSE_TESTS_BOUNDED_STEPS_H

#include "base/err.h"
#include "fs/mount/mount.h"

/* A tree that is durable before anything begins: steps_prepare() says what. */
int steps_prepare(struct mount *m) MUST_USE;

size_t steps_count(void);
const char *step_name(size_t i);
/* 1: not possible in this tree. number tells its data from that of other steps. */
int step_run(struct mount *m, size_t i, unsigned number) MUST_USE;

enum keep_kind { KEEP_NOTHING, KEEP_FSYNC, KEEP_FDATASYNC, KEEP_SYNC };

size_t keeps_count(void);
const char *keep_name(size_t i);
/* *kind and *ino (of what was synced): what is promised now. 1: there is no such file. */
int keep_run(struct mount *m, size_t i, enum keep_kind *kind, uint64_t *ino) MUST_USE;

#endif
