// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Quotas are not maintained yet. A file system that has them switched on is told so by the flag
 * made for it, so that nobody believes counters that are stale: Linux then asks for a rescan.
 */
#include "engine/store/internal.h"

#include "base/cleanup.h"

int quota_mark_inconsistent(struct store *store)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(0, KEY_QGROUP_STATUS, 0);
    struct engine *e = &store->engine;
    struct qgroup_status status;

    if (e->quota_tree.id == 0)
        return 0;
    int ret = tree_search_cow(&e->quota_tree, &key, 0, &path);
    if (ret != 0)
        return ret < 0 ? ret : 0;
    if (path_size(&path) < sizeof(disk_qgroup_status))
        return fail(-EUCLEAN, "%s: too short for a quota status", path_where(&path));
    qgroup_status_decode(&status, path_data(&path));
    if (!(status.flags & QGROUP_STATUS_ON))
        return 0;
    status.flags |= QGROUP_STATUS_INCONSISTENT;
    qgroup_status_encode(path_data_mut(&path), &status);
    env_note(e->env, NOTE_WARNING, "%s: quotas are marked inconsistent: run a quota rescan",
             vol_label(e->vol));
    return 0;
}
