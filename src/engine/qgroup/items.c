// SPDX-License-Identifier: GPL-2.0-or-later
/* The items of the quota tree: written and read. */
#include "engine/qgroup/internal.h"

/* What kernels that know simple quotas write, whether or not they are simple. */
#define STATUS_SIZE (sizeof(disk_qgroup_status) + sizeof(le64))
#define STATUS_VERSION 1

/* ---- writing --------------------------------------------------------------------------------- */

static int put(struct qgroups *q, const struct key *key, const void *data, uint32_t size)
{
    return tree_upsert(&q->engine->quota_tree, key, data, size);
}

int items_write_status(struct qgroups *q)
{
    struct key key = key_make(0, KEY_QGROUP_STATUS, 0);
    struct qgroup_status status = {
        .version = STATUS_VERSION,
        .generation = q->engine->txn.transid,
        .flags = q->flags,
        .rescan = q->flags & QGROUP_STATUS_RESCAN ? q->progress : PROGRESS_DONE,
    };
    uint8_t item[STATUS_SIZE];
    le64 enable_gen = le64_of(q->enable_gen);

    if (q->mode == QGROUPS_SIMPLE)
        status.rescan = 0;
    qgroup_status_encode(item, &status);
    memcpy(item + sizeof(disk_qgroup_status), &enable_gen, sizeof(enable_gen));
    return put(q, &key, item, sizeof(item));
}

int items_write_info(struct qgroups *q, const struct qgroup *group)
{
    struct key key = key_make(0, KEY_QGROUP_INFO, group->id);
    struct qgroup_info info = group->info;
    uint8_t item[sizeof(disk_qgroup_info)];

    info.generation = q->engine->txn.transid;
    /* As Linux has it. */
    info.rfer_cmpr = q->mode == QGROUPS_SIMPLE ? 0 : info.rfer;
    info.excl_cmpr = q->mode == QGROUPS_SIMPLE ? 0 : info.excl;
    qgroup_info_encode(item, &info);
    return put(q, &key, item, sizeof(item));
}

int items_write_limit(struct qgroups *q, const struct qgroup *group)
{
    struct key key = key_make(0, KEY_QGROUP_LIMIT, group->id);
    uint8_t item[sizeof(disk_qgroup_limit)];

    qgroup_limit_encode(item, &group->limit);
    return put(q, &key, item, sizeof(item));
}

/* What Linux left out need not be there. */
static int delete_if_there(struct qgroups *q, const struct key *key)
{
    int ret = tree_delete(&q->engine->quota_tree, key);

    if (ret == -ENOENT) {
        fail_clear();
        ret = 0;
    }
    return ret;
}

int items_delete_group(struct qgroups *q, uint64_t id)
{
    struct key info = key_make(0, KEY_QGROUP_INFO, id);
    struct key limit = key_make(0, KEY_QGROUP_LIMIT, id);

    TRY(delete_if_there(q, &info));
    return delete_if_there(q, &limit);
}

int items_add_relation(struct qgroups *q, uint64_t a, uint64_t b)
{
    struct key up = key_make(a, KEY_QGROUP_RELATION, b);
    struct key down = key_make(b, KEY_QGROUP_RELATION, a);

    TRY(put(q, &up, NULL, 0));
    return put(q, &down, NULL, 0);
}

int items_delete_relation(struct qgroups *q, uint64_t a, uint64_t b)
{
    struct key up = key_make(a, KEY_QGROUP_RELATION, b);
    struct key down = key_make(b, KEY_QGROUP_RELATION, a);

    TRY(delete_if_there(q, &up));
    return delete_if_there(q, &down);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int check_size(const struct path *path, uint32_t size)
{
    if (path_size(path) < size)
        return fail(-EUCLEAN, "%s: quota item of %u bytes", path_where(path), path_size(path));
    return 0;
}

static int load_status(struct qgroups *q, const struct path *path)
{
    struct qgroup_status status;
    le64 enable_gen;

    TRY(check_size(path, sizeof(disk_qgroup_status)));
    qgroup_status_decode(&status, path_data(path));
    if (status.version != STATUS_VERSION)
        return fail(-EUCLEAN, "%s: quotas of version %llu", path_where(path), LLU(status.version));
    q->flags = status.flags;
    if (!(status.flags & QGROUP_STATUS_ON))
        return 0;
    q->mode = status.flags & QGROUP_STATUS_SIMPLE ? QGROUPS_SIMPLE : QGROUPS_FULL;
    q->progress = status.flags & QGROUP_STATUS_RESCAN ? status.rescan : PROGRESS_DONE;
    if (q->mode == QGROUPS_SIMPLE) {
        TRY(check_size(path, STATUS_SIZE));
        memcpy(&enable_gen, (const uint8_t *)path_data(path) + sizeof(disk_qgroup_status),
               sizeof(enable_gen));
        q->enable_gen = le64_get(enable_gen);
    } else if (status.generation != q->engine->durable_gen) {
        /* Somebody changed the file system and did not count. */
        q->flags |= QGROUP_STATUS_INCONSISTENT;
    }
    return 0;
}

static int find_or_add(struct qgroups *q, uint64_t id, struct qgroup **out)
{
    *out = qgroup_find(q, id);
    return *out ? 0 : qgroup_add(q, id, out);
}

static int load_relation(struct qgroups *q, const struct path *path, const struct key *key)
{
    struct qgroup *member, *parent;

    /* Each stands there twice, once in either direction. */
    if (key->objectid >= key->offset)
        return 0;
    if (qgroup_level(key->objectid) >= qgroup_level(key->offset))
        return fail(-EUCLEAN, "%s: group in one of its own level", path_where(path));
    TRY(find_or_add(q, key->objectid, &member));
    TRY(find_or_add(q, key->offset, &parent));
    return id_list_has(&member->parents, parent->id) ? 0 : qgroup_link(member, parent);
}

static int load_item(struct qgroups *q, const struct path *path, const struct key *key)
{
    struct qgroup *group;

    switch (key->type) {
    case KEY_QGROUP_STATUS:
        return load_status(q, path);
    case KEY_QGROUP_INFO:
        TRY(check_size(path, sizeof(disk_qgroup_info)));
        TRY(find_or_add(q, key->offset, &group));
        qgroup_info_decode(&group->info, path_data(path));
        return 0;
    case KEY_QGROUP_LIMIT:
        TRY(check_size(path, sizeof(disk_qgroup_limit)));
        TRY(find_or_add(q, key->offset, &group));
        qgroup_limit_decode(&group->limit, path_data(path));
        return 0;
    case KEY_QGROUP_RELATION:
        return load_relation(q, path, key);
    default:
        return 0;
    }
}

int qgroups_load(struct qgroups *q)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = KEY_FIRST;

    if (q->engine->quota_tree.id == 0)
        return 0;
    int ret = tree_search_ge(&q->engine->quota_tree, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        path_key(&path, &key);
        TRY(load_item(q, &path, &key));
    }
    return ret < 0 ? ret : 0;
}
