// SPDX-License-Identifier: GPL-2.0-or-later
/* Prints items of trees and of the extent tree. */
#include "disk/format/print.h"

static void root_item_v2_print(const struct root_item *root, const struct text_sink *sink)
{
    put_uuid_line(sink, "\t\tuuid ", &root->uuid);
    put_uuid_line(sink, "\t\tparent_uuid ", &root->parent_uuid);
    put_uuid_line(sink, "\t\treceived_uuid ", &root->received_uuid);
    put(sink, "\t\tctransid %llu otransid %llu stransid %llu rtransid %llu\n", LLU(root->ctransid),
        LLU(root->otransid), LLU(root->stransid), LLU(root->rtransid));
    put_time(sink, "ctime", &root->ctime);
    put_time(sink, "otime", &root->otime);
    put_time(sink, "stime", &root->stime);
    put_time(sink, "rtime", &root->rtime);
}

void root_item_print(const struct item *item, const struct format_limits *limits,
                     const struct text_sink *sink)
{
    static const struct flag_name names[] = {
        {ROOT_SUBVOL_RDONLY, "RDONLY"}, {ROOT_SUBVOL_DEAD, "DEAD"}, {0, NULL}};
    uint8_t bytes[sizeof(disk_root_item)] = {0};
    char progress[KEY_TEXT_MAX];
    struct root_item root;

    (void)limits;
    memcpy(bytes, item->data, MIN(item->size, (uint32_t)sizeof(bytes)));
    root_item_decode(&root, bytes);
    put(sink, "\t\tgeneration %llu root_dirid %llu bytenr %llu byte_limit %llu bytes_used %llu\n",
        LLU(root.generation), LLU(root.root_dirid), LLU(root.bytenr), LLU(root.byte_limit),
        LLU(root.bytes_used));
    put(sink, "\t\tlast_snapshot %llu flags 0x%llx(", LLU(root.last_snapshot), LLU(root.flags));
    put_flags(sink, root.flags, names, "none");
    put(sink, ") refs %u\n", root.refs);
    put(sink, "\t\tdrop_progress key %s drop_level %u\n", key_text(&root.drop_progress, progress),
        root.drop_level);
    put(sink, "\t\tlevel %u generation_v2 %llu\n", root.level, LLU(root.generation_v2));
    if (root.generation_v2 == root.generation)
        root_item_v2_print(&root, sink);
}

void root_ref_print(const struct item *item, const struct format_limits *limits,
                    const struct text_sink *sink)
{
    struct root_ref ref;

    (void)limits;
    root_ref_decode(&ref, item->data);
    put(sink, "\t\troot %s key dirid %llu sequence %llu name ",
        item->key.type == KEY_ROOT_REF ? "ref" : "backref", LLU(ref.dirid), LLU(ref.sequence));
    put_escaped(sink, item->data + sizeof(disk_root_ref), ref.name_len);
    put(sink, "\n");
}

void uuid_item_print(const struct item *item, const struct format_limits *limits,
                     const struct text_sink *sink)
{
    (void)limits;
    for (uint32_t at = 0; at < item->size; at += sizeof(le64)) {
        le64 id;

        memcpy(&id, item->data + at, sizeof(id));
        put(sink, "\t\tsubvol_id %llu\n", LLU(le64_get(id)));
    }
}

/* ---- extents --------------------------------------------------------------------------------- */

static void data_ref_fields_print(const struct extent_data_ref *ref, const struct text_sink *sink)
{
    char root[OBJECTID_TEXT_MAX];

    put(sink, "extent data backref root %s objectid %llu offset %llu count %u\n",
        objectid_text(ref->root, 0, root), LLU(ref->objectid), LLU(ref->offset), ref->count);
}

static void inline_data_ref_print(const uint8_t *bytes, const struct text_sink *sink)
{
    struct extent_data_ref ref;

    extent_data_ref_decode(&ref, bytes + sizeof(uint8_t));
    put(sink, "\t\t(%u 0x%llx) ", bytes[0],
        LLU(extent_data_ref_hash(ref.root, ref.objectid, ref.offset)));
    data_ref_fields_print(&ref, sink);
}

