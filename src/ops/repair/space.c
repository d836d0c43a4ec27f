// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Space: everything in one transaction, because nothing may be allocated, freed or counted by the
 * engine until the extent tree says what the trees say. Changes of the extent tree free blocks of
 * it; those wait as pending references until all items are right.
 */
#include <stdlib.h>

#include "engine/extent/restate.h"
#include "ops/repair/internal.h"

/* ---- device extents -------------------------------------------------------------------------- */

static int add_device_extent(struct store *store, const struct check_finding *f)
{
    struct engine *e = &store->engine;
    const struct key key = key_make(vol_device(e->vol, 0)->devid, KEY_DEV_EXTENT, f->start);
    AUTO_PATH struct path path = PATH_INIT;
    struct dev_extent extent = {
        .chunk_tree = TREE_CHUNK,
        .chunk_objectid = FIRST_CHUNK_TREE_OBJECTID,
        .chunk_offset = f->other,
        .length = f->len,
    };
    struct node_header header;
    void *data;
    int ret = tree_insert_path(&e->dev_tree, &key, sizeof(disk_dev_extent), &path, &data);

    /* One that says something else. */
    if (ret == -EEXIST)
        data = path_data_mut(&path);
    else
        TRY(ret);
    node_header_decode(&header, node_data(path_leaf(&path)));
    extent.chunk_tree_uuid = header.chunk_tree_uuid;
    dev_extent_encode(data, &extent);
    return 0;
}

static int remove_device_extent(struct store *store, const struct check_finding *f)
{
    const struct key key = key_make(f->other, KEY_DEV_EXTENT, f->start);
    int ret = tree_delete(&store->engine.dev_tree, &key);

    return ret == -ENOENT ? 0 : ret;
}

static int mend_devices(struct job *job, struct store *store, enum check_code code,
                        int (*fn)(struct store *, const struct check_finding *))
{
    for (size_t i = 0; i < job->findings.count; i++) {
        const struct check_finding *f = PILE_AT(&job->findings, struct check_finding, i);

        if (f->code == code)
            TRY(fn(store, f));
    }
    return 0;
}

/* ---- extents --------------------------------------------------------------------------------- */

struct restating {
    struct job *job;
    struct store *store;
    struct pile refs; /* struct extent_ref, of the extent at hand */
};

static bool is_data(const struct reference *ref)
{
    return ref->type == KEY_EXTENT_DATA_REF || ref->type == KEY_SHARED_DATA_REF;
}

static int add_ref(struct restating *r, const struct reference *ref)
{
    bool shared = ref->type == KEY_SHARED_DATA_REF || ref->type == KEY_SHARED_BLOCK_REF;
    struct extent_ref out = {.type = ref->type, .count = ref->count};

    if (shared)
        out.parent = ref->root;
    else
        out.root = ref->root;
    if (ref->type == KEY_EXTENT_DATA_REF) {
        out.objectid = ref->objectid;
        out.offset = ref->offset;
    }
    return pile_push(&r->refs, &out);
}

static bool is_met(const struct reference *met, size_t count, const struct reference *ref)
{
    for (size_t i = 0; i < count; i++)
        if (met[i].type == ref->type && met[i].root == ref->root &&
            met[i].objectid == ref->objectid && met[i].offset == ref->offset)
            return true;
    return false;
}

/*
 * All that refers to an extent: what was met in the trees and, where a part of these is lost, what
 * the extent tree lists beside. 1: it is not the same of which they speak.
 */
static int gather(struct restating *r, const struct job_extent *extent)
{
    const struct reference *met = PILE_AT(&r->job->refs, struct reference, extent->first);
    const struct reference *listed = met + extent->met;

    r->refs.count = 0;
    for (size_t i = 0; i < extent->met; i++) {
        if (met[i].size != met->size || is_data(&met[i]) != is_data(met))
            return 1;
        TRY(add_ref(r, &met[i]));
    }
    for (size_t i = 0; r->job->incomplete && i < extent->listed; i++)
        if (!is_met(met, extent->met, &listed[i])) {
            if (extent->met > 0 && is_data(&listed[i]) != is_data(met))
                return 1;
            TRY(add_ref(r, &listed[i]));
        }
    return 0;
}

/* What of the extent tree lies at an address; 0: nothing. */
static int item_bytes(struct store *store, uint64_t bytenr, uint64_t *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(bytenr, 0, 0);
    int ret = tree_search_ge(&store->engine.extent_tree, &key, &path);

    *out = 0;
    for (; ret == 0; ret = path_next(&path)) {
        path_key(&path, &key);
        if (key.objectid != bytenr)
            return 0;
        if (key.type == KEY_EXTENT_ITEM)
            *out = key.offset;
        else if (key.type == KEY_METADATA_ITEM)
            *out = store->engine.nodesize;
    }
    return ret < 0 ? ret : 0;
}

