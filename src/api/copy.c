// SPDX-License-Identifier: GPL-2.0-or-later
/* Ranges copied inside one file system: shared where that can be, else byte by byte. */
#include "api/internal.h"

#include <sys/param.h>

#define COPY_BUFFER (256 * KIB)

static int clone_range(copse_node *src, uint64_t src_offset, uint64_t len, copse_node *dst,
                       uint64_t dst_offset)
{
    if (inode_of(src)->fs != inode_of(dst)->fs)
        return fail(-EXDEV, "%s", strerror(EXDEV));
    return file_clone_range(inode_of(src), src_offset, len, inode_of(dst), dst_offset);
}

COPSE_EXPORT int copse_clone_range(copse_node *src, uint64_t src_offset, uint64_t len,
                                   copse_node *dst, uint64_t dst_offset)
{
    return API_CALL(clone_range(src, src_offset, len, dst, dst_offset));
}

/* ---- deduplicating --------------------------------------------------------------------------- */

static int dedupe_target(copse_node *src, uint64_t offset, uint64_t len,
                         const struct copse_dedupe_target *target, bool *same)
{
    uint64_t end;

    if (inode_of(src)->fs != inode_of(target->node)->fs)
        return fail(-EXDEV, "%s", strerror(EXDEV));
    if (__builtin_add_overflow(target->offset, len, &end) || end > INT64_MAX)
        return fail(-EINVAL, "the range ends behind the largest offset");
    return file_dedupe_range(inode_of(src), offset, len, inode_of(target->node), target->offset,
                             same);
}

static int dedupe_range(copse_node *src, uint64_t offset, uint64_t len,
                        struct copse_dedupe_target *targets, unsigned count)
{
    struct copse_stat st;

    API_REQUIRE(src && (targets || count == 0));
    TRY(file_check_regular(inode_of(src)));
    TRY(mount_stat(mount_of_node(src), inode_of(src), &st));
    if (offset > st.size || len > st.size - offset)
        return fail(-EINVAL, "the range ends behind the end of the source");
    for (unsigned i = 0; i < count; i++) {
        bool same = false;

        int ret = dedupe_target(src, offset, len, &targets[i], &same);
        targets[i].status = ret < 0 ? ret : same ? COPSE_DEDUPE_SAME : COPSE_DEDUPE_DIFFERS;
        targets[i].bytes_deduped = ret == 0 && same ? len : 0;
    }
    return 0;
}

COPSE_EXPORT int copse_dedupe_range(copse_node *src, uint64_t offset, uint64_t len,
                                    struct copse_dedupe_target *targets, unsigned count)
{
    return API_CALL(dedupe_range(src, offset, len, targets, count));
}

/* ---- copying --------------------------------------------------------------------------------- */

struct copying {
    copse_node *src, *dst;
    uint64_t from, to, left, done;
};

static void advance(struct copying *copy, uint64_t bytes)
{
    copy->from += bytes;
    copy->to += bytes;
    copy->left -= bytes;
    copy->done += bytes;
}

static int copy_bytes(struct copying *copy, uint64_t count)
{
    AUTO_FREE char *buf = malloc(COPY_BUFFER);

    if (!buf)
        return fail(-ENOMEM, "copying");
    while (count > 0) {
        size_t got, wrote = 0;
        int ret;

        TRY(mount_pread(mount_of_node(copy->src), inode_of(copy->src), buf, MIN(count, COPY_BUFFER),
                        copy->from, &got));
        if (got == 0)
            return 0;
        ret =
            mount_pwrite(mount_of_node(copy->dst), inode_of(copy->dst), buf, got, copy->to, &wrote);
        advance(copy, wrote);
        TRY(ret);
        count -= got;
    }
    return 0;
}

/* Whether a clone was refused for what the files are, so that copying may still work. */
static bool cannot_share(int err)
{
    return err == -EINVAL || err == -EOPNOTSUPP;
}

static int copy_or_share(struct copying *copy)
{
    uint64_t sector = mount_of_node(copy->src)->fs.store->engine.sectorsize;
    uint64_t head = MIN((sector - copy->from % sector) % sector, copy->left);
    uint64_t middle;
    int ret;

    if (copy->from % sector != copy->to % sector)
        return copy_bytes(copy, copy->left);
    TRY(copy_bytes(copy, head));
    middle = copy->left - copy->left % sector;
    if (middle > 0) {
        ret = file_clone_range(inode_of(copy->src), copy->from, middle, inode_of(copy->dst),
                               copy->to);
        if (ret < 0 && !cannot_share(ret))
            return ret;
        if (ret == 0)
            advance(copy, middle);
    }
    return copy_bytes(copy, copy->left);
}

/* As copy_file_range(2) answers; a length beyond the largest offset is cut. */
static int copy_check_offsets(uint64_t from, uint64_t to, uint64_t *len)
{
    if (from > INT64_MAX || to > INT64_MAX)
        return fail(-EOVERFLOW, "the range begins behind the largest offset");
    if (to == INT64_MAX)
        return fail(-EFBIG, "the range begins at the largest offset");
    *len = MIN(*len, INT64_MAX - MAX(from, to));
    return 0;
}

static int copy_range(copse_node *src, uint64_t src_offset, copse_node *dst, uint64_t dst_offset,
                      uint64_t len, uint64_t *done)
{
    struct copying copy = {src, dst, src_offset, dst_offset, 0, 0};
    struct copse_stat st;
    int ret;

    if (inode_of(src)->fs != inode_of(dst)->fs)
        return fail(-EXDEV, "%s", strerror(EXDEV));
    TRY(copy_check_offsets(src_offset, dst_offset, &len));
    TRY(file_check_regular(inode_of(src)));
    TRY(file_check_regular(inode_of(dst)));
    TRY(inode_may_change(inode_of(dst), false));
    TRY(mount_stat(mount_of_node(src), inode_of(src), &st));
    if (src_offset >= st.size) {
        *done = 0;
        return 0;
    }
    copy.left = MIN(len, st.size - src_offset);
    if (src == dst && MAX(src_offset, dst_offset) < MIN(src_offset, dst_offset) + copy.left)
        return fail(-EINVAL, "the ranges overlap");
    ret = copy_or_share(&copy);
    /* As a short write: what was copied counts. */
    if (ret < 0 && copy.done == 0)
        return ret;
    *done = copy.done;
    return 0;
}

COPSE_EXPORT int copse_copy_range(copse_node *src, uint64_t src_offset, copse_node *dst,
                                  uint64_t dst_offset, uint64_t len, uint64_t *done)
{
    return API_CALL(copy_range(src, src_offset, dst, dst_offset, len, done));
}
