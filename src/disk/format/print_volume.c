// SPDX-License-Identifier: GPL-2.0-or-later
/* Prints items of space, devices and quotas. */
#include "disk/format/print.h"

void block_group_print(const struct item *item, const struct format_limits *limits,
                       const struct text_sink *sink)
{
    struct block_group_item group;

    (void)limits;
    block_group_item_decode(&group, item->data);
    put(sink, "\t\tblock group used %llu chunk_objectid %llu flags ", LLU(group.used),
        LLU(group.chunk_objectid));
    put_block_group_type(sink, group.flags);
    put(sink, "\n");
}

void free_space_info_print(const struct item *item, const struct format_limits *limits,
                           const struct text_sink *sink)
{
    struct free_space_info info;

    (void)limits;
    free_space_info_decode(&info, item->data);
    put(sink, "\t\tfree space info extent count %u flags %u\n", info.extent_count, info.flags);
}

void free_space_extent_print(const struct item *item, const struct format_limits *limits,
                             const struct text_sink *sink)
{
    (void)item;
    (void)limits;
    put(sink, "\t\tfree space extent\n");
}

void free_space_bitmap_print(const struct item *item, const struct format_limits *limits,
                             const struct text_sink *sink)
{
    (void)item;
    (void)limits;
    put(sink, "\t\tfree space bitmap\n");
}

void free_space_header_print(const struct item *item, const struct format_limits *limits,
                             const struct text_sink *sink)
{
    struct free_space_header header;
    char location[KEY_TEXT_MAX];

    (void)limits;
    if (item->key.objectid != OBJ_FREE_SPACE)
        return;
    free_space_header_decode(&header, item->data);
    put(sink, "\t\tlocation key %s\n", key_text(&header.location, location));
    put(sink, "\t\tcache generation %llu entries %llu bitmaps %llu\n", LLU(header.generation),
        LLU(header.num_entries), LLU(header.num_bitmaps));
}

void put_chunk(const struct text_sink *sink, const uint8_t *data)
{
    struct chunk chunk;

    chunk_decode(&chunk, data);
    put(sink, "\t\tlength %llu owner %llu stripe_len %llu type ", LLU(chunk.length),
        LLU(chunk.owner), LLU(chunk.stripe_len));
    put_block_group_type(sink, chunk.type);
    put(sink, "\n\t\tio_align %u io_width %u sector_size %u\n", chunk.io_align, chunk.io_width,
        chunk.sector_size);
    put(sink, "\t\tnum_stripes %u sub_stripes %u\n", chunk.num_stripes, chunk.sub_stripes);
    for (unsigned i = 0; i < chunk.num_stripes; i++) {
        struct stripe stripe;

        stripe_decode(&stripe, data + chunk_item_size(i));
        put(sink, "\t\t\tstripe %u devid %llu offset %llu\n", i, LLU(stripe.devid),
            LLU(stripe.offset));
        put_uuid_line(sink, "\t\t\tdev_uuid ", &stripe.dev_uuid);
    }
}

void chunk_item_print(const struct item *item, const struct format_limits *limits,
                      const struct text_sink *sink)
{
    (void)limits;
    put_chunk(sink, item->data);
}

void dev_item_print(const struct item *item, const struct format_limits *limits,
                    const struct text_sink *sink)
{
    struct dev_item dev;

    (void)limits;
    dev_item_decode(&dev, item->data);
    put(sink, "\t\tdevid %llu total_bytes %llu bytes_used %llu\n", LLU(dev.devid),
        LLU(dev.total_bytes), LLU(dev.bytes_used));
    put(sink, "\t\tio_align %u io_width %u sector_size %u type %llu\n", dev.io_align, dev.io_width,
        dev.sector_size, LLU(dev.type));
    put(sink, "\t\tgeneration %llu start_offset %llu dev_group %u\n", LLU(dev.generation),
        LLU(dev.start_offset), dev.dev_group);
    put(sink, "\t\tseek_speed %u bandwidth %u\n", dev.seek_speed, dev.bandwidth);
    put_uuid_line(sink, "\t\tuuid ", &dev.uuid);
    put_uuid_line(sink, "\t\tfsid ", &dev.fsid);
}

void dev_extent_print(const struct item *item, const struct format_limits *limits,
                      const struct text_sink *sink)
{
    struct dev_extent extent;

    (void)limits;
    dev_extent_decode(&extent, item->data);
    put(sink, "\t\tdev extent chunk_tree %llu\n", LLU(extent.chunk_tree));
    put(sink, "\t\tchunk_objectid %llu chunk_offset %llu length %llu\n", LLU(extent.chunk_objectid),
        LLU(extent.chunk_offset), LLU(extent.length));
    put_uuid_line(sink, "\t\tchunk_tree_uuid ", &extent.chunk_tree_uuid);
}

