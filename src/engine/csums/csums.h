// SPDX-License-Identifier: GPL-2.0-or-later
/* csums: checksum items of data, by logical address, in the checksum tree or a log tree. */
#ifndef COPSE_ENGINE_CSUMS_CSUMS_H
#define COPSE_ENGINE_CSUMS_CSUMS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/txn/txn.h"

/*
 * Looks up the checksums of [start, start + len), both sector-aligned. sums has csum_size bytes a
 * sector; have[i] tells whether sector i has one.
 */
int csums_lookup(struct engine *engine, struct root *root, uint64_t start, uint64_t len,
                 uint8_t *sums, bool *have) MUST_USE;

/* Inserts count checksums from `start` on, merging into neighbouring items as far as a leaf takes.
 * What is there already for a sector is replaced. No two items may overlap (trap 11). */
int csums_insert(struct engine *engine, struct root *root, uint64_t start, const uint8_t *sums,
                 uint64_t count) MUST_USE;

/* Deletes what there is for the range. */
int csums_delete(struct engine *engine, struct root *root, uint64_t start, uint64_t len) MUST_USE;

/* Whether any sector of the range has a checksum. */
int csums_any(struct engine *engine, struct root *root, uint64_t start, uint64_t len,
              bool *any) MUST_USE;

#endif
