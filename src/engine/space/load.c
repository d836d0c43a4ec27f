// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is known of space when a file system is opened: block groups, and what of them is free.
 *
 * With a valid free-space tree, metadata groups are loaded at open and data groups when they are
 * first needed: a tree change may ask for metadata in its midst, when no tree should be read, but
 * never for data. Without one, everything is loaded at open, in one walk over the extent tree.
 */
#include "engine/space/space_internal.h"

#include "base/lock.h"

/* ---- free space of one group from the extent tree
 * --------------------------------------------------- */

/* Length of the extent that an item stands for; 0: the item is none. */
static uint64_t extent_length(const struct space *space, const struct key *key)
{
    if (key->type == KEY_EXTENT_ITEM)
        return key->offset;
    return key->type == KEY_METADATA_ITEM ? space->engine->nodesize : 0;
}

static int check_extent(const struct space *space, const struct group *group,
                        const struct path *path, const struct key *key, uint64_t pos)
{
    uint64_t len = extent_length(space, key);

    if (space->repairing)
        return 0;
    if (key->objectid < pos)
        return fail(-EUCLEAN, "%s: extent overlaps the one before, which ends at %llu",
                    path_where(path), (unsigned long long)pos);
    if (len > group->length - (key->objectid - group->start) ||
        !is_aligned(key->objectid | len, space->engine->sectorsize))
        return fail(-EUCLEAN, "%s: extent of %llu bytes does not fit block group %llu+%llu",
                    path_where(path), (unsigned long long)len, (unsigned long long)group->start,
                    (unsigned long long)group->length);
    return 0;
}

/* Puts all that lies between extents into `out`. */
static int walk_extents(struct space *space, const struct group *group, struct rangeset *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = {group->start, 0, 0};
    uint64_t pos = group->start, end = group->start + group->length;
    int ret = tree_search_ge(&space->engine->extent_tree, &key, &path);

    for (; ret == 0; ret = path_next(&path)) {
        uint64_t len;

        path_key(&path, &key);
        if (key.objectid >= end)
            break;
        len = extent_length(space, &key);
        if (len == 0)
            continue;
        TRY(check_extent(space, group, &path, &key, pos));
        if (key.objectid > pos)
            TRY(rangeset_add(out, pos, key.objectid - pos));
        /* Only where it was not checked may an extent overlap another, or go beyond. */
        len = MIN(len, end - key.objectid);
        pos = MAX(pos, key.objectid + len);
    }
    TRY(ret);
    return rangeset_add(out, pos, end - pos);
}

static int take_out_super(const struct group *group, struct rangeset *set)
{
    struct range range;

    for (uint64_t from = group->start; rangeset_next(&group->super, from, &range);
         from = range.start + range.len)
        TRY(rangeset_remove(set, range.start, range.len));
    return 0;
}

/* As group->used counts it, from what is free. */
static uint64_t used_beside(const struct group *group, const struct rangeset *unused)
{
    return group->length - group->super.bytes - unused->bytes;
}

/*
 * The extent tree is what is true: a block group item that says otherwise is mended by the next
 * commit.
 */
static void adopt_used(struct space *space, struct group *group, uint64_t used)
{
    if (used == group->used)
        return;
    if (!space->repairing)
        env_note(space->engine->env, NOTE_WARNING,
                 "block group %llu: its item says %llu bytes are used, the extent tree says %llu",
                 (unsigned long long)group->start, (unsigned long long)group->used,
                 (unsigned long long)used);
    space->engine->bytes_used += used - group->used;
    group->used = used;
}

static int load_from_extents(struct space *space, struct group *group, const struct range *changing,
                             bool to_used)
{
    struct rangeset unused CLEANUP(rangeset_clear);

    rangeset_init(&unused);
    TRY(walk_extents(space, group, &unused));
    TRY(take_out_super(group, &unused));
    if (changing && to_used)
        TRY(rangeset_add(&unused, changing->start, changing->len));
    else if (changing)
        TRY(rangeset_remove(&unused, changing->start, changing->len));
    COUNTING(space, group);
    adopt_used(space, group, used_beside(group, &unused));
    group->tree_rewrite = free_tree_kept(space);
    group->loaded = true;
    return rangeset_move(&group->free, &unused);
}

