// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Promises of space (promise 1): what is promised is covered by free space and by chunks that can
 * still be made, for all kinds at once.
 */
#include "engine/space/space_internal.h"

/* Linux counts an insertion as a path down and a split on every level, for each tree involved. */
#define RESERVE_INSERTIONS 16
#define RESERVE_MAX (512 * MIB)
/* Nodes for changes of the chunk tree: two paths and their splits. */
#define SYSTEM_RESERVE_NODES 16

uint64_t system_reserve(const struct space *space)
{
    return (uint64_t)SYSTEM_RESERVE_NODES * space->engine->nodesize;
}

/*
 * For what must go on when all is used up: deleting, and the commit itself. Linux takes the size
 * of the extent, checksum and root trees, at least some insertions, at most 512 MiB. A quarter of
 * all metadata is about that; a small file system gives a sixteenth of its size at most.
 */
static uint64_t global_reserve(const struct space *space)
{
    const struct kind *kind = &space->kinds[space_kind_of(space, SPACE_METADATA)];
    uint64_t least = RESERVE_INSERTIONS * 2ULL * TREE_LEVELS_MAX * space->engine->nodesize;
    uint64_t share = space->mixed ? 0 : kind->used / 4;
    uint64_t wanted = MAX(least, share);
    uint64_t most = MIN(RESERVE_MAX, devices_total(space) / 16);

    return MIN(wanted, most);
}

uint64_t kind_reserve(const struct space *space, enum space_kind kind)
{
    return kind == space_kind_of(space, SPACE_METADATA) ? global_reserve(space) : 0;
}

uint64_t space_global_reserve(struct space *space)
{
    SCOPED_LOCK(&space->lock);
    return round_down_to(global_reserve(space), space->engine->nodesize);
}

/* ---- what is needed of the devices
 * -------------------------------------------------------------------------- */

/* Units that it takes beside what is free already. Lock held. */
static uint64_t units_beyond(const struct kind *kind, uint64_t free_bytes, uint64_t need)
{
    return need > free_bytes ? units_for(need - free_bytes, kind->profile) : 0;
}

static uint64_t units_of_others(const struct space *space, enum space_kind kind, bool after_commit,
                                bool use_reserve)
{
    uint64_t units = 0;

    for (unsigned i = 0; i < SPACE_KINDS; i++) {
        const struct kind *other = &space->kinds[i];
        uint64_t free_bytes = other->free + (after_commit ? other->pinned : 0);
        uint64_t need = other->promised;

        if (i == kind || space_kind_of(space, i) != i)
            continue;
        if (i == SPACE_SYSTEM)
            need += system_reserve(space);
        else if (!use_reserve)
            need += kind_reserve(space, i);
        units += units_beyond(other, free_bytes, need);
    }
    return units;
}

uint64_t promised_units_of_others(const struct space *space, enum space_kind kind)
{
    return units_of_others(space, kind, false, false);
}

/* Whether `need` bytes of that kind are there or can be made. Lock held. */
static bool covered(const struct space *space, enum space_kind index, uint64_t need,
                    bool use_reserve, bool after_commit)
{
    const struct kind *kind = &space->kinds[index];
    uint64_t free_bytes = kind->free + (after_commit ? kind->pinned : 0);
    uint64_t units = space->raw_units + (after_commit ? space->leaving_units : 0);
    uint64_t wanted;

    if (need <= free_bytes)
        return true;
    wanted = units_beyond(kind, free_bytes, need);
    return wanted <= units &&
           units_of_others(space, index, after_commit, use_reserve) <= units - wanted;
}

/* ---- promising
 * ----------------------------------------------------------------------------------------------------
 */

int space_promise_try(struct space *space, enum space_kind which, uint64_t bytes, bool use_reserve)
{
    enum space_kind index = space_kind_of(space, which);
    SCOPED_LOCK(&space->lock);
    struct kind *kind = &space->kinds[index];
    uint64_t need = kind->promised + (use_reserve ? 0 : kind_reserve(space, index));

    if (bytes > UINT64_MAX - need)
        return -ENOSPC;
    need += bytes;
    if (covered(space, index, need, use_reserve, false)) {
        kind->promised += bytes;
        return 0;
    }
    return covered(space, index, need, use_reserve, true) ? -EAGAIN : -ENOSPC;
}

int space_promise(struct space *space, enum space_kind which, uint64_t bytes, bool use_reserve)
{
    int ret = space_promise_try(space, which, bytes, use_reserve);

    if (ret == -EAGAIN)
        return fail(ret, "%llu bytes are free only after a commit", (unsigned long long)bytes);
    if (ret < 0)
        return fail(ret, "%llu bytes of %s space are more than is free", (unsigned long long)bytes,
                    which == SPACE_DATA ? "data" : "metadata");
    return 0;
}

void space_promise_release(struct space *space, enum space_kind which, uint64_t bytes)
{
    SCOPED_LOCK(&space->lock);
    struct kind *kind = &space->kinds[space_kind_of(space, which)];

    INVARIANT(bytes <= kind->promised, "I1: no more is given back than was promised");
    kind->promised -= bytes;
}

/* With the reserve, metadata has room ahead for what nobody promised. */
static bool prepared(struct space *space, enum space_kind index, bool with_reserve)
{
    SCOPED_LOCK(&space->lock);
    const struct kind *kind = &space->kinds[index];
    uint64_t need = kind->promised + (with_reserve ? kind_reserve(space, index) : 0);

    return kind->free >= need;
}

int space_prepare_chunks(struct space *space, enum space_kind which)
{
    enum space_kind index = space_kind_of(space, which);
    int ret = 0;

    while (ret == 0 && !prepared(space, index, true))
        ret = chunk_create_for(space, index, NULL);
    if (ret == -ENOSPC && prepared(space, index, false))
        return 0;
    return ret;
}

/* ---- statfs
 * -------------------------------------------------------------------------------------------------------
 */

uint64_t space_data_available(struct space *space)
{
    SCOPED_LOCK(&space->lock);
    enum space_kind index = space_kind_of(space, SPACE_DATA);
    const struct kind *kind = &space->kinds[index];
    uint64_t others = units_of_others(space, index, true, false);
    uint64_t units = space->raw_units + space->leaving_units;
    uint64_t taken = kind->promised + kind_reserve(space, index);
    uint64_t bytes = kind->free + kind->pinned;

    if (units > others)
        bytes += (units - others) * CHUNK_UNIT / profile_copies(kind->profile);
    return bytes > taken ? bytes - taken : 0;
}
