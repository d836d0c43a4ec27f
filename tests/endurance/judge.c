// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For everything that can be seen (who a name leads to, a size, an attribute, a unit of content)
 * the values that it may have: the one it had when it was last said to be durable, and all later
 * ones.
 */
#include "tests/endurance/judge.h"

#include <copse/copse.h>
#include <errno.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"

#define LLU(v) ((unsigned long long)(v))

struct values {
    uint64_t *v;
    size_t count, cap;
};

struct possible {
    uint32_t id;
    bool must_be_there;
    struct values size, mark, units[UNITS];
};

struct directory {
    struct plan plan; /* goes on while the operations are gone through again */
    struct values slot[SLOTS];
    struct possible *files;
    size_t count, cap;
};

static void add(struct values *values, uint64_t v)
{
    if (values->count > 0 && values->v[values->count - 1] == v)
        return;
    if (values->count == values->cap) {
        values->cap = values->cap ? 2 * values->cap : 4;
        values->v = realloc(values->v, values->cap * sizeof(*values->v));
        if (!values->v)
            abort();
    }
    values->v[values->count++] = v;
}

static void only(struct values *values, uint64_t v)
{
    values->count = 0;
    add(values, v);
}

static bool has(const struct values *values, uint64_t v)
{
    for (size_t i = 0; i < values->count; i++)
        if (values->v[i] == v)
            return true;
    return false;
}

static void take_out(struct values *values, uint64_t v)
{
    size_t left = 0;

    for (size_t i = 0; i < values->count; i++)
        if (values->v[i] != v)
            values->v[left++] = values->v[i];
    values->count = left;
}

/* ---- what may be
 * --------------------------------------------------------------------------------- */

static struct possible *possible_of(struct directory *d, uint32_t id)
{
    for (size_t i = d->count; i-- > 0;)
        if (d->files[i].id == id)
            return &d->files[i];
    if (d->count == d->cap) {
        d->cap = d->cap ? 2 * d->cap : 16;
        d->files = realloc(d->files, d->cap * sizeof(*d->files));
        if (!d->files)
            abort();
    }
    d->files[d->count] = (struct possible){.id = id};
    return &d->files[d->count++];
}

static void note_file(struct directory *d, uint32_t id)
{
    struct file *f = plan_file(&d->plan, id);

    if (!f)
        return;
    struct possible *p = possible_of(d, id);
    add(&p->size, f->size);
    add(&p->mark, f->mark);
    for (unsigned i = 0; i < UNITS; i++)
        add(&p->units[i], f->units[i]);
}

static void note_names(struct directory *d)
{
    for (unsigned i = 0; i < SLOTS; i++)
        add(&d->slot[i], d->plan.slot[i]);
    for (size_t i = 0; i < d->count; i++)
        d->files[i].must_be_there &= plan_named(&d->plan, d->files[i].id);
}

static void content_is_durable(struct directory *d, uint32_t id)
{
    struct file *f = plan_file(&d->plan, id);
    struct possible *p = possible_of(d, id);

    p->must_be_there = true;
    only(&p->size, f->size);
    for (unsigned i = 0; i < UNITS; i++)
        only(&p->units[i], f->units[i]);
}

/* fsync of a file: its names are those that it has, and no others. */
static void file_is_durable(struct directory *d, uint32_t id)
{
    content_is_durable(d, id);
    only(&possible_of(d, id)->mark, plan_file(&d->plan, id)->mark);
    for (unsigned i = 0; i < SLOTS; i++) {
        if (d->plan.slot[i] == id)
            only(&d->slot[i], id);
        else
            take_out(&d->slot[i], id);
    }
}

static void names_are_durable(struct directory *d)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        only(&d->slot[i], d->plan.slot[i]);
        if (d->plan.slot[i] != 0)
            possible_of(d, d->plan.slot[i])->must_be_there = true;
    }
}

static void is_durable(struct directory *d, const struct op *op)
{
    if (op->kind == OP_FSYNC && op->data_only)
        content_is_durable(d, op->id);
    else if (op->kind == OP_FSYNC)
        file_is_durable(d, op->id);
    else if (op->kind == OP_FSYNC_DIR)
        names_are_durable(d);
    else
        for (unsigned i = 0; i < SLOTS; i++) {
            only(&d->slot[i], d->plan.slot[i]);
            if (d->plan.slot[i] != 0)
                file_is_durable(d, d->plan.slot[i]);
        }
}

