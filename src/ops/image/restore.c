// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading: everything goes to where the chunks say, in all copies. The superblock says that it is a
 * dump, so that nobody writes to a file system whose data is missing.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "disk/csum/csum.h"
#include "ops/image/internal.h"

/* An item of the dump. */
struct stored {
    uint64_t bytenr, offset;
    uint32_t size;
    bool packed, written;
};

struct restore {
    struct env *env;
    struct dev *dump;
    struct stored *items;
    size_t count, room;
    uint8_t *stored, *bytes; /* ITEM_BYTES_MAX each */
};

/* ---- the file ----------------------------------------------------------------------------------
 */

static int add_stored(struct restore *r, const struct stored *item)
{
    if (r->count == r->room) {
        size_t room = MAX(r->room * 2, (size_t)256);
        struct stored *grown = realloc(r->items, room * sizeof(*grown));

        if (!grown)
            return fail(-ENOMEM, "out of memory");
        r->items = grown;
        r->room = room;
    }
    r->items[r->count++] = *item;
    return 0;
}

/* *at: where the cluster begins; then, where the next one does. */
static int read_cluster(struct restore *r, uint64_t *at)
{
    uint8_t head[CLUSTER_BLOCK];
    uint64_t offset = *at + CLUSTER_BLOCK;
    struct cluster cluster;

    TRY(dev_read(r->dump, *at, head, sizeof(head)));
    cluster_decode(&cluster, head);
    if (cluster.magic != CLUSTER_MAGIC || cluster.bytenr != *at ||
        cluster.nritems > CLUSTER_ITEMS_MAX || cluster.compress > CLUSTER_ZLIB)
        return fail(*at == 0 ? -EINVAL : -EUCLEAN,
                    "%s: no metadata dump: at %llu no cluster begins", dev_label(r->dump),
                    LLU(*at));
    for (uint32_t i = 0; i < cluster.nritems; i++) {
        struct cluster_item item;

        cluster_item_decode(&item, head + sizeof(disk_cluster) + i * sizeof(disk_cluster_item));
        if (item.size > ITEM_BYTES_MAX || item.size > r->dump->size - offset)
            return fail(-EUCLEAN, "%s: item at %llu: %u bytes are not there", dev_label(r->dump),
                        LLU(offset), item.size);
        const struct stored stored = {.bytenr = item.bytenr,
                                      .offset = offset,
                                      .size = item.size,
                                      .packed = cluster.compress == CLUSTER_ZLIB};
        TRY(add_stored(r, &stored));
        offset += item.size;
    }
    *at = round_up_to(offset, CLUSTER_BLOCK);
    return 0;
}

static int read_clusters(struct restore *r)
{
    uint64_t at = 0;

    if (r->dump->size < CLUSTER_BLOCK)
        return fail(-EINVAL, "%s: no metadata dump: only %llu bytes", dev_label(r->dump),
                    LLU(r->dump->size));
    while (r->dump->size - at >= CLUSTER_BLOCK) {
        TRY(read_cluster(r, &at));
        if (at > r->dump->size)
            return 0;
    }
    return 0;
}

/* The item as it was before it was packed. */
static int read_item(struct restore *r, const struct stored *item, size_t *len)
{
    TRY(dev_read(r->dump, item->offset, item->packed ? r->stored : r->bytes, item->size));
    *len = item->size;
    if (!item->packed)
        return 0;
    int ret = decompress_extent(COMPRESS_ZLIB, SECTOR_SIZE_MIN, r->stored, item->size, r->bytes,
                                ITEM_BYTES_MAX, len);
    return ret < 0 ? fail_context(ret, "%s: item at %llu", dev_label(r->dump), LLU(item->offset))
                   : 0;
}

/* ---- the superblock ----------------------------------------------------------------------------
 */

static int find_super(struct restore *r, struct super *out)
{
    for (size_t i = 0; i < r->count; i++) {
        size_t len;

        if (r->items[i].bytenr != SUPER_OFFSET)
            continue;
        TRY(read_item(r, &r->items[i], &len));
        if (len != SUPER_SIZE)
            continue;
        TRY(super_validate(r->bytes, SUPER_OFFSET));
        super_decode(out, r->bytes);
        r->items[i].written = true;
        if (out->num_devices != 1)
            return fail(-EOPNOTSUPP, "%s: of a file system on %llu devices, only one is supported",
                        dev_label(r->dump), LLU(out->num_devices));
        return 0;
    }
    return fail(-EUCLEAN, "%s: it has no superblock", dev_label(r->dump));
}