static uint64_t bytes_of(const struct store *store, const struct reference *ref)
{
    return is_data(ref) ? ref->size : store->engine.nodesize;
}

/*
 * Takes what is in use and counted as free, before anything is allocated. What lies where others
 * are, or in no block group, is not made true by listing it.
 */
static int claim(struct job *job, struct store *store, struct job_extent *extent)
{
    const struct reference *met = PILE_AT(&job->refs, struct reference, extent->first);
    uint64_t now = extent->met > 0 ? bytes_of(store, met) : 0;

    TRY(item_bytes(store, extent->bytenr, &extent->old));
    extent->skip = now == 0 && job->incomplete;
    if (now <= extent->old)
        return 0;
    if (space_claim(store->space, extent->bytenr + extent->old, now - extent->old) < 0) {
        fail_clear();
        extent->skip = true;
        return 0;
    }
    return space_alloc_done(store->space, extent->bytenr + extent->old, now - extent->old);
}

/* What is of no use any more; where others lie on it the next check counts again. */
static void release(struct store *store, const struct job_extent *extent, uint64_t now)
{
    if (now < extent->old && space_freed(store->space, extent->bytenr + now, extent->old - now) < 0)
        fail_clear();
}

static int restate(struct restating *r, const struct job_extent *extent)
{
    const struct reference *met = PILE_AT(&r->job->refs, struct reference, extent->first);
    struct extent_restated what = {.bytenr = extent->bytenr};
    int ret = gather(r, extent);

    if (ret != 0)
        return ret < 0 ? ret : 0;
    what.refs = r->refs.base;
    what.count = r->refs.count;
    if (extent->met > 0) {
        what.data = is_data(met);
        what.num_bytes = bytes_of(r->store, met);
        what.generation = what.data ? 0 : met->size >> 8;
        what.level = what.data ? 0 : (uint8_t)met->size;
        what.flags = extent->full && !what.data ? BLOCK_FLAG_FULL_BACKREF : 0;
    }
    r->job->references_moved = true;
    TRY(extent_restate(r->store->extents, &what));
    release(r->store, extent, what.num_bytes);
    return 0;
}

static int restate_all(struct job *job, struct store *store)
{
    struct restating r = {.job = job, .store = store};
    int ret = 0;

    for (size_t i = 0; i < job->extents.count; i++)
        TRY(claim(job, store, PILE_AT(&job->extents, struct job_extent, i)));
    pile_init(&r.refs, sizeof(struct extent_ref), &job->budget);
    for (size_t i = 0; i < job->extents.count && ret == 0; i++) {
        const struct job_extent *extent = PILE_AT(&job->extents, struct job_extent, i);

        if (!extent->skip)
            ret = restate(&r, extent);
    }
    pile_free(&r.refs);
    return ret;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static bool device_is_wrong(const struct job *job)
{
    for (size_t i = 0; i < job->findings.count; i++) {
        enum check_code code = PILE_AT(&job->findings, struct check_finding, i)->code;

        if (code == CHECK_DEVICE_USED || code == CHECK_CHUNK_NO_DEVICE_EXTENT ||
            code == CHECK_DEVICE_EXTENT_NO_CHUNK)
            return true;
    }
    return false;
}

static int mend(struct job *job, struct store *store)
{
    /* Before anything is allocated: what is in use and was not known to be. */
    TRY(restate_all(job, store));
    TRY(space_repair_groups(store->space));
    TRY(mend_devices(job, store, CHECK_DEVICE_EXTENT_NO_CHUNK, remove_device_extent));
    TRY(mend_devices(job, store, CHECK_CHUNK_NO_DEVICE_EXTENT, add_device_extent));
    if (device_is_wrong(job))
        TRY(space_repair_device(store->space, vol_device(store->engine.vol, 0)->devid));
    return 0;
}

int repair_space(struct job *job)
{
    unsigned units = (unsigned)MIN(job->extents.count + job->findings.count + 64, (size_t)1 << 20);
    struct store *store;
    int ret;

    TRY(job_open(job, &store));
    ret = store_begin(store, STORE_INTERNAL, units);
    if (ret == 0) {
        ret = mend(job, store);
        /* Nothing pending may be run over items that are still wrong. */
        if (ret < 0)
            (void)txn_abort(&store->engine, ret);
        store_end(store);
    }
    return job_close(job, store, ret);
}
