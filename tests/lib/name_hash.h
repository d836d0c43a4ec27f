// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef COPSE_TESTS_NAME_HASH_H
#define COPSE_TESTS_NAME_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names of btrfs directory items that share a hash, found the same way every time. */

enum { COLLIDE_LEN = 8 };

/* Two different names, COLLIDE_LEN bytes each, of the same hash. */
struct collision {
    char a[COLLIDE_LEN + 1], b[COLLIDE_LEN + 1];
};

/* crc32c over the name with the register preset to ~1 and not inverted at the end. */
uint32_t name_hash(const void *name, size_t len);

/* Fills @out with at most @nr collisions; returns how many there are. */
size_t find_collisions(struct collision *out, size_t nr);

/*
 * A CRC is linear: strings of one length made of either half of each of @nr collisions all share
 * one hash, behind any common prefix too. Writes the @which-th of the 2^nr to @out, nr *
 * COLLIDE_LEN + 1 bytes.
 */
void collision_product(const struct collision *pairs, size_t nr, unsigned which, char *out);

#endif
