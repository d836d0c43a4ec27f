// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The wrapper. What is written lies in memory in pages until there is enough of it: then old
 * contents are saved, made durable, counted in the head of the file, and only then is the device
 * written.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/lock.h"
#include "base/rangeset.h"
#include "base/rbtree.h"
#include "disk/dev/internal.h"
#include "disk/dev/undo_file.h"

#define PAGE_BYTES 4096u
#define PAGES_MAX 4096 /* in memory */

struct page {
    RB_ENTRY(page) link;
    uint64_t number;
    uint8_t bytes[PAGE_BYTES];
};
RB_HEAD(pages, page);

struct dev_undo {
    struct dev dev;
    struct dev *lower;
    pthread_mutex_t lock;
    struct pages pages;
    size_t page_count;
    struct rangeset saved; /* old bytes are in the file */
    char *path;
    struct undo_writer *file; /* NULL: not begun */
    uint8_t fsid[UNDO_FSID_SIZE];
    int error; /* the first one, for good */
};

static int page_compare(const struct page *a, const struct page *b)
{
    return a->number < b->number ? -1 : a->number > b->number;
}

RB_GENERATE_LOCAL(pages, page, link, page_compare)

static struct dev_undo *undo_of(struct dev *dev)
{
    return CONTAINER_OF(dev, struct dev_undo, dev);
}

static uint32_t page_length(const struct dev_undo *undo, uint64_t number)
{
    return (uint32_t)MIN((uint64_t)PAGE_BYTES, undo->dev.size - number * PAGE_BYTES);
}

/* ---- pages ----------------------------------------------------------------------------------- */

static int page_get(struct dev_undo *undo, uint64_t number, struct page **out)
{
    struct page want = {.number = number}, *page = RB_FIND(pages, &undo->pages, &want);
    int ret;

    if (!page) {
        page = malloc(sizeof(*page));
        if (!page)
            return fail(-ENOMEM, "%s: no memory for what is written", undo->dev.label);
        page->number = number;
        ret = dev_read(undo->lower, number * PAGE_BYTES, page->bytes, page_length(undo, number));
        if (ret < 0) {
            free(page);
            return ret;
        }
        RB_INSERT(pages, &undo->pages, page);
        undo->page_count++;
    }
    *out = page;
    return 0;
}

static void pages_drop(struct dev_undo *undo)
{
    struct page *page;

    while ((page = RB_MIN(pages, &undo->pages)) != NULL) {
        RB_REMOVE(pages, &undo->pages, page);
        free(page);
    }
    undo->page_count = 0;
}

/* ---- onto the device ------------------------------------------------------------------------- */

static int begin_file(struct dev_undo *undo)
{
    if (undo->file)
        return 0;
    return undo_create(undo->path, undo->dev.size, undo->fsid, &undo->file);
}

static int save(struct dev_undo *undo)
{
    struct page *page;

    TRY(begin_file(undo));
    RB_FOREACH (page, pages, &undo->pages) {
        uint64_t off = page->number * PAGE_BYTES;
        uint32_t len = page_length(undo, page->number);
        uint8_t old[PAGE_BYTES];

        if (rangeset_contains(&undo->saved, off, len))
            continue;
        TRY(dev_read(undo->lower, off, old, len));
        TRY(undo_append(undo->file, off, old, len));
        TRY(rangeset_add(&undo->saved, off, len));
    }
    return undo_seal(undo->file);
}

static int write_pages(struct dev_undo *undo)
{
    struct page *page;

    RB_FOREACH (page, pages, &undo->pages) {
        TRY(dev_write(undo->lower, page->number * PAGE_BYTES, page->bytes,
                      page_length(undo, page->number)));
    }
    pages_drop(undo);
    return 0;
}

static int drain(struct dev_undo *undo)
{
    if (undo->page_count == 0 || undo->error)
        return undo->error;
    undo->error = save(undo);
    if (undo->error == 0)
        undo->error = write_pages(undo);
    return undo->error;
}

/* ---- the device ------------------------------------------------------------------------------ */

static int undo_read(struct dev *dev, uint64_t off, void *buf, size_t len)
{
    struct dev_undo *undo = undo_of(dev);
    uint64_t end = off + len;
    struct page want = {.number = off / PAGE_BYTES}, *page;

    SCOPED_LOCK(&undo->lock);
    TRY(dev_read(undo->lower, off, buf, len));
    for (page = RB_NFIND(pages, &undo->pages, &want); page && page->number * PAGE_BYTES < end;
         page = RB_NEXT(pages, &undo->pages, page)) {
        uint64_t at = page->number * PAGE_BYTES, from = MAX(at, off);
        uint64_t to = MIN(at + PAGE_BYTES, end);

        memcpy((uint8_t *)buf + (from - off), page->bytes + (from - at), to - from);
    }
    return 0;
}

static int undo_write(struct dev *dev, uint64_t off, const void *buf, size_t len)
{
    struct dev_undo *undo = undo_of(dev);
    const uint8_t *in = buf;

    SCOPED_LOCK(&undo->lock);
    TRY(undo->error);
    while (len > 0) {
        uint32_t at = (uint32_t)(off % PAGE_BYTES);
        size_t n = MIN(len, (size_t)(PAGE_BYTES - at));
        struct page *page;

        TRY(page_get(undo, off / PAGE_BYTES, &page));
        memcpy(page->bytes + at, in, n);
        in += n;
        off += n;
        len -= n;
        if (undo->page_count >= PAGES_MAX)
            TRY(drain(undo));
    }
    return 0;
}

static int undo_flush(struct dev *dev)
{
    struct dev_undo *undo = undo_of(dev);

    SCOPED_LOCK(&undo->lock);
    TRY(drain(undo));
    return dev_flush(undo->lower);
}

/* What was discarded could not be given back. */
static int undo_discard(struct dev *dev, uint64_t off, uint64_t len)
{
    (void)dev;
    (void)off;
    (void)len;
    return 0;
}

static void undo_close(struct dev *dev)
{
    struct dev_undo *undo = undo_of(dev);

    pages_drop(undo);
    rangeset_clear(&undo->saved);
    undo_end(undo->file);
    dev_close(undo->lower);
    lock_destroy(&undo->lock);
    free(undo->path);
    dev_fini(dev);
    free(undo);
}

static const struct dev_ops undo_ops = {
    .name = "undo",
    .read = undo_read,
    .write = undo_write,
    .flush = undo_flush,
    .discard = undo_discard,
    .close = undo_close,
};

struct dev *dev_undo_new(struct dev *lower, const char *path, const uint8_t fsid[UNDO_FSID_SIZE])
{
    struct dev_undo *undo = calloc(1, sizeof(*undo));

    if (!undo)
        return NULL;
    undo->path = strdup(path);
    if (!undo->path ||
        !dev_init(&undo->dev, &undo_ops, lower->size, lower->readonly, lower->label)) {
        free(undo->path);
        free(undo);
        return NULL;
    }
    undo->lower = lower;
    lock_init(&undo->lock, RANK_DEV_UNDO);
    RB_INIT(&undo->pages);
    rangeset_init(&undo->saved);
    memcpy(undo->fsid, fsid, sizeof(undo->fsid));
    return &undo->dev;
}

bool dev_undo_begun(struct dev *dev)
{
    struct dev_undo *undo = undo_of(dev);

    SCOPED_LOCK(&undo->lock);
    return undo->file != NULL;
}
