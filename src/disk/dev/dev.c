// SPDX-License-Identifier: GPL-2.0-or-later
/* The front: what holds for every device is checked here once. */
#include "disk/dev/dev.h"

#include <stdlib.h>
#include <string.h>

#include "disk/dev/internal.h"

bool dev_init(struct dev *dev, const struct dev_ops *ops, uint64_t size, bool readonly,
              const char *label)
{
    dev->ops = ops;
    dev->size = size;
    dev->readonly = readonly;
    dev->label = strdup(label);
    return dev->label != NULL;
}

void dev_fini(struct dev *dev)
{
    free(dev->label);
}

static int check_range(const struct dev *dev, const char *what, uint64_t off, uint64_t len)
{
    if (off <= dev->size && len <= dev->size - off)
        return 0;
    return fail(-EIO, "%s: %s of %llu bytes at %llu is outside its %llu bytes", dev->label, what,
                (unsigned long long)len, (unsigned long long)off, (unsigned long long)dev->size);
}

static int check_writable(const struct dev *dev, const char *what)
{
    return dev->readonly ? fail(-EROFS, "%s: %s on a read-only device", dev->label, what) : 0;
}

int dev_read(struct dev *dev, uint64_t off, void *buf, size_t len)
{
    TRY(check_range(dev, "read", off, len));
    return len == 0 ? 0 : dev->ops->read(dev, off, buf, len);
}

int dev_write(struct dev *dev, uint64_t off, const void *buf, size_t len)
{
    TRY(check_writable(dev, "write"));
    TRY(check_range(dev, "write", off, len));
    return len == 0 ? 0 : dev->ops->write(dev, off, buf, len);
}

int dev_flush(struct dev *dev)
{
    return dev->readonly ? 0 : dev->ops->flush(dev);
}

int dev_discard(struct dev *dev, uint64_t off, uint64_t len)
{
    TRY(check_writable(dev, "discard"));
    TRY(check_range(dev, "discard", off, len));
    return len == 0 ? 0 : dev->ops->discard(dev, off, len);
}

void dev_close(struct dev *dev)
{
    if (dev)
        dev->ops->close(dev);
}
