// SPDX-License-Identifier: GPL-2.0-or-later
/* Trees by name, as they are given on the command line. */
#ifndef COPSE_CLI_FIND_TREE_H
#define COPSE_CLI_FIND_TREE_H

#include <stdbool.h>
#include <stdint.h>

/* "root", "EXTENT_TREE", "5", "-9" ... */
bool parse_tree(const char *text, uint64_t *id);
/* "root", "extent" ...; NULL: it has none. */
const char *tree_name(uint64_t id);

#endif
