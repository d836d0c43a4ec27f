// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The references that a tree block holds: to its children, or to the data of file extents.
 *
 * All of a block's references change or none: what could go wrong is looked at first.
 */
#include "engine/extent/internal.h"

/* What one slot refers to. */
struct child {
    struct extent_id id;
    uint64_t objectid; /* data: inode */
    uint64_t offset;   /* data: as in struct data_ref */
};

int file_extent_at(const struct node *node, uint32_t slot, struct file_extent *out)
{
    const disk_file_extent *disk = leaf_data(node, slot);
    uint32_t size = leaf_size(node, slot);
    struct key key;

    node_key(node, slot, &key);
    if (key.type != KEY_EXTENT_DATA)
        return 1;
    if (size >= FILE_EXTENT_INLINE_HEADER && disk->type == FILE_EXTENT_INLINE)
        return 1;
    if (size < sizeof(disk_file_extent))
        return fail(-EUCLEAN, "block %llu slot %u: file extent item of %u bytes",
                    (unsigned long long)node_bytenr(node), slot, size);
    file_extent_decode(out, disk);
    return out->disk_bytenr == 0;
}

static int child_at(const struct extents *extents, const struct node *node, uint32_t slot,
                    struct child *out)
{
    struct file_extent file = {0};
    struct key key;
    int ret;

    if (node_level(node) > 0) {
        *out = (struct child){tree_id(extents, node_child(node, slot), node_level(node) - 1), 0, 0};
        return 0;
    }
    ret = file_extent_at(node, slot, &file);
    if (ret != 0)
        return ret;
    node_key(node, slot, &key);
    out->id = data_id(file.disk_bytenr, file.disk_num_bytes);
    out->objectid = key.objectid;
    out->offset = key.offset - file.offset;
    return 0;
}

int children_prepare(struct extents *extents, const struct node *node, size_t times)
{
    size_t count = 0;

    for (uint32_t slot = 0; slot < node_items(node); slot++) {
        struct child child;
        int ret = child_at(extents, node, slot, &child);

        TRY(ret);
        if (ret > 0)
            continue;
        TRY(delayed_check(extents, &child.id));
        count++;
    }
    return delayed_reserve(extents, count * times + 2);
}

int children_change(struct extents *extents, uint64_t root_id, const struct node *node,
                    bool full_backref, int64_t by)
{
    uint64_t parent = full_backref ? node_bytenr(node) : 0;
    struct data_ref data = {.root = root_id, .parent = parent};

    for (uint32_t slot = 0; slot < node_items(node); slot++) {
        struct extent_ref ref = ref_of_tree(root_id, parent);
        struct child child;

        if (child_at(extents, node, slot, &child) != 0)
            continue;
        if (child.id.data) {
            data.objectid = child.objectid;
            data.offset = child.offset;
            ref = ref_of_data(&data);
        }
        /* Only a block that names one extent twice, in different sizes, gets past prepare. */
        int ret = delayed_ref(extents, &child.id, &ref, by);
        if (ret < 0)
            return txn_abort(extents->engine,
                             fail_context(ret, "block %llu slot %u",
                                          (unsigned long long)node_bytenr(node), slot));
    }
    return 0;
}

/* Tells the listener of every child. */
static int children_touch(struct extents *extents, uint64_t root_id, const struct node *node,
                          uint64_t parent)
{
    struct extent_ref ref = ref_of_tree(root_id, parent);

    for (uint32_t slot = 0; slot < node_items(node); slot++) {
        struct child child;

        if (child_at(extents, node, slot, &child) == 0)
            TRY(delayed_touch(extents, &child.id, &ref, TOUCH_SUBTREE, NULL));
    }
    return 0;
}

int extent_ref_children(struct extents *extents, uint64_t root_id, const struct node *node,
                        bool full_backref, bool add)
{
    TRY(children_prepare(extents, node, 1));
    TRY(children_touch(extents, root_id, node, full_backref ? node_bytenr(node) : 0));
    return children_change(extents, root_id, node, full_backref, add ? 1 : -1);
}

int extent_drop_tree_ref(struct extents *extents, uint64_t bytenr, uint8_t level,
                         uint64_t generation, uint64_t root_id, uint64_t parent)
{
    struct extent_id id = tree_id(extents, bytenr, level);
    struct extent_ref ref = ref_of_tree(root_id, parent);

    if (generation > extents->engine->txn.transid)
        return fail(-EUCLEAN, "tree %llu: %s has generation %llu, which is yet to come",
                    (unsigned long long)root_id, extent_text(&id), (unsigned long long)generation);
    TRY(delayed_touch(extents, &id, &ref, TOUCH_SUBTREE, NULL));
    sharing_note_tree_dropped(extents);
    return delayed_ref(extents, &id, &ref, -1);
}
