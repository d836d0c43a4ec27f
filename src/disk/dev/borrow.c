// SPDX-License-Identifier: GPL-2.0-or-later
/* A view that does not own what it shows. */
#include <stdlib.h>

#include "base/bits.h"
#include "disk/dev/internal.h"

struct dev_view {
    struct dev dev;
    struct dev *lower;
};

static struct dev *lower_of(struct dev *dev)
{
    return CONTAINER_OF(dev, struct dev_view, dev)->lower;
}

static int view_read(struct dev *dev, uint64_t off, void *buf, size_t len)
{
    return dev_read(lower_of(dev), off, buf, len);
}

static int view_write(struct dev *dev, uint64_t off, const void *buf, size_t len)
{
    return dev_write(lower_of(dev), off, buf, len);
}

static int view_flush(struct dev *dev)
{
    return dev_flush(lower_of(dev));
}

static int view_discard(struct dev *dev, uint64_t off, uint64_t len)
{
    return dev_discard(lower_of(dev), off, len);
}

static void view_close(struct dev *dev)
{
    dev_fini(dev);
    free(CONTAINER_OF(dev, struct dev_view, dev));
}

static const struct dev_ops view_ops = {
    .name = "view",
    .read = view_read,
    .write = view_write,
    .flush = view_flush,
    .discard = view_discard,
    .close = view_close,
};

struct dev *dev_borrow(struct dev *lower)
{
    struct dev_view *view = calloc(1, sizeof(*view));

    if (!view)
        return NULL;
    view->lower = lower;
    if (!dev_init(&view->dev, &view_ops, lower->size, lower->readonly, lower->label)) {
        free(view);
        return NULL;
    }
    return &view->dev;
}
