// SPDX-License-Identifier: GPL-2.0-or-later
/* Inside the module: what printers of all kinds share. */
#ifndef COPSE_DISK_FORMAT_PRINT_H
#define COPSE_DISK_FORMAT_PRINT_H

#include "disk/format/items.h"

struct flag_name {
    uint64_t bit;
    const char *name;
};

/* One piece of text of at most 1 KiB; longer things are put piece by piece. */
void put(const struct text_sink *sink, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Names of the bits with | between; `none` when there is no bit; unknown bits as a number. */
void put_flags(const struct text_sink *sink, uint64_t flags, const struct flag_name *names,
               const char *none);

/* "DATA|single", "METADATA|DUP". */
void put_block_group_type(const struct text_sink *sink, uint64_t type);

/* Bytes of a name or value, on one line whatever they are. */
void put_escaped(const struct text_sink *sink, const uint8_t *bytes, size_t len);

/* "atime 1795190842.5 (2026-11-20 16:07:22)", behind two tabs, with the end of the line. */
void put_time(const struct text_sink *sink, const char *name, const struct timestamp *time);

void put_uuid_line(const struct text_sink *sink, const char *before, const struct uuid *uuid);

/* The chunk of a CHUNK_ITEM or of the system array; its length has been checked. */
void put_chunk(const struct text_sink *sink, const uint8_t *data);

/* Prints an item that item_validate accepted. */
typedef void item_print(const struct item *item, const struct format_limits *limits,
                        const struct text_sink *sink);

/* print_files.c */
item_print inode_item_print, inode_ref_print, inode_extref_print, dir_item_print, dir_log_print;
item_print file_extent_print, csum_item_print, verity_print, orphan_print;
/* print_trees.c */
item_print root_item_print, root_ref_print, uuid_item_print, extent_item_print;
item_print tree_block_ref_print, shared_block_ref_print, data_ref_print, shared_data_ref_print;
/* print_volume.c */
item_print block_group_print, free_space_info_print, free_space_extent_print;
item_print free_space_bitmap_print, free_space_header_print, chunk_item_print, dev_item_print;
item_print dev_extent_print, persistent_print, temporary_print;
item_print qgroup_status_print, qgroup_info_print, qgroup_limit_print, nothing_print;

#endif
