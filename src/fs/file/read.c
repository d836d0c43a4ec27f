// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading: what is in memory first, the rest from where it is mapped. */
#include "fs/file/internal.h"

#include "disk/compress/compress.h"

/* Disk sectors read and verified at once, at most; their checksums live on the stack. */
#define PIECE_SECTORS 256
/* What is read for the cache is copied from a buffer, which should fit into the processor's. */
#define CACHED_PIECE_BYTES (256 * KIB)

/* What has been found out about one piece under the metadata lock. */
struct piece {
    struct mapping map;
    uint64_t len;    /* file bytes from the position on */
    uint8_t *stored; /* of an inline extent */
};

/* Sectors of the disk, with their checksums. */
struct sectors {
    uint64_t addr, bytes;
    bool some_sums;
    uint8_t sums[PIECE_SECTORS * CSUM_MAX];
    bool have[PIECE_SECTORS];
};

/* ---- looking up, under the metadata lock ----------------------------------------------------- */

static int look_up_inline(struct inode *inode, struct piece *piece)
{
    piece->stored = malloc(piece->map.inline_size + 1);
    if (!piece->stored)
        return fail(-ENOMEM, "no memory for inline data");
    return map_inline_data(inode, &piece->map, piece->stored);
}

static int look_up_locked(struct inode *inode, uint64_t pos, struct piece *piece)
{
    TRY(map_find(inode, pos, &piece->map));
    piece->len = MIN(piece->len, mapping_end(&piece->map) - pos);
    return piece->map.kind == MAP_INLINE ? look_up_inline(inode, piece) : 0;
}

static int look_up(struct inode *inode, uint64_t pos, struct piece *piece)
{
    piece->stored = NULL;
    store_read_lock(inode->fs->store);
    int ret = look_up_locked(inode, pos, piece);
    store_read_unlock(inode->fs->store);
    return ret;
}

/* The extent stays mapped without the lock, so its checksums can be asked for later. */
static int look_up_sums(struct inode *inode, struct sectors *sectors)
{
    struct engine *engine = file_engine(inode);

    sectors->some_sums =
        !(inode_flags(inode) & INODE_NODATASUM) && !store_ignores_checksums(inode->fs->store);
    if (!sectors->some_sums)
        return 0;
    store_read_lock(inode->fs->store);
    int ret = csums_lookup(engine, &engine->csum_tree, sectors->addr, sectors->bytes, sectors->sums,
                           sectors->have);
    store_read_unlock(inode->fs->store);
    return ret;
}

/* ---- getting the bytes, without it ----------------------------------------------------------- */

static int unpack(struct inode *inode, const struct mapping *map, const void *stored, size_t size,
                  uint8_t **out)
{
    AUTO_FREE uint8_t *data = malloc(map->ram_bytes + 1);
    size_t got;

    if (!data)
        return fail(-ENOMEM, "no memory to unpack an extent");
    int ret = decompress_extent(map->compression, file_sectorsize(inode), stored, size, data,
                                map->ram_bytes, &got);
    if (ret < 0)
        return fail_context(ret, "tree %llu inode %llu extent at %llu", LLU(inode->tree->root.id),
                            LLU(inode->ino), LLU(map->start));
    memset(data + got, 0, map->ram_bytes - got);
    *out = STEAL(data);
    return 0;
}

static int read_inline_piece(struct inode *inode, uint64_t pos, struct piece *piece, uint8_t *buf)
{
    const struct mapping *map = &piece->map;
    AUTO_FREE uint8_t *unpacked = NULL;
    const uint8_t *data = piece->stored;
    uint64_t n = pos < map->ram_bytes ? MIN(piece->len, map->ram_bytes - pos) : 0;

    if (map->compression) {
        TRY(unpack(inode, map, piece->stored, map->inline_size, &unpacked));
        data = unpacked;
    }
    if (n > 0)
        memcpy(buf, data + pos, n);
    memset(buf + n, 0, piece->len - n);
    return 0;
}

/* Reads the sectors, verified. pos: the file offset, for messages. */
static int read_sectors(struct inode *inode, uint64_t pos, struct sectors *sectors, void *buf)
{
    TRY(look_up_sums(inode, sectors));
    const struct sums sums = {sectors->some_sums ? sectors->sums : NULL, sectors->have};

    return verified_read(inode, pos, sectors->addr, buf, sectors->bytes, &sums);
}

static int read_packed_piece(struct inode *inode, uint64_t pos, const struct piece *piece,
                             uint8_t *buf)
{
    struct unpack_cache *cache = inode->fs->files->unpacked;
    const struct mapping *map = &piece->map;
    struct sectors sectors = {.addr = map->disk_bytenr, .bytes = map->disk_num_bytes};
    uint64_t from = map->offset + (pos - map->start);
    AUTO_FREE uint8_t *unpacked = NULL;

    if (unpack_cache_get(cache, map, from, buf, piece->len))
        return 0;
    AUTO_FREE uint8_t *stored = malloc(sectors.bytes);
    if (!stored)
        return fail(-ENOMEM, "no memory to read an extent");
    TRY(read_sectors(inode, pos, &sectors, stored));
    TRY(unpack(inode, map, stored, sectors.bytes, &unpacked));
    memcpy(buf, unpacked + from, piece->len);
    unpack_cache_put(cache, map, STEAL(unpacked));
    return 0;
}

