// SPDX-License-Identifier: GPL-2.0-or-later
/* The content of files against the model. */
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "tests/model/compare.h"

#define LLU(v) ((unsigned long long)(v))
/* Larger files are looked at where somebody says there is data. */
#define WHOLE_MAX (32 * MIB)
#define READ_PIECE (128 * KIB)
/* What a device writes whole or not at all. */
#define TORN_BYTES 512ULL

static int wrong_byte(struct world *world, const struct mnode *node, uint64_t offset, size_t len,
                      const uint8_t *is, const uint8_t *should)
{
    size_t first = 0, count = 0;

    while (is[first] == should[first])
        first++;
    for (size_t i = first; i < len; i++)
        count += is[i] != should[i];
    return wrong(world,
                 "%s: byte %llu is %#x, should be %#x (%zu of the next %zu differ; size %llu)",
                 model_path(&world->now, node), LLU(offset + first), is[first], should[first],
                 count, len - first, LLU(node->content.size));
}

int compare_range(struct world *world, const struct mnode *node, struct inode *inode,
                  uint64_t offset, uint64_t len)
{
    static uint8_t is[READ_PIECE], should[READ_PIECE];

    while (len > 0) {
        size_t n = MIN(len, READ_PIECE), done;
        uint64_t size = node->content.size;
        size_t expected = offset >= size ? 0 : MIN((uint64_t)n, size - offset);

        int ret = mount_pread(world->m, inode, is, n, offset, &done);
        if (ret < 0)
            return failed_node(world, node, "read", ret);
        if (done != expected)
            return wrong_node(world, node, "number of bytes read", done, expected);
        content_read(&node->content, offset, should, done);
        if (memcmp(is, should, done) != 0)
            return wrong_byte(world, node, offset, done, is, should);
        offset += n;
        len -= n;
    }
    return 0;
}

/* Where the file system says there is data. */
static int compare_data_regions(struct world *world, const struct mnode *node, struct inode *inode)
{
    uint64_t pos = 0, end;

    for (;;) {
        int ret = file_seek(inode, pos, SEEK_DATA, &pos);
        if (ret == -ENXIO)
            return 0;
        if (ret == 0)
            ret = file_seek(inode, pos, SEEK_HOLE, &end);
        if (ret < 0)
            return failed_node(world, node, "seek", ret);
        if (end <= pos)
            return wrong_node(world, node, "end of data", end, pos + 1);
        /* Preallocated stretches may be long. */
        if (compare_range(world, node, inode, pos, MIN(end - pos, WHOLE_MAX)) < 0)
            return -1;
        pos = end;
    }
}

int compare_content(struct world *world, const struct mnode *node, struct inode *inode)
{
    const struct content *content = &node->content;

    if (content->size <= WHOLE_MAX)
        return compare_range(world, node, inode, 0, content->size + 1);
    for (size_t i = 0; i < content->count; i++)
        if (compare_range(world, node, inode, content->refs[i].index * PAGE_BYTES, PAGE_BYTES) < 0)
            return -1;
    return compare_data_regions(world, node, inode);
}

int adopt_content(struct world *world, struct mnode *node, struct inode *inode)
{
    static uint8_t buf[READ_PIECE];
    struct copse_stat st;
    uint64_t pos = 0, end;
    size_t done;

    int ret = mount_stat(world->m, inode, &st);
    if (ret < 0)
        return failed_node(world, node, "stat", ret);
    content_free(&node->content);
    while ((ret = file_seek(inode, pos, SEEK_DATA, &pos)) == 0) {
        ret = file_seek(inode, pos, SEEK_HOLE, &end);
        for (; ret == 0 && pos < end; pos += done) {
            ret = mount_pread(world->m, inode, buf, MIN(end - pos, READ_PIECE), pos, &done);
            if (ret < 0 || done == 0)
                return failed_node(world, node, "read", ret);
            content_write(&node->content, pos, buf, done);
        }
        if (ret < 0)
            return failed_node(world, node, "seek", ret);
    }
    if (ret != -ENXIO)
        return failed_node(world, node, "seek", ret);
    if (node->content.size > st.size)
        return wrong_node(world, node, "end of data", node->content.size, st.size);
    node->content.size = st.size;
    return 0;
}

/* Whether one of the contents is what there is now. */
static bool bytes_were(const struct mnode *node, const struct content *last, uint64_t at,
                       size_t len, bool or_later)
{
    bool was = content_same(&node->content, last, at, len);

    for (size_t i = 0; !was && i < node->older_count; i++)
        was = content_same(&node->content, &node->older[i], at, len);
    for (size_t i = 0; or_later && !was && i < node->later->count; i++)
        was = content_same(&node->content, &node->later->contents[i], at, len);
    return was;
}

/*
 * The page at `at`, as far as it lies within the size: old or new as a whole, and each sector of it
 * by itself where it is written in place.
 */
