// SPDX-License-Identifier: GPL-2.0-or-later
/* Tree blocks on mirrors: read the first good copy, mend the bad ones, seal before writing. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "disk/vol/vol_internal.h"

static int read_copy(struct vol *vol, laddr addr, const struct node_expect *expect, void *block,
                     unsigned mirror)
{
    TRY(vol_read(vol, addr, block, vol->limits.nodesize, mirror));
    return node_validate(block, &vol->limits, expect);
}

/* Says that copies [0, good) were bad, and writes them again from the good one where allowed. */
static void mend(struct vol *vol, laddr addr, const struct node_expect *expect, const void *block,
                 unsigned good, const char *what_failed)
{
    const char *outcome = vol->readonly ? "left as it is, opened read-only" : "mended";

    for (unsigned bad = 0; bad < good && !vol->readonly; bad++)
        if (vol_write_mirror(vol, addr, block, vol->limits.nodesize, bad) < 0)
            outcome = "could not be mended";
    env_note(vol->env, NOTE_WARNING,
             "%s: tree %llu block %llu: read from copy %u, the one before is bad (%s) and %s",
             vol_label(vol), LLU(expect->owner), LLU(addr.v), good, what_failed, outcome);
}

int vol_read_node(struct vol *vol, laddr addr, const struct node_expect *expect, void *block)
{
    char first[FAIL_MESSAGE_MAX] = "";
    unsigned mirrors = vol_mirrors(vol, addr);
    int first_err = 0;

    if (mirrors == 0)
        return fail(-EUCLEAN, "%s: tree %llu block %llu: address lies in no chunk", vol_label(vol),
                    LLU(expect->owner), LLU(addr.v));
    for (unsigned mirror = 0; mirror < mirrors; mirror++) {
        int err = read_copy(vol, addr, expect, block, mirror);

        if (err == 0) {
            if (mirror > 0)
                mend(vol, addr, expect, block, mirror, first);
            return 0;
        }
        if (mirror == 0) {
            first_err = err;
            snprintf(first, sizeof(first), "%s", fail_message());
        }
    }
    if (mirrors == 1)
        return first_err;
    return fail(first_err, "%s (no copy of %u is good)", first, mirrors);
}

void vol_seal_node(const struct vol *vol, void *block)
{
    uint8_t csum[CSUM_MAX];

    csum_compute((enum csum_type)vol->limits.csum_type, (const uint8_t *)block + CSUM_FIELD_SIZE,
                 vol->limits.nodesize - CSUM_FIELD_SIZE, csum);
    memcpy(block, csum, sizeof(csum));
}
