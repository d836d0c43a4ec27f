// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/endurance/work.h"

#include <copse/copse.h>
#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct worker {
    copse_fs *fs;
    copse_node *dir;
    struct plan plan;
    uint64_t *started;
    int receipts;
};

static const struct copse_cred root = {0, 0};

static _Noreturn void give_up(const struct worker *w, uint64_t number, const char *what)
{
    struct receipt receipt = {.worker = w->plan.worker, .failed = 1, .number = number};

    snprintf(receipt.message, sizeof(receipt.message), "%s: %s", what, copse_error());
    if (write(w->receipts, &receipt, sizeof(receipt)) != sizeof(receipt))
        fprintf(stderr, "%s\n", receipt.message);
    _exit(1);
}

static void say_durable(const struct worker *w, uint64_t number)
{
    struct receipt receipt = {.worker = w->plan.worker, .number = number};

    if (write(w->receipts, &receipt, sizeof(receipt)) != sizeof(receipt))
        _exit(1); /* nobody listens any more */
}

static copse_node *find(const struct worker *w, unsigned slot, uint64_t number)
{
    copse_node *node;
    char name[16];

    slot_name(slot, name);
    if (copse_lookup(w->dir, name, strlen(name), &node) < 0)
        give_up(w, number, name);
    return node;
}

static int create(const struct worker *w, const struct op *op)
{
    const struct copse_cred owner = {op->id, 0};
    copse_node *node;
    char name[16];

    slot_name(op->to, name);
    int ret = copse_mknod(w->dir, name, strlen(name), S_IFREG | 0644, 0, &owner, &node);
    if (ret < 0)
        return ret;
    if (op->nocow)
        ret = copse_set_flags(node, FS_NOCOW_FL);
    copse_node_put(node);
    return ret;
}

static int write_units(const struct worker *w, copse_node *node, const struct op *op)
{
    size_t len = (size_t)op->count * UNIT_BYTES, done;
    uint64_t offset = (uint64_t)op->first * UNIT_BYTES;
    uint8_t *buf = malloc(len);

    if (!buf)
        abort();
    for (unsigned i = 0; i < op->count; i++)
        unit_fill(unit_of(w->plan.worker, op->number, op->first + i), buf + i * UNIT_BYTES);
    int ret = op->direct ? copse_pwrite_direct(node, buf, len, offset, &done)
                         : copse_pwrite(node, buf, len, offset, &done);
    free(buf);
    return ret;
}

static int share(const struct worker *w, copse_node *node, const struct op *op)
{
    copse_node *source = find(w, op->source_slot, op->number);
    int ret =
        copse_clone_range(source, (uint64_t)op->source_first * UNIT_BYTES,
                          (uint64_t)op->count * UNIT_BYTES, node, (uint64_t)op->first * UNIT_BYTES);

    copse_node_put(source);
    return ret;
}

/* One of the whole, in place of the worker's last one. */
static int snapshot(const struct worker *w)
{
    copse_node *top, *dir;
    char name[16];

    snprintf(name, sizeof(name), "of%u", w->plan.worker);
    int ret = copse_walk(w->fs, NULL, "/snapshots", 0, &dir);
    if (ret < 0)
        return ret;
    ret = copse_subvol_delete(dir, name, strlen(name));
    if (ret == 0 || ret == -ENOENT) {
        top = copse_root(w->fs);
        ret = copse_subvol_snapshot(top, dir, name, strlen(name), NULL, NULL);
        copse_node_put(top);
    }
    copse_node_put(dir);
    return ret;
}