void persistent_print(const struct item *item, const struct format_limits *limits,
                      const struct text_sink *sink)
{
    char objectid[OBJECTID_TEXT_MAX];
    struct dev_stats stats;

    (void)limits;
    put(sink, "\t\tpersistent item objectid %s offset %llu\n",
        objectid_text(item->key.objectid, item->key.type, objectid), LLU(item->key.offset));
    if (item->key.objectid != OBJ_DEV_STATS || item->size < sizeof(disk_dev_stats))
        return;
    dev_stats_decode(&stats, item->data);
    put(sink, "\t\tdevice stats\n");
    put(sink,
        "\t\twrite_errs %llu read_errs %llu flush_errs %llu corruption_errs %llu generation %llu\n",
        LLU(stats.write_errs), LLU(stats.read_errs), LLU(stats.flush_errs),
        LLU(stats.corruption_errs), LLU(stats.generation_errs));
}

static void balance_args_print(const char *kind, const struct balance_args *args,
                               const struct text_sink *sink)
{
    put(sink, "\t\t%s\n", kind);
    put(sink, "\t\tprofiles %llu devid %llu target %llu flags %llu\n", LLU(args->profiles),
        LLU(args->devid), LLU(args->target), LLU(args->flags));
    put(sink, "\t\tusage_min %u usage_max %u pstart %llu pend %llu\n", args->usage_min,
        args->usage_max, LLU(args->pstart), LLU(args->pend));
    put(sink, "\t\tvstart %llu vend %llu limit_min %u limit_max %u\n", LLU(args->vstart),
        LLU(args->vend), args->limit_min, args->limit_max);
    put(sink, "\t\tstripes_min %u stripes_max %u\n", args->stripes_min, args->stripes_max);
}

void temporary_print(const struct item *item, const struct format_limits *limits,
                     const struct text_sink *sink)
{
    char objectid[OBJECTID_TEXT_MAX];
    struct balance_item balance;

    (void)limits;
    put(sink, "\t\ttemporary item objectid %s offset %llu\n",
        objectid_text(item->key.objectid, item->key.type, objectid), LLU(item->key.offset));
    if (item->key.objectid != OBJ_BALANCE || item->size < sizeof(disk_balance_item))
        return;
    balance_item_decode(&balance, item->data);
    put(sink, "\t\tbalance status flags %llu\n", LLU(balance.flags));
    balance_args_print("DATA", &balance.data, sink);
    balance_args_print("METADATA", &balance.meta, sink);
    balance_args_print("SYSTEM", &balance.sys, sink);
}

void qgroup_status_print(const struct item *item, const struct format_limits *limits,
                         const struct text_sink *sink)
{
    static const struct flag_name names[] = {{QGROUP_STATUS_ON, "ON"},
                                             {QGROUP_STATUS_RESCAN, "SCANNING"},
                                             {QGROUP_STATUS_INCONSISTENT, "INCONSISTENT"},
                                             {QGROUP_STATUS_SIMPLE, "SIMPLE_MODE"},
                                             {0, NULL}};
    struct qgroup_status status;
    le64 enable_gen;

    (void)limits;
    qgroup_status_decode(&status, item->data);
    put(sink, "\t\tversion %llu generation %llu flags ", LLU(status.version),
        LLU(status.generation));
    put_flags(sink, status.flags, names, "OFF");
    put(sink, " scan %llu", LLU(status.rescan));
    if (status.flags & QGROUP_STATUS_SIMPLE) {
        memcpy(&enable_gen, item->data + sizeof(disk_qgroup_status), sizeof(enable_gen));
        put(sink, " enable_gen %llu", LLU(le64_get(enable_gen)));
    }
    put(sink, "\n");
}

void qgroup_info_print(const struct item *item, const struct format_limits *limits,
                       const struct text_sink *sink)
{
    struct qgroup_info info;

    (void)limits;
    qgroup_info_decode(&info, item->data);
    put(sink, "\t\tgeneration %llu\n", LLU(info.generation));
    put(sink, "\t\treferenced %llu referenced_compressed %llu\n", LLU(info.rfer),
        LLU(info.rfer_cmpr));
    put(sink, "\t\texclusive %llu exclusive_compressed %llu\n", LLU(info.excl),
        LLU(info.excl_cmpr));
}

void qgroup_limit_print(const struct item *item, const struct format_limits *limits,
                        const struct text_sink *sink)
{
    struct qgroup_limit limit;

    (void)limits;
    qgroup_limit_decode(&limit, item->data);
    put(sink, "\t\tflags %llx\n", LLU(limit.flags));
    put(sink, "\t\tmax_referenced %lld max_exclusive %lld\n", (long long)limit.max_rfer,
        (long long)limit.max_excl);
    put(sink, "\t\trsv_referenced %lld rsv_exclusive %lld\n", (long long)limit.rsv_rfer,
        (long long)limit.rsv_excl);
}
