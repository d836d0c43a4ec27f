// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs: file data in memory. Those in one tree do not overlap; a dirty one may lie over one in
 * flight, and is the newer.
 *
 * What is promised is a property of the run (promise 2): making a dirty byte dirty again costs
 * nothing, and when a run leaves, exactly what it owned is given back.
 */
#include "fs/file/internal.h"

#define RUN_MAX (1 * MIB)
/* Runs that outgrow this get all they may ever need; their memory is used again, because having
 * it mapped anew takes the kernel longer than filling it. */
#define RUN_LONG (256 * KIB)
/* A file extent item, and what splits off its neighbours; a unit covers the extent items that
 * follow from it. */
#define RUN_UNITS 2
/* The first sector may become inline data: of 2 KiB at most, and of 4 KiB a leaf takes but one. */
#define INLINE_UNITS 5
#define UNIT_BYTES 1024

static int run_compare(const struct run *a, const struct run *b)
{
    return a->start < b->start ? -1 : a->start > b->start;
}

RB_GENERATE_LOCAL(run_tree, run, link, run_compare)

struct run *runs_after(const struct run_tree *tree, uint64_t pos)
{
    struct run *found = NULL;

    for (struct run *run = RB_ROOT((struct run_tree *)tree); run;) {
        if (run_end(run) > pos) {
            found = run;
            run = RB_LEFT(run, link);
        } else {
            run = RB_RIGHT(run, link);
        }
    }
    return found;
}

/* ---- promises -------------------------------------------------------------------------------- */

/* Checksum items grow with the data; a leaf that splits is half empty. */
static unsigned sum_units(const struct file_state *file, uint64_t bytes)
{
    const struct engine *engine = file_engine(file->inode);

    return (unsigned)((bytes / engine->sectorsize * engine->csum_size * 2 + UNIT_BYTES - 1) /
                      UNIT_BYTES);
}

static unsigned inline_units(uint64_t start)
{
    return start == 0 ? INLINE_UNITS : 0;
}

static unsigned run_units(const struct file_state *file, enum claim claim, uint64_t start,
                          uint64_t bytes)
{
    switch (claim) {
    case CLAIM_WRITTEN:
        return 0;
    case CLAIM_GROWING:
        return 1;
    case CLAIM_UNWRITTEN: /* two more items, both small, in the unit's other half */
        return 1 + sum_units(file, bytes);
    case CLAIM_NONE:
        break;
    }
    return RUN_UNITS + sum_units(file, bytes) + inline_units(start);
}

/* As many new runs, each rounded up, or one fewer and an older one extended. */
static void missing_part(const struct file_state *file, enum claim claim, uint64_t start,
                         uint64_t len, struct promise *missing)
{
    unsigned runs = (unsigned)((len + RUN_MAX - 1) / RUN_MAX);

    if (claim == CLAIM_NONE)
        missing->bytes += len;
    if (claim == CLAIM_GROWING)
        missing->units += runs + 1;
    if (claim == CLAIM_NONE || claim == CLAIM_UNWRITTEN)
        missing->units += runs * (RUN_UNITS + 1) + 1 + sum_units(file, len) + inline_units(start);
}

static void missing_gap(const struct file_state *file, uint64_t start, uint64_t end,
                        const struct claims *claims, struct promise *missing)
{
    while (start < end) {
        uint64_t part_end;
        enum claim claim = claims_at(claims, start, &part_end);

        part_end = MIN(part_end, end);
        missing_part(file, claim, start, part_end - start, missing);
        start = part_end;
    }
}

struct promise runs_missing(const struct file_state *file, uint64_t start, uint64_t end,
                            const struct claims *claims)
{
    struct run *run = runs_after(&file->dirty, start);
    struct promise missing = {0};

    while (start < end) {
        uint64_t gap_end = run ? MIN(end, run->start) : end;

        missing_gap(file, start, gap_end, claims, &missing);
        if (!run)
            break;
        start = MAX(start, run_end(run));
        run = RB_NEXT(run_tree, &file->dirty, run);
    }
    return missing;
}

bool runs_sector_is_dirty(const struct file_state *file, uint64_t sector)
{
    struct run *run = runs_after(&file->dirty, sector);

    return run && run->start <= sector;
}

/* ---- writing into them ----------------------------------------------------------------------- */

