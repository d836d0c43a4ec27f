// SPDX-License-Identifier: GPL-2.0-or-later
/* Prints a superblock. */
#include "disk/csum/csum.h"
#include "disk/format/print.h"

#define FEATURE_NAME(NAME, number, text, use) {1ULL << (number), #NAME},

static const struct flag_name super_flags[] = {
    {SUPER_FLAG_WRITTEN, "WRITTEN"},
    {SUPER_FLAG_RELOC, "RELOC"},
    {SUPER_FLAG_ERROR, "ERROR"},
    {SUPER_FLAG_CHANGING_FSID, "CHANGING_FSID"},
    {SUPER_FLAG_CHANGING_FSID_V2, "CHANGING_FSID_V2"},
    {SUPER_FLAG_SEEDING, "SEEDING"},
    {SUPER_FLAG_METADUMP, "METADUMP"},
    {SUPER_FLAG_METADUMP_V2, "METADUMP_V2"},
    {0, NULL},
};
static const struct flag_name incompat_names[] = {INCOMPAT_FEATURES(FEATURE_NAME){0, NULL}};
static const struct flag_name compat_ro_names[] = {COMPAT_RO_FEATURES(FEATURE_NAME){0, NULL}};
static const struct flag_name no_names[] = {{0, NULL}};

/* The number, then a line a name, between parentheses. */
static void put_flag_lines(const struct text_sink *sink, const char *label, uint64_t flags,
                           const struct flag_name *names)
{
    bool first = true;

    put(sink, "%s0x%llx\n", label, LLU(flags));
    if (flags == 0)
        return;
    for (; names->name; names++) {
        if (!(flags & names->bit))
            continue;
        put(sink, "%s%s", first ? "\t\t\t( " : " |\n\t\t\t  ", names->name);
        first = false;
        flags &= ~names->bit;
    }
    if (flags)
        put(sink, "%sunknown flag: 0x%llx", first ? "\t\t\t( " : " |\n\t\t\t  ", LLU(flags));
    put(sink, " )\n");
}

static void csum_print(const struct super *super, const struct text_sink *sink)
{
    uint8_t bytes[SUPER_SIZE], csum[CSUM_MAX] = {0};
    uint32_t size = CSUM_MAX;
    bool known = csum_type_known(super->csum_type);

    super_encode(bytes, super);
    if (known) {
        size = csum_size(super->csum_type);
        csum_compute(super->csum_type, bytes + CSUM_FIELD_SIZE, SUPER_SIZE - CSUM_FIELD_SIZE, csum);
    }
    put(sink, "csum_type\t\t%u (%s)\n", super->csum_type,
        known ? csum_name(super->csum_type) : "INVALID");
    put(sink, "csum_size\t\t%u\ncsum\t\t\t0x", size);
    for (uint32_t i = 0; i < size; i++)
        put(sink, "%02x", super->csum.b[i]);
    put(sink, known && memcmp(csum, super->csum.b, size) == 0 ? " [match]\n" : " [DON'T MATCH]\n");
}

static void identity_print(const struct super *super, const struct text_sink *sink)
{
    le64 magic = le64_of(super->magic);

    put(sink, "bytenr\t\t\t%llu\n", LLU(super->bytenr));
    put_flag_lines(sink, "flags\t\t\t", super->flags, super_flags);
    put(sink, "magic\t\t\t");
    for (unsigned i = 0; i < sizeof(magic); i++)
        put(sink, "%c", magic.b[i] >= 0x20 && magic.b[i] < 0x7f ? magic.b[i] : '.');
    put(sink, super->magic == SUPER_MAGIC ? " [match]\n" : " [DON'T MATCH]\n");
    put_uuid_line(sink, "fsid\t\t\t", &super->fsid);
    put_uuid_line(sink, "metadata_uuid\t\t", &super->metadata_uuid);
    put(sink, "label\t\t\t");
    put_escaped(sink, super->label.b, strnlen((const char *)super->label.b, SUPER_LABEL_MAX));
    put(sink, "\n");
}

static void roots_print(const struct super *super, const struct text_sink *sink)
{
    put(sink, "generation\t\t%llu\n", LLU(super->generation));
    put(sink, "root\t\t\t%llu\n", LLU(super->root));
    put(sink, "sys_array_size\t\t%u\n", super->sys_chunk_array_size);
    put(sink, "chunk_root_generation\t%llu\n", LLU(super->chunk_root_generation));
    put(sink, "root_level\t\t%u\n", super->root_level);
    put(sink, "chunk_root\t\t%llu\n", LLU(super->chunk_root));
    put(sink, "chunk_root_level\t%u\n", super->chunk_root_level);
    put(sink, "log_root\t\t%llu\n", LLU(super->log_root));
    put(sink, "log_root_transid (deprecated)\t%llu\n", LLU(super->log_root_transid));
    put(sink, "log_root_level\t\t%u\n", super->log_root_level);
}

