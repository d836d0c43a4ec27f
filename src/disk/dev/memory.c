// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that looks like a device: pages in groups, both made when first written, pages shared
 * with clones by count.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/lock.h"
#include "disk/dev/internal.h"

/* A node of the usual size, so that rewriting one after a clone copies no more than it. */
#define MEM_PAGE (16 * KIB)
#define GROUP_PAGES 1024
#define GROUP_BYTES (GROUP_PAGES * MEM_PAGE)

struct page {
    atomic_uint owners;
    _Alignas(64) uint8_t bytes[MEM_PAGE];
};

struct page_group {
    struct page *page[GROUP_PAGES];
};

struct dev_mem {
    struct dev dev;
    pthread_rwlock_t lock; /* readers copy out; writers change pages and the tables */
    uint64_t group_count;
    uint64_t pages;
    struct page_group **group;
};

static const struct dev_ops mem_ops;

static struct dev_mem *mem_of(struct dev *dev)
{
    INVARIANT(dev->ops == &mem_ops, "a memory device is asked for");
    return CONTAINER_OF(dev, struct dev_mem, dev);
}

static void page_put(struct page *page)
{
    if (page && atomic_fetch_sub_explicit(&page->owners, 1, memory_order_acq_rel) == 1)
        free(page);
}

/* NULL when nothing was written there. */
static struct page *page_at(const struct dev_mem *mem, uint64_t off)
{
    const struct page_group *group = mem->group[off / GROUP_BYTES];

    return group ? group->page[off % GROUP_BYTES / MEM_PAGE] : NULL;
}

/* A page of our own at off, with the old content unless all of it is about to be replaced. */
static struct page *page_for_write(struct dev_mem *mem, uint64_t off, bool whole)
{
    struct page_group **group = &mem->group[off / GROUP_BYTES];

    if (!*group && !(*group = calloc(1, sizeof(**group))))
        return NULL;
    struct page **slot = &(*group)->page[off % GROUP_BYTES / MEM_PAGE];
    struct page *old = *slot;
    if (old && atomic_load_explicit(&old->owners, memory_order_acquire) == 1)
        return old;
    struct page *page = aligned_alloc(_Alignof(struct page), sizeof(*page));
    if (!page)
        return NULL;
    atomic_init(&page->owners, 1);
    if (old && !whole)
        memcpy(page->bytes, old->bytes, MEM_PAGE);
    else if (!whole)
        memset(page->bytes, 0, MEM_PAGE);
    mem->pages += old == NULL;
    page_put(old);
    *slot = page;
    return page;
}

static size_t part_of_page(uint64_t off, uint64_t len)
{
    return (size_t)MIN(len, MEM_PAGE - off % MEM_PAGE);
}

static int mem_read(struct dev *dev, uint64_t off, void *buf, size_t len)
{
    struct dev_mem *mem = mem_of(dev);
    uint8_t *out = buf;

    pthread_rwlock_rdlock(&mem->lock);
    while (len > 0) {
        size_t part = part_of_page(off, len);
        const struct page *page = page_at(mem, off);

        if (page)
            memcpy(out, page->bytes + off % MEM_PAGE, part);
        else
            memset(out, 0, part);
        out += part;
        off += part;
        len -= part;
    }
    pthread_rwlock_unlock(&mem->lock);
    return 0;
}

static int mem_write(struct dev *dev, uint64_t off, const void *buf, size_t len)
{
    struct dev_mem *mem = mem_of(dev);
    const uint8_t *in = buf;

    pthread_rwlock_wrlock(&mem->lock);
    while (len > 0) {
        size_t part = part_of_page(off, len);
        struct page *page = page_for_write(mem, off, part == MEM_PAGE);

        if (!page)
            break;
        memcpy(page->bytes + off % MEM_PAGE, in, part);
        in += part;
        off += part;
        len -= part;
    }
    pthread_rwlock_unlock(&mem->lock);
    return len == 0 ? 0 : fail(-ENOMEM, "%s: out of memory", dev->label);
}

