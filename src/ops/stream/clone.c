// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where a receiver has data already. The back references of an extent say which files may hold it;
 * each is then looked up in the trees that the receiver has, so that nothing depends on how the
 * references are kept (by tree or by leaf).
 */
#include "base/cleanup.h"
#include "ops/stream/send.h"

/* Places that are tried for one extent; finding the best of thousands is not worth the time. */
#define CANDIDATES_MAX 64

struct candidate {
    uint64_t ino, base; /* base: file offset where the extent would begin; may be below zero */
};

struct candidates {
    struct send *send;
    const struct span *span;
    struct candidate list[CANDIDATES_MAX];
    unsigned count;
    uint64_t next; /* where in the file something to clone begins, if not at its beginning */
};

static void add_candidate(struct candidates *all, uint64_t ino, uint64_t base)
{
    for (unsigned i = 0; i < all->count; i++)
        if (all->list[i].ino == ino && all->list[i].base == base)
            return;
    if (all->count < CANDIDATES_MAX)
        all->list[all->count++] = (struct candidate){ino, base};
}

/* A leaf that holds references: what in it points at the extent? */
static int add_from_leaf(struct candidates *all, uint64_t bytenr)
{
    const struct node_expect expect = {.bytenr = bytenr, .level = 0};
    struct forest *forest = all->send->store->engine.forest;
    struct node *node;
    struct key key;

    TRY(forest_read_node(forest, &expect, &node));
    for (uint32_t slot = 0; slot < node_items(node); slot++) {
        struct file_extent item;

        node_key(node, slot, &key);
        if (key.type != KEY_EXTENT_DATA || leaf_size(node, slot) < sizeof(disk_file_extent))
            continue;
        file_extent_decode(&item, leaf_data(node, slot));
        if (item.type != FILE_EXTENT_INLINE && item.disk_bytenr == all->span->bytenr)
            add_candidate(all, key.objectid, key.offset - item.offset);
    }
    node_put(node);
    return 0;
}

static int add_reference(void *arg, const struct extent_ref *ref)
{
    struct candidates *all = arg;

    if (all->count == CANDIDATES_MAX)
        return 1;
    if (ref->type == KEY_SHARED_DATA_REF)
        return add_from_leaf(all, ref->parent);
    if (ref->type == KEY_EXTENT_DATA_REF)
        add_candidate(all, ref->objectid, ref->offset);
    return 0;
}

/* Spans of a candidate that are looked at for one that holds a later part of the extent. */
#define LATER_SPANS 16

static bool holds(const struct span *span, const struct span *want, uint64_t shift)
{
    return span->kind == SPAN_DATA && span->bytenr == want->bytenr &&
           span->offset == want->offset + shift;
}

/* The candidate has something else where the wanted part begins, `shift` is where to go on: does it
 * have a later part of it? */
static int look_later(struct candidates *all, struct side *side, uint64_t ino, int64_t pos,
                      uint64_t shift)
{
    const struct span *want = all->span;
    struct span span;

    for (unsigned i = 0; i < LATER_SPANS && shift < all->next - want->start; i++) {
        TRY(side_span(side, ino, (uint64_t)pos + shift, &span));
        if (holds(&span, want, shift)) {
            all->next = want->start + shift;
            return 0;
        }
        if (span.end == UINT64_MAX)
            return 0;
        shift = span.end - (uint64_t)pos;
    }
    return 0;
}

/* How many bytes of the span the receiver can clone from the candidate in that side. */
static int usable(struct candidates *all, const struct send_file *file, struct side *side,
                  const struct candidate *candidate, uint64_t *len)
{
    const struct span *want = all->span;
    uint64_t sector = all->send->store->engine.sectorsize, n;
    int64_t at = (int64_t)(candidate->base + want->offset);
    uint64_t pos = (uint64_t)at;
    struct inode_item item;
    struct span span;

    *len = 0;
    if (side == &all->send->new_side &&
        (candidate->ino > file->ino || (candidate->ino == file->ino && at >= (int64_t)want->start)))
        return 0;
    int ret = side_inode(side, candidate->ino, &item);
    if (ret == -ENOENT)
        return 0;
    if (ret < 0)
        return ret;
    if ((item.mode & 0170000) != 0100000 || at >= (int64_t)item.size || !is_aligned(pos, sector))
        return 0;
    /* Of an extent whose beginning no place of that file holds. */
    if (at < 0)
        return look_later(all, side, candidate->ino, at, (uint64_t)-at);
    TRY(side_span(side, candidate->ino, pos, &span));
    if (!holds(&span, want, 0))
        return look_later(all, side, candidate->ino, at, span.end - pos);
    n = MIN(span.end - span.start, want->end - want->start);
    n = MIN(n, item.size - pos);
    if (side == &all->send->new_side && candidate->ino == file->ino)
        n = MIN(n, want->start - pos);
    /* A length that is no multiple of sectors must end at the end of both files. */
    if (!is_aligned(n, sector) && (pos + n != item.size || want->start + n != file->size))
        n = round_down_to(n, sector);
    *len = n;
    return 0;
}

static int try_side(struct candidates *all, const struct send_file *file, struct side *side,
                    struct clone_source *best)
{
    for (unsigned i = 0; side && i < all->count; i++) {
        const struct candidate *candidate = &all->list[i];
        uint64_t len;

        TRY(usable(all, file, side, candidate, &len));
        if (len > best->len)
            *best = (struct clone_source){side, candidate->ino, candidate->base + all->span->offset,
                                          len};
    }
    return 0;
}

int send_find_clone(struct send *send, const struct send_file *file, const struct span *span,
                    struct clone_source *out)
{
    struct candidates all = {.send = send, .span = span, .next = span->end};
    struct extents *extents = send->store->extents;

    *out = (struct clone_source){.next = span->end};
    if (span->kind != SPAN_DATA)
        return 0;
    TRY(extent_each_ref(extents, span->bytenr, span->disk_bytes, 0, add_reference, &all));
    TRY(try_side(&all, file, &send->new_side, out));
    TRY(try_side(&all, file, send->old_side, out));
    for (unsigned i = 0; i < send->clone_count; i++)
        TRY(try_side(&all, file, &send->clones[i], out));
    out->next = all.next;
    return 0;
}
