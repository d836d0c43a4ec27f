// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * image: the metadata of a file system as one file, in the format of btrfs-image, and back
 * (README.md has the format). include/copse/copse.h documents both.
 */
#ifndef COPSE_OPS_IMAGE_IMAGE_H
#define COPSE_OPS_IMAGE_IMAGE_H

#include "base/env.h"
#include "base/err.h"
#include "copse/copse.h"
#include "disk/dev/dev.h"

/* Takes the device (closed at the end, also on failure). */
int image_dump(struct env *env, struct dev *dev, const struct copse_image_options *options,
               const struct copse_stream_sink *sink) MUST_USE;

/* dump: the file that image_dump or btrfs-image wrote; the caller's. */
int image_restore(struct env *env, struct dev *dump, const char *path, bool force) MUST_USE;

#endif
