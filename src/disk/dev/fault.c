// SPDX-License-Identifier: GPL-2.0-or-later
/* Fails the operation that a test asks for. */
#include <pthread.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/lock.h"
#include "disk/dev/internal.h"

/* What a disk writes whole or not at all. */
#define TORN_UNIT 512

#define OP_KINDS 4 /* bits of enum dev_op */

struct dev_faulty {
    struct dev dev;
    struct dev *lower;
    pthread_mutex_t lock; /* for all below */
    struct dev_fault fault;
    uint64_t matched; /* operations that counted since arming */
    uint64_t hits;
    uint64_t seen[OP_KINDS];
    bool paused;
};

static const struct dev_ops fault_ops;

static struct dev_faulty *faulty_of(struct dev *dev)
{
    INVARIANT(dev->ops == &fault_ops, "a failing device is asked for");
    return CONTAINER_OF(dev, struct dev_faulty, dev);
}

static const char *op_name(enum dev_op op)
{
    switch (op) {
    case DEV_OP_READ:
        return "read";
    case DEV_OP_WRITE:
        return "write";
    case DEV_OP_FLUSH:
        return "flush";
    case DEV_OP_DISCARD:
        return "discard";
    }
    return "operation";
}

static bool touches(const struct dev_fault *fault, uint64_t off, uint64_t len)
{
    return fault->len == 0 || (off < fault->off + fault->len && fault->off < off + len);
}

/* Counts the operation; negative when this one is to fail. */
static int decide(struct dev_faulty *faulty, enum dev_op op, uint64_t off, uint64_t len, bool *torn)
{
    SCOPED_LOCK(&faulty->lock);
    const struct dev_fault *fault = &faulty->fault;

    if (faulty->paused)
        return 0;
    faulty->seen[__builtin_ctz(op)]++;
    if (!(fault->ops & op) || !touches(fault, off, len))
        return 0;
    faulty->matched++;
    if (faulty->matched < fault->nth || (faulty->matched > fault->nth && !fault->permanent))
        return 0;
    faulty->hits++;
    *torn = fault->torn;
    return fail(fault->err, "%s: injected failure of %s %llu at %llu, %llu bytes",
                faulty->dev.label, op_name(op), (unsigned long long)faulty->matched,
                (unsigned long long)off, (unsigned long long)len);
}

static int fault_read(struct dev *dev, uint64_t off, void *buf, size_t len)
{
    struct dev_faulty *faulty = faulty_of(dev);
    bool torn;

    TRY(decide(faulty, DEV_OP_READ, off, len, &torn));
    return dev_read(faulty->lower, off, buf, len);
}

static int fault_write(struct dev *dev, uint64_t off, const void *buf, size_t len)
{
    struct dev_faulty *faulty = faulty_of(dev);
    bool torn = false;

    int ret = decide(faulty, DEV_OP_WRITE, off, len, &torn);
    if (ret < 0 && torn)
        TRY(dev_write(faulty->lower, off, buf, (size_t)round_down_to(len / 2, TORN_UNIT)));
    TRY(ret);
    return dev_write(faulty->lower, off, buf, len);
}

static int fault_flush(struct dev *dev)
{
    struct dev_faulty *faulty = faulty_of(dev);
    bool torn;

    TRY(decide(faulty, DEV_OP_FLUSH, 0, 0, &torn));
    return dev_flush(faulty->lower);
}

static int fault_discard(struct dev *dev, uint64_t off, uint64_t len)
{
    struct dev_faulty *faulty = faulty_of(dev);
    bool torn;

    TRY(decide(faulty, DEV_OP_DISCARD, off, len, &torn));
    return dev_discard(faulty->lower, off, len);
}

static void fault_close(struct dev *dev)
{
    struct dev_faulty *faulty = faulty_of(dev);

    dev_close(faulty->lower);
    lock_destroy(&faulty->lock);
    dev_fini(dev);
    free(faulty);
}

static const struct dev_ops fault_ops = {
    .name = "fault",
    .read = fault_read,
    .write = fault_write,
    .flush = fault_flush,
    .discard = fault_discard,
    .close = fault_close,
};

struct dev *dev_fault_new(struct dev *lower)
{
    struct dev_faulty *faulty = calloc(1, sizeof(*faulty));

    if (!faulty)
        return NULL;
    if (!dev_init(&faulty->dev, &fault_ops, lower->size, lower->readonly, lower->label)) {
        free(faulty);
        return NULL;
    }
    faulty->lower = lower;
    lock_init(&faulty->lock, RANK_DEV_FAULT);
    return &faulty->dev;
}

void dev_fault_arm(struct dev *dev, const struct dev_fault *fault)
{
    struct dev_faulty *faulty = faulty_of(dev);

    INVARIANT(fault->err < 0 && fault->nth > 0, "a fault says what fails, and how");
    SCOPED_LOCK(&faulty->lock);
    faulty->fault = *fault;
    faulty->matched = 0;
}

void dev_fault_disarm(struct dev *dev)
{
    struct dev_faulty *faulty = faulty_of(dev);

    SCOPED_LOCK(&faulty->lock);
    faulty->fault.ops = 0;
}

void dev_fault_pause(struct dev *dev, bool on)
{
    struct dev_faulty *faulty = faulty_of(dev);

    SCOPED_LOCK(&faulty->lock);
    faulty->paused = on;
}

uint64_t dev_fault_count(struct dev *dev, unsigned ops)
{
    struct dev_faulty *faulty = faulty_of(dev);
    uint64_t count = 0;

    SCOPED_LOCK(&faulty->lock);
    for (unsigned kind = 0; kind < OP_KINDS; kind++)
        if (ops & (1u << kind))
            count += faulty->seen[kind];
    return count;
}

uint64_t dev_fault_hits(struct dev *dev)
{
    struct dev_faulty *faulty = faulty_of(dev);

    SCOPED_LOCK(&faulty->lock);
    return faulty->hits;
}
