// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/endurance/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/env.h"

#define LENGTH_BITS 13
#define WORD_STEP 0x9e3779b97f4a7c15ULL /* odd: no two words of a unit are alike */

/* ---- content
 * -------------------------------------------------------------------------------------- */

unit unit_of(uint64_t worker, uint64_t number, unsigned index)
{
    return ((worker + 1) << 48 | number << 8 | index) << LENGTH_BITS | UNIT_BYTES;
}

static unsigned unit_length(unit value)
{
    return value & ((1u << LENGTH_BITS) - 1);
}

unit unit_cut(unit value, unsigned length)
{
    if (length == 0)
        return 0;
    return length < unit_length(value) ? value - unit_length(value) + length : value;
}

void unit_fill(unit value, void *buf)
{
    uint64_t words[UNIT_BYTES / 8];
    unsigned length = unit_length(value);
    uint64_t stamp = value >> LENGTH_BITS;

    /* Each word tells by itself whose it is, so that no mixture looks right. */
    for (unsigned i = 0; i < UNIT_BYTES / 8; i++)
        words[i] = stamp ^ (uint64_t)(i + 1) * WORD_STEP;
    memset(buf, 0, UNIT_BYTES);
    memcpy(buf, words, length);
}

bool unit_read(const void *buf, unit *out)
{
    static const uint8_t zeroes[UNIT_BYTES];
    const uint8_t *bytes = buf;
    uint8_t expected[UNIT_BYTES];
    uint64_t first;
    unsigned length = UNIT_BYTES;

    if (memcmp(buf, zeroes, UNIT_BYTES) == 0) {
        *out = 0;
        return true;
    }
    memcpy(&first, buf, sizeof(first));
    /* Only whole words are ever cut off, and none of them is zero. */
    while (length > 8 && bytes[length - 1] == 0)
        length--;
    unit value = (first ^ WORD_STEP) << LENGTH_BITS | round_up_to(length, 8);
    unit_fill(value, expected);
    if (memcmp(buf, expected, UNIT_BYTES) != 0)
        return false;
    *out = value;
    return true;
}

void slot_name(unsigned slot, char name[16])
{
    snprintf(name, 16, "name%u", slot);
}

/* ---- the directory
 * ---------------------------------------------------------------------------------- */

struct file *plan_file(struct plan *plan, uint32_t id)
{
    for (unsigned i = 0; i < FILES; i++)
        if (id != 0 && plan->files[i].id == id)
            return &plan->files[i];
    return NULL;
}

bool plan_named(const struct plan *plan, uint32_t id)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (plan->slot[i] == id)
            return true;
    return false;
}

static struct file *new_file(struct plan *plan)
{
    for (unsigned i = 0; i < FILES; i++)
        if (plan->files[i].id == 0) {
            memset(&plan->files[i], 0, sizeof(plan->files[i]));
            plan->files[i].id = plan->next_id++;
            return &plan->files[i];
        }
    abort();
}

static void set_slot(struct plan *plan, unsigned slot, uint32_t id)
{
    uint32_t old = plan->slot[slot];

    plan->slot[slot] = id;
    if (old != 0 && !plan_named(plan, old))
        plan_file(plan, old)->id = 0;
}

/* A slot that leads somewhere, or SLOTS. */
static unsigned used_slot(const struct plan *plan, struct rng *rng)
{
    unsigned start = rng_below(rng, SLOTS);

    for (unsigned i = 0; i < SLOTS; i++)
        if (plan->slot[(start + i) % SLOTS] != 0)
            return (start + i) % SLOTS;
    return SLOTS;
}

static void choose_range(struct rng *rng, struct op *op)
{
    unsigned longest = rng_below(rng, 4) == 0 ? UNITS : 8;

    op->first = rng_below(rng, UNITS);
    op->count = 1 + rng_below(rng, MIN(longest, UNITS - op->first));
}

static void do_write(struct plan *plan, struct file *f, const struct op *op)
{
    for (unsigned i = 0; i < op->count; i++)
        f->units[op->first + i] = unit_of(plan->worker, op->number, op->first + i);
    f->size = MAX(f->size, (uint64_t)(op->first + op->count) * UNIT_BYTES);
}

static void do_truncate(struct file *f, uint64_t size)
{
    for (unsigned i = 0; i < UNITS; i++) {
        uint64_t start = (uint64_t)i * UNIT_BYTES;

        f->units[i] = unit_cut(
            f->units[i], size <= start ? 0 : (unsigned)MIN(size - start, (uint64_t)UNIT_BYTES));
    }
    f->size = size;
}

