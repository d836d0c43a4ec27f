// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks of the quota tree. */
#include "disk/format/items.h"

int qgroup_status_check(const struct item *item, const struct item_context *context)
{
    struct qgroup_status status;

    (void)context;
    TRY(item_size_min_check(item, sizeof(disk_qgroup_status)));
    qgroup_status_decode(&status, item->data);
    if (status.flags & QGROUP_STATUS_SIMPLE)
        return item_size_min_check(item, sizeof(disk_qgroup_status) + sizeof(le64));
    return 0;
}

int qgroup_info_check(const struct item *item, const struct item_context *context)
{
    (void)context;
    return item_size_check(item, sizeof(disk_qgroup_info));
}

int qgroup_limit_check(const struct item *item, const struct item_context *context)
{
    (void)context;
    return item_size_check(item, sizeof(disk_qgroup_limit));
}

int qgroup_relation_check(const struct item *item, const struct item_context *context)
{
    (void)context;
    return item_size_check(item, 0);
}
