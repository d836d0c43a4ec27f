// SPDX-License-Identifier: GPL-2.0-or-later
/* Compression on the way out: what the inode asks for, and doing it on all cores. */
#include "fs/file/batch.h"

#include "disk/compress/compress.h"

static const char property[] = "btrfs.compression";

/* What the property says, if there is one; its level counts only if it has one. */
static int read_property(struct inode *inode, struct compress_wish *wish)
{
    enum compress_type type;
    char value[32];
    size_t len;
    int level;

    store_read_lock(inode->fs->store);
    int ret = xattr_get(inode, property, value, sizeof(value), &len);
    store_read_unlock(inode->fs->store);
    if (ret == -ENODATA || ret == -ERANGE) {
        fail_clear();
        return 0;
    }
    if (ret < 0 || !compress_by_property(value, len, &type, &level))
        return ret;
    if (level != COMPRESS_LEVEL_DEFAULT || type != wish->type)
        wish->level = level;
    wish->type = (uint8_t)type;
    wish->by_property = true;
    return 0;
}

/* In the order in which Linux asks. */
static bool wants_none(const struct inode *inode)
{
    const struct fs_options *options = &inode->fs->options;
    const uint64_t flags = inode_flags(inode);

    /* NODATACOW and compression exclude each other (Linux would not read it back as such). */
    if (flags & (INODE_NODATACOW | INODE_NODATASUM))
        return true;
    if (options->compress_force)
        return false;
    return (flags & INODE_NOCOMPRESS) ||
           (!(flags & INODE_COMPRESS) && options->compress_type == COMPRESS_NONE);
}

int compress_wish_of(struct inode *inode, struct compress_wish *out)
{
    const struct fs_options *options = &inode->fs->options;
    struct compress_wish wish = {
        .type = options->compress_type ? options->compress_type : COMPRESS_ZLIB,
        .level = options->compress_level,
        .force = options->compress_force,
    };

    struct file_state *file = file_state_peek(inode);

    if (file && file->wish && !(inode_flags(inode) & INODE_NODATASUM)) {
        *out = *file->wish;
        return 0;
    }
    if (wants_none(inode)) {
        *out = (struct compress_wish){.type = COMPRESS_NONE};
        return 0;
    }
    if (inode_flags(inode) & INODE_COMPRESS)
        TRY(read_property(inode, &wish));
    *out = wish;
    return 0;
}

/* As Linux: what did not become shorter once is not tried again, unless somebody asked for it. */
static void note_hopeless(struct inode *inode)
{
    inode_change_flags(inode, 0, INODE_NOCOMPRESS);
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
    const struct run *run = runs_after(batch->flight, plan->start);
    uint64_t pos = plan->start, end = plan->start + plan->len;

    if (run_end(run) >= end)
        return run->data + (pos - run->start);
    *copy = malloc(plan->len);
    for (; *copy && pos < end; run = runs_after(batch->flight, run_end(run))) {
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

    if (plan->claim != CLAIM_NONE || plan->len <= sector)
        return;
    const uint8_t *data = contiguous(packing->batch, plan, &copy);
    if (!data || (!packing->wish->force && !compress_worth_trying(data, plan->len)))
        return;
    AUTO_FREE uint8_t *packed = malloc(plan->len);
    if (!packed)
        return;
    int ret = compress_extent(packing->wish->type, packing->wish->level, sector, data, plan->len,
                              packed, plan->len - sector, &packed_len);
    plan->hopeless = ret == -E2BIG;
    if (ret < 0)
        return;
    plan->disk_len = round_up_to(packed_len, sector);
    memset(packed + packed_len, 0, plan->disk_len - packed_len);
    plan->compression = packing->wish->type;
    plan->packed = STEAL(packed);
}

int batch_compress(struct batch *batch, const struct compress_wish *wish)
{
    struct packing packing = {batch, wish};

    bool hopeless = false;

    env_parallel(batch->inode->fs->env, batch->count, pack_nth, &packing);
    fail_clear();
    for (size_t i = 0; i < batch->count; i++)
        hopeless |= batch->plans[i].hopeless;
    if (hopeless && !wish->force && !wish->by_property)
        note_hopeless(batch->inode);
    return 0;
}
