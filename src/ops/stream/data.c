// SPDX-License-Identifier: GPL-2.0-or-later
/* The content of one file: what differs, as clones, writes, holes and preallocation. */
#include <linux/falloc.h>

#include "base/cleanup.h"
#include "disk/compress/compress.h"
#include "ops/stream/send.h"

/* Bytes in one write: what Linux sends, which every receiver takes. */
#define WRITE_MAX_V1 (48 * KIB)
#define WRITE_MAX (128 * KIB)

struct content {
    struct send *send;
    struct send_file *file;
    struct inode *inode; /* to read from */
    /* A write that is being gathered: [start, end). */
    uint64_t start, end;
};

/* ---- commands -------------------------------------------------------------------------------- */

static void came_to(struct send_file *file, uint64_t end)
{
    file->touched = true;
    file->old_size = MAX(file->old_size, end);
}

static int set_size(struct send *send, struct send_file *file, uint64_t size)
{
    send_begin(send, CMD_TRUNCATE, file->path);
    encode_number(&send->out, ATTR_SIZE, size);
    file->touched = true;
    file->old_size = size;
    return send_end(send);
}

int send_truncate(struct send *send, struct send_file *file, uint64_t size)
{
    if (size < file->old_size)
        file->cut = MIN(file->cut, size);
    return set_size(send, file, size);
}

static int put_write(struct content *c, uint64_t pos, size_t len)
{
    struct encoder *out = &c->send->out;
    size_t done = 0;

    send_begin(c->send, CMD_WRITE, c->file->path);
    encode_number(out, ATTR_FILE_OFFSET, pos);
    uint8_t *data = encode_data(out, len);
    if (data) {
        TRY(file_read(c->inode, data, len, pos, &done));
        if (done < len)
            return fail(-EUCLEAN, "tree %llu inode %llu: the file ends before its size",
                        (unsigned long long)c->inode->tree->root.id,
                        (unsigned long long)c->inode->ino);
    }
    return send_end(c->send);
}

static int put_update(struct content *c, uint64_t pos, uint64_t len)
{
    send_begin(c->send, CMD_UPDATE_EXTENT, c->file->path);
    encode_number(&c->send->out, ATTR_FILE_OFFSET, pos);
    encode_number(&c->send->out, ATTR_SIZE, len);
    return send_end(c->send);
}

/* Sends the write that was gathered. */
static int flush_write(struct content *c)
{
    uint64_t max = c->send->out.version >= 2 ? WRITE_MAX : WRITE_MAX_V1;

    if (c->start == c->end)
        return 0;
    if (c->send->options->no_data)
        TRY(put_update(c, c->start, c->end - c->start));
    for (uint64_t pos = c->start; !c->send->options->no_data && pos < c->end;) {
        size_t n = MIN(c->end - pos, max);

        TRY(put_write(c, pos, n));
        pos += n;
    }
    came_to(c->file, c->end);
    c->start = c->end = 0;
    return 0;
}

static int add_write(struct content *c, uint64_t start, uint64_t end)
{
    if (c->end != start) {
        TRY(flush_write(c));
        c->start = start;
    }
    c->end = end;
    return 0;
}

static int fallocate_part(struct content *c, uint32_t mode, uint64_t start, uint64_t end)
{
    send_begin(c->send, CMD_FALLOCATE, c->file->path);
    encode_number(&c->send->out, ATTR_FALLOCATE_MODE, mode);
    encode_number(&c->send->out, ATTR_FILE_OFFSET, start);
    encode_number(&c->send->out, ATTR_SIZE, end - start);
    c->file->touched = true;
    return send_end(c->send);
}

/* Whether the file ends with a block, or in one that has data. */
static int ends_in_data(struct content *c, bool *out)
{
    uint64_t sector = c->send->store->engine.sectorsize;
    struct span span;

    *out = is_aligned(c->file->size, sector);
    if (*out)
        return 0;
    send_lock(c->send);
    int ret =
        side_span(&c->send->new_side, c->file->ino, round_down_to(c->file->size, sector), &span);
    send_unlock(c->send);
    if (ret == 0)
        *out = span.kind == SPAN_DATA || span.kind == SPAN_INLINE;
    return ret;
}

/*
 * Linux writes zeroes behind the end of a file when it grows, and when a range reaches over it;
 * that would be data where there shall be none. So the file grows first, and nothing is
 * preallocated over its end in one piece. What lies behind the end is left out where the block at
 * the end has no data, as it would get some. Holes are punched in whole blocks.
 */
