// SPDX-License-Identifier: GPL-2.0-or-later
/* Prints tree blocks, and what all printers share. */
#include "disk/format/print.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

/* ---- pieces ---------------------------------------------------------------------------------- */

void put(const struct text_sink *sink, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (len > 0)
        sink->put(sink->arg, text, MIN((size_t)len, sizeof(text) - 1));
}

void put_flags(const struct text_sink *sink, uint64_t flags, const struct flag_name *names,
               const char *none)
{
    const char *between = "";

    if (flags == 0)
        put(sink, "%s", none);
    for (; names->name; names++) {
        if (!(flags & names->bit))
            continue;
        put(sink, "%s%s", between, names->name);
        between = "|";
        flags &= ~names->bit;
    }
    if (flags)
        put(sink, "%sUNKNOWN: 0x%llx", between, LLU(flags));
}

void put_block_group_type(const struct text_sink *sink, uint64_t type)
{
    static const struct flag_name names[] = {
        {BG_DATA, "DATA"},       {BG_METADATA, "METADATA"}, {BG_SYSTEM, "SYSTEM"},
        {BG_RAID0, "RAID0"},     {BG_RAID1, "RAID1"},       {BG_DUP, "DUP"},
        {BG_RAID10, "RAID10"},   {BG_RAID5, "RAID5"},       {BG_RAID6, "RAID6"},
        {BG_RAID1C3, "RAID1C3"}, {BG_RAID1C4, "RAID1C4"},   {0, NULL},
    };

    put_flags(sink, type, names, "0");
    if (!(type & BG_PROFILE_MASK))
        put(sink, "|single");
}

void put_escaped(const struct text_sink *sink, const uint8_t *bytes, size_t len)
{
    static const char named[] = "\a\b\t\n\v\f\r\033 \\", as[] = "abtnvfre \\";

    for (size_t i = 0; i < len; i++) {
        const char *special = bytes[i] ? strchr(named, bytes[i]) : NULL;
        char plain = (char)bytes[i];

        if (special)
            put(sink, "\\%c", as[special - named]);
        else if (bytes[i] < 0x20 || bytes[i] >= 0x7f)
            put(sink, "\\%03o", bytes[i]);
        else
            sink->put(sink->arg, &plain, 1);
    }
}

void put_time(const struct text_sink *sink, const char *name, const struct timestamp *time)
{
    time_t seconds = (time_t)time->sec;
    char text[64] = "?";
    struct tm tm;

    if (gmtime_r(&seconds, &tm))
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    put(sink, "\t\t%s %llu.%u (%s)\n", name, LLU(time->sec), time->nsec, text);
}

void put_uuid_line(const struct text_sink *sink, const char *before, const struct uuid *uuid)
{
    char text[UUID_TEXT_SIZE];

    put(sink, "%s%s\n", before, uuid_text(uuid, text));
}

void nothing_print(const struct item *item, const struct format_limits *limits,
                   const struct text_sink *sink)
{
    (void)item;
    (void)limits;
    (void)sink;
}

/* ---- items ----------------------------------------------------------------------------------- */

static item_print *const printers[256] = {
    [0] = free_space_header_print,
    [KEY_INODE_ITEM] = inode_item_print,
    [KEY_INODE_REF] = inode_ref_print,
    [KEY_INODE_EXTREF] = inode_extref_print,
    [KEY_XATTR_ITEM] = dir_item_print,
    [KEY_VERITY_DESC_ITEM] = verity_print,
    [KEY_ORPHAN_ITEM] = orphan_print,
    [KEY_DIR_LOG_ITEM] = dir_log_print,
    [KEY_DIR_LOG_INDEX] = dir_log_print,
    [KEY_DIR_ITEM] = dir_item_print,
    [KEY_DIR_INDEX] = dir_item_print,
    [KEY_EXTENT_DATA] = file_extent_print,
    [KEY_EXTENT_CSUM] = csum_item_print,
    [KEY_ROOT_ITEM] = root_item_print,
    [KEY_ROOT_BACKREF] = root_ref_print,
    [KEY_ROOT_REF] = root_ref_print,
    [KEY_EXTENT_ITEM] = extent_item_print,
    [KEY_METADATA_ITEM] = extent_item_print,
    [KEY_TREE_BLOCK_REF] = tree_block_ref_print,
    [KEY_EXTENT_DATA_REF] = data_ref_print,
    [KEY_SHARED_BLOCK_REF] = shared_block_ref_print,
    [KEY_SHARED_DATA_REF] = shared_data_ref_print,
    [KEY_BLOCK_GROUP_ITEM] = block_group_print,
    [KEY_FREE_SPACE_INFO] = free_space_info_print,
    [KEY_FREE_SPACE_EXTENT] = free_space_extent_print,
    [KEY_FREE_SPACE_BITMAP] = free_space_bitmap_print,
    [KEY_DEV_EXTENT] = dev_extent_print,
    [KEY_DEV_ITEM] = dev_item_print,
    [KEY_CHUNK_ITEM] = chunk_item_print,
    [KEY_QGROUP_STATUS] = qgroup_status_print,
    [KEY_QGROUP_INFO] = qgroup_info_print,
    [KEY_QGROUP_LIMIT] = qgroup_limit_print,
    [KEY_QGROUP_RELATION] = nothing_print,
    [KEY_TEMPORARY_ITEM] = temporary_print,
    [KEY_PERSISTENT_ITEM] = persistent_print,
    [KEY_UUID_SUBVOL] = uuid_item_print,
    [KEY_UUID_RECEIVED] = uuid_item_print,
};

