// SPDX-License-Identifier: GPL-2.0-or-later
/* Operations on the content of files. */
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "tests/model/ops.h"

#define LLU(v) ((unsigned long long)(v))
#define WRITE_MAX (3 * MIB)

static uint8_t buffer[WRITE_MAX];

/* ---- choosing
 * -------------------------------------------------------------------------------------- */

/* Random bytes, text that compresses well, or zeroes. */
static void fill(struct step *step, size_t len)
{
    uint64_t kind = pick(step, 8), word = rng_next(&step->rng);

    if (kind == 0) {
        memset(buffer, 0, len);
    } else if (kind < 4) {
        for (size_t i = 0; i < len; i++)
            buffer[i] = (uint8_t)("the quick brown fox "[i % 20] + ((word >> (i / 512 % 60)) & 1));
    } else {
        for (size_t i = 0; i < len; i++) {
            if (i % 8 == 0)
                word = rng_next(&step->rng);
            buffer[i] = (uint8_t)(word >> (i % 8 * 8));
        }
    }
}

static uint64_t pick_length(struct step *step)
{
    static const uint64_t scales[] = {1, 100, 3000, 4096, 10000, 70000, 200000};
    uint64_t len = 1 + pick(step, scales[pick(step, ARRAY_LEN(scales))]);

    return chance(step, 3) ? round_up_to(len, 4096) : len;
}

static uint64_t pick_offset(struct step *step, const struct mnode *node)
{
    uint64_t size = node->content.size, offset;

    switch (pick(step, 8)) {
    case 0:
        return 0;
    case 1:
        offset = size;
        break;
    case 2:
        offset = pick(step, step->world->config.far);
        break;
    case 3:
        offset = size + pick(step, 100000);
        break;
    default:
        offset = pick(step, MIN(size, 2 * MIB) + 1);
        break;
    }
    offset = MIN(offset, step->world->config.far + 64 * MIB);
    return chance(step, 2) ? round_down_to(offset, 4096) : offset;
}

static void text_of(struct step *step, char *text, size_t cap, const char *what,
                    const struct mnode *node, uint64_t offset, uint64_t len)
{
    snprintf(text, cap, "%s %.200s at %llu, %llu bytes (size %llu)", what,
             model_path(&step->world->now, node), LLU(offset), LLU(len), LLU(node->content.size));
}

/* ---- writing
 * -------------------------------------------------------------------------------------- */

static int write_at(struct step *step, struct mnode *node, uint64_t offset, size_t len,
                    const char *what)
{
    struct world *world = step->world;
    struct inode *inode;
    char text[400];
    size_t done = 0;

    fill(step, len);
    text_of(step, text, sizeof(text), what, node, offset, len);
    if (world_inode(world, node, &inode) < 0)
        return -1;
    int ret = strncmp(what, "direct", 6) == 0
                  ? mount_pwrite_direct(world->m, inode, buffer, len, offset, &done)
                  : mount_pwrite(world->m, inode, buffer, len, offset, &done);
    mount_put(world->m, inode);
    if (ret == 0 && done != len)
        return wrong(world, "%s: %zu bytes done", text, done);
    ret = answered(step, text, ret, 0);
    if (ret < 0)
        return ret;
    if (done > 0) {
        model_will_change(node);
        content_write(&node->content, offset, buffer, done);
    }
    return 0;
}

int op_write(struct step *step)
{
    struct mnode *node = pick_file(step);

    return node ? write_at(step, node, pick_offset(step, node), pick_length(step), "write") : 0;
}

int op_append(struct step *step)
{
    struct mnode *node = pick_file(step);

    return node ? write_at(step, node, node->content.size, pick_length(step), "append") : 0;
}

int op_write_big(struct step *step)
{
    struct mnode *node = pick_file(step);

    return node ? write_at(step, node, pick_offset(step, node), MIB + pick(step, 2 * MIB), "write")
                : 0;
}

int op_writeback(struct step *step)
{
    struct mnode *node = pick_file(step);
    struct inode *inode;

    if (!node)
        return 0;
    told(step->world, "writeback %s\n", model_path(&step->world->now, node));
    if (world_inode(step->world, node, &inode) < 0)
        return -1;
    int ret = file_writeback(inode);
    mount_put(step->world->m, inode);
    return ret < 0 ? failed_node(step->world, node, "writeback", ret) : 0;
}

/* ---- changing the shape
 * -------------------------------------------------------------------------------------- */

