// SPDX-License-Identifier: GPL-2.0-or-later
/* btrfs check as a judge of what a run left behind. */
#ifndef COPSE_TESTS_MODEL_JUDGE_H
#define COPSE_TESTS_MODEL_JUDGE_H

#include "tests/model/world.h"

/* Whether there is a btrfs here. */
bool judge_exists(void);
/* Whether it knows the features of such a file system. */
bool judge_knows(const struct config *config);
/* 0, or -1 after wrong(). */
int judge_disk(struct world *world) MUST_USE;
int judge_device(struct world *world, struct dev *dev) MUST_USE;

/* The device as a sparse file. */
int judge_keep(struct dev *dev, const char *path) MUST_USE;
/* As DIR/NUMBER.img, with a line in DIR/list that says what it is: for tests/oracle/power-cut.sh.
 */
int judge_keep_listed(struct dev *dev, const char *dir, uint64_t number, const char *what) MUST_USE;

#endif
