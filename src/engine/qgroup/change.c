// SPDX-License-Identifier: GPL-2.0-or-later
/* Switching quotas on and off; making, joining, limiting and removing groups. */
#include "engine/qgroup/internal.h"

static int off(void)
{
    return fail(-ENOTCONN, "quotas are not enabled");
}

/* ---- on and off ------------------------------------------------------------------------------ */

/* What Linux puts into the root item of a tree that holds no files. */
static int insert_root_item(struct engine *e)
{
    struct key key = key_make(TREE_QUOTA, KEY_ROOT_ITEM, 0);
    const struct root *root = &e->quota_tree;
    struct root_item item = {
        .generation = root->generation,
        .generation_v2 = root->generation,
        .bytenr = root->bytenr,
        .level = root->level,
        .bytes_used = e->nodesize,
        .refs = 1,
    };
    disk_root_item disk;

    root_item_encode(&disk, &item);
    return tree_upsert(&e->root_tree, &key, &disk, sizeof(disk));
}

static int make_tree(struct qgroups *q)
{
    struct engine *e = q->engine;

    if (e->quota_tree.id != 0)
        return 0;
    engine_root_set(e, &e->quota_tree, TREE_QUOTA, 0, 0, 0);
    int ret = root_create(&e->quota_tree);
    if (ret < 0) {
        e->quota_tree.id = 0;
        return ret;
    }
    return insert_root_item(e);
}

static int make_group(struct qgroups *q, uint64_t id, struct qgroup **out)
{
    struct qgroup *group;

    TRY(qgroup_add(q, id, &group));
    TRY(items_write_info(q, group));
    TRY(items_write_limit(q, group));
    *out = group;
    return 0;
}

static int make_group_of(void *arg, uint64_t id, uint64_t key_offset, const struct root_item *item)
{
    struct qgroups *q = arg;
    struct qgroup *group;

    (void)key_offset;
    (void)item;
    if (!is_fs_tree(id) || qgroup_find(q, id))
        return 0;
    return make_group(q, id, &group);
}

int qgroups_enable(struct qgroups *q, bool simple)
{
    SCOPED_LOCK(&q->lock);

    if (q->mode != QGROUPS_OFF)
        return 0;
    TRY(make_tree(q));
    TRY(roots_each(q->roots, TREE_FS, make_group_of, q));
    q->mode = simple ? QGROUPS_SIMPLE : QGROUPS_FULL;
    q->flags = QGROUP_STATUS_ON | (simple ? QGROUP_STATUS_SIMPLE : 0);
    q->progress = PROGRESS_DONE;
    q->recount = !simple;
    if (simple) {
        /* Of this transaction something may have been written already. */
        q->enable_gen = q->engine->txn.transid + 1;
        q->engine->incompat |= INCOMPAT_SIMPLE_QUOTA;
    }
    return items_write_status(q);
}

static int empty_tree(struct root *tree)
{
    for (;;) {
        AUTO_PATH struct path path = PATH_INIT;
        struct key key = KEY_FIRST;
        int ret = tree_search_ge(tree, &key, &path);

        if (ret != 0)
            return ret < 0 ? ret : 0;
        path_key(&path, &key);
        TRY(tree_search_cow(tree, &key, -1, &path));
        TRY(path_delete(&path, node_items(path_leaf(&path)) - path_slot(&path)));
    }
}

int qgroups_disable(struct qgroups *q)
{
    SCOPED_LOCK(&q->lock);
    struct key key = key_make(TREE_QUOTA, KEY_ROOT_ITEM, 0);
    struct engine *e = q->engine;
    struct root *tree = &e->quota_tree;

    if (q->mode == QGROUPS_OFF)
        return 0;
    TRY(empty_tree(tree));
    TRY(tree_delete(&e->root_tree, &key));
    TRY(extent_drop_tree_ref(q->extents, tree->bytenr, tree->level, tree->generation, TREE_QUOTA,
                             0));
    engine_root_set(e, tree, 0, 0, 0, 0);
    qgroups_forget_all(q);
    q->mode = QGROUPS_OFF;
    extents_keep_owners(q->extents, false);
    q->enable_gen = 0;
    q->flags = 0;
    q->progress = PROGRESS_DONE;
    return 0;
}

