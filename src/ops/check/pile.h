// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Growing arrays within a budget of memory: what does not fit into it lies in a nameless file,
 * mapped, so that the kernel can take the memory away.
 */
#ifndef COPSE_OPS_CHECK_PILE_H
#define COPSE_OPS_CHECK_PILE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct budget {
    uint64_t bytes;
    uint64_t used; /* of piles in memory; changed atomically */
};

/* Zeroed is empty, with size and budget set. */
struct pile {
    struct budget *budget;
    size_t each; /* bytes of a record */
    size_t count, room;
    void *base;
    int fd; /* of the file, where room_bytes lie outside the budget */
};

void pile_init(struct pile *pile, size_t each, struct budget *budget);
void pile_free(struct pile *pile);
/* Room for one more record, zeroed; pointers into the pile may move. -ENOMEM, or of the file. */
int pile_add(struct pile *pile, void **out) MUST_USE;
/* Copies one in. */
int pile_push(struct pile *pile, const void *record) MUST_USE;

#define PILE_AT(pile, type, i) (&((type *)(pile)->base)[i])

#endif
