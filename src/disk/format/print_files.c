// SPDX-License-Identifier: GPL-2.0-or-later
/* Prints items of inodes, directories and file data. */
#include "disk/format/print.h"

void inode_item_print(const struct item *item, const struct format_limits *limits,
                      const struct text_sink *sink)
{
    static const struct flag_name names[] = {
        {INODE_NODATASUM, "NODATASUM"},
        {INODE_NODATACOW, "NODATACOW"},
        {INODE_READONLY, "READONLY"},
        {INODE_NOCOMPRESS, "NOCOMPRESS"},
        {INODE_PREALLOC, "PREALLOC"},
        {INODE_SYNC, "SYNC"},
        {INODE_IMMUTABLE, "IMMUTABLE"},
        {INODE_APPEND, "APPEND"},
        {INODE_NODUMP, "NODUMP"},
        {INODE_NOATIME, "NOATIME"},
        {INODE_DIRSYNC, "DIRSYNC"},
        {INODE_COMPRESS, "COMPRESS"},
        {INODE_ROOT_ITEM_INIT, "ROOT_ITEM_INIT"},
        {INODE_RO_VERITY, "VERITY"},
        {0, NULL},
    };
    struct inode_item inode;

    (void)limits;
    inode_item_decode(&inode, item->data);
    put(sink, "\t\tgeneration %llu transid %llu size %llu nbytes %llu\n", LLU(inode.generation),
        LLU(inode.transid), LLU(inode.size), LLU(inode.nbytes));
    put(sink, "\t\tblock group %llu mode %o links %u uid %u gid %u rdev %llu\n",
        LLU(inode.block_group), inode.mode, inode.nlink, inode.uid, inode.gid, LLU(inode.rdev));
    put(sink, "\t\tsequence %llu flags 0x%llx(", LLU(inode.sequence), LLU(inode.flags));
    put_flags(sink, inode.flags, names, "none");
    put(sink, ")\n");
    put_time(sink, "atime", &inode.atime);
    put_time(sink, "ctime", &inode.ctime);
    put_time(sink, "mtime", &inode.mtime);
    put_time(sink, "otime", &inode.otime);
}

static void put_name(const struct text_sink *sink, const char *before, const uint8_t *name,
                     size_t len)
{
    put(sink, "%s", before);
    put_escaped(sink, name, len);
    put(sink, "\n");
}

void inode_ref_print(const struct item *item, const struct format_limits *limits,
                     const struct text_sink *sink)
{
    struct inode_ref ref;

    (void)limits;
    for (uint32_t at = 0; at < item->size; at += (uint32_t)sizeof(disk_inode_ref) + ref.name_len) {
        inode_ref_decode(&ref, item->data + at);
        put(sink, "\t\tindex %llu namelen %u", LLU(ref.index), ref.name_len);
        put_name(sink, " name: ", item->data + at + sizeof(disk_inode_ref), ref.name_len);
    }
}

void inode_extref_print(const struct item *item, const struct format_limits *limits,
                        const struct text_sink *sink)
{
    struct inode_extref ref;

    (void)limits;
    for (uint32_t at = 0; at < item->size;
         at += (uint32_t)sizeof(disk_inode_extref) + ref.name_len) {
        inode_extref_decode(&ref, item->data + at);
        put(sink, "\t\tindex %llu parent %llu namelen %u", LLU(ref.index), LLU(ref.parent),
            ref.name_len);
        put_name(sink, " name: ", item->data + at + sizeof(disk_inode_extref), ref.name_len);
    }
}

static void entry_print(const uint8_t *bytes, const struct dir_item *entry,
                        const struct text_sink *sink)
{
    static const char *const types[] = {"UNKNOWN", "FILE", "DIR",     "CHRDEV", "BLKDEV",
                                        "FIFO",    "SOCK", "SYMLINK", "XATTR"};
    const uint8_t *name = bytes + sizeof(disk_dir_item);
    char location[KEY_TEXT_MAX];

    put(sink, "\t\tlocation key %s type %s%s\n", key_text(&entry->location, location),
        types[entry->type & (uint8_t)~FT_ENCRYPTED],
        entry->type & FT_ENCRYPTED ? ".ENCRYPTED" : "");
    put(sink, "\t\ttransid %llu data_len %u name_len %u\n", LLU(entry->transid), entry->data_len,
        entry->name_len);
    put_name(sink, "\t\tname: ", name, entry->name_len);
    if (entry->data_len)
        put_name(sink, "\t\tdata ", name + entry->name_len, entry->data_len);
}

