// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * txn_set: addresses noted in the running transaction, and forgotten with it. Bounded: when there
 * are too many, or no memory, every address counts as noted.
 */
#ifndef COPSE_ENGINE_EXTENT_TXN_SET_H
#define COPSE_ENGINE_EXTENT_TXN_SET_H

#include <stdbool.h>
#include <stdint.h>

struct txn_set {
    uint64_t transid; /* when */
    uint64_t *slots;  /* 0: empty; open addressing */
    uint32_t count;
    bool all;
};

void txn_set_clear(struct txn_set *set);
/* addr is not 0. The metadata lock is held alone. */
void txn_set_add(struct txn_set *set, uint64_t transid, uint64_t addr);
/* Every address is noted. */
void txn_set_add_all(struct txn_set *set, uint64_t transid);
/* Changes nothing: readers may ask at the same time. */
bool txn_set_has(const struct txn_set *set, uint64_t transid, uint64_t addr);

#endif
