// SPDX-License-Identifier: GPL-2.0-or-later
/* Damage by choice: one call damages one thing, checksums made right unless that is the damage. */
#ifndef COPSE_TESTS_DAMAGE_MUTATE_H
#define COPSE_TESTS_DAMAGE_MUTATE_H

#include "exercise.h"
#include "image.h"

void mutate(struct image *image, struct choices *choices);

/*
 * The whole experiment: damages a clone of base, opens it read-only and looks at everything, then
 * opens it writable, changes things, closes, and looks again. Ends the program when a promise is
 * broken: a byte changed by the read-only open, an error that names nothing.
 */
void damage_and_use(const struct image *base, struct choices *choices, unsigned damages,
                    unsigned changes);

#endif