/* ---- free space of one group from the free-space tree
 * ------------------------------------------------ */

/* Linux lists the bytes under superblock copies as free, others do not: both are right. */
static int load_from_tree(struct space *space, struct group *group)
{
    struct rangeset unused CLEANUP(rangeset_clear);

    rangeset_init(&unused);
    TRY(free_tree_read(space, group, &unused));
    TRY(take_out_super(group, &unused));
    if (used_beside(group, &unused) != group->used)
        return fail(-EUCLEAN, "%llu bytes are free, but %llu of %llu are used",
                    (unsigned long long)unused.bytes, (unsigned long long)group->used,
                    (unsigned long long)group->length);
    COUNTING(space, group);
    group->loaded = true;
    return rangeset_move(&group->free, &unused);
}

int group_load(struct space *space, struct group *group, const struct range *changing, bool to_used)
{
    int ret;

    if (group->loaded)
        return 0;
    if (space->tree_usable) {
        ret = load_from_tree(space, group);
        if (ret != -EUCLEAN)
            return ret;
        env_note(space->engine->env, NOTE_WARNING,
                 "free-space tree, block group %llu: %s; the extent tree is used instead",
                 (unsigned long long)group->start, fail_message());
    }
    return load_from_extents(space, group, changing, to_used);
}

/* ---- block groups
 * ------------------------------------------------------------------------------------------ */

static int check_group(const struct space *space, const struct path *path, const struct key *key,
                       const struct block_group_item *item, const struct chunk_map *chunk)
{
    uint64_t mask = BG_TYPE_MASK | BG_PROFILE_MASK;

    if (chunk->logical != key->objectid || chunk->length != key->offset)
        return fail(-EUCLEAN, "%s: the chunk there is %llu+%llu", path_where(path),
                    (unsigned long long)chunk->logical, (unsigned long long)chunk->length);
    if ((chunk->type & mask) != (item->flags & mask))
        return fail(-EUCLEAN, "%s: flags 0x%llx, but those of its chunk are 0x%llx",
                    path_where(path), (unsigned long long)item->flags,
                    (unsigned long long)chunk->type);
    if (item->used > key->offset || !is_aligned(item->used, space->engine->sectorsize))
        return fail(-EUCLEAN, "%s: %llu bytes used", path_where(path),
                    (unsigned long long)item->used);
    return 0;
}

static int load_group(struct space *space, const struct path *path, const struct key *key)
{
    struct block_group_item item;
    struct chunk_map chunk;
    struct group *group;

    if (path_size(path) != sizeof(disk_block_group_item))
        return fail(-EUCLEAN, "%s: block group item of %u bytes", path_where(path),
                    path_size(path));
    block_group_item_decode(&item, path_data(path));
    if (vol_find_chunk(space->engine->vol, key->objectid, &chunk) < 0)
        return fail_context(-EUCLEAN, "%s: block group without chunk", path_where(path));
    TRY(check_group(space, path, key, &item, &chunk));
    TRY(group_add(space, &chunk, &group));
    if (item.used > group->length - group->super.bytes)
        return fail(-EUCLEAN, "%s: %llu bytes used, more than there are", path_where(path),
                    (unsigned long long)item.used);
    COUNTING(space, group);
    group->used = group->used_on_disk = item.used;
    group->life = GROUP_LIVE;
    return 0;
}

/*
 * Block group items stand among extent items where there is no block group tree, but nothing of
 * one group sorts behind its end: searching from there finds the next at once.
 */
static int load_groups(struct space *space)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct root *root = engine_block_group_tree(space->engine);
    struct key key = KEY_FIRST;
    int ret = tree_search_ge(root, &key, &path);

    while (ret == 0) {
        path_key(&path, &key);
        if (key.type != KEY_BLOCK_GROUP_ITEM) {
            ret = path_next(&path);
            continue;
        }
        TRY(load_group(space, &path, &key));
        key = key_make(key.objectid + key.offset, 0, 0);
        path_release(&path);
        ret = tree_search_ge(root, &key, &path);
    }
    return ret < 0 ? ret : 0;
}

