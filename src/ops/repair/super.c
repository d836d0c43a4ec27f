// SPDX-License-Identifier: GPL-2.0-or-later
/* What is written without the engine: superblocks, copies of tree blocks, and the end of a log. */
#include <stdlib.h>

#include "fs/mount/mount.h"
#include "ops/repair/internal.h"

static int open_vol(struct job *job, struct vol **out)
{
    const struct vol_open_options options = {.readonly = false};
    struct dev *view = dev_borrow(job->dev);

    if (!view)
        return fail(-ENOMEM, "repair");
    return vol_open(job->env, &view, 1, &options, out);
}

/* A backup of this very generation that leads elsewhere. */
static void mend_backups(struct super *super)
{
    for (unsigned i = 0; i < SUPER_BACKUP_ROOTS; i++) {
        struct backup_root *backup = &super->backups.r[i];

        if (backup->tree_root != 0 && backup->tree_root_gen == super->generation) {
            backup->tree_root = super->root;
            backup->tree_root_level = super->root_level;
        }
    }
}

/* ---- chunks, so that addresses can be written to ----------------------------------------------
 */

struct chunk_walk {
    struct vol *vol;
    uint8_t *blocks; /* one of each level */
};

static int add_chunks(struct chunk_walk *walk, uint64_t bytenr, uint64_t generation, int level)
{
    const struct node_expect expect = {
        .bytenr = bytenr, .generation = generation, .owner = TREE_CHUNK, .level = level};
    uint8_t *block = walk->blocks + (size_t)level * vol_limits(walk->vol)->nodesize;
    uint32_t count;

    TRY(vol_read_node(walk->vol, laddr_of(bytenr), &expect, block));
    count = le32_get(((const disk_node_header *)(const void *)block)->nritems);
    for (uint32_t i = 0; i < count; i++) {
        if (level > 0) {
            const disk_key_ptr *ptrs = (const void *)(block + NODE_HEADER_SIZE);

            TRY(add_chunks(walk, le64_get(ptrs[i].blockptr), le64_get(ptrs[i].generation),
                           level - 1));
            continue;
        }
        const disk_leaf_item *item = (const disk_leaf_item *)(void *)(block + NODE_HEADER_SIZE) + i;
        struct chunk_map map;
        struct key key;

        key_decode(&key, &item->key);
        if (key.type != KEY_CHUNK_ITEM)
            continue;
        TRY(chunk_map_decode(key.offset, block + NODE_HEADER_SIZE + le32_get(item->offset),
                             le32_get(item->size), &map));
        TRY(vol_add_chunk(walk->vol, &map));
    }
    return 0;
}

static int load_chunks(struct vol *vol)
{
    const struct super *super = vol_super(vol);
    AUTO_FREE uint8_t *blocks = calloc(TREE_LEVELS_MAX, vol_limits(vol)->nodesize);
    struct chunk_walk walk = {vol, blocks};

    if (!blocks)
        return fail(-ENOMEM, "repair");
    return add_chunks(&walk, super->chunk_root, super->chunk_root_generation,
                      super->chunk_root_level);
}

/* ---- copies ---------------------------------------------------------------------------------- */

/* All copies of a tree block become the one that is good. */
static int mend_copies(struct vol *vol, uint64_t bytenr, uint8_t *block)
{
    const struct node_expect expect = {.bytenr = bytenr, .level = -1};

    TRY(vol_read_node(vol, laddr_of(bytenr), &expect, block));
    return vol_write(vol, laddr_of(bytenr), block, vol_limits(vol)->nodesize);
}

static int mend_all_copies(struct job *job, struct vol *vol)
{
    AUTO_FREE uint8_t *block = malloc(vol_limits(vol)->nodesize);

    if (!block)
        return fail(-ENOMEM, "repair");
    for (size_t i = 0; i < job->findings.count; i++) {
        const struct check_finding *f = PILE_AT(&job->findings, struct check_finding, i);

        if (f->code == CHECK_BLOCK_COPY_BAD)
            TRY(mend_copies(vol, f->block, block));
        else if (f->code == CHECK_BLOCK_BAD && f->block != 0)
            TRY(mend_leaf(vol, f->block));
    }
    return 0;
}

/* ---- superblocks ----------------------------------------------------------------------------- */

static bool found_any(const struct job *job, enum check_code first, enum check_code last)
{
    for (size_t i = 0; i < job->findings.count; i++) {
        enum check_code code = PILE_AT(&job->findings, struct check_finding, i)->code;

        if (code >= first && code <= last)
            return true;
    }
    return false;
}

static int mend_supers(struct job *job, struct vol *vol)
{
    struct super super = *vol_super(vol);

    mend_backups(&super);
    if (found_any(job, CHECK_LOG_BAD, CHECK_LOG_BAD)) {
        super.log_root = 0;
        super.log_root_level = 0;
        super.log_root_transid = 0;
    }
    TRY(vol_write_supers(vol, &super));
    return vol_flush(vol);
}

static int mend(struct job *job, struct vol *vol)
{
    if (found_any(job, CHECK_BLOCK_BAD, CHECK_BLOCK_COPY_BAD)) {
        TRY(load_chunks(vol));
        TRY(mend_all_copies(job, vol));
        TRY(vol_flush(vol));
    }
    if (found_any(job, CHECK_SUPER_BAD, CHECK_BACKUP_ROOT) ||
        found_any(job, CHECK_LOG_BAD, CHECK_LOG_BAD))
        TRY(mend_supers(job, vol));
    return 0;
}

int repair_super(struct job *job)
{
    struct vol *vol;
    int ret;

    TRY(open_vol(job, &vol));
    ret = mend(job, vol);
    vol_close(vol);
    return ret;
}

/* ---- a log that is waiting ------------------------------------------------------------------- */

static int has_log(struct job *job, bool *out)
{
    struct vol *vol;

    TRY(open_vol(job, &vol));
    *out = vol_super(vol)->log_root != 0;
    vol_close(vol);
    return 0;
}

/* Space in use looks free, so that replaying might write over it. */
static bool space_is_unsafe(const struct job *job)
{
    for (size_t i = 0; i < job->findings.count; i++) {
        switch (PILE_AT(&job->findings, struct check_finding, i)->code) {
        case CHECK_CHUNK_BAD:
        case CHECK_CHUNK_NO_DEVICE_EXTENT:
        case CHECK_CHUNK_NO_GROUP:
        case CHECK_GROUP_NO_CHUNK:
        case CHECK_GROUP_MISMATCH:
        case CHECK_EXTENT_OUTSIDE:
        case CHECK_REF_MISSING:
        case CHECK_FREE_EXTRA:
            return true;
        default:
            break;
        }
    }
    return false;
}

static int lose_log(struct job *job, const char *why)
{
    env_note(job->env, NOTE_WARNING,
             "repair: the log cannot be replayed on this damage, so what was fsynced last is lost: "
             "%s",
             why);
    fail_clear();
    return 0;
}

/* A commit drops the log, so what it holds has to be brought back before. */
int repair_log(struct job *job)
{
    const struct copse_open_options options = {.size = sizeof(options)};
    struct dev *view;
    struct mount *m;
    bool log;

    TRY(has_log(job, &log));
    if (!log)
        return 0;
    if (space_is_unsafe(job))
        return lose_log(job, "nobody knows which space is free");
    view = dev_borrow(job->dev);
    if (!view)
        return fail(-ENOMEM, "repair");
    if (mount_open(job->env, &view, 1, &options, &m) == 0)
        return mount_close(m);
    return lose_log(job, fail_message());
}
