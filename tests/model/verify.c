// SPDX-License-Identifier: GPL-2.0-or-later
/* The order of things: chunks, extents, then a walk over all trees, then what they say. */
#include "tests/model/verify_internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"

#define COMPLAINTS_MAX 12

void bad(struct verify *v, const char *fmt, ...)
{
    size_t used = strlen(v->report);
    va_list args;

    if (v->complaints++ >= COMPLAINTS_MAX)
        return;
    if (used > 0 && used + 1 < v->cap) {
        v->report[used++] = '\n';
        v->report[used] = '\0';
    }
    va_start(args, fmt);
    vsnprintf(v->report + used, v->cap - used, fmt, args);
    va_end(args);
}

static struct root root_at(struct verify *v, uint64_t id, uint64_t bytenr, uint64_t generation,
                           uint8_t level)
{
    return (struct root){
        .forest = v->forest,
        .id = id,
        .bytenr = bytenr,
        .generation = generation,
        .level = level,
    };
}

/* ---- chunks
 * -------------------------------------------------------------------------------------- */

static void load_chunks(struct verify *v)
{
    struct root root = root_at(v, TREE_CHUNK, v->super->chunk_root, v->super->chunk_root_generation,
                               v->super->chunk_root_level);
    struct key key = key_make(FIRST_CHUNK_TREE_OBJECTID, KEY_CHUNK_ITEM, 0);
    AUTO_PATH struct path path = PATH_INIT;
    int ret = tree_search_ge(&root, &key, &path);

    for (; ret == 0; ret = path_next(&path)) {
        struct v_chunk chunk = {.has_group = false};

        path_key(&path, &key);
        if (key.type != KEY_CHUNK_ITEM)
            continue;
        if (chunk_map_decode(key.offset, path_data(&path), path_size(&path), &chunk.map) < 0 ||
            vol_add_chunk(v->vol, &chunk.map) < 0)
            bad(v, "chunk %llu: %s", LLU(key.offset), fail_message());
        *ARRAY_ADD(&v->chunks) = chunk;
    }
    if (ret < 0)
        bad(v, "chunk tree: %s", fail_message());
}

/* ---- trees
 * -------------------------------------------------------------------------------------- */

struct v_root {
    uint64_t id;
    struct root_item item;
};

typedef ARRAY_OF(struct v_root) v_roots;

static void load_roots(struct verify *v, v_roots *roots)
{
    struct root top =
        root_at(v, TREE_ROOT, v->super->root, v->super->generation, v->super->root_level);
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = KEY_FIRST;
    int ret = tree_search_ge(&top, &key, &path);

    for (; ret == 0; ret = path_next(&path)) {
        struct v_root root;

        path_key(&path, &key);
        if (key.type != KEY_ROOT_ITEM)
            continue;
        if (path_size(&path) != sizeof(disk_root_item)) {
            bad(v, "%s: %u bytes", path_where(&path), path_size(&path));
            continue;
        }
        root_item_decode(&root.item, path_data(&path));
        root.id = key.objectid;
        if (root.item.generation_v2 != root.item.generation)
            bad(v, "%s: generations %llu and %llu", path_where(&path), LLU(root.item.generation),
                LLU(root.item.generation_v2));
        *ARRAY_ADD(roots) = root;
    }
    if (ret < 0)
        bad(v, "root tree: %s", fail_message());
}

static void load_extents(struct verify *v, const v_roots *roots)
{
    for (size_t i = 0; i < roots->count; i++) {
        const struct root_item *item = &roots->v[i].item;

        if (roots->v[i].id == TREE_EXTENT) {
            struct root root = root_at(v, TREE_EXTENT, item->bytenr, item->generation, item->level);

            verify_refs_load(v, &root);
            return;
        }
    }
    bad(v, "there is no extent tree");
}

static void walk_root(struct verify *v, const struct v_root *root)
{
    const struct root_item *item = &root->item;
    bool files = is_fs_tree(root->id) || root->id == TREE_DATA_RELOC;

    if (item->refs == 0 && is_fs_tree(root->id)) {
        files_begin(v);
        walk_dead_tree(v, root->id, item);
        files_drop(v);
        return;
    }
    if (files)
        files_begin(v);
    walk_tree(v, root->id, item->bytenr, item->level, item->generation);
    /* Linux sets space aside by it, and takes off what goes. */
    if (item->bytes_used != v->tree_bytes)
        bad(v, "tree %llu: has %llu bytes of blocks, its item says %llu", LLU(root->id),
            LLU(v->tree_bytes), LLU(item->bytes_used));
    if (files)
        files_end(v, root->id);
}

static void check_all(struct verify *v, struct dev *dev)
{
    v_roots roots = {0};

    load_chunks(v);
    load_roots(v, &roots);
    if (v->complaints == 0)
        load_extents(v, &roots);
    if (v->complaints == 0) {
        walk_tree(v, TREE_CHUNK, v->super->chunk_root, v->super->chunk_root_level,
                  v->super->chunk_root_generation);
        walk_tree(v, TREE_ROOT, v->super->root, v->super->root_level, v->super->generation);
        for (size_t i = 0; i < roots.count; i++)
            walk_root(v, &roots.v[i]);
        refs_check(v);
        space_check(v);
        csums_check(v);
        space_check_super(v, dev);
    }
    free(roots.v);
}

static void release(struct verify *v)
{
    for (size_t i = 0; i < v->csums.count; i++)
        free(v->csums.v[i].sums);
    free(v->extents.v);
    free(v->listed.v);
    free(v->met.v);
    free(v->chunks.v);
    free(v->groups.v);
    free(v->dev_extents.v);
    free(v->uses.v);
    free(v->csums.v);
    rangeset_clear(&v->reached);
    rangeset_clear(&v->free);
}

int verify_device(struct env *env, struct dev *dev, unsigned flags, char *report, size_t cap)
{
    const struct vol_open_options options = {.readonly = true};
    const struct forest_options forest_options = {.cache_bytes = 64 * MIB};
    struct verify v = {.flags = flags, .report = report, .cap = cap};
    struct dev *view = dev_borrow(dev);

    report[0] = '\0';
    rangeset_init(&v.reached);
    rangeset_init(&v.free);
    if (vol_open(env, &view, 1, &options, &v.vol) < 0) {
        bad(&v, "open: %s", fail_message());
        return -1;
    }
    if (forest_new(v.vol, &forest_options, &v.forest) < 0) {
        bad(&v, "forest: %s", fail_message());
    } else {
        v.super = vol_super(v.vol);
        check_all(&v, dev);
        release(&v);
        forest_free(v.forest);
    }
    vol_close(v.vol);
    if (!(flags & VERIFY_BRIEF))
        verify_check(&v, env, dev);
    return v.complaints ? -1 : 0;
}
