// SPDX-License-Identifier: GPL-2.0-or-later
/* Operations that move what is mapped: collapse and insert. */
#include <linux/falloc.h>

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
