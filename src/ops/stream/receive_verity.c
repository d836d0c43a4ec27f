// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sealing a file as fs-verity of Linux does: a tree of hashes over its blocks, the lowest level
 * over the data, each other one over the one below, and a descriptor with the hash of the top.
 * Both stand in items of the inode, in pieces; the top of the tree comes first.
 */
#include <string.h>

#include "base/cleanup.h"
#include "disk/csum/csum.h"
#include "ops/stream/receive.h"
#include "ops/stream/verity.h"

#define LLU(v) ((unsigned long long)(v))
#define HASH_SHA256 1
#define HASH_SIZE 32
/* The salt fills whole blocks of the hash. */
#define HASH_BLOCK 64
#define LEVELS_MAX 8
/* Longest piece in one item, and pieces put in one go under the metadata lock. */
#define PIECE_MAX 2048
#define PIECES_AT_ONCE 64

struct sealing {
    struct receiver *r;
    struct inode *inode;
    uint64_t size; /* of the file */
    uint32_t block;
    uint32_t salt_len; /* in front of the block that is hashed, padded */
    uint8_t *input;    /* salt and block */
    unsigned levels;
    uint64_t start[LEVELS_MAX], blocks[LEVELS_MAX]; /* of levels, from the data up; in bytes */
    uint8_t *tree;                                  /* all of it */
    uint64_t tree_len;
};

/* ---- the tree -------------------------------------------------------------------------------- */

static int lay_out(struct sealing *s)
{
    uint64_t hashes_per_block = s->block / HASH_SIZE;
    uint64_t blocks = s->size / s->block + (s->size % s->block != 0);

    while (blocks > 1) {
        if (s->levels == LEVELS_MAX)
            return fail(-EFBIG, "too large for fs-verity");
        blocks = blocks / hashes_per_block + (blocks % hashes_per_block != 0);
        s->blocks[s->levels++] = blocks;
        s->tree_len += blocks * s->block;
    }
    uint64_t at = 0;
    for (unsigned level = s->levels; level-- > 0; at += s->blocks[level] * s->block)
        s->start[level] = at;
    s->tree = calloc(1, s->tree_len + 1);
    return s->tree ? 0 : fail(-ENOMEM, "no memory for %llu bytes of hashes", LLU(s->tree_len));
}

static void hash_block(const struct sealing *s, uint8_t out[HASH_SIZE])
{
    csum_compute(CSUM_SHA256, s->input, s->salt_len + s->block, out);
}

/* The lowest level; where the file is one block, the top. */
static int hash_data(const struct sealing *s, uint8_t top[HASH_SIZE])
{
    uint8_t *to = s->levels ? s->tree + s->start[0] : top, *block = s->input + s->salt_len;

    for (uint64_t pos = 0; pos < s->size; pos += s->block, to += HASH_SIZE) {
        uint64_t want = MIN(s->size - pos, (uint64_t)s->block), got = 0;

        memset(block, 0, s->block);
        while (got < want) {
            size_t n = 0;

            TRY(file_read(s->inode, block + got, want - got, pos + got, &n));
            if (n == 0)
                return fail(-EIO, "the file ends at %llu", LLU(pos + got));
            got += n;
        }
        hash_block(s, to);
    }
    return 0;
}

static void hash_levels(const struct sealing *s, uint8_t top[HASH_SIZE])
{
    for (unsigned level = 0; level < s->levels; level++) {
        uint8_t *to = level + 1 < s->levels ? s->tree + s->start[level + 1] : top;

        for (uint64_t i = 0; i < s->blocks[level]; i++, to += HASH_SIZE) {
            memcpy(s->input + s->salt_len, s->tree + s->start[level] + i * s->block, s->block);
            hash_block(s, to);
        }
    }
}

/* ---- items ----------------------------------------------------------------------------------- */

static int put_piece(struct sealing *s, uint8_t type, uint64_t offset, const uint8_t *bytes,
                     uint32_t len)
{
    struct key key = key_make(s->inode->ino, type, offset);

    return tree_insert(&s->inode->tree->root, &key, bytes, len);
}

/* Bytes as items whose keys count from `first` on. */
static int put_pieces(struct sealing *s, uint8_t type, uint64_t first, const uint8_t *bytes,
                      uint64_t len)
{
    struct store *store = s->r->mount->fs.store;

    for (uint64_t at = 0; at < len;) {
        int ret = store_begin_in(store, s->inode->tree->root.id, STORE_CREATE, 4 * PIECES_AT_ONCE);
        if (ret < 0)
            return ret;
        for (unsigned i = 0; ret == 0 && i < PIECES_AT_ONCE && at < len; i++) {
            uint32_t n = (uint32_t)MIN(len - at, (uint64_t)PIECE_MAX);

            ret = put_piece(s, type, first + at, bytes + at, n);
            at += n;
        }
        store_end(store);
        if (ret < 0)
            return ret;
    }
    return 0;
}

