// SPDX-License-Identifier: GPL-2.0-or-later
/* Quotas of a volume: through the library, or by the ioctls that Linux has for them. */
#include "qgroups.h"

#include <errno.h>
#include <fuse_ioctl.h>
#include <linux/btrfs.h>
#include <stdlib.h>
#include <string.h>

static int library(int ret)
{
    cli_failed_in_library(true);
    return ret;
}

static int quota_ctl(const struct place *place, uint64_t cmd)
{
    struct btrfs_ioctl_quota_ctl_args args = {.cmd = cmd};

    return mount_ask(place->path, BTRFS_IOC_QUOTA_CTL, &args);
}

/* Since Linux 6.7; older headers do not name it. */
#define QUOTA_CTL_ENABLE_SIMPLE 4

int volume_quota_enable(const struct place *place, bool simple)
{
    if (place->tree->fs)
        return library(copse_quota_enable(place->tree->fs, simple));
    return quota_ctl(place, simple ? QUOTA_CTL_ENABLE_SIMPLE : BTRFS_QUOTA_CTL_ENABLE);
}

int volume_quota_disable(const struct place *place)
{
    if (place->tree->fs)
        return library(copse_quota_disable(place->tree->fs));
    return quota_ctl(place, BTRFS_QUOTA_CTL_DISABLE);
}

int volume_quota_rescan(const struct place *place, bool wait)
{
    struct btrfs_ioctl_quota_rescan_args args = {0};

    if (place->tree->fs)
        return library(copse_quota_rescan(place->tree->fs, wait));
    int ret = mount_ask(place->path, BTRFS_IOC_QUOTA_RESCAN, &args);
    return ret == 0 && wait ? volume_quota_rescan_wait(place) : ret;
}

int volume_quota_rescan_wait(const struct place *place)
{
    if (place->tree->fs)
        return library(copse_quota_rescan_wait(place->tree->fs));
    return mount_ask(place->path, BTRFS_IOC_QUOTA_RESCAN_WAIT, NULL);
}

static int make_or_destroy(const struct place *place, uint64_t id, bool make)
{
    struct btrfs_ioctl_qgroup_create_args args = {.create = make, .qgroupid = id};

    return mount_ask(place->path, BTRFS_IOC_QGROUP_CREATE, &args);
}

int volume_qgroup_create(const struct place *place, uint64_t id)
{
    return place->tree->fs ? library(copse_qgroup_create(place->tree->fs, id))
                           : make_or_destroy(place, id, true);
}

int volume_qgroup_destroy(const struct place *place, uint64_t id)
{
    return place->tree->fs ? library(copse_qgroup_destroy(place->tree->fs, id))
                           : make_or_destroy(place, id, false);
}

static int relate(const struct place *place, uint64_t member, uint64_t parent, bool assign)
{
    struct btrfs_ioctl_qgroup_assign_args args = {.assign = assign, .src = member, .dst = parent};

    return mount_ask(place->path, BTRFS_IOC_QGROUP_ASSIGN, &args);
}

int volume_qgroup_assign(const struct place *place, uint64_t member, uint64_t parent)
{
    return place->tree->fs ? library(copse_qgroup_assign(place->tree->fs, member, parent))
                           : relate(place, member, parent, true);
}

int volume_qgroup_remove(const struct place *place, uint64_t member, uint64_t parent)
{
    return place->tree->fs ? library(copse_qgroup_remove(place->tree->fs, member, parent))
                           : relate(place, member, parent, false);
}

int volume_qgroup_limit(const struct place *place, uint64_t id, unsigned which, uint64_t bytes)
{
    struct copse_ioc_qgroup_limit args = {id, which, bytes};

    return place->tree->fs ? library(copse_qgroup_limit(place->tree->fs, id, which, bytes))
                           : mount_ask(place->path, COPSE_IOC_QGROUP_LIMIT, &args);
}

int volume_quota_status(const struct place *place, struct copse_quota_status *out)
{
    if (!place->tree->fs)
        return mount_ask(place->path, COPSE_IOC_QUOTA_STATUS, out);
    return library(copse_quota_status(place->tree->fs, out));
}

/* ---- the groups of a mount, in three lists ----------------------------------------------------
 */

struct ids {
    uint64_t *list;
    size_t count, taken;
};

struct listed {
    struct copse_qgroup *list;
    size_t count;
    struct ids above, below;
};

static int take_group(void *arg, const char *record, size_t *len)
{
    struct listed *listed = arg;

    *len = sizeof(*listed->list);
    listed->list = need_memory(realloc(listed->list, (listed->count + 1) * *len));
    memcpy(&listed->list[listed->count++], record, *len);
    return 0;
}

static int take_id(void *arg, const char *record, size_t *len)
{
    struct ids *ids = arg;

    *len = sizeof(*ids->list);
    ids->list = need_memory(realloc(ids->list, (ids->count + 1) * *len));
    memcpy(&ids->list[ids->count++], record, *len);
    return 0;
}

static int ask_all(const struct place *place, struct listed *out)
{
    const struct mount_list lists[] = {
        {.kind = COPSE_LIST_QGROUPS, .fn = take_group, .arg = out},
        {.kind = COPSE_LIST_QGROUPS_ABOVE, .fn = take_id, .arg = &out->above},
        {.kind = COPSE_LIST_QGROUPS_BELOW, .fn = take_id, .arg = &out->below},
    };

    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        int ret = mount_each(place->path, &lists[i]);

        if (ret < 0)
            return ret;
    }
    return 0;
}

/* The next `count` of them; fewer where somebody changed groups meanwhile. */
static const uint64_t *next_ids(struct ids *ids, size_t *count)
{
    const uint64_t *at = ids->list != NULL ? ids->list + ids->taken : NULL;

    if (*count > ids->count - ids->taken)
        *count = ids->count - ids->taken;
    ids->taken += *count;
    return at;
}

static int groups_of_mount(const struct place *place,
                           int (*fn)(void *arg, const struct copse_qgroup *group), void *arg)
{
    struct listed listed = {0};
    int ret = ask_all(place, &listed);

    for (size_t i = 0; ret == 0 && i < listed.count; i++) {
        struct copse_qgroup *group = &listed.list[i];

        group->parents = next_ids(&listed.above, &group->parent_count);
        group->members = next_ids(&listed.below, &group->member_count);
        if (fn(arg, group) != 0)
            break;
    }
    free(listed.list);
    free(listed.above.list);
    free(listed.below.list);
    return ret;
}

int volume_qgroups(const struct place *place,
                   int (*fn)(void *arg, const struct copse_qgroup *group), void *arg)
{
    if (!place->tree->fs)
        return groups_of_mount(place, fn, arg);
    return library(copse_qgroup_list(place->tree->fs, fn, arg));
}

int volume_sync(const struct place *place)
{
    if (place->tree->fs)
        return library(copse_sync(place->tree->fs));
    return mount_ask(place->path, BTRFS_IOC_SYNC, NULL);
}
