// SPDX-License-Identifier: GPL-2.0-or-later
/* Compression on the way out: what the inode asks for, and doing it on all cores. */
#include "fs/file/batch.h"

#include "disk/compress/compress.h"

static const char property[] = "btrfs.compression";

int compress_wish_of(struct inode *inode, struct compress_wish *out)
{
    struct compress_wish wish = {.type = COMPRESS_NONE};
    enum compress_type type;
    char value[32];
    size_t len;

    *out = wish;
    /* NODATACOW and compression exclude each other (Linux would not read it back as such). */
    if (!(inode->item.flags & INODE_COMPRESS) ||
        (inode->item.flags & (INODE_NOCOMPRESS | INODE_NODATACOW | INODE_NODATASUM)))
        return 0;
    wish.type = COMPRESS_ZLIB;
    wish.level = COMPRESS_LEVEL_DEFAULT;
    store_read_lock(inode->fs->store);
    int ret = xattr_get(inode, property, value, sizeof(value) - 1, &len);
    store_read_unlock(inode->fs->store);
    if (ret == 0) {
        value[len] = '\0';
        if (compress_by_name(value, &type, &wish.level) == 0)
            wish.type = (uint8_t)type;
    } else if (ret != -ENODATA && ret != -ERANGE) {
        return ret;
    }
    fail_clear();
    *out = wish;
    return 0;
}

int compress_inline(struct inode *inode, struct packed *content)
{
    struct compress_wish wish;
    size_t len;

    TRY(compress_wish_of(inode, &wish));
    if (wish.type == COMPRESS_NONE)
        return 0;
    AUTO_FREE uint8_t *packed = malloc(content->len);
    if (!packed)
        return fail(-ENOMEM, "no memory to compress");
    if (compress_extent(wish.type, wish.level, file_sectorsize(inode), content->bytes, content->len,
                        packed, content->len - 1, &len) < 0) {
        fail_clear();
        return 0;
    }
    content->owned = STEAL(packed);
    content->bytes = content->owned;
    content->len = (uint32_t)len;
    content->compression = wish.type;
    return 0;
}

void compress_note_feature(struct engine *engine, uint8_t compression)
{
    if (compression == COMPRESS_LZO)
        engine->incompat |= INCOMPAT_COMPRESS_LZO;
    else if (compression == COMPRESS_ZSTD)
        engine->incompat |= INCOMPAT_COMPRESS_ZSTD;
}

struct packing {
    struct batch *batch;
    const struct compress_wish *wish;
};

/* The bytes of a plan in one piece; *copy is to be freed. */
static const uint8_t *contiguous(const struct batch *batch, const struct plan *plan, uint8_t **copy)
{
    const struct run *run = runs_after(&batch->file->flight, plan->start);
    uint64_t pos = plan->start, end = plan->start + plan->len;

    if (run_end(run) >= end)
        return run->data + (pos - run->start);
    *copy = malloc(plan->len);
    for (; *copy && pos < end; run = runs_after(&batch->file->flight, run_end(run))) {
        uint64_t n = MIN(run_end(run), end) - pos;

        memcpy(*copy + (pos - plan->start), run->data + (pos - run->start), n);
        pos += n;
    }
    return *copy;
}

/* Leaves the plan as it is where compressing gains nothing, not even a sector, or fails. */
static void pack_nth(void *arg, size_t i)
{
    const struct packing *packing = arg;
    struct plan *plan = &packing->batch->plans[i];
    uint32_t sector = file_sectorsize(packing->batch->inode);
    AUTO_FREE uint8_t *copy = NULL;
    size_t packed_len;

    if (plan->len <= sector)
        return;
    const uint8_t *data = contiguous(packing->batch, plan, &copy);
    if (!data || !compress_worth_trying(data, plan->len))
        return;
    AUTO_FREE uint8_t *packed = malloc(plan->len);
    if (!packed || compress_extent(packing->wish->type, packing->wish->level, sector, data,
                                   plan->len, packed, plan->len - sector, &packed_len) < 0)
        return;
    plan->disk_len = round_up_to(packed_len, sector);
    memset(packed + packed_len, 0, plan->disk_len - packed_len);
    plan->compression = packing->wish->type;
    plan->packed = STEAL(packed);
}

int batch_compress(struct batch *batch, const struct compress_wish *wish)
{
    struct packing packing = {batch, wish};

    env_parallel(batch->inode->fs->env, batch->count, pack_nth, &packing);
    fail_clear();
    return 0;
}
