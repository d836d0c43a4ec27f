// SPDX-License-Identifier: GPL-2.0-or-later
/* Which clone source is the parent when none was named. */
#include <string.h>

#include "ops/stream/send.h"

static bool are_related(const struct root_item *a, const struct root_item *b)
{
    static const struct uuid none;

    return memcmp(&a->parent_uuid, &none, sizeof(none)) != 0 &&
           (memcmp(&a->parent_uuid, &b->parent_uuid, sizeof(none)) == 0 ||
            memcmp(&a->parent_uuid, &b->uuid, sizeof(none)) == 0);
}

copse_node *send_nearest_parent(const struct inode *subvol,
                                const struct copse_send_options *options)
{
    const struct root_item *wanted = &subvol->tree->item;
    uint64_t nearest = UINT64_MAX;
    copse_node *best = NULL;

    for (unsigned i = 0; i < options->clone_count; i++) {
        const struct inode *clone = (const struct inode *)options->clones[i];
        const struct root_item *other = &clone->tree->item;

        if (clone->tree == subvol->tree || !are_related(wanted, other))
            continue;
        uint64_t away = wanted->ctransid > other->ctransid ? wanted->ctransid - other->ctransid
                                                           : other->ctransid - wanted->ctransid;
        if (away < nearest) {
            nearest = away;
            best = options->clones[i];
        }
    }
    return best;
}