static int write_supers(struct dev *dev, struct super *super)
{
    super->flags |= SUPER_FLAG_METADUMP_V2;
    for (unsigned copy = 0; copy < SUPER_COPIES; copy++) {
        uint8_t bytes[SUPER_SIZE] = {0}, csum[CSUM_MAX];

        super->bytenr = super_offset(copy);
        if (super->bytenr + SUPER_SIZE > dev->size)
            continue;
        super_encode(bytes, super);
        csum_compute((enum csum_type)super->csum_type, bytes + CSUM_FIELD_SIZE,
                     SUPER_SIZE - CSUM_FIELD_SIZE, csum);
        memcpy(bytes, csum, sizeof(csum));
        TRY(dev_write(dev, super->bytenr, bytes, SUPER_SIZE));
    }
    return 0;
}

/* ---- blocks ------------------------------------------------------------------------------------
 */

/* Whether all of the item lies in chunks that are known. */
static bool has_place(struct vol *vol, uint64_t bytenr, size_t len)
{
    struct chunk_map chunk;

    for (uint64_t at = bytenr; at < bytenr + len; at = chunk.logical + chunk.length)
        if (vol_find_chunk(vol, at, &chunk) < 0)
            return false;
    return true;
}

/* Those that have a place and are not written yet. */
static int write_items(struct restore *r, struct vol *vol)
{
    for (size_t i = 0; i < r->count; i++) {
        struct stored *item = &r->items[i];
        size_t len;

        if (item->written || vol_mirrors(vol, laddr_of(item->bytenr)) == 0)
            continue;
        TRY(read_item(r, item, &len));
        if (item->bytenr > UINT64_MAX - len || !has_place(vol, item->bytenr, len))
            continue;
        TRY(vol_write(vol, laddr_of(item->bytenr), r->bytes, len));
        item->written = true;
    }
    return 0;
}

/* First the chunk tree, which lies in the chunks that the superblock knows; then all else. */
static int write_all(struct restore *r, struct vol *vol)
{
    TRY(write_items(r, vol));
    TRY(image_load_chunks(r->env, vol));
    TRY(write_items(r, vol));
    for (size_t i = 0; i < r->count; i++)
        if (!r->items[i].written)
            env_note(r->env, NOTE_WARNING, "%s: block %llu lies in no chunk", dev_label(r->dump),
                     LLU(r->items[i].bytenr));
    return vol_flush(vol);
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

static int check_target(const char *path, bool force)
{
    struct stat st;

    if (force || stat(path, &st) < 0 || (S_ISREG(st.st_mode) && st.st_size == 0))
        return 0;
    return fail(-EEXIST, "%s: is there already", path);
}

static int write_image(struct restore *r, struct super *super, const char *path)
{
    const struct vol_open_options options = {.readonly = true};
    struct dev *dev;
    struct vol *vol;
    int ret;

    TRY(dev_file_create(path, super->dev_item.total_bytes, &dev));
    ret = write_supers(dev, super);
    if (ret < 0) {
        dev_close(dev);
        return ret;
    }
    TRY(vol_open(r->env, &dev, 1, &options, &vol));
    ret = write_all(r, vol);
    vol_close(vol);
    return ret;
}

int image_restore(struct env *env, struct dev *dump, const char *path, bool force)
{
    AUTO_FREE uint8_t *stored = malloc(ITEM_BYTES_MAX), *bytes = malloc(ITEM_BYTES_MAX);
    struct restore r = {.env = env, .dump = dump, .stored = stored, .bytes = bytes};
    struct super super;
    int ret = stored && bytes ? check_target(path, force) : fail(-ENOMEM, "out of memory");

    if (ret == 0)
        ret = read_clusters(&r);
    if (ret == 0)
        ret = find_super(&r, &super);
    if (ret == 0)
        ret = write_image(&r, &super, path);
    free(r.items);
    return ret;
}