static int put_fallocate(struct content *c, uint32_t mode, uint64_t start, uint64_t end)
{
    uint64_t sector = c->send->store->engine.sectorsize;
    struct send_file *file = c->file;
    bool may_reach_over = true;

    TRY(flush_write(c));
    if (!(mode & FALLOC_FL_PUNCH_HOLE) && end > file->size)
        TRY(ends_in_data(c, &may_reach_over));
    if (!may_reach_over)
        end = file->size;
    if (start >= end)
        return 0;
    if (file->old_size < file->size && end > file->old_size)
        TRY(set_size(c->send, file, file->size));
    if ((mode & FALLOC_FL_PUNCH_HOLE) || start >= file->size || end <= file->size)
        return fallocate_part(c, mode, start, end);
    TRY(fallocate_part(c, mode, start, file->size));
    uint64_t behind = round_up_to(file->size, sector);
    return behind < end ? fallocate_part(c, mode, behind, end) : 0;
}

static int put_clone(struct content *c, const struct clone_source *source, uint64_t pos)
{
    struct encoder *out = &c->send->out;
    AUTO_TEXT struct text from = {0};

    TRY(flush_write(c));
    send_lock(c->send);
    int ret = side_path(source->side, source->ino, &from);
    send_unlock(c->send);
    if (ret < 0)
        return ret;
    send_begin(c->send, CMD_CLONE, c->file->path);
    encode_number(out, ATTR_FILE_OFFSET, pos);
    encode_number(out, ATTR_CLONE_LEN, source->len);
    encode_bytes(out, ATTR_CLONE_UUID, source->side->uuid.b, sizeof(source->side->uuid.b));
    encode_number(out, ATTR_CLONE_CTRANSID, source->side->ctransid);
    encode_text(out, ATTR_CLONE_PATH, text_get(&from));
    encode_number(out, ATTR_CLONE_OFFSET, source->offset);
    came_to(c->file, pos + source->len);
    return send_end(c->send);
}

/* ---- compressed as it is --------------------------------------------------------------------- */

static unsigned stream_compression(const struct content *c, uint8_t compression)
{
    uint32_t sector = c->send->store->engine.sectorsize;
    unsigned lzo = STREAM_LZO_4K;

    switch (compression) {
    case COMPRESS_ZLIB:
        return STREAM_ZLIB;
    case COMPRESS_ZSTD:
        return STREAM_ZSTD;
    default:
        for (; sector > 4096; sector /= 2)
            lzo++;
        return lzo;
    }
}

static bool may_be_encoded(const struct content *c, const struct span *span, uint64_t end)
{
    return c->send->options->compressed_data && c->send->out.version >= 2 &&
           !c->send->options->no_data && span->kind == SPAN_DATA && span->compression != 0 &&
           span->disk_bytes <= end - span->start && span->disk_bytes <= COMPRESSED_EXTENT_MAX;
}

static int put_encoded(struct content *c, const struct span *span, uint64_t end)
{
    struct encoder *out = &c->send->out;

    TRY(flush_write(c));
    send_begin(c->send, CMD_ENCODED_WRITE, c->file->path);
    encode_number(out, ATTR_FILE_OFFSET, span->start);
    encode_number(out, ATTR_UNENCODED_FILE_LEN, end - span->start);
    encode_number(out, ATTR_UNENCODED_LEN, span->ram_bytes);
    encode_number(out, ATTR_UNENCODED_OFFSET, span->offset);
    encode_number(out, ATTR_COMPRESSION, stream_compression(c, span->compression));
    uint8_t *data = encode_data(out, span->disk_bytes);
    if (data)
        TRY(file_read_encoded(c->inode, span->start, span->bytenr, data, span->disk_bytes));
    came_to(c->file, end);
    return send_end(c->send);
}

/* ---- one span -------------------------------------------------------------------------------- */

/* Data that the receiver has nowhere. */
static int put_own_data(struct content *c, const struct span *span)
{
    if (may_be_encoded(c, span, span->end))
        return put_encoded(c, span, span->end);
    return add_write(c, span->start, span->end);
}

static int put_data(struct content *c, const struct span *whole)
{
    struct span span = *whole;

    while (span.start < span.end) {
        struct clone_source source;

        send_lock(c->send);
        int ret = send_find_clone(c->send, c->file, &span, &source);
        send_unlock(c->send);
        if (ret < 0)
            return ret;
        uint64_t to = source.len > 0 ? span.start + source.len : source.next;
        struct span part = span_cut(&span, span.start, to);
        TRY(source.len > 0 ? put_clone(c, &source, span.start) : put_own_data(c, &part));
        span = span_cut(&span, to, span.end);
    }
    return 0;
}