/* Bytes nobody here knows how to read. */
static void raw_print(const struct item *item, const struct text_sink *sink)
{
    for (uint32_t i = 0; i < item->size; i++)
        put(sink, "%s%02x%s", i % 32 == 0 ? "\t\traw " : "", item->data[i],
            i % 32 == 31 || i + 1 == item->size ? "\n" : "");
}

static void item_data_print(const struct item *item, uint64_t owner,
                            const struct format_limits *limits, const struct text_sink *sink)
{
    item_print *print = printers[item->key.type];

    if (item_validate(&item->key, item->data, item->size, limits, owner, NULL) < 0) {
        put(sink, "\t\tdamaged: %s\n", fail_message());
        print = NULL;
    }
    if (print)
        print(item, limits, sink);
    else
        raw_print(item, sink);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void leaf_print(const uint8_t *block, uint32_t nritems, uint64_t owner,
                       const struct format_limits *limits, const struct text_sink *sink)
{
    const uint8_t *base = block + NODE_HEADER_SIZE;
    uint32_t capacity = leaf_capacity(limits->nodesize);
    char text[KEY_TEXT_MAX];

    for (uint32_t i = 0; i < nritems; i++) {
        struct leaf_item header;

        leaf_item_decode(&header, base + i * LEAF_ITEM_SIZE);
        put(sink, "\titem %u key %s itemoff %u itemsize %u\n", i, key_text(&header.key, text),
            header.offset, header.size);
        if (header.offset > capacity || header.size > capacity - header.offset) {
            put(sink, "\t\tdamaged: data outside the block\n");
            continue;
        }
        const struct item item = {header.key, base + header.offset, header.size};
        item_data_print(&item, owner, limits, sink);
    }
}

static void pointers_print(const uint8_t *block, uint32_t nritems, const struct text_sink *sink)
{
    char text[KEY_TEXT_MAX];

    for (uint32_t i = 0; i < nritems; i++) {
        struct key_ptr ptr;

        key_ptr_decode(&ptr, block + NODE_HEADER_SIZE + i * KEY_PTR_SIZE);
        put(sink, "\tkey %s block %llu gen %llu\n", key_text(&ptr.key, text), LLU(ptr.blockptr),
            LLU(ptr.generation));
    }
}

/* Bytes not used by items and their data, or slots not used; negative when damaged. */
static int64_t free_space(const uint8_t *block, uint8_t level, uint32_t nritems,
                          const struct format_limits *limits)
{
    struct leaf_item last = {.offset = leaf_capacity(limits->nodesize)};

    if (level)
        return (int64_t)node_capacity(limits->nodesize) - nritems;
    if (nritems)
        leaf_item_decode(&last, block + NODE_HEADER_SIZE + (nritems - 1) * LEAF_ITEM_SIZE);
    return (int64_t)last.offset - (int64_t)(nritems * LEAF_ITEM_SIZE);
}

static void header_print(const uint8_t *block, const struct node_header *header, uint32_t nritems,
                         const struct format_limits *limits, const struct text_sink *sink)
{
    static const struct flag_name names[] = {
        {HEADER_FLAG_WRITTEN, "WRITTEN"}, {HEADER_FLAG_RELOC, "RELOC"}, {0, NULL}};
    const char *kind = header->level ? "node" : "leaf";
    uint64_t flags = header->flags & ((1ULL << HEADER_BACKREF_REV_SHIFT) - 1);
    char owner[OBJECTID_TEXT_MAX];

    put(sink, "%s %llu ", kind, LLU(header->bytenr));
    if (header->level)
        put(sink, "level %u ", header->level);
    put(sink, "items %u free space %lld generation %llu owner %s\n", header->nritems,
        (long long)free_space(block, header->level, nritems, limits), LLU(header->generation),
        objectid_text(header->owner, 0, owner));
    put(sink, "%s %llu flags 0x%llx(", kind, LLU(header->bytenr), LLU(flags));
    put_flags(sink, flags, names, "none");
    put(sink, ") backref revision %u\n", (unsigned)(header->flags >> HEADER_BACKREF_REV_SHIFT));
    put_uuid_line(sink, "fs uuid ", &header->fsid);
    put_uuid_line(sink, "chunk uuid ", &header->chunk_tree_uuid);
}

void print_node(const void *block, const struct format_limits *limits, const struct text_sink *sink)
{
    struct node_header header;
    uint32_t most;

    node_header_decode(&header, block);
    most = header.level ? node_capacity(limits->nodesize)
                        : leaf_capacity(limits->nodesize) / (uint32_t)LEAF_ITEM_SIZE;
    header_print(block, &header, MIN(header.nritems, most), limits, sink);
    if (header.nritems > most)
        put(sink, "\tdamaged: %u items do not fit\n", header.nritems);
    if (header.level)
        pointers_print(block, MIN(header.nritems, most), sink);
    else
        leaf_print(block, MIN(header.nritems, most), header.owner, limits, sink);
}
