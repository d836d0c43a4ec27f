// SPDX-License-Identifier: GPL-2.0-or-later
/* What simple quotas ought to say: by reading every extent item and the header of every tree block.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/quota/count.h"

#define LLU(v) ((unsigned long long)(v))
#define GROUPS_MAX 512

struct owned {
    uint64_t id, bytes;
};

struct counting {
    struct mount *m;
    uint64_t enable_gen;
    struct owned owned[GROUPS_MAX]; /* by subvolume */
    size_t count;
    struct qgroup_view groups[GROUPS_MAX];
    size_t group_count;
};

static int charge(struct counting *c, uint64_t owner, uint64_t generation, uint64_t bytes)
{
    if (!is_fs_tree(owner) || generation < c->enable_gen)
        return 0;
    for (size_t i = 0; i < c->count; i++)
        if (c->owned[i].id == owner) {
            c->owned[i].bytes += bytes;
            return 0;
        }
    if (c->count == GROUPS_MAX)
        return fail(-E2BIG, "more owners than this test is made for");
    c->owned[c->count++] = (struct owned){owner, bytes};
    return 0;
}

static int header_owner(struct counting *c, uint64_t bytenr, uint64_t *out)
{
    const struct engine *engine = &c->m->fs.store->engine;
    AUTO_FREE uint8_t *block = malloc(engine->nodesize);
    disk_node_header header;

    TRY(vol_read(engine->vol, laddr_of(bytenr), block, engine->nodesize, 0));
    memcpy(&header, block, sizeof(header));
    *out = le64_get(header.owner);
    return 0;
}

/* Where Linux puts it: first of all references. */
static uint64_t owner_in(const uint8_t *item, uint32_t size)
{
    struct extent_inline_ref ref;

    if (size < sizeof(disk_extent_item) + sizeof(disk_extent_inline_ref))
        return 0;
    extent_inline_ref_decode(&ref, item + sizeof(disk_extent_item));
    return ref.type == KEY_EXTENT_OWNER_REF ? ref.offset : 0;
}

static int count_item(struct counting *c, const struct path *path)
{
    uint32_t nodesize = c->m->fs.store->engine.nodesize;
    struct extent_item item;
    uint64_t owner;
    struct key key;

    path_key(path, &key);
    if (key.type != KEY_EXTENT_ITEM && key.type != KEY_METADATA_ITEM)
        return 0;
    extent_item_decode(&item, path_data(path));
    if (item.flags & EXTENT_FLAG_DATA) {
        owner = owner_in(path_data(path), path_size(path));
        if (owner == 0 && item.generation >= c->enable_gen)
            return fail(-EUCLEAN, "data extent %llu of generation %llu names no owner",
                        LLU(key.objectid), LLU(item.generation));
        return charge(c, owner, item.generation, key.offset);
    }
    if (item.generation < c->enable_gen)
        return 0;
    TRY(header_owner(c, key.objectid, &owner));
    return charge(c, owner, item.generation, nodesize);
}

static int note_group(void *arg, const struct qgroup_view *view)
{
    struct counting *c = arg;

    if (c->group_count == GROUPS_MAX)
        return fail(-E2BIG, "more groups than this test is made for");
    c->groups[c->group_count++] = *view;
    return 0;
}

static const struct qgroup_view *group_of(const struct counting *c, uint64_t id)
{
    for (size_t i = 0; i < c->group_count; i++)
        if (c->groups[i].id == id)
            return &c->groups[i];
    return NULL;
}

static bool is_below(const struct counting *c, uint64_t id, uint64_t group)
{
    const struct qgroup_view *view = group_of(c, id);

    if (id == group)
        return true;
    for (size_t i = 0; view && i < view->parent_count; i++)
        if (is_below(c, view->parents[i], group))
            return true;
    return false;
}

static int compare(struct counting *c, char *text, size_t cap)
{
    struct store *store = c->m->fs.store;
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = KEY_FIRST;
    int ret = tree_search_ge(&store->engine.extent_tree, &key, &path);

    for (; ret == 0; ret = path_next(&path))
        TRY(count_item(c, &path));
    TRY(ret);
    TRY(qgroups_each(store->qgroups, note_group, c));
    for (size_t i = 0; i < c->group_count; i++) {
        const struct qgroup_view *group = &c->groups[i];
        uint64_t bytes = 0;

        for (size_t j = 0; j < c->count; j++)
            if (is_below(c, c->owned[j].id, group->id))
                bytes += c->owned[j].bytes;
        if (group->rfer == bytes && group->excl == bytes)
            continue;
        snprintf(text, cap, "group %u/%llu says %llu, %llu; counted %llu",
                 (unsigned)(group->id >> QGROUP_LEVEL_SHIFT),
                 LLU(group->id & ((1ULL << QGROUP_LEVEL_SHIFT) - 1)), LLU(group->rfer),
                 LLU(group->excl), LLU(bytes));
        return -1;
    }
    for (size_t j = 0; j < c->count; j++)
        if (!group_of(c, c->owned[j].id))
            return fail(-EUCLEAN, "the group of subvolume %llu went, with %llu bytes in use",
                        LLU(c->owned[j].id), LLU(c->owned[j].bytes));
    return 0;
}

int simple_compare(struct mount *m, char *text, size_t cap)
{
    AUTO_FREE struct counting *c = calloc(1, sizeof(*c));
    struct qgroups_state state;

    c->m = m;
    text[0] = '\0';
    store_read_lock(m->fs.store);
    qgroups_state(m->fs.store->qgroups, &state);
    c->enable_gen = state.enable_gen;
    int ret = compare(c, text, cap);
    store_read_unlock(m->fs.store);
    if (ret < 0 && !text[0])
        snprintf(text, cap, "%d: %s", ret, fail_message());
    return ret;
}

int simple_is_member(struct mount *m, uint64_t subvol, uint64_t group, bool *out)
{
    AUTO_FREE struct counting *c = calloc(1, sizeof(*c));

    store_read_lock(m->fs.store);
    int ret = qgroups_each(m->fs.store->qgroups, note_group, c);
    if (ret == 0)
        *out = is_below(c, subvol, group);
    store_read_unlock(m->fs.store);
    return ret;
}