static void inline_ref_print(const uint8_t *bytes, const struct text_sink *sink)
{
    struct extent_inline_ref ref;
    struct shared_data_ref shared;
    char root[OBJECTID_TEXT_MAX];

    if (bytes[0] == KEY_EXTENT_DATA_REF) {
        inline_data_ref_print(bytes, sink);
        return;
    }
    extent_inline_ref_decode(&ref, bytes);
    put(sink, "\t\t(%u 0x%llx) ", ref.type, LLU(ref.offset));
    switch (ref.type) {
    case KEY_TREE_BLOCK_REF:
        put(sink, "tree block backref root %s\n", objectid_text(ref.offset, 0, root));
        break;
    case KEY_SHARED_BLOCK_REF:
        put(sink, "shared block backref parent %llu\n", LLU(ref.offset));
        break;
    case KEY_SHARED_DATA_REF:
        shared_data_ref_decode(&shared, bytes + sizeof(disk_extent_inline_ref));
        put(sink, "shared data backref parent %llu count %u\n", LLU(ref.offset), shared.count);
        break;
    case KEY_EXTENT_OWNER_REF:
        put(sink, "extent owner root %llu\n", LLU(ref.offset));
        break;
    }
}

void extent_item_print(const struct item *item, const struct format_limits *limits,
                       const struct text_sink *sink)
{
    static const struct flag_name names[] = {{EXTENT_FLAG_DATA, "DATA"},
                                             {EXTENT_FLAG_TREE_BLOCK, "TREE_BLOCK"},
                                             {BLOCK_FLAG_FULL_BACKREF, "FULL_BACKREF"},
                                             {0, NULL}};
    uint32_t at = sizeof(disk_extent_item);
    struct extent_item extent;
    struct tree_block_info info;
    char first[KEY_TEXT_MAX];

    (void)limits;
    extent_item_decode(&extent, item->data);
    put(sink, "\t\trefs %llu gen %llu flags ", LLU(extent.refs), LLU(extent.generation));
    put_flags(sink, extent.flags, names, "none");
    put(sink, "\n");
    if (item->key.type == KEY_METADATA_ITEM) {
        put(sink, "\t\ttree block skinny level %llu\n", LLU(item->key.offset));
    } else if (extent.flags & EXTENT_FLAG_TREE_BLOCK) {
        tree_block_info_decode(&info, item->data + at);
        put(sink, "\t\ttree block key %s level %u\n", key_text(&info.key, first), info.level);
        at += (uint32_t)sizeof(disk_tree_block_info);
    }
    for (; at < item->size; at += extent_inline_ref_size(item->data[at]))
        inline_ref_print(item->data + at, sink);
}

void tree_block_ref_print(const struct item *item, const struct format_limits *limits,
                          const struct text_sink *sink)
{
    (void)item;
    (void)limits;
    put(sink, "\t\ttree block backref\n");
}

void shared_block_ref_print(const struct item *item, const struct format_limits *limits,
                            const struct text_sink *sink)
{
    (void)item;
    (void)limits;
    put(sink, "\t\tshared block backref\n");
}

void data_ref_print(const struct item *item, const struct format_limits *limits,
                    const struct text_sink *sink)
{
    struct extent_data_ref ref;

    (void)limits;
    for (uint32_t at = 0; at < item->size; at += sizeof(disk_extent_data_ref)) {
        extent_data_ref_decode(&ref, item->data + at);
        put(sink, "\t\t");
        data_ref_fields_print(&ref, sink);
    }
}

void shared_data_ref_print(const struct item *item, const struct format_limits *limits,
                           const struct text_sink *sink)
{
    struct shared_data_ref ref;

    (void)limits;
    shared_data_ref_decode(&ref, item->data);
    put(sink, "\t\tshared data backref count %u\n", ref.count);
}