/* The size of the descriptor, and from then on nobody changes the file. */
static int put_seal(struct sealing *s, uint64_t descriptor_len)
{
    struct store *store = s->r->mount->fs.store;
    struct inode *inode = s->inode;
    uint8_t item[sizeof(disk_verity_descriptor)] = {0};
    le64 len = le64_of(descriptor_len);

    memcpy(item, &len, sizeof(len));
    TRY(store_begin_in(store, inode->tree->root.id, STORE_CREATE, 4));
    int ret = put_piece(s, KEY_VERITY_DESC_ITEM, 0, item, sizeof(item));
    if (ret == 0) {
        store->engine.compat_ro |= COMPAT_RO_VERITY;
        inode_change_flags(inode, 0, INODE_RO_VERITY);
        inode_mark_dirty(inode);
    }
    store_end(store);
    return ret;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int check(const struct receiver *r, const struct command *command, const struct inode *inode,
                 uint32_t *log)
{
    uint64_t block = command_number(command, ATTR_VERITY_BLOCK_SIZE);
    uint64_t algorithm = command_number(command, ATTR_VERITY_ALGORITHM);

    if (!inode_is_reg(inode))
        return fail(-EINVAL, "fs-verity: no regular file");
    if (inode_flags(inode) & INODE_RO_VERITY)
        return fail(-EEXIST, "fs-verity: sealed already");
    if (algorithm != HASH_SHA256)
        return fail(-EOPNOTSUPP, "fs-verity with hash %llu; only sha256 is known", LLU(algorithm));
    if (command->attributes[ATTR_VERITY_SALT_DATA].len > VERITY_SALT_MAX)
        return fail(-EINVAL, "fs-verity: a salt of more than %d bytes", VERITY_SALT_MAX);
    if (block < 1024 || block > r->mount->fs.store->engine.sectorsize || (block & (block - 1)))
        return fail(-EINVAL, "fs-verity with blocks of %llu bytes", LLU(block));
    *log = (uint32_t)__builtin_ctzll(block);
    return 0;
}

static int make_descriptor(const struct sealing *s, const struct command *command, uint32_t log,
                           const uint8_t top[HASH_SIZE], uint8_t **out, uint64_t *len)
{
    const struct attribute *salt = &command->attributes[ATTR_VERITY_SALT_DATA];
    const struct attribute *signature = &command->attributes[ATTR_VERITY_SIG_DATA];
    le32 signature_len = le32_of(signature->len);
    le64 size = le64_of(s->size);
    uint8_t *d = calloc(1, VERITY_SIGNATURE + signature->len);

    if (!d)
        return fail(-ENOMEM, "no memory for a verity descriptor");
    d[VERITY_VERSION] = 1;
    d[VERITY_ALGORITHM] = HASH_SHA256;
    d[VERITY_LOG_BLOCK_SIZE] = (uint8_t)log;
    d[VERITY_SALT_SIZE] = (uint8_t)salt->len;
    memcpy(d + VERITY_SIGNATURE_SIZE, &signature_len, sizeof(signature_len));
    memcpy(d + VERITY_DATA_SIZE, &size, sizeof(size));
    memcpy(d + VERITY_ROOT_HASH, top, HASH_SIZE);
    if (salt->len > 0)
        memcpy(d + VERITY_SALT, salt->data, salt->len);
    if (signature->len > 0)
        memcpy(d + VERITY_SIGNATURE, signature->data, signature->len);
    *out = d;
    *len = VERITY_SIGNATURE + signature->len;
    return 0;
}

static int seal(struct sealing *s, const struct command *command, uint32_t log)
{
    AUTO_FREE uint8_t *descriptor = NULL;
    uint8_t top[HASH_SIZE] = {0};
    uint64_t len;

    TRY(lay_out(s));
    TRY(hash_data(s, top));
    hash_levels(s, top);
    TRY(make_descriptor(s, command, log, top, &descriptor, &len));
    TRY(put_pieces(s, KEY_VERITY_MERKLE_ITEM, 0, s->tree, s->tree_len));
    TRY(put_pieces(s, KEY_VERITY_DESC_ITEM, 1, descriptor, len));
    return put_seal(s, len);
}

int receive_verity(struct receiver *r, const struct command *command, struct inode *inode)
{
    const struct attribute *salt = &command->attributes[ATTR_VERITY_SALT_DATA];
    struct sealing s = {.r = r, .inode = inode};
    uint32_t log;

    TRY(check(r, command, inode, &log));
    TRY(file_writeback(inode));
    s.size = inode->item.size;
    s.block = 1U << log;
    s.salt_len = salt->len ? HASH_BLOCK : 0;
    s.input = calloc(1, s.salt_len + s.block);
    if (!s.input)
        return fail(-ENOMEM, "no memory for fs-verity");
    if (salt->len > 0)
        memcpy(s.input, salt->data, salt->len);
    int ret = seal(&s, command, log);
    free(s.input);
    free(s.tree);
    return ret;
}