static bool has_receipt(const struct receipt *receipts, size_t count, unsigned worker,
                        uint64_t number)
{
    for (size_t i = 0; i < count; i++)
        if (receipts[i].worker == worker && receipts[i].number == number)
            return true;
    return false;
}

static void go_through(struct directory *d, uint64_t started, const struct receipt *receipts,
                       size_t count)
{
    for (unsigned i = 0; i < SLOTS; i++)
        note_file(d, d->plan.slot[i]);
    note_names(d);
    /* The plan was what the last judge saw on the disk. */
    for (unsigned i = 0; i < SLOTS; i++)
        if (d->plan.slot[i] != 0)
            possible_of(d, d->plan.slot[i])->must_be_there = true;
    while (d->plan.number < started) {
        struct op op;

        plan_step(&d->plan, &op);
        /* A file is empty before it is anything else, also one that is new. */
        note_file(d, op.id);
        note_names(d);
        if ((op.kind == OP_FSYNC || op.kind == OP_FSYNC_DIR || op.kind == OP_SYNC) &&
            has_receipt(receipts, count, d->plan.worker, op.number))
            is_durable(d, &op);
    }
}

/* ---- what is
 * ------------------------------------------------------------------------------------- */

static int wrong(struct shared *shared, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The first thing that is wrong counts. */
static int wrong(struct shared *shared, const char *fmt, ...)
{
    va_list args;

    if (shared->verdict[0] == '\0') {
        va_start(args, fmt);
        vsnprintf(shared->verdict, sizeof(shared->verdict), fmt, args);
        va_end(args);
    }
    return -1;
}

static bool unit_allowed(const struct values *values, unit found, unsigned length)
{
    if (has(values, found))
        return true;
    for (size_t i = 0; i < values->count; i++)
        if (unit_cut(values->v[i], length) == found)
            return true;
    return false;
}

/* A write that makes a file longer reaches the disk in pieces, from its beginning. */
static bool size_allowed(const struct values *values, uint64_t size)
{
    uint64_t least = UINT64_MAX, most = 0;

    for (size_t i = 0; i < values->count; i++) {
        least = MIN(least, values->v[i]);
        most = MAX(most, values->v[i]);
    }
    return has(values, size) || (size % UNIT_BYTES == 0 && least < size && size < most);
}

static int judge_content(struct shared *shared, struct directory *d, copse_node *node,
                         const struct possible *p, struct file *f)
{
    static uint8_t bytes[UNITS * UNIT_BYTES];
    size_t done;

    memset(bytes, 0, sizeof(bytes));
    if (copse_pread(node, bytes, sizeof(bytes), 0, &done) < 0)
        return wrong(shared, "worker %u, file %u: %s", d->plan.worker, p->id, copse_error());
    if (done != f->size)
        return wrong(shared, "worker %u, file %u: %zu bytes read of %llu", d->plan.worker, p->id,
                     done, LLU(f->size));
    for (unsigned i = 0; i < UNITS; i++) {
        uint64_t start = (uint64_t)i * UNIT_BYTES;
        unsigned here = start < f->size ? (unsigned)MIN(f->size - start, UNIT_BYTES) : 0;

        if (!unit_read(bytes + start, &f->units[i]))
            return wrong(shared, "worker %u, file %u, unit %u: mixed or strange bytes",
                         d->plan.worker, p->id, i);
        if (!unit_allowed(&p->units[i], f->units[i], here))
            return wrong(shared, "worker %u, file %u, unit %u: %#llx; %zu are allowed, from %#llx",
                         d->plan.worker, p->id, i, LLU(f->units[i]), p->units[i].count,
                         LLU(p->units[i].v[0]));
        shared->units++;
    }
    return 0;
}

static int judge_file(struct shared *shared, struct directory *d, copse_node *node,
                      const struct copse_stat *st, struct file *f)
{
    struct possible *p = possible_of(d, st->uid);
    size_t len;

    *f = (struct file){.id = st->uid, .size = st->size, .nocow = st->flags & FS_NOCOW_FL};
    if (!size_allowed(&p->size, st->size))
        return wrong(shared, "worker %u, file %u: size %llu; %zu are allowed, from %llu",
                     d->plan.worker, p->id, LLU(st->size), p->size.count,
                     p->size.count ? LLU(p->size.v[0]) : 0);
    int ret = copse_getxattr(node, "user.mark", &f->mark, sizeof(f->mark), &len);
    if (ret < 0 && ret != -ENODATA)
        return wrong(shared, "worker %u, file %u: %s", d->plan.worker, p->id, copse_error());
    if (!has(&p->mark, f->mark))
        return wrong(shared, "worker %u, file %u: attribute of operation %llu", d->plan.worker,
                     p->id, LLU(f->mark));
    shared->files++;
    return judge_content(shared, d, node, p, f);
}

static int judge_slot(struct shared *shared, struct directory *d, copse_node *dir, unsigned slot,
                      struct plan *found)
{
    struct copse_stat st = {0};
    copse_node *node = NULL;
    char name[16];

    slot_name(slot, name);
    int ret = copse_lookup(dir, name, strlen(name), &node);
    if (ret == -ENOENT)
        ret = 0;
    else if (ret == 0)
        ret = copse_stat(node, &st);
    if (ret < 0)
        ret = wrong(shared, "worker %u, %s: %s", d->plan.worker, name, copse_error());
    else if (!has(&d->slot[slot], st.uid))
        ret = wrong(shared, "worker %u, %s: file %u; should be %llu or one of %zu later",
                    d->plan.worker, name, st.uid, LLU(d->slot[slot].v[0]), d->slot[slot].count - 1);
    found->slot[slot] = st.uid;
    for (unsigned i = 0; ret == 0 && node && !plan_file(found, st.uid) && i < FILES; i++)
        if (found->files[i].id == 0) {
            ret = judge_file(shared, d, node, &st, &found->files[i]);
            break;
        }
    copse_node_put(node);
    return ret;
}

static int judge_links(struct shared *shared, const struct plan *found, copse_node *dir)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct copse_stat st;
        copse_node *node;
        unsigned names = 0;
        char name[16];

        slot_name(i, name);
        if (found->slot[i] == 0 || copse_lookup(dir, name, strlen(name), &node) < 0)
            continue;
        int ret = copse_stat(node, &st);
        copse_node_put(node);
        for (unsigned k = 0; k < SLOTS; k++)
            names += found->slot[k] == found->slot[i];
        if (ret < 0 || st.nlink != names)
            return wrong(shared, "worker %u, %s: %u links, %u names", found->worker, name, st.nlink,
                         names);
    }
    return 0;
}