static void sizes_print(const struct super *super, const struct text_sink *sink)
{
    put(sink, "total_bytes\t\t%llu\n", LLU(super->total_bytes));
    put(sink, "bytes_used\t\t%llu\n", LLU(super->bytes_used));
    put(sink, "sectorsize\t\t%u\n", super->sectorsize);
    put(sink, "nodesize\t\t%u\n", super->nodesize);
    put(sink, "leafsize (deprecated)\t%u\n", super->leafsize);
    put(sink, "stripesize\t\t%u\n", super->stripesize);
    put(sink, "root_dir\t\t%llu\n", LLU(super->root_dir_objectid));
    put(sink, "num_devices\t\t%llu\n", LLU(super->num_devices));
    put_flag_lines(sink, "compat_flags\t\t", super->compat_flags, no_names);
    put_flag_lines(sink, "compat_ro_flags\t\t", super->compat_ro_flags, compat_ro_names);
    put_flag_lines(sink, "incompat_flags\t\t", super->incompat_flags, incompat_names);
    put(sink, "cache_generation\t%llu\n", LLU(super->cache_generation));
    put(sink, "uuid_tree_generation\t%llu\n", LLU(super->uuid_tree_generation));
}

static void device_print(const struct super *super, const struct text_sink *sink)
{
    const struct dev_item *dev = &super->dev_item;
    const struct uuid *fsid =
        super->incompat_flags & INCOMPAT_METADATA_UUID ? &super->metadata_uuid : &super->fsid;
    char text[UUID_TEXT_SIZE];

    put_uuid_line(sink, "dev_item.uuid\t\t", &dev->uuid);
    put(sink, "dev_item.fsid\t\t%s %s\n", uuid_text(&dev->fsid, text),
        uuid_equal(&dev->fsid, fsid) ? "[match]" : "[DON'T MATCH]");
    put(sink, "dev_item.type\t\t%llu\n", LLU(dev->type));
    put(sink, "dev_item.total_bytes\t%llu\n", LLU(dev->total_bytes));
    put(sink, "dev_item.bytes_used\t%llu\n", LLU(dev->bytes_used));
    put(sink, "dev_item.io_align\t%u\n", dev->io_align);
    put(sink, "dev_item.io_width\t%u\n", dev->io_width);
    put(sink, "dev_item.sector_size\t%u\n", dev->sector_size);
    put(sink, "dev_item.devid\t\t%llu\n", LLU(dev->devid));
    put(sink, "dev_item.dev_group\t%u\n", dev->dev_group);
    put(sink, "dev_item.seek_speed\t%u\n", dev->seek_speed);
    put(sink, "dev_item.bandwidth\t%u\n", dev->bandwidth);
    put(sink, "dev_item.generation\t%llu\n", LLU(dev->generation));
}

static void system_array_print(const struct super *super, const struct text_sink *sink)
{
    const uint32_t key_size = sizeof(disk_key);
    uint32_t size = MIN(super->sys_chunk_array_size, (uint32_t)SUPER_SYSTEM_ARRAY_MAX);
    uint32_t at = 0;
    char text[KEY_TEXT_MAX];

    put(sink, "sys_chunk_array[%u]:\n", SUPER_SYSTEM_ARRAY_MAX);
    for (unsigned i = 0; at < size; i++) {
        const uint8_t *bytes = super->sys_chunk_array.b + at;
        struct chunk chunk;
        struct key key;

        if (size - at < key_size + chunk_item_size(1)) {
            put(sink, "\tdamaged: chunk is cut off\n");
            return;
        }
        key_decode(&key, (const disk_key *)bytes);
        chunk_decode(&chunk, bytes + key_size);
        put(sink, "\titem %u key %s\n", i, key_text(&key, text));
        if (chunk_item_size(chunk.num_stripes) > size - at - key_size) {
            put(sink, "\t\tdamaged: chunk with %u stripes is cut off\n", chunk.num_stripes);
            return;
        }
        put_chunk(sink, bytes + key_size);
        at += key_size + chunk_item_size(chunk.num_stripes);
    }
}

static void backup_root_print(const char *name, uint64_t bytenr, uint64_t generation, uint8_t level,
                              const struct text_sink *sink)
{
    put(sink, "\t\t%s%llu\tgen: %llu\tlevel: %u\n", name, LLU(bytenr), LLU(generation), level);
}

static void backup_print(const struct backup_root *b, const struct text_sink *sink)
{
    backup_root_print("backup_tree_root:\t", b->tree_root, b->tree_root_gen, b->tree_root_level,
                      sink);
    backup_root_print("backup_chunk_root:\t", b->chunk_root, b->chunk_root_gen, b->chunk_root_level,
                      sink);
    backup_root_print("backup_extent_root:\t", b->extent_root, b->extent_root_gen,
                      b->extent_root_level, sink);
    backup_root_print("backup_fs_root:\t\t", b->fs_root, b->fs_root_gen, b->fs_root_level, sink);
    backup_root_print("backup_dev_root:\t", b->dev_root, b->dev_root_gen, b->dev_root_level, sink);
    backup_root_print("csum_root:\t", b->csum_root, b->csum_root_gen, b->csum_root_level, sink);
    put(sink, "\t\tbackup_total_bytes:\t%llu\n", LLU(b->total_bytes));
    put(sink, "\t\tbackup_bytes_used:\t%llu\n", LLU(b->bytes_used));
    put(sink, "\t\tbackup_num_devices:\t%llu\n\n", LLU(b->num_devices));
}

void print_super(const struct super *super, bool full, const struct text_sink *sink)
{
    csum_print(super, sink);
    identity_print(super, sink);
    roots_print(super, sink);
    sizes_print(super, sink);
    device_print(super, sink);
    if (!full)
        return;
    system_array_print(super, sink);
    put(sink, "backup_roots[%u]:\n", SUPER_BACKUP_ROOTS);
    for (unsigned i = 0; i < SUPER_BACKUP_ROOTS; i++) {
        put(sink, "\tbackup %u:\n", i);
        backup_print(&super->backups.r[i], sink);
    }
}
