// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The two forms in which the free-space tree keeps a block group; shared by the files that read,
 * change and rewrite it.
 *
 * A FREE_SPACE_INFO item heads each group. Behind it stand either FREE_SPACE_EXTENT items, whose
 * key says it all, or FREE_SPACE_BITMAP items that cover the whole group piece by piece, a bit a
 * sector, 1: free.
 */
#ifndef COPSE_ENGINE_SPACE_FREE_TREE_H
#define COPSE_ENGINE_SPACE_FREE_TREE_H

#include "engine/space/space_internal.h"

/* Data bytes of a full bitmap item. */
#define BITMAP_BYTES (FREE_SPACE_BITMAP_BITS / 8)

static inline bool bitmap_bit(const uint8_t *bits, uint64_t n)
{
    return (bits[n / 8] >> (n % 8)) & 1;
}

/* The bitmap item that holds addr. */
struct key bitmap_key(const struct space *space, const struct group *group, uint64_t addr);
uint32_t bitmap_size(const struct space *space, const struct key *key);

/* Reads the FREE_SPACE_INFO. -EUCLEAN: it is missing or misshapen. */
int free_info_read(struct space *space, const struct group *group,
                   struct free_space_info *out) MUST_USE;
int free_info_write(struct space *space, const struct group *group,
                    const struct free_space_info *info) MUST_USE;

/* One range, in the form that the group has; info->extent_count follows. */
int free_tree_add(struct space *space, const struct group *group, uint64_t start, uint64_t len,
                  struct free_space_info *info) MUST_USE;
int free_tree_remove(struct space *space, const struct group *group, uint64_t start, uint64_t len,
                     struct free_space_info *info) MUST_USE;

#endif
