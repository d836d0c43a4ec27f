// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading data sectors and holding them against their checksums; the other copy when they fail. */
#include "fs/file/internal.h"

#include <stdio.h>

static bool sector_is_right(const struct engine *engine, const void *data, const uint8_t *want)
{
    uint8_t got[CSUM_MAX];

    csum_blocks(engine->csum_type, data, engine->sectorsize, 1, got);
    return memcmp(got, want, engine->csum_size) == 0;
}

/* The first bytes of a checksum as hexadecimal suffice to tell two apart. */
#define SUM_TEXT_BYTES 8
#define SUM_TEXT_MAX (2 * SUM_TEXT_BYTES + 1)

static const char *sum_text(const uint8_t *sum, uint32_t size, char buf[SUM_TEXT_MAX])
{
    for (uint32_t i = 0; i < size && i < SUM_TEXT_BYTES; i++)
        snprintf(buf + 2 * (size_t)i, 3, "%02x", sum[i]);
    return buf;
}

static int wrong_sum(struct inode *inode, uint64_t pos, uint64_t addr, const void *data,
                     const uint8_t *want)
{
    const struct engine *engine = file_engine(inode);
    char got_text[SUM_TEXT_MAX], want_text[SUM_TEXT_MAX];
    uint8_t got[CSUM_MAX];

    csum_compute(engine->csum_type, data, engine->sectorsize, got);
    return fail(
        -EIO, "tree %llu inode %llu offset %llu: checksum of block %llu is %s, should be %s",
        LLU(inode->tree->root.id), LLU(inode->ino), LLU(pos), LLU(addr),
        sum_text(got, engine->csum_size, got_text), sum_text(want, engine->csum_size, want_text));
}

/* One sector that mirror `bad` had wrong: from another mirror, and written over the bad one. */
static int read_other_mirror(struct inode *inode, uint64_t pos, uint64_t addr, void *buf,
                             const uint8_t *want, unsigned bad)
{
    struct engine *engine = file_engine(inode);
    unsigned mirrors = vol_mirrors(engine->vol, laddr_of(addr));

    for (unsigned mirror = 0; mirror < mirrors; mirror++) {
        if (mirror == bad ||
            vol_read(engine->vol, laddr_of(addr), buf, engine->sectorsize, mirror) < 0)
            continue;
        if (want && !sector_is_right(engine, buf, want))
            continue;
        env_note(engine->env, NOTE_WARNING,
                 "tree %llu inode %llu offset %llu: block %llu is damaged in copy %u, copy %u is "
                 "right",
                 LLU(inode->tree->root.id), LLU(inode->ino), LLU(pos), LLU(addr), bad + 1,
                 mirror + 1);
        if (!store_readonly(inode->fs->store) &&
            vol_write_mirror(engine->vol, laddr_of(addr), buf, engine->sectorsize, bad) < 0)
            env_note(engine->env, NOTE_WARNING, "block %llu cannot be mended: %s", LLU(addr),
                     fail_message());
        fail_clear();
        return 0;
    }
    return -EIO;
}

static int check_sector(struct inode *inode, uint64_t pos, uint64_t addr, void *data,
                        const struct sums *sums, size_t i)
{
    const struct engine *engine = file_engine(inode);
    const uint8_t *want = sums->sums + i * engine->csum_size;

    if (!sums->have[i])
        return fail(-EIO, "tree %llu inode %llu offset %llu: block %llu has no checksum",
                    LLU(inode->tree->root.id), LLU(inode->ino), LLU(pos), LLU(addr));
    if (sector_is_right(engine, data, want))
        return 0;
    if (read_other_mirror(inode, pos, addr, data, want, 0) == 0)
        return 0;
    /* What is in data now is what the last copy held; say what the first one holds. */
    if (vol_read(engine->vol, laddr_of(addr), data, engine->sectorsize, 0) < 0)
        return -EIO;
    return wrong_sum(inode, pos, addr, data, want);
}

/* The device failed on the whole: sector by sector, from whichever mirror can. */
static int read_piecewise(struct inode *inode, uint64_t pos, uint64_t addr, uint8_t *buf,
                          uint64_t len, const struct sums *sums)
{
    struct engine *engine = file_engine(inode);
    uint32_t sector = engine->sectorsize;

    for (uint64_t at = 0; at < len; at += sector) {
        const uint8_t *want = NULL;

        if (sums->sums && sums->have[at / sector])
            want = sums->sums + at / sector * engine->csum_size;
        if (vol_read(engine->vol, laddr_of(addr + at), buf + at, sector, 0) == 0)
            continue;
        if (read_other_mirror(inode, pos + at, addr + at, buf + at, want, 0) < 0)
            return fail_context(-EIO, "tree %llu inode %llu offset %llu", LLU(inode->tree->root.id),
                                LLU(inode->ino), LLU(pos + at));
    }
    return 0;
}

int verified_read(struct inode *inode, uint64_t pos, uint64_t addr, void *buf, uint64_t len,
                  const struct sums *sums)
{
    struct engine *engine = file_engine(inode);
    uint32_t sector = engine->sectorsize;
    uint8_t *bytes = buf;

    if (vol_read(engine->vol, laddr_of(addr), buf, len, 0) < 0)
        TRY(read_piecewise(inode, pos, addr, buf, len, sums));
    if (!sums->sums)
        return 0;
    for (uint64_t at = 0; at < len; at += sector)
        TRY(check_sector(inode, pos + at, addr + at, bytes + at, sums, at / sector));
    return 0;
}