int op_truncate(struct step *step)
{
    struct world *world = step->world;
    struct mnode *node = pick_file(step);
    struct copse_stat st = {0};
    struct inode *inode;
    char text[400];

    if (!node)
        return 0;
    st.size = chance(step, 6) ? 0 : pick_offset(step, node);
    text_of(step, text, sizeof(text), "truncate", node, st.size, 0);
    if (world_inode(world, node, &inode) < 0)
        return -1;
    int ret = mount_setattr(world->m, inode, COPSE_SET_SIZE, &st);
    mount_put(world->m, inode);
    /* Cutting at a block, or all, needs nothing. */
    bool freeing = st.size == 0 || (st.size <= node->content.size && st.size % 65536 == 0);
    ret = (freeing ? answered_freeing : answered)(step, text, ret, 0);
    if (ret > 0) {
        model_will_change(node);
        content_truncate(&node->content, st.size);
    }
    return ret < 0 ? -1 : 0;
}

/* After a refusal half way: each byte of the range is what it was, or what it was to become. */
static int adopt_either(struct step *step, struct mnode *node, struct inode *inode,
                        const struct content *wanted)
{
    struct world *world = step->world;
    struct content before;
    uint8_t old[PAGE_BYTES], new[PAGE_BYTES], is[PAGE_BYTES];
    int ret = 0;

    content_clone(&before, &node->content);
    ret = adopt_content(world, node, inode);
    uint64_t size = node->content.size;
    if (ret == 0 &&
        (size < MIN(before.size, wanted->size) || size > MAX(before.size, wanted->size)))
        ret = wrong_node(world, node, "size after a refusal", size, before.size);
    for (size_t i = 0; ret == 0 && i < node->content.count; i++) {
        uint64_t at = node->content.refs[i].index * PAGE_BYTES;

        content_read(&before, at, old, PAGE_BYTES);
        content_read(wanted, at, new, PAGE_BYTES);
        content_read(&node->content, at, is, PAGE_BYTES);
        for (size_t b = 0; ret == 0 && b < PAGE_BYTES; b++)
            if (is[b] != old[b] && is[b] != new[b])
                ret = wrong_node(world, node, "byte after a refusal", at + b, is[b]);
    }
    content_free(&before);
    return ret;
}

/* What the operation makes of the content, or what is left when there was no space. */
static int finish(struct step *step, struct mnode *node, struct inode *inode, int answer,
                  bool refused, struct content *wanted)
{
    int ret = answer < 0 ? -1 : 0;

    if (answer > 0 || refused)
        model_will_change(node);
    if (answer > 0) {
        content_free(&node->content);
        content_clone(&node->content, wanted);
    } else if (answer == 0 && refused) {
        ret = adopt_either(step, node, inode, wanted);
    }
    content_free(wanted);
    mount_put(step->world->m, inode);
    return ret;
}

