// SPDX-License-Identifier: GPL-2.0-or-later
/* Operations that move or share what is mapped: collapse, insert, deduplicate. */
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>

#include "base/bits.h"
#include "tests/model/ops.h"

#define LLU(v) ((unsigned long long)(v))

static int shift_expected(const struct world *world, const struct mnode *node, bool insert,
                          uint64_t start, uint64_t len)
{
    uint64_t size = node->content.size;

    if (!is_aligned(start | len, world->config.mkfs.sectorsize))
        return -EINVAL;
    return (insert ? start >= size : start + len >= size) ? -EINVAL : 0;
}

static void shift_content(struct content *out, const struct content *in, bool insert,
                          uint64_t start, uint64_t len)
{
    uint64_t behind = insert ? start : start + len;

    content_clone(out, in);
    content_truncate(out, start);
    content_truncate(out, insert ? in->size + len : in->size - len);
    content_copy(out, insert ? start + len : start, in, behind, in->size - behind);
}

/* All or nothing, also when there is no space. */
int op_shift(struct step *step)
{
    struct mnode *node = pick_file(step);
    struct content wanted;
    struct inode *inode;
    char text[400];

    if (!node || node->content.size > step->world->config.far)
        return 0;
    bool insert = chance(step, 2);
    uint64_t sector = step->world->config.mkfs.sectorsize;
    uint64_t start = pick(step, node->content.size + 8192), len = sector * (1 + pick(step, 64));
    if (!chance(step, 10))
        start = round_down_to(start, sector);
    snprintf(text, sizeof(text), "%s %.200s at %llu, %llu bytes (size %llu)",
             insert ? "insert" : "collapse", model_path(&step->world->now, node), LLU(start),
             LLU(len), LLU(node->content.size));
    if (world_inode(step->world, node, &inode) < 0)
        return -1;
    int expected = shift_expected(step->world, node, insert, start, len);
    int ret = file_fallocate(inode, insert ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE,
                             start, len);
    mount_put(step->world->m, inode);
    ret = answered(step, text, ret, expected);
    if (ret > 0) {
        shift_content(&wanted, &node->content, insert, start, len);
        model_will_change(node);
        content_free(&node->content);
        node->content = wanted;
    }
    return ret < 0 ? -1 : 0;
}

/* ---- deduplicating --------------------------------------------------------------------------- */

#define DEDUPE_MAX (256 * KIB)

struct deduping {
    struct mnode *src, *dst;
    uint64_t from, len, to;
};

static bool reads_same(const struct deduping *d, uint64_t len)
{
    static uint8_t a[DEDUPE_MAX], b[DEDUPE_MAX];

    content_read(&d->src->content, d->from, a, len);
    content_read(&d->dst->content, d->to, b, len);
    return memcmp(a, b, len) == 0;
}

static int dedupe_expected(const struct world *world, const struct deduping *d, bool *same)
{
    uint64_t sector = world->config.mkfs.sectorsize, len = d->len;
    uint64_t src_size = d->src->content.size, dst_size = d->dst->content.size;

    if ((d->src->flags ^ d->dst->flags) & FS_NOCOW_FL)
        return -EINVAL;
    if (d->from + len > src_size || d->to + len > dst_size)
        return -EINVAL;
    if (d->from + len != src_size || d->to + len != dst_size)
        len = round_down_to(len, sector);
    uint64_t span = round_up_to(len, sector);
    if (d->src == d->dst && d->from < d->to + span && d->to < d->from + span)
        return -EINVAL;
    *same = reads_same(d, len);
    return 0;
}

/* Makes the destination read like the source, so that there is something to find. */
static int write_alike(struct step *step, const struct deduping *d)
{
    static uint8_t bytes[DEDUPE_MAX];
    struct world *world = step->world;
    struct inode *inode;
    size_t done = 0;

    content_read(&d->src->content, d->from, bytes, d->len);
    if (world_inode(world, d->dst, &inode) < 0)
        return -1;
    int ret = mount_pwrite(world->m, inode, bytes, d->len, d->to, &done);
    mount_put(world->m, inode);
    ret = answered(step, "write what is to be deduplicated", ret, 0);
    if (ret >= 0 && done > 0) {
        model_will_change(d->dst);
        content_write(&d->dst->content, d->to, bytes, done);
    }
    return ret < 0 ? -1 : 0;
}

static int dedupe(struct step *step, const struct deduping *d)
{
    struct world *world = step->world;
    bool want = false, same = false;
    struct inode *src, *dst;
    char text[700];

    snprintf(text, sizeof(text), "dedupe %.200s at %llu, %llu bytes (size %llu)",
             model_path(&world->now, d->src), LLU(d->from), LLU(d->len), LLU(d->src->content.size));
    snprintf(text + strlen(text), 300, " to %.200s at %llu (size %llu)",
             model_path(&world->now, d->dst), LLU(d->to), LLU(d->dst->content.size));
    if (world_inode(world, d->src, &src) < 0)
        return -1;
    if (world_inode(world, d->dst, &dst) < 0) {
        mount_put(world->m, src);
        return -1;
    }
    int expected = dedupe_expected(world, d, &want);
    int ret = file_dedupe_range(src, d->from, d->len, dst, d->to, &same);
    mount_put(world->m, src);
    mount_put(world->m, dst);
    ret = answered(step, text, ret, expected);
    if (ret > 0 && same != want)
        return wrong(world, "%s: %s", text, same ? "differs in fact" : "is the same in fact");
    return ret < 0 ? -1 : 0;
}

/* Whatever it answers, it changes no byte. */
int op_dedupe(struct step *step)
{
    uint64_t sector = step->world->config.mkfs.sectorsize;
    struct deduping d = {.src = pick_file(step), .dst = pick_file(step)};

    if (!d.src || d.src->content.size == 0)
        return 0;
    uint64_t most = MIN(d.src->content.size, 2 * MIB);
    d.from = round_down_to(pick(step, most), sector);
    d.to = round_down_to(pick(step, MIN(d.dst->content.size, 2 * MIB) + 1), sector);
    d.len = 1 + pick(step, MIN(d.src->content.size - d.from, DEDUPE_MAX));
    if (chance(step, 2))
        d.len = MIN(round_up_to(d.len, sector), DEDUPE_MAX);
    bool apart = d.src != d.dst || d.from + d.len <= d.to || d.to + d.len <= d.from;
    if (!chance(step, 3) && apart && d.from + d.len <= d.src->content.size &&
        write_alike(step, &d) < 0)
        return -1;
    return dedupe(step, &d);
}