static void copy_part(const struct run_source *src, uint8_t *dst, uint64_t from, uint64_t to)
{
    uint64_t a = MAX(from, src->offset), b = MIN(to, src->offset + src->len);

    if (a >= b)
        return;
    if (src->buf)
        memcpy(dst + (a - from), src->buf + (a - src->offset), b - a);
    else
        memset(dst + (a - from), 0, b - a);
}

/* Fills file bytes [from, to) at dst, which hold nothing yet when `fresh`. */
static void fill(const struct file_state *file, const struct run_source *src, uint8_t *dst,
                 uint64_t from, uint64_t to, bool fresh)
{
    uint32_t sector = file_sectorsize(file->inode);
    uint64_t tail_start = src->end - sector;

    if (fresh && src->head && from == src->start)
        memcpy(dst, src->head, sector);
    if (fresh && src->tail && to == src->end)
        memcpy(dst + (tail_start - from), src->tail, sector);
    copy_part(src, dst, from, to);
}

/* ---- memory of runs -------------------------------------------------------------------------- */

static uint8_t *long_alloc(struct file_shared *shared)
{
    {
        SCOPED_LOCK(&shared->lock);
        if (shared->spare_count > 0)
            return shared->spares[--shared->spare_count];
    }
    return malloc(RUN_MAX);
}

static void data_free(struct file_shared *shared, uint8_t *data, uint64_t cap)
{
    if (cap == RUN_MAX) {
        SCOPED_LOCK(&shared->lock);
        if (shared->spare_count < SPARE_RUNS) {
            shared->spares[shared->spare_count++] = data;
            return;
        }
    }
    free(data);
}

void runs_free_spares(struct file_shared *shared)
{
    while (shared->spare_count > 0)
        free(shared->spares[--shared->spare_count]);
}

static bool run_move(struct file_shared *shared, struct run *run)
{
    uint8_t *data = long_alloc(shared);

    if (!data)
        return false;
    memcpy(data, run->data, run->len);
    data_free(shared, run->data, run->cap);
    run->data = data;
    run->cap = RUN_MAX;
    return true;
}

static bool run_reserve(struct file_shared *shared, struct run *run, uint64_t need)
{
    uint64_t cap = run->cap;

    if (need <= cap)
        return true;
    if (need > RUN_LONG)
        return run_move(shared, run);
    while (cap < need)
        cap = MIN(cap * 2, (uint64_t)RUN_LONG);
    uint8_t *data = realloc(run->data, cap);
    if (!data)
        return false;
    run->data = data;
    run->cap = (uint32_t)cap;
    return true;
}

static struct run *run_new(struct file_state *file, uint64_t start, uint64_t len, bool is_long)
{
    struct run *run = calloc(1, sizeof(*run));

    if (!run)
        return NULL;
    run->cap = (uint32_t)(is_long ? RUN_MAX : len);
    run->data = is_long ? long_alloc(file->inode->fs->files) : malloc(len);
    if (!run->data) {
        free(run);
        return NULL;
    }
    run->start = start;
    return run;
}

static void run_free(struct file_state *file, struct run *run)
{
    data_free(file->inode->fs->files, run->data, run->cap);
    free(run);
}

/* ---- filling them ---------------------------------------------------------------------------- */

/* Makes the gap [start, end) dirty at least in part; returns how far, start when memory is out. */
static uint64_t fill_gap(struct file_state *file, struct run *prev, const struct run_source *src,
                         uint64_t start, uint64_t end, struct promise *used)
{
    uint64_t part_end;
    enum claim claim = claims_at(src->claims, start, &part_end);
    struct run *run = prev;
    bool goes_on = run && run_end(run) == start && run->claim == claim;

    end = MIN(end, part_end);
    if (goes_on && run->len < RUN_MAX) {
        end = MIN(end, run->start + RUN_MAX);
        if (!run_reserve(file->inode->fs->files, run, end - run->start))
            return start;
    } else {
        end = MIN(end, start + RUN_MAX);
        /* Behind a run that is full, more is likely to follow. */
        run = run_new(file, start, end - start, goes_on || end - start > RUN_LONG);
        if (!run)
            return start;
        run->claim = claim;
        RB_INSERT(run_tree, &file->dirty, run);
    }
    fill(file, src, run->data + run->len, start, end, true);
    run->len += (uint32_t)(end - start);
    used->bytes += claim == CLAIM_NONE ? end - start : 0;
    used->units += run_units(file, claim, run->start, run->len) - run->units;
    run->units = run_units(file, claim, run->start, run->len);
    file->dirty_bytes += end - start;
    file_pending_add(file, end - start);
    return end;
}

