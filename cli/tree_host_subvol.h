// SPDX-License-Identifier: GPL-2.0-or-later
/* What tree_host.c offers for subvolumes; see tree.h. */
#ifndef COPSE_CLI_TREE_HOST_SUBVOL_H
#define COPSE_CLI_TREE_HOST_SUBVOL_H

#include "cli.h"
#include "tree.h"

int host_subvol_create(struct file *dir, const char *name,
                       const struct copse_subvol_options *options);
int host_subvol_snapshot(struct file *source, struct file *dir, const char *name,
                         const struct copse_subvol_options *options);

int host_subvol_delete(struct file *dir, const char *name);
int host_subvol_set_readonly(struct file *root, bool readonly, bool drop_received);

#endif
