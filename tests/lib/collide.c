// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * collide [N]: prints N pairs of names whose directory items share a hash.
 * collide -k K: prints 2^K names that all share one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "name_hash.h"

enum { MAX_PAIRS = 24, MAX_PRODUCT = 8 };

int main(int argc, char **argv)
{
    static struct collision pairs[MAX_PAIRS];
    bool product = argc == 3 && strcmp(argv[1], "-k") == 0;
    size_t want = argc > 1 ? strtoul(argv[argc - 1], NULL, 10) : 8;
    size_t found = find_collisions(pairs, MAX_PAIRS);
    char name[MAX_PRODUCT * COLLIDE_LEN + 1];

    if (want > (product ? MAX_PRODUCT : MAX_PAIRS) || found < want) {
        fprintf(stderr, "collide: at most %d pairs, 2^%d names\n", MAX_PAIRS, MAX_PRODUCT);
        return 2;
    }
    for (size_t i = 0; !product && i < want; i++)
        printf("%s %s\n", pairs[i].a, pairs[i].b);
    for (unsigned i = 0; product && i < 1U << want; i++) {
        collision_product(pairs, want, i, name);
        puts(name);
    }
    return 0;
}