void runs_write(struct file_state *file, const struct run_source *src, struct promise *used,
                uint64_t *reached)
{
    uint64_t pos = src->start;

    *used = (struct promise){0};
    while (pos < src->end) {
        struct run *run = runs_after(&file->dirty, pos);

        if (run && run->start <= pos) {
            uint64_t end = MIN(src->end, run_end(run));

            fill(file, src, run->data + (pos - run->start), pos, end, false);
            pos = end;
            continue;
        }
        struct run *prev =
            run ? RB_PREV(run_tree, &file->dirty, run) : RB_MAX(run_tree, &file->dirty);
        uint64_t end =
            fill_gap(file, prev, src, pos, run ? MIN(src->end, run->start) : src->end, used);
        if (end == pos)
            break;
        pos = end;
    }
    *reached = pos;
    file->dirty_new += used->bytes;
}

/* ---- letting go ------------------------------------------------------------------------------ */

/* What a run loses when it is cut to len bytes. */
static void run_shorten(struct file_state *file, struct run *run, uint32_t len,
                        struct promise *freed)
{
    unsigned units = run_units(file, run->claim, run->start, len);

    freed->bytes += run->claim == CLAIM_NONE ? run->len - len : 0;
    freed->units += run->units - units;
    file->dirty_bytes -= run->len - len;
    file_pending_sub(file, run->len - len);
    run->units = units;
    run->len = len;
}

static void run_forget(struct file_state *file, struct run *run, struct promise *freed)
{
    freed->bytes += run->claim == CLAIM_NONE ? run->len : 0;
    freed->units += run->units;
    file->dirty_bytes -= run->len;
    file_pending_sub(file, run->len);
    RB_REMOVE(run_tree, &file->dirty, run);
    run_free(file, run);
}

struct promise runs_cut(struct file_state *file, uint64_t from)
{
    struct promise freed = {0};
    struct run *run = runs_after(&file->dirty, from);

    while (run) {
        struct run *next = RB_NEXT(run_tree, &file->dirty, run);

        if (run->start < from)
            run_shorten(file, run, (uint32_t)(from - run->start), &freed);
        else
            run_forget(file, run, &freed);
        run = next;
    }
    file->dirty_new -= freed.bytes;
    return freed;
}

bool runs_zero_tail(struct file_state *file, uint64_t pos)
{
    uint64_t end = round_up_to(pos, file_sectorsize(file->inode));
    struct run *run = runs_after(&file->dirty, pos);

    if (!run || run->start > pos)
        return false;
    memset(run->data + (pos - run->start), 0, end - pos);
    return true;
}

/* ---- into flight ----------------------------------------------------------------------------- */

void runs_split(struct file_state *file, uint64_t pos, unsigned *spare)
{
    struct run *front = runs_after(&file->dirty, pos);

    if (!front || front->start >= pos)
        return;
    uint32_t len = (uint32_t)(pos - front->start), rest = front->len - len;
    unsigned front_units = run_units(file, front->claim, front->start, len);
    unsigned back_units = run_units(file, front->claim, pos, rest);
    unsigned all = front_units + back_units;

    if (all > front->units && all - front->units > *spare)
        return;
    struct run *back = run_new(file, pos, rest, rest > RUN_LONG);
    if (!back)
        return;
    memcpy(back->data, front->data + len, rest);
    back->len = rest;
    back->claim = front->claim;
    back->units = back_units;
    *spare = *spare + front->units - all;
    front->len = len;
    front->units = front_units;
    RB_INSERT(run_tree, &file->dirty, back);
}

static void launch_all(struct file_state *file, struct run_tree *flight)
{
    *flight = file->dirty;
    file->flight_bytes += file->dirty_bytes;
    file->flight_new += file->dirty_new;
    RB_INIT(&file->dirty);
    file->dirty_bytes = file->dirty_new = 0;
}

static void launch_run(struct file_state *file, struct run_tree *flight, struct run *run)
{
    uint64_t fresh = run->claim == CLAIM_NONE ? run->len : 0;

    RB_REMOVE(run_tree, &file->dirty, run);
    RB_INSERT(run_tree, flight, run);
    file->dirty_bytes -= run->len;
    file->flight_bytes += run->len;
    file->dirty_new -= fresh;
    file->flight_new += fresh;
}