static int mem_flush(struct dev *dev)
{
    (void)dev;
    return 0;
}

/* Whole pages go, parts of pages are zeroed. */
static int mem_discard(struct dev *dev, uint64_t off, uint64_t len)
{
    struct dev_mem *mem = mem_of(dev);

    pthread_rwlock_wrlock(&mem->lock);
    while (len > 0) {
        uint64_t part = part_of_page(off, len);

        if (!mem->group[off / GROUP_BYTES]) {
            part = MIN(len, GROUP_BYTES - off % GROUP_BYTES);
        } else if (part == MEM_PAGE) {
            struct page **slot = &mem->group[off / GROUP_BYTES]->page[off % GROUP_BYTES / MEM_PAGE];

            mem->pages -= *slot != NULL;
            page_put(*slot);
            *slot = NULL;
        } else if (page_at(mem, off)) {
            struct page *page = page_for_write(mem, off, false);

            if (!page)
                break;
            memset(page->bytes + off % MEM_PAGE, 0, part);
        }
        off += part;
        len -= part;
    }
    pthread_rwlock_unlock(&mem->lock);
    return len == 0 ? 0 : fail(-ENOMEM, "%s: out of memory", dev->label);
}

static void mem_close(struct dev *dev)
{
    struct dev_mem *mem = mem_of(dev);

    for (uint64_t g = 0; g < mem->group_count; g++) {
        for (size_t p = 0; mem->group[g] && p < GROUP_PAGES; p++)
            page_put(mem->group[g]->page[p]);
        free(mem->group[g]);
    }
    free(mem->group);
    rwlock_destroy(&mem->lock);
    dev_fini(dev);
    free(mem);
}

static const struct dev_ops mem_ops = {
    .name = "memory",
    .read = mem_read,
    .write = mem_write,
    .flush = mem_flush,
    .discard = mem_discard,
    .close = mem_close,
};

struct dev *dev_mem_new(uint64_t size)
{
    struct dev_mem *mem = calloc(1, sizeof(*mem));

    if (!mem)
        return NULL;
    rwlock_init(&mem->lock, RANK_DEV_MEMORY);
    mem->group_count = size / GROUP_BYTES + (size % GROUP_BYTES != 0);
    mem->group = calloc(MAX(mem->group_count, (uint64_t)1), sizeof(*mem->group));
    if (!dev_init(&mem->dev, &mem_ops, size, false, "memory") || !mem->group) {
        mem->group_count = 0;
        mem_close(&mem->dev);
        return NULL;
    }
    return &mem->dev;
}

/* Fills `to`, which is empty, with the pages of `from`. */
static bool share_pages(struct dev_mem *to, const struct dev_mem *from)
{
    for (uint64_t g = 0; g < from->group_count; g++) {
        if (!from->group[g])
            continue;
        to->group[g] = malloc(sizeof(*to->group[g]));
        if (!to->group[g])
            return false;
        *to->group[g] = *from->group[g];
        for (size_t p = 0; p < GROUP_PAGES; p++)
            if (to->group[g]->page[p])
                atomic_fetch_add_explicit(&to->group[g]->page[p]->owners, 1, memory_order_relaxed);
    }
    to->pages = from->pages;
    return true;
}

struct dev *dev_mem_clone(struct dev *dev)
{
    struct dev_mem *from = mem_of(dev);
    struct dev *clone = dev_mem_new(dev->size);

    if (!clone)
        return NULL;
    clone->readonly = dev->readonly;
    pthread_rwlock_rdlock(&from->lock);
    bool shared = share_pages(mem_of(clone), from);
    pthread_rwlock_unlock(&from->lock);
    if (!shared) {
        dev_close(clone);
        return NULL;
    }
    return clone;
}

uint64_t dev_mem_used(struct dev *dev)
{
    struct dev_mem *mem = mem_of(dev);

    pthread_rwlock_rdlock(&mem->lock);
    uint64_t used = mem->pages * MEM_PAGE;
    pthread_rwlock_unlock(&mem->lock);
    return used;
}
