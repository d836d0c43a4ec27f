// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/extent/txn_set.h"

#include <stdlib.h>
#include <string.h>

#define ADDRS_MAX (1U << 16)
#define SLOTS (2 * ADDRS_MAX)

void txn_set_clear(struct txn_set *set)
{
    free(set->slots);
    *set = (struct txn_set){0};
}

/* What was noted in a transaction before this one is history. */
static void restart(struct txn_set *set, uint64_t transid)
{
    if (set->transid == transid)
        return;
    if (set->count > 0)
        memset(set->slots, 0, SLOTS * sizeof(*set->slots));
    set->count = 0;
    set->all = false;
    set->transid = transid;
}

/* The slot of an address, or the empty one where it belongs. */
static uint64_t *slot_of(const struct txn_set *set, uint64_t addr)
{
    uint32_t i = (uint32_t)((addr >> 12) * 0x9E3779B97F4A7C15ULL >> 40) % SLOTS;

    while (set->slots[i] != 0 && set->slots[i] != addr)
        i = (i + 1) % SLOTS;
    return &set->slots[i];
}

void txn_set_add(struct txn_set *set, uint64_t transid, uint64_t addr)
{
    uint64_t *slot;

    restart(set, transid);
    if (set->all)
        return;
    if (!set->slots)
        set->slots = calloc(SLOTS, sizeof(*set->slots));
    if (!set->slots || set->count == ADDRS_MAX) {
        set->all = true;
        return;
    }
    slot = slot_of(set, addr);
    set->count += *slot == 0;
    *slot = addr;
}

void txn_set_add_all(struct txn_set *set, uint64_t transid)
{
    restart(set, transid);
    set->all = true;
}

bool txn_set_has(const struct txn_set *set, uint64_t transid, uint64_t addr)
{
    if (set->transid != transid)
        return false;
    return set->all || (set->count > 0 && *slot_of(set, addr) != 0);
}
