// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check: whether all that lies on a device fits together.
 *
 * It never asks the engine, which may have written what is wrong: blocks come from disk/vol, are
 * held against disk/format, and everything that is counted is counted here (README.md says how).
 * It changes nothing.
 */
#ifndef COPSE_OPS_CHECK_CHECK_H
#define COPSE_OPS_CHECK_CHECK_H

#include "base/env.h"
#include "base/err.h"
#include "copse/copse.h"
#include "disk/dev/dev.h"

/*
 * Takes the device (closed at the end, also on failure). 0: everything that can be read was looked
 * at, options->problem was told what is wrong, and *result says how much. What cannot even be
 * opened for damage is a problem too. An error is of the device or of memory, or says that this is
 * nothing we know.
 */
int check_run(struct env *env, struct dev *dev, const struct copse_check_options *options,
              struct copse_check_result *result) MUST_USE;

#endif
