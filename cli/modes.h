// SPDX-License-Identifier: GPL-2.0-or-later
/* Modes as chmod reads them. */
#ifndef COPSE_CLI_MODES_H
#define COPSE_CLI_MODES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * "755", "u+rwX,go=r": what becomes of a file of this mode. Where nobody is named (+x) the umask
 * counts, as POSIX has it. False when the words are no mode.
 */
bool mode_change(const char *words, uint32_t mode, bool is_dir, uint32_t *out);

#endif
