// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * data_cache: sectors of file data in memory, as they were when their checksums were right.
 *
 * Known by the address on the disk, so it needs no mapping to be right: who writes file data to an
 * address has it forgotten here, after the bytes are on the device and before anybody can get to
 * see them through a mapping (what is in flight is read from memory). Nothing else makes it stale.
 *
 * Any number of threads may use one at the same time. A NULL cache is fine and holds nothing.
 */
#ifndef COPSE_FS_FILE_DATA_CACHE_H
#define COPSE_FS_FILE_DATA_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct data_cache;

/* At most max_bytes, of which nothing is allocated before it is needed. *out is NULL when that is
 * too little to be of use. */
int data_cache_new(uint64_t max_bytes, uint32_t sectorsize, struct data_cache **out) MUST_USE;
void data_cache_free(struct data_cache *cache);

/* No more than so many bytes from now on; what is beyond is dropped at once. */
void data_cache_limit(struct data_cache *cache, uint64_t bytes);
/* Memory taken for data. */
uint64_t data_cache_bytes(struct data_cache *cache);

/* Copies bytes from addr on, as far as they are there; returns how many. */
size_t data_cache_read(struct data_cache *cache, uint64_t addr, void *buf, size_t len);
/*
 * Whether what was not found at addr should be put in. While there is room: always. Then only one
 * in a few: of what is read over and over and does not fit, a part stays instead of nothing.
 */
bool data_cache_admits(struct data_cache *cache, uint64_t addr);
/* To be taken before the device is read: what was forgotten since is not put in. */
uint64_t data_cache_ticket(struct data_cache *cache);
/* Whole sectors, read after the ticket was taken. What is there already stays as it is. */
void data_cache_put(struct data_cache *cache, uint64_t ticket, uint64_t addr, const void *data,
                    size_t len);
/* Sectors that were written. */
void data_cache_forget(struct data_cache *cache, uint64_t addr, uint64_t len);

#endif
