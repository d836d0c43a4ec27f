// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Intrusive red-black trees from libbsd. For an augmented tree define RB_AUGMENT(node) before
 * including this; see rangeset.c for what the user of such a tree must refresh by hand.
 */
#ifndef COPSE_BASE_RBTREE_H
#define COPSE_BASE_RBTREE_H

#include <bsd/sys/tree.h>

/* What RB_GENERATE_STATIC should be; libbsd's relies on a macro that Linux headers do not have. */
#define RB_GENERATE_LOCAL(name, type, field, compare)                                              \
    RB_GENERATE_INTERNAL(name, type, field, compare, __attribute__((unused)) static)

#endif