void dir_item_print(const struct item *item, const struct format_limits *limits,
                    const struct text_sink *sink)
{
    struct dir_item entry;

    (void)limits;
    for (uint32_t at = 0; at < item->size;
         at += (uint32_t)sizeof(disk_dir_item) + entry.name_len + entry.data_len) {
        dir_item_decode(&entry, item->data + at);
        entry_print(item->data + at, &entry, sink);
    }
}

void dir_log_print(const struct item *item, const struct format_limits *limits,
                   const struct text_sink *sink)
{
    struct dir_log_item log;

    (void)limits;
    dir_log_item_decode(&log, item->data);
    put(sink, "\t\tdir log end %llu\n", LLU(log.end));
}

void orphan_print(const struct item *item, const struct format_limits *limits,
                  const struct text_sink *sink)
{
    (void)item;
    (void)limits;
    put(sink, "\t\torphan item\n");
}

static const char *compression_name(uint8_t compression)
{
    static const char *const names[] = {"none", "zlib", "lzo", "zstd"};

    return compression < ARRAY_LEN(names) ? names[compression] : "unknown";
}

static void regular_print(const struct file_extent *extent, const struct text_sink *sink)
{
    put(sink, "\t\textent data disk byte %llu nr %llu\n", LLU(extent->disk_bytenr),
        LLU(extent->disk_num_bytes));
    put(sink, "\t\textent data offset %llu nr %llu ram %llu\n", LLU(extent->offset),
        LLU(extent->num_bytes), LLU(extent->ram_bytes));
    put(sink, "\t\textent compression %u (%s)\n", extent->compression,
        compression_name(extent->compression));
}

void file_extent_print(const struct item *item, const struct format_limits *limits,
                       const struct text_sink *sink)
{
    static const char *const types[] = {"inline", "regular", "prealloc"};
    uint8_t bytes[sizeof(disk_file_extent)] = {0};
    struct file_extent extent;

    (void)limits;
    /* An inline extent can be shorter than the structure. */
    memcpy(bytes, item->data, MIN(item->size, (uint32_t)sizeof(bytes)));
    file_extent_decode(&extent, bytes);
    put(sink, "\t\tgeneration %llu type %u (%s)\n", LLU(extent.generation), extent.type,
        types[extent.type]);
    if (extent.type == FILE_EXTENT_INLINE) {
        put(sink, "\t\tinline extent data size %u ram_bytes %llu compression %u (%s)\n",
            item->size - FILE_EXTENT_INLINE_HEADER, LLU(extent.ram_bytes), extent.compression,
            compression_name(extent.compression));
    } else if (extent.type == FILE_EXTENT_REG) {
        regular_print(&extent, sink);
    } else {
        put(sink, "\t\tprealloc data disk byte %llu nr %llu\n", LLU(extent.disk_bytenr),
            LLU(extent.disk_num_bytes));
        put(sink, "\t\tprealloc data offset %llu nr %llu\n", LLU(extent.offset),
            LLU(extent.num_bytes));
    }
}

void csum_item_print(const struct item *item, const struct format_limits *limits,
                     const struct text_sink *sink)
{
    uint64_t length = (uint64_t)(item->size / limits->csum_size) * limits->sectorsize;

    put(sink, "\t\trange start %llu end %llu length %llu\n", LLU(item->key.offset),
        LLU(item->key.offset + length), LLU(length));
}

void verity_print(const struct item *item, const struct format_limits *limits,
                  const struct text_sink *sink)
{
    struct verity_descriptor verity;

    (void)limits;
    if (item->key.offset == 0) {
        verity_descriptor_decode(&verity, item->data);
        put(sink, "\t\tverity descriptor size %llu encryption %u\n", LLU(verity.size),
            verity.encryption);
    }
}