static int judge_worker(struct shared *shared, struct directory *d, copse_fs *fs)
{
    struct plan found = {.seed = d->plan.seed,
                         .worker = d->plan.worker,
                         .number = d->plan.number,
                         .next_id = d->plan.next_id};
    copse_node *dir;
    char path[16];

    snprintf(path, sizeof(path), "/worker%u", d->plan.worker);
    if (copse_walk(fs, NULL, path, 0, &dir) < 0)
        return wrong(shared, "%s: %s", path, copse_error());
    int ret = 0;
    for (unsigned i = 0; ret == 0 && i < SLOTS; i++)
        ret = judge_slot(shared, d, dir, i, &found);
    if (ret == 0)
        ret = judge_links(shared, &found, dir);
    for (size_t i = 0; ret == 0 && i < d->count; i++)
        if (d->files[i].must_be_there && !plan_named(&found, d->files[i].id))
            ret = wrong(shared, "worker %u: file %u is gone", d->plan.worker, d->files[i].id);
    copse_node_put(dir);
    if (ret == 0)
        shared->plans[d->plan.worker] = found;
    return ret;
}

void judge(const char *image, struct shared *shared, const struct receipt *receipts, size_t count)
{
    struct copse_open_options options = COPSE_OPEN_OPTIONS_INIT;
    copse_fs *fs;

    if (copse_open(&image, 1, &options, &fs) < 0) {
        wrong(shared, "open: %s", copse_error());
        return;
    }
    for (unsigned i = 0; i < WORKERS && shared->verdict[0] == '\0'; i++) {
        struct directory d = {.plan = shared->plans[i]};

        go_through(&d, shared->started[i], receipts, count);
        judge_worker(shared, &d, fs);
        /* The rest goes with the process. */
    }
    if (copse_close(fs) < 0)
        wrong(shared, "close: %s", copse_error());
}