/* What holds zeroes now; old: what the receiver has there. */
static int put_zeroes(struct content *c, const struct span *span, const struct span *old)
{
    bool has_data = old->kind == SPAN_DATA || old->kind == SPAN_INLINE;
    uint64_t end = MIN(span->end, c->file->size);

    if (c->send->out.version >= 2) {
        if (old->kind != SPAN_HOLE && span->start < span->end)
            TRY(put_fallocate(c, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, span->start,
                              span->end));
        if (span->kind == SPAN_PREALLOC)
            return put_fallocate(c, FALLOC_FL_KEEP_SIZE, span->start, span->end);
        return 0;
    }
    return has_data && span->start < end ? add_write(c, span->start, end) : 0;
}

static bool same_span(const struct span *a, const struct span *b)
{
    if (a->kind != b->kind || a->kind == SPAN_INLINE)
        return false;
    return a->kind == SPAN_HOLE || (a->bytenr == b->bytenr && a->offset == b->offset);
}

/* The file has nothing but a hole from pos on: cutting it there is shorter than zeroes. */
static bool may_cut(const struct content *c, const struct span *span, const struct span *old)
{
    return span->kind == SPAN_HOLE && span->end >= c->file->size && old->kind != SPAN_HOLE &&
           span->start < c->file->old_size;
}

static int put_span(struct content *c, const struct span *span, const struct span *old)
{
    struct span nothing = {.start = span->start, .end = span->end, .kind = SPAN_HOLE};

    if (same_span(span, old))
        return 0;
    /* An inline extent is all there is, and Linux makes no hole of it. */
    if (old->kind == SPAN_INLINE && span->start == 0 &&
        (span->kind == SPAN_HOLE || span->kind == SPAN_PREALLOC)) {
        TRY(send_truncate(c->send, c->file, 0));
        old = &nothing;
    }
    if (may_cut(c, span, old)) {
        TRY(flush_write(c));
        return send_truncate(c->send, c->file, span->start);
    }
    if (span->kind == SPAN_HOLE || span->kind == SPAN_PREALLOC)
        return put_zeroes(c, span, old);
    struct span inside = span_cut(span, span->start, c->file->size);
    return inside.start < inside.end ? put_data(c, &inside) : 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int spans_at(struct content *c, uint64_t pos, struct span *span, struct span *old)
{
    struct send *send = c->send;

    *old = (struct span){.start = pos, .end = UINT64_MAX, .kind = SPAN_HOLE};
    TRY(side_span(&send->new_side, c->file->ino, pos, span));
    uint64_t cut = c->file->cut == UINT64_MAX
                       ? UINT64_MAX
                       : round_up_to(c->file->cut, send->store->engine.sectorsize);
    if (c->file->fresh || !send->old_side || pos >= cut)
        return 0;
    TRY(side_span(send->old_side, c->file->ino, pos, old));
    if (old->end > cut)
        *old = old->kind == SPAN_INLINE ? *old : span_cut(old, pos, cut);
    return 0;
}

/* Where the last difference ends. What lies before its item was there before it, so that it never
 * ends before the item begins, also where the item itself was cut off. */
static int find_end(struct content *c, uint64_t *end)
{
    struct span span, old;

    *end = UINT64_MAX;
    if (c->file->fresh)
        return 0;
    send_lock(c->send);
    int ret = spans_at(c, c->file->last, &span, &old);
    send_unlock(c->send);
    if (ret < 0)
        return ret;
    *end = c->file->last;
    if (span.kind != SPAN_HOLE)
        *end = MAX(*end, span.end);
    if (old.kind != SPAN_HOLE)
        *end = MAX(*end, old.end);
    return 0;
}

static int walk_spans(struct content *c)
{
    uint64_t pos = c->file->fresh ? 0 : c->file->first, end;

    TRY(find_end(c, &end));
    while (pos < end) {
        struct span span, old;

        send_lock(c->send);
        int ret = spans_at(c, pos, &span, &old);
        send_unlock(c->send);
        if (ret < 0)
            return ret;
        uint64_t to = MIN(span.end, old.end);

        to = MIN(to, end);
        if (span.kind == SPAN_HOLE && old.kind == SPAN_HOLE && to == UINT64_MAX)
            break;
        span = span_cut(&span, pos, to);
        TRY(put_span(c, &span, &old));
        pos = to;
    }
    return flush_write(c);
}

int send_data(struct send *send, struct send_file *file)
{
    struct content c = {.send = send, .file = file};

    TRY(inode_get(send->new_side.fs, send->new_side.tree, file->ino, &c.inode));
    int ret = walk_spans(&c);
    inode_put(c.inode);
    return ret;
}
