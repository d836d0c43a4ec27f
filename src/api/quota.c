// SPDX-License-Identifier: GPL-2.0-or-later
/* Quotas. */
#include "api/internal.h"

COPSE_EXPORT int copse_quota_status(copse_fs *fs, struct copse_quota_status *out)
{
    return API_CALL(mount_quota_status(mount_of(fs), out));
}

COPSE_EXPORT int copse_quota_enable(copse_fs *fs, bool simple)
{
    return API_CALL(mount_quota_enable(mount_of(fs), simple));
}

COPSE_EXPORT int copse_quota_disable(copse_fs *fs)
{
    return API_CALL(mount_quota_disable(mount_of(fs)));
}

COPSE_EXPORT int copse_quota_rescan(copse_fs *fs, bool wait)
{
    return API_CALL(mount_quota_rescan(mount_of(fs), wait));
}

COPSE_EXPORT int copse_quota_rescan_wait(copse_fs *fs)
{
    return API_CALL(mount_quota_rescan_wait(mount_of(fs)));
}

COPSE_EXPORT int
copse_qgroup_list(copse_fs *fs, int (*fn)(void *arg, const struct copse_qgroup *group), void *arg)
{
    return API_CALL(mount_qgroup_list(mount_of(fs), fn, arg));
}

COPSE_EXPORT int copse_qgroup_create(copse_fs *fs, uint64_t id)
{
    return API_CALL(mount_qgroup_create(mount_of(fs), id));
}

COPSE_EXPORT int copse_qgroup_destroy(copse_fs *fs, uint64_t id)
{
    return API_CALL(mount_qgroup_destroy(mount_of(fs), id));
}

COPSE_EXPORT int copse_qgroup_assign(copse_fs *fs, uint64_t member, uint64_t parent)
{
    return API_CALL(mount_qgroup_assign(mount_of(fs), member, parent));
}

COPSE_EXPORT int copse_qgroup_remove(copse_fs *fs, uint64_t member, uint64_t parent)
{
    return API_CALL(mount_qgroup_remove(mount_of(fs), member, parent));
}

COPSE_EXPORT int copse_qgroup_limit(copse_fs *fs, uint64_t id, unsigned which, uint64_t bytes)
{
    return API_CALL(mount_qgroup_limit(mount_of(fs), id, which, bytes));
}
