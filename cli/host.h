// SPDX-License-Identifier: GPL-2.0-or-later
/* What a command may not do to files of the host. */
#ifndef COPSE_CLI_HOST_H
#define COPSE_CLI_HOST_H

#include <stdbool.h>

/* Why it is refused to write over one. */
#define OPEN_IMAGE "a file system that is open"

/*
 * Whether the file is an image or device that this command has open as a file system, or another
 * process: what is copied out of an image must not end up on top of it.
 */
bool host_is_open_image(int fd);
bool host_path_is_open_image(const char *path);

#endif