static void do_clone(struct plan *plan, struct file *f, const struct op *op)
{
    unit copy[UNITS];

    memcpy(copy, plan_file(plan, op->source)->units, sizeof(copy));
    memcpy(f->units + op->first, copy + op->source_first, op->count * sizeof(unit));
    f->size = MAX(f->size, (uint64_t)(op->first + op->count) * UNIT_BYTES);
}

/* Only whole units that the source has, and no overlap within one file. */
static bool choose_clone(struct plan *plan, struct rng *rng, struct op *op)
{
    op->source_slot = used_slot(plan, rng);
    op->source = plan->slot[op->source_slot];
    unsigned whole = (unsigned)(plan_file(plan, op->source)->size / UNIT_BYTES);
    if (whole == 0)
        return false;
    op->source_first = rng_below(rng, whole);
    op->count = MIN(op->count, whole - op->source_first);
    if (op->source == op->id && op->first < op->source_first + op->count &&
        op->source_first < op->first + op->count)
        return false;
    return plan_file(plan, op->source)->nocow == plan_file(plan, op->id)->nocow;
}

static enum op_kind choose_kind(struct rng *rng)
{
    static const struct {
        enum op_kind kind;
        unsigned weight;
    } kinds[] = {
        {OP_CREATE, 8}, {OP_WRITE, 40},    {OP_TRUNCATE, 5}, {OP_PUNCH, 4},    {OP_ALLOCATE, 4},
        {OP_CLONE, 6},  {OP_MARK, 4},      {OP_LINK, 4},     {OP_UNLINK, 5},   {OP_RENAME, 6},
        {OP_FSYNC, 24}, {OP_FSYNC_DIR, 2}, {OP_SYNC, 1},     {OP_SNAPSHOT, 1},
    };
    unsigned total = 0;

    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
        total += kinds[i].weight;
    unsigned pick = rng_below(rng, total);
    for (unsigned i = 0;; i++) {
        if (pick < kinds[i].weight)
            return kinds[i].kind;
        pick -= kinds[i].weight;
    }
}

static bool works(struct plan *plan, struct rng *rng, struct op *op)
{
    switch (op->kind) {
    case OP_CREATE:
    case OP_LINK:
        return plan->slot[op->to] == 0;
    case OP_RENAME:
        /* Of two names of one file rename(2) makes one name no less. */
        return plan->slot[op->to] != op->id;
    case OP_CLONE:
        return choose_clone(plan, rng, op);
    case OP_PUNCH:
        return (uint64_t)(op->first + op->count) * UNIT_BYTES <= plan_file(plan, op->id)->size;
    default:
        return true;
    }
}

static void carry_out(struct plan *plan, struct op *op)
{
    struct file *f = plan_file(plan, op->id);

    switch (op->kind) {
    case OP_CREATE:
        f = new_file(plan);
        f->nocow = op->nocow;
        op->id = f->id;
        plan->slot[op->to] = f->id;
        break;
    case OP_WRITE:
        do_write(plan, f, op);
        break;
    case OP_TRUNCATE:
        do_truncate(f, op->size);
        break;
    case OP_PUNCH:
        memset(f->units + op->first, 0, op->count * sizeof(unit));
        break;
    case OP_ALLOCATE:
        f->size = MAX(f->size, (uint64_t)(op->first + op->count) * UNIT_BYTES);
        break;
    case OP_CLONE:
        do_clone(plan, f, op);
        break;
    case OP_MARK:
        f->mark = op->number;
        break;
    case OP_LINK:
        plan->slot[op->to] = op->id;
        break;
    case OP_UNLINK:
        set_slot(plan, op->from, 0);
        break;
    case OP_RENAME:
        set_slot(plan, op->to, op->id);
        set_slot(plan, op->from, 0);
        break;
    default:
        break;
    }
}

void plan_step(struct plan *plan, struct op *op)
{
    struct rng rng;

    plan->number++;
    rng_seed(&rng, plan->seed * 1000003 + plan->worker * 7919 + plan->number * 31337);
    *op = (struct op){.kind = choose_kind(&rng), .number = plan->number};
    op->from = used_slot(plan, &rng);
    op->to = rng_below(&rng, SLOTS);
    op->size = round_down_to(rng_below(&rng, (uint64_t)UNITS * UNIT_BYTES), 8);
    op->direct = rng_below(&rng, 4) == 0;
    op->nocow = rng_below(&rng, 4) == 0;
    op->data_only = rng_below(&rng, 3) == 0;
    choose_range(&rng, op);
    if (op->from == SLOTS)
        op->kind = OP_CREATE; /* nothing is there yet */
    else
        op->id = plan->slot[op->from];
    if (!works(plan, &rng, op))
        op->kind = op->kind == OP_CREATE || op->id == 0 ? OP_NOTHING : OP_WRITE;
    carry_out(plan, op);
}
