// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Deduplication: a range that reads the same in two files is mapped to the same extents. Compared
 * and mapped under the locks of both, so that nobody sees anything but those bytes; a crash in
 * between leaves a part of it shared. Long ranges go in steps, between which others get their turn;
 * they are compared as a whole first, since what differs is to stay as it is.
 */
#include "fs/file/remap.h"

/* Bytes under one lock, as Linux has it. */
#define DEDUPE_STEP (16 * MIB)
/* Bytes compared at once. */
#define COMPARE_BYTES (1 * MIB)

struct dedupe {
    struct inode *src, *dst;
    uint64_t from, to, len; /* as asked for */
    uint64_t size;          /* whole sectors, or up to the end of both files */
};

/* ---- comparing ------------------------------------------------------------------------------- */

static int compare_with(const struct dedupe *d, uint64_t done, uint64_t len, uint8_t *a, uint8_t *b,
                        bool *same)
{
    uint64_t src_size = size_get(d->src), dst_size = size_get(d->dst);

    *same = true;
    for (uint64_t end = done + len; *same && done < end;) {
        size_t n = MIN(end - done, COMPARE_BYTES);

        TRY(read_current(d->src, d->from + done, a, n, src_size));
        TRY(read_current(d->dst, d->to + done, b, n, dst_size));
        *same = memcmp(a, b, n) == 0;
        done += n;
    }
    return 0;
}

static int compare(const struct dedupe *d, uint64_t done, uint64_t len, bool *same)
{
    AUTO_FREE uint8_t *buf = malloc(2 * COMPARE_BYTES);

    if (!buf)
        return fail(-ENOMEM, "no memory to compare files");
    return compare_with(d, done, len, buf, buf + COMPARE_BYTES, same);
}

/* ---- mapping --------------------------------------------------------------------------------- */

/* Nothing is gained where both are mapped alike, nor by copying inline data. */
static bool is_settled(const struct mapping *src, const struct mapping *dst)
{
    if (src->kind == MAP_INLINE)
        return true;
    if (src->kind != dst->kind || src->kind == MAP_HOLE)
        return src->kind == dst->kind;
    return src->disk_bytenr == dst->disk_bytenr && src->offset == dst->offset &&
           src->compression == dst->compression;
}

/* How far from `done` on both mappings reach, and whether that is to be mapped anew. */
static int look_at(const struct dedupe *d, uint64_t done, uint64_t end, uint64_t *next,
                   bool *settled)
{
    struct mapping src, dst;

    store_read_lock(d->src->fs->store);
    int ret = map_find(d->src, d->from + done, &src);
    if (ret == 0)
        ret = map_find(d->dst, d->to + done, &dst);
    store_read_unlock(d->src->fs->store);
    if (ret < 0)
        return ret;
    src = map_slice(&src, d->from + done, UINT64_MAX);
    dst = map_slice(&dst, d->to + done, UINT64_MAX);
    uint64_t both = MIN(src.len, dst.len);
    *next = MIN(end - done, both) + done;
    *settled = is_settled(&src, &dst);
    return 0;
}

static int share(const struct dedupe *d, uint64_t done, uint64_t end)
{
    uint32_t sector = file_sectorsize(d->src);

    while (done < end) {
        uint64_t next;
        bool settled;

        TRY(look_at(d, done, end, &next, &settled));
        struct clone clone = {
            .src = d->src,
            .dst = d->dst,
            .src_file = d->src->file,
            .dst_file = d->dst->file,
            .src_start = d->from + done,
            .dst_start = d->to + done,
            .len = next - done,
            .span = round_up_to(next - done, sector),
        };
        if (!settled)
            TRY(clone_mapped(&clone));
        done = next;
    }
    return 0;
}

/* Data is written first only once it is known to be the same. */
static int share_held(const struct dedupe *d, uint64_t done, uint64_t len)
{
    TRY(write_before_sharing(d->src->file, d->from + done, len));
    TRY(write_before_sharing(d->dst->file, d->to + done, len));
    return share(d, done, done + len);
}

