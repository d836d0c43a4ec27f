// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>

#include "ops/rescue/internal.h"

void rescue_close(struct rescue *r)
{
    if (!r)
        return;
    rescue_roots_free(r);
    rescue_scan_free(r);
    rescue_blocks_free(r);
    vol_close(r->vol);
    free(r->buffer);
    free(r->unpacked);
    free(r);
}

static int open_volume(struct rescue *r, struct dev *dev)
{
    const struct vol_open_options options = {.readonly = true, .super_copy = r->options.super_copy};

    TRY(vol_open(r->env, &dev, 1, &options, &r->vol));
    r->super = vol_super(r->vol);
    r->limits = vol_limits(r->vol);
    r->nodesize = r->limits->nodesize;
    r->sectorsize = r->limits->sectorsize;
    if (r->super->log_root)
        env_note(r->env, NOTE_WARNING, "%s: what was last fsynced is in a log tree, not read here",
                 vol_label(r->vol));
    return 0;
}

static int load(struct rescue *r, struct dev *dev)
{
    TRY(open_volume(r, dev));
    TRY(rescue_load_chunks(r));
    return rescue_load_roots(r);
}

int rescue_open(struct env *env, struct dev *dev, const struct copse_rescue_options *options,
                struct rescue **out)
{
    struct rescue *r = calloc(1, sizeof(*r));
    int ret;

    if (!r) {
        dev_close(dev);
        return fail(-ENOMEM, "out of memory");
    }
    r->env = env;
    r->options = *options;
    ret = load(r, dev);
    if (ret < 0) {
        rescue_close(r);
        return ret;
    }
    *out = r;
    return 0;
}
