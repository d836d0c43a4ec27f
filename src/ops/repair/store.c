// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening and closing the engine over the device at hand. */
#include "ops/repair/internal.h"

int job_open(struct job *job, struct store **out)
{
    const struct vol_open_options options = {.readonly = false};
    const struct store_options store_options = {.repair = true};
    struct dev *view = dev_borrow(job->dev);
    struct vol *vol;

    if (!view)
        return fail(-ENOMEM, "repair");
    TRY(vol_open(job->env, &view, 1, &options, &vol));
    if (vol_readonly(vol)) {
        int ret = fail(-EROFS, "%s: %s", vol_label(vol), vol_readonly_reason(vol));

        vol_close(vol);
        return ret;
    }
    return store_open(vol, &store_options, out);
}

/* Quotas that counted references which have changed behind their back. */
static int recount_quotas(struct store *store)
{
    struct qgroups_state state;
    int ret;

    qgroups_state(store->qgroups, &state);
    if (state.mode != QGROUPS_FULL)
        return 0;
    TRY(store_begin(store, STORE_INTERNAL, QGROUP_UNITS));
    ret = qgroups_rescan(store->qgroups);
    store_end(store);
    if (ret < 0)
        return ret;
    do {
        store_mark_changed(store);
        TRY(store_commit(store));
    } while (qgroups_rescan_pending(store->qgroups));
    return 0;
}

int job_close(struct job *job, struct store *store, int ret)
{
    if (ret == 0)
        ret = store_commit(store);
    if (ret == 0 && job->references_moved)
        ret = recount_quotas(store);
    if (ret == 0)
        job->references_moved = false;
    store_close(store);
    return ret;
}