/*
 * Sectors that do not go straight to the caller: he wants a part of them, or the cache wants them,
 * and then from memory that nobody else can write to.
 */
static int read_aside(struct inode *inode, uint64_t pos, struct sectors *sectors, bool cached,
                      uint64_t skip, void *buf, uint64_t len)
{
    struct data_cache *cache = inode->fs->files->data_cache;
    uint64_t ticket = data_cache_ticket(cache);
    AUTO_FREE uint8_t *bytes = malloc(sectors->bytes);

    if (!bytes)
        return fail(-ENOMEM, "no memory to read a block");
    TRY(read_sectors(inode, pos - skip, sectors, bytes));
    if (cached)
        data_cache_put(cache, ticket, sectors->addr, bytes, sectors->bytes);
    memcpy(buf, bytes + skip, len);
    return 0;
}

/* The first sectors from `from` on, as many as are read at once; shortens the piece to them. */
static int read_uncached(struct inode *inode, uint64_t pos, uint64_t from, struct piece *piece,
                         uint8_t *buf)
{
    uint32_t sector = file_sectorsize(inode);
    uint64_t addr = round_down_to(from, sector), skip = from - addr;
    bool cached = data_cache_admits(inode->fs->files->data_cache, addr);
    uint64_t most = cached ? CACHED_PIECE_BYTES : (uint64_t)PIECE_SECTORS * sector;
    struct sectors sectors;

    piece->len = MIN(piece->len, most - skip);
    sectors.addr = addr;
    sectors.bytes = round_up_to(skip + piece->len, sector);
    if (!cached && sectors.bytes == piece->len)
        return read_sectors(inode, pos, &sectors, buf);
    return read_aside(inode, pos, &sectors, cached, skip, buf, piece->len);
}

static int read_plain_piece(struct inode *inode, uint64_t pos, struct piece *piece, uint8_t *buf)
{
    uint64_t from = piece->map.disk_bytenr + piece->map.offset + (pos - piece->map.start);
    size_t found = data_cache_read(inode->fs->files->data_cache, from, buf, piece->len);

    if (found == 0)
        return read_uncached(inode, pos, from, piece, buf);
    piece->len = found;
    return 0;
}

static int read_piece(struct inode *inode, uint64_t pos, struct piece *piece, uint8_t *buf)
{
    switch (piece->map.kind) {
    case MAP_INLINE:
        return read_inline_piece(inode, pos, piece, buf);
    case MAP_REGULAR:
        if (piece->map.compression)
            return read_packed_piece(inode, pos, piece, buf);
        return read_plain_piece(inode, pos, piece, buf);
    case MAP_HOLE:
    case MAP_PREALLOC:
        break;
    }
    memset(buf, 0, piece->len);
    return 0;
}

int read_mapped(struct inode *inode, uint64_t pos, void *buf, size_t len)
{
    uint8_t *bytes = buf;
    struct piece piece;

    while (len > 0) {
        piece.len = len;
        int ret = look_up(inode, pos, &piece);
        if (ret == 0)
            ret = read_piece(inode, pos, &piece, bytes);
        free(piece.stored);
        if (ret < 0)
            return ret;
        pos += piece.len;
        bytes += piece.len;
        len -= piece.len;
    }
    return 0;
}

/* ---- with what is in memory ------------------------------------------------------------------ */

static int read_overlaid(struct inode *inode, uint64_t pos, uint8_t *buf, size_t len)
{
    struct file_state *file = file_state_peek(inode);

    if (!file)
        return read_mapped(inode, pos, buf, len);
    while (len > 0) {
        size_t n;

        pthread_mutex_lock(&file->lock);
        bool copied = runs_overlay(file, pos, buf, len, &n);
        pthread_mutex_unlock(&file->lock);
        if (!copied)
            TRY(read_mapped(inode, pos, buf, n));
        pos += n;
        buf += n;
        len -= n;
    }
    return 0;
}

int read_current(struct inode *inode, uint64_t pos, void *buf, size_t len, uint64_t size)
{
    size_t inside = pos < size ? MIN((uint64_t)len, size - pos) : 0;

    memset((uint8_t *)buf + inside, 0, len - inside);
    return read_overlaid(inode, pos, buf, inside);
}

int file_read(struct inode *inode, void *buf, size_t len, uint64_t offset, size_t *done)
{
    size_t n = 0;
    int ret = 0;

    pthread_rwlock_rdlock(&inode->lock);
    uint64_t size = size_get(inode);
    if (offset < size) {
        n = MIN((uint64_t)len, size - offset);
        ret = read_overlaid(inode, offset, buf, n);
    }
    pthread_rwlock_unlock(&inode->lock);
    if (ret == 0)
        *done = n;
    return ret;
}

int file_read_inline(struct inode *inode, void *buf, size_t cap, size_t *len)
{
    struct piece piece = {.len = inode->item.size};

    TRY(map_find(inode, 0, &piece.map));
    if (piece.map.kind != MAP_INLINE)
        return fail(-EUCLEAN, "tree %llu inode %llu: its content is not inline",
                    LLU(inode->tree->root.id), LLU(inode->ino));
    piece.len = MIN(piece.map.ram_bytes, (uint64_t)cap);
    int ret = look_up_inline(inode, &piece);
    if (ret == 0)
        ret = read_inline_piece(inode, 0, &piece, buf);
    free(piece.stored);
    if (ret == 0)
        *len = piece.len;
    return ret;
}