int op_fallocate(struct step *step)
{
    static const int modes[] = {0,
                                FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_ZERO_RANGE,
                                FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
    struct world *world = step->world;
    struct mnode *node = pick_file(step);
    int mode = modes[pick(step, ARRAY_LEN(modes))];
    struct content wanted;
    struct inode *inode;
    char text[400];

    if (!node)
        return 0;
    uint64_t offset = pick_offset(step, node), len = pick_length(step);
    if (chance(step, 10))
        len += pick(step, 4 * MIB);
    text_of(step, text, sizeof(text), "fallocate", node, offset, len);
    snprintf(text + strlen(text), 40, " mode %d", mode);
    if (world_inode(world, node, &inode) < 0)
        return -1;
    content_clone(&wanted, &node->content);
    if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        content_zero(&wanted, offset, offset + len);
    if (!(mode & FALLOC_FL_KEEP_SIZE) && offset + len > wanted.size)
        wanted.size = offset + len;
    int ret = file_fallocate(inode, mode, offset, len);
    return finish(step, node, inode, answered(step, text, ret, 0), ret == -ENOSPC, &wanted);
}

/* Space is allocated, a part of it written, perhaps on the device at once. */
int op_write_prepared(struct step *step)
{
    struct world *world = step->world;
    struct mnode *node = pick_file(step);
    struct inode *inode;

    if (!node)
        return 0;
    uint64_t offset = pick_offset(step, node), len = pick_length(step) + 4096;
    if (world_inode(world, node, &inode) < 0)
        return -1;
    int ret = file_fallocate(inode, FALLOC_FL_KEEP_SIZE, offset, len);
    mount_put(world->m, inode);
    if (ret < 0 && ret != -ENOSPC && ret != -EPERM && ret != -EROFS)
        return failed_node(world, node, "allocating", ret);
    told(world, "allocate %s at %llu, %llu bytes = %d\n", model_path(&world->now, node),
         LLU(offset), LLU(len), ret);
    uint64_t at = offset + pick(step, len);
    return write_at(step, node, at, 1 + pick(step, len),
                    chance(step, 4) ? "direct write" : "write");
}

/* A file takes all the space that is left, so that what follows finds none. */
int op_fill(struct step *step)
{
    static const uint64_t pieces[] = {16 * MIB, MIB, 64 * KIB};
    struct world *world = step->world;
    struct mnode *node = pick_file(step);
    struct inode *inode;

    if (!node || !world->config.tight)
        return 0;
    if (world_inode(world, node, &inode) < 0)
        return -1;
    uint64_t end = round_up_to(node->content.size, MIB);
    size_t i = 0;
    int ret = 0;
    while (i < ARRAY_LEN(pieces) && (ret == 0 || ret == -ENOSPC)) {
        ret = file_fallocate(inode, FALLOC_FL_KEEP_SIZE, end, pieces[i]);
        i += ret == -ENOSPC;
        end += pieces[i < ARRAY_LEN(pieces) ? i : 0];
    }
    mount_put(world->m, inode);
    told(world, "fill %s\n", model_path(&world->now, node));
    if (ret != -ENOSPC)
        return failed_node(world, node, "filling", ret);
    for (i = 0; i < 3; i++)
        if (write_at(step, node, node->content.size, 1 + pick(step, 40000), "write when full") < 0)
            return -1;
    return 0;
}

struct cloning {
    struct mnode *src, *dst;
    uint64_t from, len, to;
};

static int clone_expected(const struct world *world, const struct cloning *c)
{
    uint64_t sector = world->config.mkfs.sectorsize;
    uint64_t size = c->src->content.size, len = c->len;

    if ((c->src->flags ^ c->dst->flags) & FS_NOCOW_FL)
        return -EINVAL;
    if (c->from > size || (len > 0 && len > size - c->from))
        return -EINVAL;
    if (len == 0)
        len = size - c->from;
    if (!is_aligned(c->from | c->to, sector))
        return -EINVAL;
    if (!is_aligned(len, sector) && (c->from + len != size || c->to + len < c->dst->content.size))
        return -EINVAL;
    uint64_t span = round_up_to(len, sector);
    if (c->src == c->dst && c->from < c->to + span && c->to < c->from + span)
        return -EINVAL;
    return 0;
}

static struct cloning choose_clone(struct step *step, struct mnode *src, struct mnode *dst)
{
    uint64_t sector = step->world->config.mkfs.sectorsize;
    struct cloning c = {.src = src, .dst = dst};

    c.from = round_down_to(pick(step, MIN(src->content.size, 4 * MIB) + 1), sector);
    c.to = round_down_to(pick_offset(step, dst), sector);
    if (chance(step, 2))
        c.len = round_down_to(pick(step, src->content.size - c.from + 1), sector);
    if (c.len > 8 * MIB)
        c.len = 8 * MIB;
    if (chance(step, 20))
        c.to += 100;
    return c;
}

int op_clone(struct step *step)
{
    struct world *world = step->world;
    struct mnode *src = pick_file(step), *dst = pick_file(step);
    struct content wanted;
    struct inode *from, *to;
    char text[700];

    if (!src || src->content.size > 64 * MIB)
        return 0;
    struct cloning c = choose_clone(step, src, dst);
    text_of(step, text, 350, "clone", src, c.from, c.len);
    text_of(step, text + strlen(text), 350, " to", dst, c.to, c.len);
    if (world_inode(world, src, &from) < 0)
        return -1;
    if (world_inode(world, dst, &to) < 0) {
        mount_put(world->m, from);
        return -1;
    }
    int expected = clone_expected(world, &c);
    uint64_t len = c.len ? c.len : src->content.size - c.from;
    content_clone(&wanted, &dst->content);
    if (expected == 0 && len > 0)
        content_copy(&wanted, c.to, &src->content, c.from, len);
    int ret = file_clone_range(from, c.from, c.len, to, c.to);
    mount_put(world->m, from);
    return finish(step, dst, to, answered(step, text, ret, expected), ret == -ENOSPC, &wanted);
}

/* ---- looking
 * -------------------------------------------------------------------------------------- */

static int look(struct step *step,
                int (*fn)(struct world *world, const struct mnode *node, struct inode *inode))
{
    struct mnode *node = pick_file(step);
    struct inode *inode;

    if (!node)
        return 0;
    if (world_inode(step->world, node, &inode) < 0)
        return -1;
    int ret = fn(step->world, node, inode);
    mount_put(step->world->m, inode);
    return ret;
}

int op_read(struct step *step)
{
    struct mnode *node = pick_file(step);
    struct inode *inode;

    if (!node)
        return 0;
    if (world_inode(step->world, node, &inode) < 0)
        return -1;
    int ret = compare_range(step->world, node, inode, pick_offset(step, node), pick_length(step));
    mount_put(step->world->m, inode);
    return ret;
}

int op_seek(struct step *step)
{
    return look(step, compare_holes);
}

int op_extents(struct step *step)
{
    return look(step, compare_extents);
}