static int change(const struct worker *w, copse_node *node, const struct op *op)
{
    uint64_t offset = (uint64_t)op->first * UNIT_BYTES, len = (uint64_t)op->count * UNIT_BYTES;
    const struct copse_stat size = {.size = op->size};
    char from[16], to[16];

    slot_name(op->from, from);
    slot_name(op->to, to);
    switch (op->kind) {
    case OP_WRITE:
        return write_units(w, node, op);
    case OP_TRUNCATE:
        return copse_setattr(node, COPSE_SET_SIZE, &size);
    case OP_PUNCH:
        return copse_fallocate(node, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);
    case OP_ALLOCATE:
        return copse_fallocate(node, 0, offset, len);
    case OP_CLONE:
        return share(w, node, op);
    case OP_MARK:
        return copse_setxattr(node, "user.mark", &op->number, sizeof(op->number), 0);
    case OP_LINK:
        return copse_link(node, w->dir, to, strlen(to));
    case OP_UNLINK:
        return copse_unlink(w->dir, from, strlen(from));
    case OP_RENAME:
        return copse_rename(w->dir, from, strlen(from), w->dir, to, strlen(to), 0);
    case OP_FSYNC:
        return copse_fsync(node, op->data_only);
    case OP_FSYNC_DIR:
        return copse_fsync(w->dir, false);
    case OP_SYNC:
        return copse_sync(w->fs);
    case OP_SNAPSHOT:
        return snapshot(w);
    default:
        return 0;
    }
}

static int carry_out(const struct worker *w, const struct op *op)
{
    if (op->kind == OP_CREATE)
        return create(w, op);
    if (op->kind == OP_NOTHING)
        return 0;
    copse_node *node = find(w, op->from, op->number);
    int ret = change(w, node, op);
    copse_node_put(node);
    return ret;
}

static void *run(void *arg)
{
    struct worker *w = arg;

    for (;;) {
        struct op op;

        /* Before anything of it can be seen on the device. */
        __atomic_store_n(w->started, w->plan.number + 1, __ATOMIC_SEQ_CST);
        plan_step(&w->plan, &op);
        if (carry_out(w, &op) < 0) {
            char what[64];

            snprintf(what, sizeof(what), "operation %d", (int)op.kind);
            give_up(w, op.number, what);
        }
        if (op.kind == OP_FSYNC || op.kind == OP_FSYNC_DIR || op.kind == OP_SYNC)
            say_durable(w, op.number);
    }
}

static int dir_of(copse_fs *fs, unsigned worker, copse_node **out)
{
    char path[16];

    snprintf(path, sizeof(path), "/worker%u", worker);
    return copse_walk(fs, NULL, path, 0, out);
}

void work(const char *image, struct shared *shared, int receipts, uint64_t seed)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    static struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    copse_fs *fs;

    options.background = true;
    options.commit_seconds = 1;
    options.cache_bytes = seed % 3 == 0 ? 16u << 20 : 0;
    options.discard = seed % 5 == 0;
    options.notreelog = seed % 4 == 0;
    workers[0] = (struct worker){.receipts = receipts};
    if (copse_open(&image, 1, &options, &fs) < 0)
        give_up(&workers[0], 0, "open");
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.fs = fs,
                                     .plan = shared->plans[i],
                                     .started = &shared->started[i],
                                     .receipts = receipts};
        if (dir_of(fs, i, &workers[i].dir) < 0)
            give_up(&workers[i], 0, "its directory");
    }
    for (unsigned i = 0; i < WORKERS; i++)
        if (pthread_create(&threads[i], NULL, run, &workers[i]) != 0)
            abort();
    pthread_join(threads[0], NULL);
    abort(); /* they never end */
}

int work_prepare(const char *image, bool quotas)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    copse_node *top, *dir;
    copse_fs *fs;

    int ret = copse_open(&image, 1, &options, &fs);
    if (ret < 0)
        goto out;
    top = copse_root(fs);
    for (unsigned i = 0; ret == 0 && i <= WORKERS; i++) {
        char name[16] = "snapshots";

        if (i < WORKERS)
            snprintf(name, sizeof(name), "worker%u", i);
        ret = copse_mkdir(top, name, strlen(name), 0755, &root, &dir);
        if (ret == 0)
            copse_node_put(dir);
    }
    copse_node_put(top);
    if (ret == 0 && quotas)
        ret = copse_quota_enable(fs, false);
    if (ret < 0)
        copse_crash(fs);
    else
        ret = copse_close(fs);
out:
    if (ret < 0)
        fprintf(stderr, "endurance: %s\n", copse_error());
    return ret < 0 ? -1 : 0;
}
