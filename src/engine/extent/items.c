// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Extent items: EXTENT_ITEM of data, METADATA_ITEM of tree blocks, or EXTENT_ITEM of those too on
 * a file system without skinny metadata, or made before it got that (trap 15).
 */
#include "engine/extent/internal.h"

static struct key item_key(const struct extents *extents, const struct extent_id *id)
{
    if (!id->data && engine_has(extents->engine, INCOMPAT_SKINNY_METADATA))
        return key_make(id->bytenr, KEY_METADATA_ITEM, id->level);
    return key_make(id->bytenr, KEY_EXTENT_ITEM, id->num_bytes);
}

static int item_search(struct root *tree, const struct key *key, bool change, struct path *path)
{
    return change ? tree_search_cow(tree, key, 0, path) : tree_search(tree, key, path);
}

static int find_in(struct extents *extents, struct root *tree, const struct extent_id *id,
                   bool change, struct path *path)
{
    struct key key = item_key(extents, id);
    int ret = item_search(tree, &key, change, path);

    if (ret != 1 || key.type != KEY_METADATA_ITEM)
        return ret;
    path_release(path);
    key = key_make(id->bytenr, KEY_EXTENT_ITEM, id->num_bytes);
    return item_search(tree, &key, change, path);
}

int item_find_in(struct extents *extents, struct root *extent_tree, const struct extent_id *id,
                 struct path *path)
{
    return find_in(extents, extent_tree, id, false, path);
}

int item_find(struct extents *extents, const struct extent_id *id, bool change, struct path *path)
{
    return find_in(extents, &extents->engine->extent_tree, id, change, path);
}

int item_load(const struct path *path, const struct extent_id *id, uint8_t *bytes,
              struct record *out)
{
    uint64_t kind = id->data ? EXTENT_FLAG_DATA : EXTENT_FLAG_TREE_BLOCK;
    struct record record = {.bytes = bytes, .size = path_size(path)};
    struct key key;

    path_key(path, &key);
    record.refs_at = sizeof(disk_extent_item);
    if (!id->data && key.type == KEY_EXTENT_ITEM)
        record.refs_at += sizeof(disk_tree_block_info);
    if (record.size < record.refs_at)
        return fail(-EUCLEAN, "%s: extent item of %u bytes", path_where(path), record.size);
    extent_item_decode(&record.item, path_data(path));
    if ((record.item.flags & (EXTENT_FLAG_DATA | EXTENT_FLAG_TREE_BLOCK)) != kind)
        return fail(-EUCLEAN, "%s: flags %llx, but used as %s", path_where(path),
                    (unsigned long long)record.item.flags, extent_text(id));
    if (bytes)
        memcpy(bytes, path_data(path), record.size);
    *out = record;
    return 0;
}

/* ---- a new item ----------------------------------------------------------------------------- */

static void start_record(const struct extents *extents, const struct head *head,
                         struct record *record)
{
    *record = (struct record){.bytes = extents->scratch, .refs_at = sizeof(disk_extent_item)};
    record->item = (struct extent_item){
        .refs = (uint64_t)head->delta,
        .generation = head->generation ? head->generation : extents->engine->txn.transid,
        .flags = (head->id.data ? EXTENT_FLAG_DATA : EXTENT_FLAG_TREE_BLOCK) | head->set_flags,
    };
    extent_item_encode(record->bytes, &record->item);
    if (!head->id.data && !engine_has(extents->engine, INCOMPAT_SKINNY_METADATA)) {
        struct tree_block_info info = {head->first_key, head->id.level};

        tree_block_info_encode(record->bytes + record->refs_at, &info);
        record->refs_at += sizeof(disk_tree_block_info);
    }
    record->size = record->refs_at;
}

/* The count of a reference that was not there before. */
static int new_count(const struct pending_ref *pending, struct extent_ref *out)
{
    *out = pending->ref;
    return ref_count_add(&pending->ref, 0, pending->by, &out->count);
}

/* Before all references, and always inline. */
static int put_owner(struct extents *extents, const struct head *head, struct record *record)
{
    struct extent_ref owner = {.type = KEY_EXTENT_OWNER_REF, .root = head->owner, .count = 1};

    /* Parts of a split extent keep its owner, whatever the quotas are by now. */
    if (!head->id.data || head->owner == 0 || !(extents->owners || head->generation != 0))
        return 0;
    return inline_insert(record, &owner, extents->engine->nodesize);
}

