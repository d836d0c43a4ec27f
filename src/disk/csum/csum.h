// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The four checksums of the format, and the crc32c hashes that name keys use.
 *
 * Everything here may be called from any thread and cannot fail.
 */
#ifndef COPSE_DISK_CSUM_H
#define COPSE_DISK_CSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The numbers stand in the superblock's csum_type. */
enum csum_type {
    CSUM_CRC32C = 0,
    CSUM_XXHASH64 = 1,
    CSUM_SHA256 = 2,
    CSUM_BLAKE2B = 3,
};

/* Bytes of the longest checksum, and of the field in front of every tree block. */
#define CSUM_MAX 32

/* Whether a csum_type read from a device is one of ours. All functions below need that. */
bool csum_type_known(uint16_t type);

/* Bytes of one checksum: 4, 8, 32, 32. */
uint32_t csum_size(enum csum_type type);

/* "crc32c", "xxhash64", "sha256", "blake2b". */
const char *csum_name(enum csum_type type);

/* Also accepts what mkfs.btrfs does: "xxhash", "blake2". -EINVAL for anything else. */
int csum_by_name(const char *name, enum csum_type *out) MUST_USE;

/* The checksum as it stands on disk; bytes of `out` past csum_size() are zeroed. */
void csum_compute(enum csum_type type, const void *data, size_t len, uint8_t out[CSUM_MAX]);

/* One checksum a block, packed without gaps: `out` holds count * csum_size() bytes. */
void csum_blocks(enum csum_type type, const void *data, size_t block_size, size_t count,
                 uint8_t *out);

/*
 * The crc32c register, in and out, without the inversions of the common definition: send streams
 * begin with 0, and a value may be carried from one part of the data to the next.
 */
uint32_t crc32c_raw(uint32_t seed, const void *data, size_t len);

/* Key offset of DIR_ITEM and XATTR_ITEM. */
uint32_t name_hash(const void *name, size_t len);

/* Key offset of INODE_EXTREF. */
uint64_t extref_hash(uint64_t parent_objectid, const void *name, size_t len);

/* How crc32c is computed here, for `copse version`: "isa-l" or "table". */
const char *crc32c_backend(void);

#endif
