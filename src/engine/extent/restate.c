// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the extent tree says of an extent, said anew by somebody who knows better: repair. Nothing
 * is told to listeners, and what is pending for the extent is applied to the new items later.
 */
#include "engine/extent/internal.h"
#include "engine/extent/restate.h"

static bool is_of_extent(const struct key *key, uint64_t bytenr)
{
    return key->objectid == bytenr && (key->type == KEY_EXTENT_ITEM ||
                                       key->type == KEY_METADATA_ITEM || keyed_is_ref(key, bytenr));
}

/* What of the old item stays true. */
static void keep_old(const struct path *path, const struct key *key, struct extent_restated *what)
{
    struct extent_item old;

    if ((key->type != KEY_EXTENT_ITEM && key->type != KEY_METADATA_ITEM) ||
        path_size(path) < sizeof(disk_extent_item))
        return;
    extent_item_decode(&old, path_data(path));
    if (what->generation == 0)
        what->generation = old.generation;
}

/* Deletes all items of the extent; there may be none. */
static int delete_items(struct extents *extents, struct extent_restated *what)
{
    struct root *root = &extents->engine->extent_tree;

    for (;;) {
        AUTO_PATH struct path path = PATH_INIT;
        struct key key = key_make(what->bytenr, 0, 0);
        int ret = tree_search_ge(root, &key, &path);

        /* A block group item may stand between. */
        for (; ret == 0; ret = path_next(&path)) {
            path_key(&path, &key);
            if (key.objectid != what->bytenr || is_of_extent(&key, what->bytenr))
                break;
        }
        TRY(ret);
        if (ret > 0 || key.objectid != what->bytenr)
            return 0;
        keep_old(&path, &key, what);
        path_release(&path);
        TRY(tree_delete(root, &key));
    }
}

static int first_key_of(struct extents *extents, const struct extent_restated *what,
                        struct key *out)
{
    struct node_expect expect = {.bytenr = what->bytenr, .level = what->level};
    struct node *node;

    TRY(forest_read_node(extents->engine->forest, &expect, &node));
    *out = KEY_FIRST;
    if (node_items(node) > 0)
        node_key(node, 0, out);
    node_put(node);
    return 0;
}

static int start_record(struct extents *extents, const struct extent_restated *what,
                        struct record *record)
{
    *record = (struct record){.bytes = extents->scratch, .refs_at = sizeof(disk_extent_item)};
    record->item = (struct extent_item){
        .generation = what->generation ? what->generation : extents->engine->durable_gen,
        .flags = (what->data ? EXTENT_FLAG_DATA : EXTENT_FLAG_TREE_BLOCK) | what->flags,
    };
    for (size_t i = 0; i < what->count; i++)
        record->item.refs += what->refs[i].count;
    if (!what->data && !engine_has(extents->engine, INCOMPAT_SKINNY_METADATA)) {
        struct tree_block_info info = {.level = what->level};

        TRY(first_key_of(extents, what, &info.key));
        tree_block_info_encode(record->bytes + record->refs_at, &info);
        record->refs_at += sizeof(disk_tree_block_info);
    }
    extent_item_encode(record->bytes, &record->item);
    record->size = record->refs_at;
    return 0;
}

static int insert_items(struct extents *extents, const struct extent_restated *what)
{
    bool skinny = engine_has(extents->engine, INCOMPAT_SKINNY_METADATA);
    struct extent_id id = {what->bytenr, what->num_bytes, what->data, what->level};
    struct key key = !what->data && skinny
                         ? key_make(what->bytenr, KEY_METADATA_ITEM, what->level)
                         : key_make(what->bytenr, KEY_EXTENT_ITEM, what->num_bytes);
    struct record record;
    size_t inlined = 0;

    TRY(start_record(extents, what, &record));
    for (; inlined < what->count; inlined++) {
        int ret = inline_insert(&record, &what->refs[inlined], extents->engine->nodesize);

        TRY(ret);
        if (ret > 0)
            break;
    }
    TRY(tree_insert(&extents->engine->extent_tree, &key, record.bytes, record.size));
    for (size_t i = inlined; i < what->count; i++)
        TRY(keyed_change(extents, &id, &what->refs[i], what->refs[i].count));
    return 0;
}

int extent_restate(struct extents *extents, const struct extent_restated *what)
{
    struct extent_restated now = *what;

    TRY(delete_items(extents, &now));
    return now.count == 0 ? 0 : insert_items(extents, &now);
}
