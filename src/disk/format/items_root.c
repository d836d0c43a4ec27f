// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks of trees: root items, names of subvolumes, uuids, orphans. */
#include "disk/format/items.h"

int root_item_check(const struct item *item, const struct item_context *context)
{
    /* The older, shorter form ends before generation_v2; nothing below needs more. */
    const disk_root_item *root = (const void *)item->data;

    if (item->key.objectid == 0)
        return fail(-EUCLEAN, "is no key of a tree");
    if (item->key.objectid == TREE_RELOC && !is_subvolume(item->key.offset))
        return fail(-EUCLEAN, "relocation tree of what is no subvolume");
    if (item->size != ROOT_ITEM_SIZE_V1 && item->size != sizeof(disk_root_item))
        return fail(-EUCLEAN, "size is %u, expected %u or %zu", item->size, ROOT_ITEM_SIZE_V1,
                    sizeof(disk_root_item));
    TRY(sector_aligned_check("root node", le64_get(root->bytenr), context->limits));
    if (root->level >= TREE_LEVELS_MAX || root->drop_level >= TREE_LEVELS_MAX)
        return fail(-EUCLEAN, "levels %u and %u are impossible", root->level, root->drop_level);
    if (le64_get(root->flags) & ~(ROOT_SUBVOL_RDONLY | ROOT_SUBVOL_DEAD))
        return fail(-EUCLEAN, "flags 0x%llx have unknown bits", LLU(le64_get(root->flags)));
    if (le64_get(root->drop_progress.objectid) != 0 && root->drop_level == 0)
        return fail(-EUCLEAN, "deletion stands in a leaf");
    return 0;
}

int root_ref_check(const struct item *item, const struct item_context *context)
{
    struct root_ref ref;

    (void)context;
    TRY(item_size_min_check(item, sizeof(disk_root_ref)));
    root_ref_decode(&ref, item->data);
    TRY(item_size_check(item, sizeof(disk_root_ref) + ref.name_len));
    if (!name_is_valid(item->data + sizeof(disk_root_ref), ref.name_len))
        return fail(-EUCLEAN, "name is one that no subvolume can have");
    return 0;
}

int uuid_item_check(const struct item *item, const struct item_context *context)
{
    (void)context;
    if (item->size == 0 || item->size % sizeof(le64) != 0)
        return fail(-EUCLEAN, "size %u is no list of subvolumes", item->size);
    return 0;
}

int orphan_check(const struct item *item, const struct item_context *context)
{
    (void)context;
    return item_size_check(item, 0);
}
