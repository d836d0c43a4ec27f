// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes down what reaches a device, for those who want to know what a power cut could leave. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/lock.h"
#include "disk/dev/internal.h"

struct dev_recorder {
    struct dev dev;
    struct dev *lower;
    pthread_mutex_t lock; /* held over the operation too, so that the order is the device's */
    struct dev_record *entry;
    size_t count, room;
};

static const struct dev_ops record_ops;

static struct dev_recorder *recorder_of(struct dev *dev)
{
    INVARIANT(dev->ops == &record_ops, "a recording device is asked for");
    return CONTAINER_OF(dev, struct dev_recorder, dev);
}

static int make_room(struct dev_recorder *rec)
{
    if (rec->count < rec->room)
        return 0;
    size_t room = MAX(rec->room * 2, (size_t)64);
    struct dev_record *grown = reallocarray(rec->entry, room, sizeof(*grown));
    if (!grown)
        return fail(-ENOMEM, "%s: out of memory for the record", rec->dev.label);
    rec->entry = grown;
    rec->room = room;
    return 0;
}

static int record_read(struct dev *dev, uint64_t off, void *buf, size_t len)
{
    return dev_read(recorder_of(dev)->lower, off, buf, len);
}

static int record_write(struct dev *dev, uint64_t off, const void *buf, size_t len)
{
    struct dev_recorder *rec = recorder_of(dev);
    AUTO_FREE uint8_t *copy = malloc(len);

    if (!copy)
        return fail(-ENOMEM, "%s: out of memory for the record", dev->label);
    memcpy(copy, buf, len);
    SCOPED_LOCK(&rec->lock);
    TRY(make_room(rec));
    TRY(dev_write(rec->lower, off, buf, len));
    rec->entry[rec->count++] =
        (struct dev_record){.op = DEV_OP_WRITE, .off = off, .len = len, .data = STEAL(copy)};
    return 0;
}

static int record_flush(struct dev *dev)
{
    struct dev_recorder *rec = recorder_of(dev);

    SCOPED_LOCK(&rec->lock);
    TRY(make_room(rec));
    TRY(dev_flush(rec->lower));
    rec->entry[rec->count++] = (struct dev_record){.op = DEV_OP_FLUSH};
    return 0;
}

static int record_discard(struct dev *dev, uint64_t off, uint64_t len)
{
    struct dev_recorder *rec = recorder_of(dev);

    SCOPED_LOCK(&rec->lock);
    TRY(make_room(rec));
    TRY(dev_discard(rec->lower, off, len));
    rec->entry[rec->count++] = (struct dev_record){.op = DEV_OP_DISCARD, .off = off, .len = len};
    return 0;
}

static void entries_free(struct dev_recorder *rec)
{
    for (size_t i = 0; i < rec->count; i++)
        free((void *)(uintptr_t)rec->entry[i].data);
    rec->count = 0;
}

static void record_close(struct dev *dev)
{
    struct dev_recorder *rec = recorder_of(dev);

    dev_close(rec->lower);
    entries_free(rec);
    free(rec->entry);
    lock_destroy(&rec->lock);
    dev_fini(dev);
    free(rec);
}

static const struct dev_ops record_ops = {
    .name = "record",
    .read = record_read,
    .write = record_write,
    .flush = record_flush,
    .discard = record_discard,
    .close = record_close,
};

struct dev *dev_record_new(struct dev *lower)
{
    struct dev_recorder *rec = calloc(1, sizeof(*rec));

    if (!rec)
        return NULL;
    if (!dev_init(&rec->dev, &record_ops, lower->size, lower->readonly, lower->label)) {
        free(rec);
        return NULL;
    }
    rec->lower = lower;
    lock_init(&rec->lock, RANK_DEV_RECORD);
    return &rec->dev;
}

size_t dev_record_count(struct dev *dev)
{
    struct dev_recorder *rec = recorder_of(dev);

    SCOPED_LOCK(&rec->lock);
    return rec->count;
}

struct dev_record dev_record_entry(struct dev *dev, size_t i)
{
    struct dev_recorder *rec = recorder_of(dev);

    SCOPED_LOCK(&rec->lock);
    INVARIANT(i < rec->count, "the record has that entry");
    return rec->entry[i];
}

void dev_record_reset(struct dev *dev)
{
    struct dev_recorder *rec = recorder_of(dev);

    SCOPED_LOCK(&rec->lock);
    entries_free(rec);
}

int dev_record_apply(const struct dev_record *entry, struct dev *onto)
{
    switch (entry->op) {
    case DEV_OP_WRITE:
        return dev_write(onto, entry->off, entry->data, (size_t)entry->len);
    case DEV_OP_DISCARD:
        return dev_discard(onto, entry->off, entry->len);
    case DEV_OP_FLUSH:
        return dev_flush(onto);
    case DEV_OP_READ:
        break;
    }
    return fail(-EINVAL, "%s: a record holds no reads", onto->label);
}
