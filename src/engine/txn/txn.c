// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/txn/txn.h"

struct root *engine_block_group_tree(struct engine *engine)
{
    if (engine->compat_ro & COMPAT_RO_BLOCK_GROUP_TREE)
        return &engine->block_group_tree;
    return &engine->extent_tree;
}

int engine_init(struct engine *engine, struct vol *vol, uint64_t cache_bytes)
{
    const struct super *super = vol_super(vol);
    struct forest_options options = {.cache_bytes = cache_bytes};
    struct forest *forest;

    TRY(forest_new(vol, &options, &forest));
    *engine = (struct engine){
        .env = vol_env(vol),
        .vol = vol,
        .forest = forest,
        .durable_gen = super->generation,
        .nodesize = super->nodesize,
        .sectorsize = super->sectorsize,
        .csum_type = super->csum_type,
        .csum_size = csum_size(super->csum_type),
        .incompat = super->incompat_flags,
        .compat_ro = super->compat_ro_flags,
        .bytes_used = super->bytes_used,
    };
    return 0;
}

void engine_release(struct engine *engine)
{
    forest_free(engine->forest);
    engine->forest = NULL;
}

void engine_root_set(struct engine *engine, struct root *root, uint64_t id, uint64_t bytenr,
                     uint64_t generation, uint8_t level)
{
    *root = (struct root){
        .forest = engine->forest,
        .id = id,
        .bytenr = bytenr,
        .generation = generation,
        .level = level,
    };
}

int txn_abort(struct engine *engine, int err)
{
    int none = 0;

    if (__atomic_compare_exchange_n(&engine->txn.error, &none, err, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED))
        env_note(engine->env, NOTE_ERROR, "%s: read-only from now on: %s", vol_label(engine->vol),
                 fail_message());
    return err;
}

int txn_writable(const struct engine *engine)
{
    /* Promises are asked for without the metadata lock. */
    if (txn_failed(engine))
        return fail(-EROFS, "%s: an earlier failure made it read-only", vol_label(engine->vol));
    if (__atomic_load_n(&engine->txn.transid, __ATOMIC_RELAXED) == 0)
        return fail(-EROFS, "%s: opened read-only", vol_label(engine->vol));
    return 0;
}
