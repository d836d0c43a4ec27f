// SPDX-License-Identifier: GPL-2.0-or-later
/* Writing: the superblock, then every block, in clusters. */
#include <stdlib.h>

#include "disk/csum/csum.h"
#include "ops/image/internal.h"

struct dump {
    struct env *env;
    struct vol *vol;
    const struct copse_image_options *options;
    const struct copse_stream_sink *sink;
    uint64_t secret;
    uint64_t at; /* in the file */
    uint8_t *block, *packed;
    /* The cluster at hand. */
    uint8_t head[CLUSTER_BLOCK];
    uint32_t count;
    uint8_t *data;
    size_t len;
};

#define CLUSTER_BYTES (CLUSTER_ITEMS_MAX * (size_t)(NODE_SIZE_MAX + NODE_SIZE_MAX / 8))

static int put(struct dump *d, const void *bytes, size_t len)
{
    int ret = d->sink->write(d->sink->arg, bytes, len);

    d->at += len;
    return ret;
}

static int end_cluster(struct dump *d)
{
    static const uint8_t zeroes[CLUSTER_BLOCK];
    const struct cluster cluster = {.magic = CLUSTER_MAGIC,
                                    .bytenr = d->at,
                                    .nritems = d->count,
                                    .compress = d->options->compress ? CLUSTER_ZLIB : 0};
    size_t rest = d->len % CLUSTER_BLOCK ? CLUSTER_BLOCK - d->len % CLUSTER_BLOCK : 0;

    if (d->count == 0)
        return 0;
    cluster_encode(d->head, &cluster);
    TRY(put(d, d->head, CLUSTER_BLOCK));
    TRY(put(d, d->data, d->len));
    TRY(put(d, zeroes, rest));
    memset(d->head, 0, sizeof(d->head));
    d->count = 0;
    d->len = 0;
    return 0;
}

static int add_item(struct dump *d, uint64_t bytenr, const uint8_t *bytes, size_t len)
{
    struct cluster_item item = {.bytenr = bytenr, .size = (uint32_t)len};

    if (d->options->compress) {
        size_t packed;

        TRY(compress_extent(COMPRESS_ZLIB, (int)d->options->compress,
                            vol_limits(d->vol)->sectorsize, bytes, len, d->packed,
                            NODE_SIZE_MAX + NODE_SIZE_MAX / 8, &packed));
        bytes = d->packed;
        item.size = (uint32_t)packed;
    }
    cluster_item_encode(d->head + sizeof(disk_cluster) + d->count * sizeof(disk_cluster_item),
                        &item);
    memcpy(d->data + d->len, bytes, item.size);
    d->len += item.size;
    return ++d->count == CLUSTER_ITEMS_MAX ? end_cluster(d) : 0;
}

static int add_super(struct dump *d)
{
    struct super super = *vol_super(d->vol);
    uint8_t bytes[SUPER_SIZE] = {0}, csum[CSUM_MAX];

    super.bytenr = SUPER_OFFSET;
    if (d->options->sanitize)
        memset(&super.label, 0, sizeof(super.label));
    super_encode(bytes, &super);
    csum_compute((enum csum_type)super.csum_type, bytes + CSUM_FIELD_SIZE,
                 SUPER_SIZE - CSUM_FIELD_SIZE, csum);
    memcpy(bytes, csum, sizeof(csum));
    return add_item(d, SUPER_OFFSET, bytes, SUPER_SIZE);
}

/* A damaged block is what a bug report is about, but nobody knows what is in it. */
static int add_block(struct dump *d, uint64_t bytenr)
{
    int ret = image_read_block(d->vol, bytenr, d->block);

    if (ret == 0)
        image_sanitize(d->vol, d->block, d->options->sanitize, d->secret);
    else if (d->options->sanitize)
        return 0;
    return add_item(d, bytenr, d->block, vol_limits(d->vol)->nodesize);
}

static int dump_all(struct dump *d, const struct addresses *blocks)
{
    TRY(add_super(d));
    for (size_t i = 0; i < blocks->count; i++) {
        TRY(add_block(d, blocks->list[i]));
        if (d->options->progress)
            d->options->progress(d->options->arg, (i + 1) * vol_limits(d->vol)->nodesize,
                                 blocks->count * vol_limits(d->vol)->nodesize);
    }
    return end_cluster(d);
}

static int dump_volume(struct env *env, struct vol *vol, const struct copse_image_options *options,
                       const struct copse_stream_sink *sink)
{
    AUTO_FREE uint8_t *block = malloc(NODE_SIZE_MAX);
    AUTO_FREE uint8_t *packed = malloc(NODE_SIZE_MAX + NODE_SIZE_MAX / 8);
    AUTO_FREE uint8_t *data = malloc(CLUSTER_BYTES);
    AUTO_FREE struct dump *d = calloc(1, sizeof(*d));
    struct addresses blocks = {0};
    int ret;

    if (!block || !packed || !data || !d)
        return fail(-ENOMEM, "out of memory");
    *d = (struct dump){.env = env,
                       .vol = vol,
                       .options = options,
                       .sink = sink,
                       .block = block,
                       .packed = packed,
                       .data = data};
    env_random(env, &d->secret, sizeof(d->secret));
    ret = image_collect(env, vol, &blocks);
    if (ret == 0)
        ret = dump_all(d, &blocks);
    free(blocks.list);
    return ret;
}

int image_dump(struct env *env, struct dev *dev, const struct copse_image_options *options,
               const struct copse_stream_sink *sink)
{
    const struct vol_open_options readonly = {.readonly = true};
    struct vol *vol;
    int ret;

    TRY(vol_open(env, &dev, 1, &readonly, &vol));
    ret = dump_volume(env, vol, options, sink);
    vol_close(vol);
    return ret;
}