static int check_chunks_have_groups(struct space *space)
{
    struct chunk_map chunk;

    for (uint64_t from = 0; vol_next_chunk(space->engine->vol, from, &chunk);
         from = chunk.logical + chunk.length)
        if (!group_at(space, chunk.logical))
            return fail(-EUCLEAN, "chunk %llu has no block group item",
                        (unsigned long long)chunk.logical);
    return 0;
}

/* ---- opening
 * --------------------------------------------------------------------------------------------------
 */

/* The most redundant of what is there, as Linux does; else what mkfs would choose. */
static void choose_profiles(struct space *space)
{
    static const uint64_t usual[SPACE_KINDS] = {0, BG_DUP, BG_DUP};
    bool seen[SPACE_KINDS] = {false};

    for (struct group *group = group_from(space, 0); group; group = group_next(group)) {
        struct kind *kind = &space->kinds[group->kind];
        uint64_t profile = group->flags & BG_PROFILE_MASK;

        if (!seen[group->kind] || profile_copies(profile) > profile_copies(kind->profile))
            kind->profile = profile;
        seen[group->kind] = true;
    }
    for (unsigned i = 0; i < SPACE_KINDS; i++)
        if (!seen[i])
            space->kinds[i].profile = usual[i];
}

static int load_free_space(struct space *space)
{
    for (struct group *group = group_from(space, 0); group; group = group_next(group))
        if (!space->tree_usable || (group->flags & BG_TYPE_MASK) != BG_DATA)
            TRY(group_load(space, group, NULL, false));
    return 0;
}

static int load_all(struct space *space)
{
    const uint64_t valid = COMPAT_RO_FREE_SPACE_TREE | COMPAT_RO_FREE_SPACE_TREE_VALID;
    struct engine *engine = space->engine;

    space->tree_usable = !space->repairing && (engine->compat_ro & valid) == valid &&
                         engine->free_space_tree.bytenr != 0;
    if (space->repairing) {
        TRY(repair_groups_load(space));
    } else {
        TRY(load_groups(space));
        TRY(check_chunks_have_groups(space));
    }
    TRY(devices_load(space));
    engine->bytes_used = 0;
    for (struct group *group = group_from(space, 0); group; group = group_next(group))
        engine->bytes_used += group->used;
    choose_profiles(space);
    return load_free_space(space);
}

static int space_new(struct engine *engine, struct space **out)
{
    struct space *space = calloc(1, sizeof(*space));

    if (!space)
        return fail(-ENOMEM, "out of memory for block groups");
    space->engine = engine;
    space->mixed = engine_has(engine, INCOMPAT_MIXED_GROUPS);
    RB_INIT(&space->groups);
    lock_init(&space->lock, RANK_SPACE);
    space_look_again(space);
    *out = space;
    return 0;
}

static int open_space(struct engine *engine, bool repairing, struct space **out)
{
    struct space *space;
    int ret;

    TRY(space_new(engine, &space));
    space->repairing = repairing;
    ret = load_all(space);
    if (ret < 0) {
        space_close(space);
        return ret;
    }
    *out = space;
    return 0;
}

int space_open(struct engine *engine, struct space **out)
{
    return open_space(engine, false, out);
}

int space_open_for_repair(struct engine *engine, struct space **out)
{
    return open_space(engine, true, out);
}

int space_new_empty(struct engine *engine, struct space **out)
{
    struct space *space;
    int ret;

    TRY(space_new(engine, &space));
    ret = devices_load(space);
    if (ret < 0) {
        space_close(space);
        return ret;
    }
    engine->bytes_used = 0;
    space->caches_cleared = true;
    choose_profiles(space);
    *out = space;
    return 0;
}

void space_close(struct space *space)
{
    struct group *group;

    if (!space)
        return;
    while ((group = group_from(space, 0)) != NULL)
        group_drop(space, group);
    devices_free(space);
    lock_destroy(&space->lock);
    free(space);
}
