// SPDX-License-Identifier: GPL-2.0-or-later
/* crc32c in plain C: what machines without ISA-L use, and what the tests hold ISA-L against. */
#ifndef COPSE_DISK_CSUM_CRC32C_TABLE_H
#define COPSE_DISK_CSUM_CRC32C_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* Same contract as crc32c_raw(). */
uint32_t crc32c_table(uint32_t seed, const void *data, size_t len);

#endif