/* ---- whether it may be ----------------------------------------------------------------------- */

/* The rules of FIDEDUPERANGE. Not writing anything, it may work on what is otherwise read-only. */
static int check_range(struct dedupe *d)
{
    uint64_t sector = file_sectorsize(d->src);
    uint64_t src_size = size_get(d->src), dst_size = size_get(d->dst);

    if (store_readonly(d->dst->fs->store))
        return fail(-EROFS, "the file system is read-only");
    store_read_lock(d->dst->fs->store);
    bool sent = tree_is_sent(d->dst->tree);
    store_read_unlock(d->dst->fs->store);
    if (sent)
        return fail(-EAGAIN, "subvolume %llu is being sent", LLU(d->dst->tree->root.id));
    if (inode_flags(d->dst) & INODE_IMMUTABLE)
        return fail(-EPERM, "inode %llu is immutable", LLU(d->dst->ino));
    if ((inode_flags(d->src) ^ inode_flags(d->dst)) & INODE_NODATASUM)
        return fail(-EINVAL, "one of the files has checksums and the other has none");
    if (!is_aligned(d->from | d->to, sector))
        return fail(-EINVAL, "the range does not begin at a block");
    if (d->from >= src_size || d->len > src_size - d->from || d->to >= dst_size ||
        d->len > dst_size - d->to)
        return fail(-EINVAL, "the range ends behind the end of a file");
    d->size = d->len;
    if (d->from + d->len != src_size || d->to + d->len != dst_size)
        d->size = round_down_to(d->len, sector);
    uint64_t span = round_up_to(d->size, sector);
    if (d->src == d->dst && d->from < d->to + span && d->to < d->from + span)
        return fail(-EINVAL, "the ranges overlap");
    return 0;
}

/* One step, compared and (share) mapped. */
static int step_locked(struct dedupe *d, uint64_t done, bool sharing, const struct file_pair *pair,
                       bool *same)
{
    struct file_state *file;

    TRY(check_range(d));
    uint64_t left = d->size > done ? d->size - done : 0, len = MIN(left, DEDUPE_STEP);

    TRY(compare(d, done, len, same));
    if (!*same || !sharing)
        return 0;
    TRY(file_state_get(d->src, &file));
    TRY(file_state_get(d->dst, &file));
    const struct clone ranges = {
        .src = d->src,
        .dst = d->dst,
        .src_start = d->from + done,
        .dst_start = d->to + done,
        .span = round_up_to(len, file_sectorsize(d->src)),
    };
    pair_hold(pair, &ranges);
    int ret = share_held(d, done, len);
    pair_unhold(pair);
    return ret;
}

static int one_step(struct dedupe *d, uint64_t done, bool sharing, bool *same)
{
    files_enter(d->src->fs);
    struct file_pair pair = pair_lock(d->src, d->dst);
    int ret = step_locked(d, done, sharing, &pair, same);

    pair_unlock(&pair);
    files_leave(d->src->fs);
    return ret;
}

static int all_steps(struct dedupe *d, bool sharing, bool *same)
{
    uint64_t done = 0;

    do {
        TRY(one_step(d, done, sharing, same));
        done += DEDUPE_STEP;
    } while (*same && done < d->size);
    return 0;
}

int file_dedupe_range(struct inode *src, uint64_t src_offset, uint64_t len, struct inode *dst,
                      uint64_t dst_offset, bool *same)
{
    struct dedupe d = {.src = src, .dst = dst, .from = src_offset, .to = dst_offset, .len = len};
    bool all = true;

    TRY(clone_check_kinds(src, dst));
    if (len == 0) {
        *same = true;
        return 0;
    }
    if (len > DEDUPE_STEP)
        TRY(all_steps(&d, false, &all));
    if (all)
        TRY(all_steps(&d, true, &all));
    *same = all;
    return 0;
}
