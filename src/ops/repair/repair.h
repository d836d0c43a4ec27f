// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * repair: what check finds and what can be put right from what else is there is put right, in
 * transactions of the engine. README.md says in which order and what is left alone.
 */
#ifndef COPSE_OPS_REPAIR_REPAIR_H
#define COPSE_OPS_REPAIR_REPAIR_H

#include "base/env.h"
#include "copse/copse.h"
#include "disk/dev/dev.h"

/*
 * Takes the device, writable (closed at the end, also on failure). options->undo_file, where given,
 * receives what is overwritten; it is made only when something is. *result is of the last check.
 */
int repair_run(struct env *env, struct dev *dev, const struct copse_check_options *options,
               struct copse_check_result *result) MUST_USE;

/* Whether the undo file is of the file system on the device: else -EINVAL. */
int repair_undo_fits(struct dev *dev, const char *undo_file) MUST_USE;
/* Takes the device; gives it back what the undo file holds. */
int repair_undo(struct dev *dev, const char *undo_file) MUST_USE;

#endif