void runs_launch(struct file_state *file, struct run_tree *flight, uint64_t start, uint64_t end)
{
    INVARIANT(RB_EMPTY(flight), "I4: what is in flight is written by one");
    if (start == 0 && end == UINT64_MAX) {
        launch_all(file, flight);
        return;
    }
    struct run *run = runs_after(&file->dirty, start);
    while (run && run->start < end) {
        struct run *next = RB_NEXT(run_tree, &file->dirty, run);

        launch_run(file, flight, run);
        run = next;
    }
}

void runs_land(struct file_state *file, struct run_tree *flight, uint64_t end)
{
    uint64_t bytes = 0, fresh = 0;
    struct run *run;

    while ((run = RB_MIN(run_tree, flight)) && run->start < end) {
        RB_REMOVE(run_tree, flight, run);
        bytes += run->len;
        fresh += run->claim == CLAIM_NONE ? run->len : 0;
        run_free(file, run);
    }
    file->flight_bytes -= bytes;
    file->flight_new -= fresh;
    file_pending_sub(file, bytes);
}

/* ---- looking --------------------------------------------------------------------------------- */

uint64_t runs_bytes(const struct run_tree *tree, uint64_t start, uint64_t end)
{
    uint64_t bytes = 0;

    for (struct run *run = runs_after(tree, start); run && run->start < end;
         run = RB_NEXT(run_tree, tree, run))
        bytes += MIN(run_end(run), end) - MAX(run->start, start);
    return bytes;
}

bool runs_are_clean(const struct file_state *file)
{
    return RB_EMPTY(&file->dirty) && RB_EMPTY(&file->flight) && RB_EMPTY(&file->aside);
}

/* Of both trees; they do not overlap. */
static struct run *flying_after(const struct file_state *file, uint64_t pos)
{
    struct run *run = runs_after(&file->flight, pos), *aside = runs_after(&file->aside, pos);

    return !run || (aside && aside->start < run->start) ? aside : run;
}

static bool copy_out(const struct run *run, uint64_t pos, uint64_t limit, void *buf, size_t len,
                     size_t *n)
{
    if (!run || run->start > pos)
        return false;
    uint64_t end = MIN(run_end(run), limit);
    *n = MIN((uint64_t)len, end - pos);
    memcpy(buf, run->data + (pos - run->start), *n);
    return true;
}

bool runs_overlay(struct file_state *file, uint64_t pos, void *buf, size_t len, size_t *n)
{
    struct run *dirty = runs_after(&file->dirty, pos);
    struct run *flying = flying_after(file, pos);

    if (copy_out(dirty, pos, UINT64_MAX, buf, len, n))
        return true;
    uint64_t dirty_start = dirty ? dirty->start : UINT64_MAX;
    if (copy_out(flying, pos, dirty_start, buf, len, n))
        return true;
    uint64_t next = MIN(dirty_start, flying ? flying->start : UINT64_MAX);
    *n = MIN((uint64_t)len, next - pos);
    return false;
}

bool runs_cover(struct file_state *file, uint64_t pos, uint64_t *end)
{
    struct run *dirty = runs_after(&file->dirty, pos);
    struct run *flying = flying_after(file, pos);
    uint64_t next = UINT64_MAX;

    if (dirty && dirty->start <= pos) {
        *end = run_end(dirty);
        return true;
    }
    if (flying && flying->start <= pos) {
        *end = run_end(flying);
        return true;
    }
    if (dirty)
        next = dirty->start;
    if (flying)
        next = MIN(next, flying->start);
    *end = next;
    return false;
}

bool runs_in_flight(const struct file_state *file, uint64_t pos, enum claim *claim, uint64_t *end)
{
    struct run *run = flying_after(file, pos);

    if (run && run->start <= pos) {
        *claim = run->claim;
        *end = run_end(run);
        return true;
    }
    *end = run ? run->start : UINT64_MAX;
    return false;
}

uint64_t runs_pending(struct file_state *file)
{
    SCOPED_LOCK(&file->lock);
    return file->dirty_bytes + file->flight_bytes;
}

uint64_t runs_first_unwritten(const struct file_state *file, uint64_t pos, uint64_t pending)
{
    struct run *dirty = runs_after(&file->dirty, pos);
    struct run *flying = flying_after(file, MAX(pos, pending));
    uint64_t first = dirty ? dirty->start : UINT64_MAX;

    uint64_t flying_start = flying ? MAX(flying->start, pending) : UINT64_MAX;
    return MIN(first, flying_start);
}