int qgroups_rescan(struct qgroups *q)
{
    SCOPED_LOCK(&q->lock);
    if (q->mode == QGROUPS_OFF)
        return off();
    if (q->mode == QGROUPS_SIMPLE)
        return fail(-EINVAL, "simple quotas count as they go: there is nothing to rescan");
    if (q->flags & QGROUP_STATUS_RESCAN)
        return fail(-EINPROGRESS, "a quota rescan is running");
    rescan_start(q);
    return 0;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static int subvol_exists(struct qgroups *q, uint64_t id, bool *out)
{
    struct tree_handle *tree;
    int ret = is_fs_tree(id) ? roots_get(q->roots, id, &tree) : -ENOENT;

    if (ret < 0 && ret != -ENOENT)
        return ret;
    if (ret == -ENOENT)
        fail_clear();
    *out = ret == 0;
    return 0;
}

int qgroup_create(struct qgroups *q, uint64_t id)
{
    SCOPED_LOCK(&q->lock);
    struct qgroup *group;

    if (q->mode == QGROUPS_OFF)
        return off();
    if (qgroup_level(id) == 0)
        return fail(-EINVAL, "group %s: those of subvolumes come with them", qgroup_text(id));
    if (qgroup_find(q, id))
        return fail(-EEXIST, "group %s exists", qgroup_text(id));
    return make_group(q, id, &group);
}

int qgroup_destroy(struct qgroups *q, uint64_t id)
{
    SCOPED_LOCK(&q->lock);
    struct qgroup *group = qgroup_find(q, id);
    bool exists = false;

    if (q->mode == QGROUPS_OFF)
        return off();
    if (!group)
        return fail(-ENOENT, "no group %s", qgroup_text(id));
    if (group->members.count > 0)
        return fail(-EBUSY, "group %s has members", qgroup_text(id));
    if (qgroup_level(id) == 0)
        TRY(subvol_exists(q, id, &exists));
    if (exists)
        return fail(-EBUSY, "group %s: its subvolume exists", qgroup_text(id));
    if (q->mode == QGROUPS_SIMPLE && qgroup_level(id) == 0 && simple_in_use(group))
        return fail(-EBUSY, "group %s still counts something", qgroup_text(id));
    while (group->parents.count > 0)
        TRY(qgroup_remove(q, id, group->parents.ids[0]));
    TRY(items_delete_group(q, id));
    qgroup_drop(q, group);
    return 0;
}

/* ---- relations ------------------------------------------------------------------------------- */

/*
 * Groups above that member is newly in, or no longer in: what only it has comes or goes with it.
 * Simple quotas add up whatever it has.
 */
static void carry(struct qgroups *q, const struct qgroup *member, const struct id_list *above,
                  const struct id_list *other, bool add)
{
    for (size_t i = 0; i < above->count; i++) {
        struct qgroup *group = qgroup_find(q, above->ids[i]);

        if (!group || id_list_has(other, above->ids[i]))
            continue;
        if (add) {
            group->info.rfer += member->info.rfer;
            group->info.excl += member->info.excl;
        } else {
            group->info.rfer -= MIN(group->info.rfer, member->info.rfer);
            group->info.excl -= MIN(group->info.excl, member->info.excl);
        }
        group->dirty = true;
    }
}

static void relation_changed(struct qgroups *q, const struct qgroup *member,
                             const struct id_list *before, const struct id_list *after)
{
    reserve_rebuild(q);
    if (q->mode == QGROUPS_FULL && member->info.rfer != member->info.excl) {
        q->recount = true;
        return;
    }
    carry(q, member, after, before, true);
    carry(q, member, before, after, false);
}

int qgroup_assign(struct qgroups *q, uint64_t member_id, uint64_t parent_id)
{
    SCOPED_LOCK(&q->lock);
    CLEANUP(id_list_clear) struct id_list before = {0};
    CLEANUP(id_list_clear) struct id_list after = {0};
    struct qgroup *member = qgroup_find(q, member_id), *parent = qgroup_find(q, parent_id);

    if (q->mode == QGROUPS_OFF)
        return off();
    if (qgroup_level(member_id) >= qgroup_level(parent_id))
        return fail(-EINVAL, "group %s: members have a lower level", qgroup_text(parent_id));
    if (!member || !parent)
        return fail(-EINVAL, "no group %s", qgroup_text(member ? parent_id : member_id));
    if (id_list_has(&member->parents, parent_id))
        return fail(-EEXIST, "group %s is in there", qgroup_text(member_id));
    TRY(qgroup_above(q, member_id, &before));
    TRY(items_add_relation(q, member_id, parent_id));
    TRY(qgroup_link(member, parent));
    TRY(qgroup_above(q, member_id, &after));
    relation_changed(q, member, &before, &after);
    return 0;
}

int qgroup_remove(struct qgroups *q, uint64_t member_id, uint64_t parent_id)
{
    SCOPED_LOCK(&q->lock);
    CLEANUP(id_list_clear) struct id_list before = {0};
    CLEANUP(id_list_clear) struct id_list after = {0};
    struct qgroup *member = qgroup_find(q, member_id), *parent = qgroup_find(q, parent_id);

    if (q->mode == QGROUPS_OFF)
        return off();
    if (!member || !parent || !id_list_has(&member->parents, parent_id))
        return fail(-ENOENT, "group %s is not in there", qgroup_text(member_id));
    TRY(qgroup_above(q, member_id, &before));
    TRY(items_delete_relation(q, member_id, parent_id));
    qgroup_unlink(member, parent);
    TRY(qgroup_above(q, member_id, &after));
    relation_changed(q, member, &before, &after);
    return 0;
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void set_one(struct qgroup_limit *limit, uint64_t flag, uint64_t value, uint64_t *field)
{
    if (value == QGROUP_LIMIT_CLEAR) {
        limit->flags &= ~flag;
        *field = 0;
    } else {
        limit->flags |= flag;
        *field = value;
    }
}

int qgroup_limit(struct qgroups *q, uint64_t id, const struct qgroup_limit *limit)
{
    SCOPED_LOCK(&q->lock);
    struct qgroup *group = qgroup_find(q, id);

    if (q->mode == QGROUPS_OFF)
        return off();
    if (!group)
        return fail(-ENOENT, "no group %s", qgroup_text(id));
    if (limit->flags & QGROUP_LIMIT_MAX_RFER)
        set_one(&group->limit, QGROUP_LIMIT_MAX_RFER, limit->max_rfer, &group->limit.max_rfer);
    if (limit->flags & QGROUP_LIMIT_MAX_EXCL)
        set_one(&group->limit, QGROUP_LIMIT_MAX_EXCL, limit->max_excl, &group->limit.max_excl);
    group->limit.flags |= limit->flags & (QGROUP_LIMIT_RFER_CMPR | QGROUP_LIMIT_EXCL_CMPR);
    return items_write_limit(q, group);
}
