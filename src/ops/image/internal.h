// SPDX-License-Identifier: GPL-2.0-or-later
/* What the files of this module share. */
#ifndef COPSE_OPS_IMAGE_INTERNAL_H
#define COPSE_OPS_IMAGE_INTERNAL_H

#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "disk/compress/compress.h"
#include "disk/vol/vol.h"
#include "ops/image/image.h"

/* For the %llu of messages. */
#define LLU(v) ((unsigned long long)(v))

/* ---- the file: clusters, each a block of heads and then what they describe ---------------------
 */

#define CLUSTER_MAGIC 0xbd5c25e27295668bULL
#define CLUSTER_BLOCK 1024u
#define CLUSTER_ZLIB 1

#define FIELDS_cluster(F)                                                                          \
    F(u64, magic, 0, "CLUSTER_MAGIC")                                                              \
    F(u64, bytenr, 8, "where in the file this cluster begins")                                     \
    F(u32, nritems, 16, "heads that follow")                                                       \
    F(u8, compress, 20, "0 none, 1 each item is a zlib stream")
DEFINE_ITEM(cluster, 21)

#define FIELDS_cluster_item(F)                                                                     \
    F(u64, bytenr, 0, "logical address; 65536: the superblock")                                    \
    F(u32, size, 8, "bytes in the file")
DEFINE_ITEM(cluster_item, 12)

#define CLUSTER_ITEMS_MAX ((CLUSTER_BLOCK - sizeof(disk_cluster)) / sizeof(disk_cluster_item))
/* What btrfs-image takes as one item. */
#define ITEM_BYTES_MAX (256 * KIB)

/* ---- collect.c: which blocks there are ---------------------------------------------------------
 */

struct addresses {
    uint64_t *list;
    size_t count, room;
};

/* All tree blocks that the superblock leads to, in order of address; chunks are in vol's map then.
 */
int image_collect(struct env *env, struct vol *vol, struct addresses *out) MUST_USE;
/* Adds all chunks of the chunk tree to vol's map; stops at what cannot be read. */
int image_load_chunks(struct env *env, struct vol *vol) MUST_USE;
/* The first good copy; -EIO, -EUCLEAN: none is good, and block is the first that can be read. */
int image_read_block(struct vol *vol, uint64_t bytenr, uint8_t *block) MUST_USE;

/* ---- sanitize.c --------------------------------------------------------------------------------
 */

/* Takes what files contain out of a valid block, and with level 1 or 2 their names. Seals it. */
void image_sanitize(const struct vol *vol, uint8_t *block, unsigned level, uint64_t secret);
/* Another name of the same length and, where that can be, with the same hash. */
void image_other_name(uint8_t *name, size_t len, unsigned level, uint64_t secret);

#endif
