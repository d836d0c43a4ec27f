// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/stress/stress.h"

static bool clients_run(struct stress *s)
{
    return __atomic_load_n(&s->running, __ATOMIC_ACQUIRE) > 0 && !stress_failed(s);
}

static int count_bytes(void *arg, const void *bytes, size_t len)
{
    (void)bytes;
    *(uint64_t *)arg += len;
    return 0;
}

static int send(struct stress *s, copse_node *subvol, copse_node *parent)
{
    struct copse_send_options options = COPSE_SEND_OPTIONS_INIT;
    uint64_t bytes = 0;
    const struct copse_stream_sink sink = {.write = count_bytes, .arg = &bytes};

    options.parent = parent;
    int ret = copse_send(subvol, &options, &sink);
    s->sent += bytes;
    return ret;
}

/* A read-only snapshot, sent as what differs from the one before, which then goes. */
void *beside_snapshots(void *arg)
{
    struct stress *s = arg;
    struct copse_subvol_options options = COPSE_SUBVOL_OPTIONS_INIT;
    copse_node *parent = NULL, *snap;
    char name[24], last[24] = "";
    unsigned left;

    options.readonly = true;
    while (clients_run(s)) {
        snprintf(name, sizeof(name), "snap%llu", (unsigned long long)s->snapshots);
        int ret = copse_subvol_snapshot(s->work, s->top, name, strlen(name), &options, &snap);
        if (ret < 0) {
            stress_fail(s, "snapshot", ret);
            break;
        }
        s->snapshots++;
        if ((ret = send(s, snap, parent)) < 0)
            stress_fail(s, "send", ret);
        copse_node_put(parent);
        parent = snap;
        if (last[0] != '\0' && (ret = copse_subvol_delete(s->top, last, strlen(last))) < 0)
            stress_fail(s, "deleting a snapshot", ret);
        if ((ret = copse_subvol_clean(s->fs, &left)) < 0)
            stress_fail(s, "cleaning up", ret);
        memcpy(last, name, sizeof(last));
    }
    copse_node_put(parent);
    return NULL;
}

static int any_group(void *arg, const struct copse_qgroup *group)
{
    *(uint64_t *)arg += group->referenced;
    return 0;
}

void *beside_syncs(void *arg)
{
    struct stress *s = arg;
    struct copse_usage usage;
    uint64_t sum = 0;
    int ret = 0;

    for (unsigned i = 0; clients_run(s) && ret == 0; i++) {
        if (i % 4 == 0)
            ret = copse_reclaim(s->fs, NULL, &sum);
        else if (i % 4 == 1)
            ret = copse_usage(s->fs, &usage);
        else if (i % 4 == 2 && s->quotas)
            ret = copse_qgroup_list(s->fs, any_group, &sum);
        else
            ret = copse_sync(s->fs);
    }
    if (ret < 0)
        stress_fail(s, "sync, reclaim or counters", ret);
    return NULL;
}
