// SPDX-License-Identifier: GPL-2.0-or-later
/* Content of files as sparse pages that copies share. */
#include "tests/model/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

static const struct page zero_page;

/* Where the page is, or would be. */
static size_t position(const struct content *content, uint64_t index)
{
    size_t low = 0, high = content->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (content->refs[mid].index < index)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static const struct page *page_at(const struct content *content, uint64_t index)
{
    size_t at = position(content, index);

    return at < content->count && content->refs[at].index == index ? content->refs[at].page
                                                                   : &zero_page;
}

static void page_put(struct page *page)
{
    if (--page->refs == 0)
        free(page);
}

/* The page, to be changed: a new one, or one's own copy. */
static struct page *page_own(struct content *content, uint64_t index)
{
    size_t at = position(content, index);
    struct page *page;

    if (at < content->count && content->refs[at].index == index) {
        page = content->refs[at].page;
        if (page->refs == 1)
            return page;
        page = must_alloc(sizeof(*page));
        memcpy(page->bytes, content->refs[at].page->bytes, PAGE_BYTES);
        page_put(content->refs[at].page);
    } else {
        content->refs =
            must_grow(content->refs, content->count, &content->cap, sizeof(*content->refs));
        memmove(content->refs + at + 1, content->refs + at,
                (content->count - at) * sizeof(*content->refs));
        content->count++;
        page = must_alloc(sizeof(*page));
        memset(page->bytes, 0, PAGE_BYTES);
    }
    page->refs = 1;
    content->refs[at].index = index;
    content->refs[at].page = page;
    return page;
}

static void pages_remove(struct content *content, uint64_t first, uint64_t end)
{
    size_t from = position(content, first), to = position(content, end);

    if (from == to)
        return;
    for (size_t i = from; i < to; i++)
        page_put(content->refs[i].page);
    memmove(content->refs + from, content->refs + to,
            (content->count - to) * sizeof(*content->refs));
    content->count -= to - from;
}

void content_read(const struct content *content, uint64_t offset, void *buf, size_t len)
{
    uint8_t *out = buf;

    while (len > 0) {
        size_t in = offset % PAGE_BYTES, n = MIN(len, PAGE_BYTES - in);

        memcpy(out, page_at(content, offset / PAGE_BYTES)->bytes + in, n);
        out += n;
        offset += n;
        len -= n;
    }
}

void content_write(struct content *content, uint64_t offset, const void *buf, size_t len)
{
    const uint8_t *data = buf;

    if (offset + len > content->size)
        content->size = offset + len;
    while (len > 0) {
        size_t in = offset % PAGE_BYTES, n = MIN(len, PAGE_BYTES - in);
        struct page *page = page_own(content, offset / PAGE_BYTES);

        if (data) {
            memcpy(page->bytes + in, data, n);
            data += n;
        } else {
            memset(page->bytes + in, 0, n);
        }
        offset += n;
        len -= n;
    }
}

void content_zero(struct content *content, uint64_t offset, uint64_t end)
{
    uint64_t first = round_up_to(offset, PAGE_BYTES), last = round_down_to(end, PAGE_BYTES);
    uint64_t size = content->size;

    if (first < last)
        pages_remove(content, first / PAGE_BYTES, last / PAGE_BYTES);
    if (first > last) {
        first = end;
    } else if (last < end && position(content, last / PAGE_BYTES) < content->count) {
        content_write(content, last, NULL, end - last);
    }
    if (offset < first)
        content_write(content, offset, NULL, MIN(first, end) - offset);
    content->size = size;
}

void content_truncate(struct content *content, uint64_t size)
{
    if (size < content->size)
        content_zero(content, size, round_up_to(content->size, PAGE_BYTES));
    content->size = size;
}

void content_copy(struct content *dst, uint64_t dst_offset, const struct content *src,
                  uint64_t src_offset, uint64_t len)
{
    uint8_t buf[PAGE_BYTES];

    if (dst_offset + len > dst->size)
        dst->size = dst_offset + len;
    while (len > 0) {
        size_t n = MIN(len, PAGE_BYTES);
        size_t at = position(src, src_offset / PAGE_BYTES);
        uint64_t next = at < src->count ? src->refs[at].index * PAGE_BYTES : UINT64_MAX;

        if (next >= src_offset + n) {
            /* A hole may be very long. */
            n = MIN(len, next - src_offset);
            content_zero(dst, dst_offset, dst_offset + n);
        } else {
            content_read(src, src_offset, buf, n);
            content_write(dst, dst_offset, buf, n);
        }
        src_offset += n;
        dst_offset += n;
        len -= n;
    }
}

void content_clone(struct content *dst, const struct content *src)
{
    *dst = *src;
    dst->cap = src->count;
    dst->refs = must_alloc((src->count + 1) * sizeof(*dst->refs));
    if (src->count > 0)
        memcpy(dst->refs, src->refs, src->count * sizeof(*dst->refs));
    for (size_t i = 0; i < dst->count; i++)
        dst->refs[i].page->refs++;
}

bool content_same(const struct content *a, const struct content *b, uint64_t offset, size_t len)
{
    const struct page *x = page_at(a, offset / PAGE_BYTES), *y = page_at(b, offset / PAGE_BYTES);
    size_t in = offset % PAGE_BYTES;

    return x == y || memcmp(x->bytes + in, y->bytes + in, len) == 0;
}

void content_free(struct content *content)
{
    for (size_t i = 0; i < content->count; i++)
        page_put(content->refs[i].page);
    free(content->refs);
    *content = (struct content){0};
}