static bool page_was(const struct mnode *node, const struct content *last, uint64_t at)
{
    uint64_t end = MIN(at + PAGE_BYTES, node->content.size);

    if (!(node->flags & FS_NOCOW_FL))
        return bytes_were(node, last, at, end - at, false);
    for (; at < end; at += TORN_BYTES)
        if (!bytes_were(node, last, at, MIN(TORN_BYTES, end - at), true))
            return false;
    return true;
}

static int check_pages(struct world *world, const struct mnode *node, const struct content *last,
                       const struct content *pages)
{
    for (size_t i = 0; i < pages->count; i++) {
        uint64_t at = pages->refs[i].index * PAGE_BYTES;

        if (at < node->content.size && !page_was(node, last, at))
            return wrong(world, "%s: the page at %llu is as it never was (size %llu)",
                         model_path(&world->now, node), LLU(at), LLU(node->content.size));
    }
    return 0;
}

int compare_older(struct world *world, struct mnode *node, struct inode *inode)
{
    struct content last = node->content;
    uint64_t least = last.size, most = last.size;

    for (size_t i = 0; i < node->older_count; i++) {
        least = MIN(least, node->older[i].size);
        most = MAX(most, node->older[i].size);
    }
    node->content = (struct content){0};
    int ret = adopt_content(world, node, inode);
    if (ret == 0 && (node->content.size < least || node->content.size > most))
        ret = wrong_node(world, node, "size after a crash", node->content.size, most);
    if (ret == 0)
        ret = check_pages(world, node, &last, &node->content);
    for (size_t i = 0; ret == 0 && i < node->older_count; i++)
        ret = check_pages(world, node, &last, &node->older[i]);
    if (ret == 0)
        ret = check_pages(world, node, &last, &last);
    content_free(&last);
    model_is_durable(node);
    return ret;
}

/* ---- holes and extents
 * -------------------------------------------------------------------------------------- */

static bool page_is_zero(const struct page *page)
{
    static const uint8_t zeroes[PAGE_BYTES];

    return memcmp(page->bytes, zeroes, PAGE_BYTES) == 0;
}

int compare_holes(struct world *world, const struct mnode *node, struct inode *inode)
{
    const struct content *content = &node->content;
    uint64_t out;

    for (size_t i = 0; i < content->count; i++) {
        uint64_t at = content->refs[i].index * PAGE_BYTES;

        if (at >= content->size || page_is_zero(content->refs[i].page))
            continue;
        int ret = file_seek(inode, at, SEEK_DATA, &out);
        if (ret < 0)
            return failed_node(world, node, "SEEK_DATA", ret);
        if (out != at)
            return wrong_node(world, node, "data reported behind data", out, at);
        ret = file_seek(inode, at, SEEK_HOLE, &out);
        if (ret < 0)
            return failed_node(world, node, "SEEK_HOLE", ret);
        if (out < MIN(at + PAGE_BYTES, content->size) || out > content->size)
            return wrong_node(world, node, "hole reported in data", out, at + PAGE_BYTES);
    }
    int ret = file_seek(inode, content->size, SEEK_DATA, &out);
    return ret == -ENXIO ? 0 : wrong_node(world, node, "SEEK_DATA at the end", (uint64_t)ret, 0);
}

struct extent_check {
    struct world *world;
    const struct mnode *node;
    uint64_t end; /* of the extent before */
    size_t page;  /* the first page not covered yet */
};

static int check_extent(void *arg, const struct file_map *map)
{
    struct extent_check *check = arg;
    const struct content *content = &check->node->content;

    if (map->len == 0 || map->offset < check->end)
        return wrong_node(check->world, check->node, "start of an extent", map->offset, check->end);
    for (; check->page < content->count; check->page++) {
        uint64_t at = content->refs[check->page].index * PAGE_BYTES;

        if (at >= map->offset + map->len || at >= content->size)
            break;
        if (page_is_zero(content->refs[check->page].page))
            continue;
        if (at < map->offset || map->prealloc)
            return wrong_node(check->world, check->node, "data outside of extents at", at, 0);
    }
    check->end = map->offset + map->len;
    return 0;
}

int compare_extents(struct world *world, const struct mnode *node, struct inode *inode)
{
    struct extent_check check = {.world = world, .node = node};

    int ret = file_each_extent(inode, 0, UINT64_MAX, check_extent, &check);
    if (world->error[0])
        return -1;
    if (ret < 0)
        return failed_node(world, node, "extents", ret);
    for (; check.page < node->content.count; check.page++) {
        const struct page_ref *ref = &node->content.refs[check.page];

        if (ref->index * PAGE_BYTES < node->content.size && !page_is_zero(ref->page))
            return wrong_node(world, node, "data behind all extents at", ref->index * PAGE_BYTES,
                              0);
    }
    return 0;
}