int item_create(struct extents *extents, struct head *head)
{
    struct key key = item_key(extents, &head->id);
    struct record record;
    bool full = false;
    int ret;

    start_record(extents, head, &record);
    TRY(put_owner(extents, head, &record));
    for (struct pending_ref *p = pending_first(head); p; p = pending_next(p)) {
        struct extent_ref ref;

        TRY(new_count(p, &ref));
        if (!full) {
            ret = inline_insert(&record, &ref, extents->engine->nodesize);
            TRY(ret);
            full = ret > 0;
        }
        p->keyed = full;
    }
    ret = tree_insert(&extents->engine->extent_tree, &key, record.bytes, record.size);
    if (ret == -EEXIST)
        return fail(-EUCLEAN, "allocated, but there is an extent item already");
    return ret;
}

/* ---- changing one --------------------------------------------------------------------------- */

/* Whether references of this extent have items of their own: new ones then get one too. */
static int has_keyed(struct extents *extents, const struct path *item, uint64_t bytenr, bool *out)
{
    const struct node *leaf = path_leaf(item);
    struct key key;

    if (path_slot(item) + 1 < node_items(leaf)) {
        node_key(leaf, path_slot(item) + 1, &key);
        *out = keyed_is_ref(&key, bytenr);
        return 0;
    }
    AUTO_PATH struct path path = PATH_INIT;

    key = key_make(bytenr, KEY_TREE_BLOCK_REF, 0);

    int ret = tree_search_ge(&extents->engine->extent_tree, &key, &path);

    TRY(ret);
    *out = false;
    if (ret == 0) {
        path_key(&path, &key);
        *out = keyed_is_ref(&key, bytenr);
    }
    return 0;
}

/* Changes one reference inside the record, or marks it for its own item. */
static int change_inline(struct extents *extents, struct record *record, struct pending_ref *p,
                         bool *keyed)
{
    int ret = inline_change(record, &p->ref, p->by);

    if (ret == 1 && p->by > 0 && !*keyed) {
        struct extent_ref ref;

        TRY(new_count(p, &ref));
        ret = inline_insert(record, &ref, extents->engine->nodesize);
        *keyed = ret == 1;
    }
    p->keyed = ret == 1;
    return ret;
}

/* What is added before what is dropped, as far as it stands inline. */
static int change_record(struct extents *extents, struct head *head, struct record *record,
                         bool keyed)
{
    for (int pass = 0; pass < 2; pass++) {
        for (struct pending_ref *p = pending_first(head); p; p = pending_next(p)) {
            if ((p->by < 0) == (pass == 1))
                TRY(change_inline(extents, record, p, &keyed));
        }
    }
    return 0;
}

/* An item whose count is 0 may not name anybody any more, but whose it was. */
static int check_bare(const struct record *record, uint64_t *owner)
{
    uint32_t pos = record->refs_at;
    struct extent_ref ref;
    int ret;

    while ((ret = inline_next(record, &pos, &ref)) == 0) {
        if (ref.type != KEY_EXTENT_OWNER_REF)
            return fail(-EUCLEAN, "no references left, but %s is listed", ref_text(&ref));
        *owner = ref.root;
    }
    return ret < 0 ? ret : 0;
}

static int write_record(struct path *path, const struct record *record)
{
    if (record->size != path_size(path))
        TRY(path_resize(path, record->size));

    uint8_t *bytes = path_data_mut(path);

    memcpy(bytes, record->bytes, record->size);
    extent_item_encode(bytes, &record->item);
    return 0;
}

int item_update(struct extents *extents, struct head *head, struct item_state *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct record record;
    uint64_t owner = 0;
    bool keyed;
    int ret = item_find(extents, &head->id, true, &path);

    TRY(ret);
    if (ret > 0)
        return fail(-EUCLEAN, "no extent item, cannot add %lld references", (long long)head->delta);
    TRY(item_load(&path, &head->id, extents->scratch, &record));
    if (record.item.refs > INT64_MAX / 2 || (int64_t)record.item.refs + head->delta < 0)
        return fail(-EUCLEAN, "%llu references, cannot add %lld",
                    (unsigned long long)record.item.refs, (long long)head->delta);
    TRY(has_keyed(extents, &path, head->id.bytenr, &keyed));
    TRY(change_record(extents, head, &record, keyed));
    record.item.refs += (uint64_t)head->delta;
    record.item.flags |= head->set_flags;
    if (record.item.refs == 0) {
        TRY(check_bare(&record, &owner));
        TRY(path_delete(&path, 1));
    } else {
        TRY(write_record(&path, &record));
    }
    *out = (struct item_state){record.item.refs, record.item.generation, owner};
    return 0;
}
