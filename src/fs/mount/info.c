// SPDX-License-Identifier: GPL-2.0-or-later
/* What there is to know about the whole: space, names, subvolumes. */
#include "fs/mount/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/extent/sharing.h"

/* ---- space
 * ---------------------------------------------------------------------------------------- */

static void fill_totals(struct space *space, enum space_kind kind, uint64_t type,
                        struct copse_space_totals *out)
{
    struct space_totals t;

    space_totals(space, kind, &t);
    *out = (struct copse_space_totals){
        .profile = type | t.profile,
        .total = t.total,
        .used = t.used,
        .reserved = t.promised + t.allocated,
        .pinned = t.pinned,
        .readonly = t.readonly,
    };
}

static void fill_counters(struct mount *m, struct copse_usage *out)
{
    struct extent_sharing_counters sharing = {0};
    struct file_counters files;

    files_counters(&m->fs, &files);
    if (m->fs.store->extents)
        extent_sharing_counters(m->fs.store->extents, &sharing);
    out->written_in_place = files.in_place;
    out->written_anew = files.copied;
    out->written_to_share = files.cloned;
    out->written_beside = files.cloned_outside;
    out->sharing_asked = sharing.asked;
    out->sharing_lookups = sharing.item_lookups;
    out->sharing_walks = sharing.walks;
}

int mount_usage(struct mount *m, struct copse_usage *out)
{
    struct store *store = m->fs.store;

    if (!store->space)
        return fail(-EIO, "space is not known: block groups could not be read");
    memset(out, 0, sizeof(*out));
    store_read_lock(store);
    fill_totals(store->space, SPACE_DATA, BG_DATA, &out->data);
    fill_totals(store->space, SPACE_METADATA, BG_METADATA, &out->metadata);
    fill_totals(store->space, SPACE_SYSTEM, BG_SYSTEM, &out->system);
    if (space_is_mixed(store->space)) {
        out->data.profile |= BG_METADATA;
        out->metadata.profile |= BG_DATA;
    }
    out->device_size = vol_super(store->engine.vol)->total_bytes;
    out->device_unallocated = space_unallocated(store->space);
    out->global_reserve = space_global_reserve(store->space);
    out->free_estimate = space_data_available(store->space);
    uint64_t in_chunks = out->data.total - MIN(out->data.total, out->data.used);
    out->free_min = MIN(out->free_estimate, in_chunks + out->device_unallocated / 2);
    fill_counters(m, out);
    store_read_unlock(store);
    return 0;
}

int mount_info(struct mount *m, struct copse_fs_info *out)
{
    struct engine *e = &m->fs.store->engine;
    const struct super *super = vol_super(e->vol);
    uint64_t default_id;

    store_read_lock(m->fs.store);
    struct label label = store_label(m->fs.store);
    int ret = subvol_get_default(&m->fs, &default_id);
    store_read_unlock(m->fs.store);
    if (ret < 0)
        return ret;
    memset(out, 0, sizeof(*out));
    memcpy(out->fsid, super->fsid.b, sizeof(out->fsid));
    memcpy(out->label, label.b, sizeof(out->label) - 1);
    out->generation = super->generation;
    out->nodesize = e->nodesize;
    out->sectorsize = e->sectorsize;
    out->csum_name = csum_name(e->csum_type);
    out->default_subvol = default_id;
    out->num_devices = super->num_devices;
    out->total_bytes = super->total_bytes;
    out->bytes_used = e->bytes_used;
    out->log_pending = m->priv->log_pending;
    return 0;
}

int mount_set_label(struct mount *m, const char *label)
{
    size_t len = strlen(label);

    if (len >= SUPER_LABEL_MAX)
        return fail(-EINVAL, "a label has at most %d bytes", SUPER_LABEL_MAX - 1);
    if (strchr(label, '\n'))
        return fail(-EINVAL, "a label has no line breaks");
    TRY(store_begin(m->fs.store, STORE_RELEASE, 1));
    store_set_label(m->fs.store, label);
    store_end(m->fs.store);
    return 0;
}

/* ---- subvolumes
 * -------------------------------------------------------------------------------------- */

static struct timespec to_timespec(const struct timestamp *t)
{
    return (struct timespec){.tv_sec = (time_t)(int64_t)t->sec, .tv_nsec = (long)t->nsec};
}

static void fill_subvol(uint64_t id, const struct root_item *item, struct copse_subvol *out)
{
    *out = (struct copse_subvol){
        .id = id,
        .generation = item->generation,
        .creation_generation = item->otransid,
        .flags = item->flags,
        .ctime = to_timespec(&item->ctime),
        .otime = to_timespec(&item->otime),
        .stime = to_timespec(&item->stime),
        .rtime = to_timespec(&item->rtime),
        .ctransid = item->ctransid,
        .otransid = item->otransid,
        .stransid = item->stransid,
        .rtransid = item->rtransid,
        .deleted = item->refs == 0,
    };
    memcpy(out->uuid, item->uuid.b, sizeof(out->uuid));
    memcpy(out->parent_uuid, item->parent_uuid.b, sizeof(out->parent_uuid));
    memcpy(out->received_uuid, item->received_uuid.b, sizeof(out->received_uuid));
}

/* Adds where it hangs; *path is to be freed. A subvolume without a name has the path NULL. */
static int fill_place(struct mount *m, struct copse_subvol *subvol, char **path)
{
    char name[NAME_MAX_BYTES + 1];
    uint64_t index;
    uint16_t len;

    *path = NULL;
    if (subvol->id == TREE_FS) {
        subvol->path = "";
        return 0;
    }
    int ret = root_ref_find(&m->fs.store->engine, subvol->id, &subvol->parent_id, &subvol->dirid,
                            &index, name, &len);
    if (ret == 0)
        ret = subvol_path(&m->fs, subvol->id, path);
    if (ret == -ENOENT) {
        fail_clear();
        subvol->deleted = true;
        return 0;
    }
    subvol->path = *path;
    return ret;
}

struct listing {
    struct mount *m;
    int (*fn)(void *arg, const struct copse_subvol *subvol);
    void *arg;
};

static int list_one(void *arg, uint64_t id, uint64_t key_offset, const struct root_item *item)
{
    struct listing *listing = arg;
    AUTO_FREE char *path = NULL;
    struct copse_subvol subvol;
    struct root_item current = *item;
    struct tree_handle *tree;

    (void)key_offset;
    if (!is_fs_tree(id))
        return 0;
    /* What changed since the last commit is in memory only. */
    if (roots_get(listing->m->fs.store->roots, id, &tree) == 0) {
        current = tree->item;
        current.generation = tree->root.generation;
    }
    fill_subvol(id, &current, &subvol);
    TRY(fill_place(listing->m, &subvol, &path));
    return listing->fn(listing->arg, &subvol) != 0;
}

int mount_subvol_list(struct mount *m, int (*fn)(void *arg, const struct copse_subvol *subvol),
                      void *arg)
{
    struct listing listing = {.m = m, .fn = fn, .arg = arg};

    store_read_lock(m->fs.store);
    int ret = roots_each(m->fs.store->roots, TREE_FS, list_one, &listing);
    store_read_unlock(m->fs.store);
    return MIN(ret, 0);
}

int mount_subvol_of(struct mount *m, struct inode *inode, struct copse_subvol *out)
{
    static _Thread_local char *kept;
    struct copse_subvol subvol;
    struct root_item item;
    char *path;

    store_read_lock(m->fs.store);
    item = inode->tree->item;
    item.generation = inode->tree->root.generation;
    fill_subvol(inode->tree->root.id, &item, &subvol);
    int ret = fill_place(m, &subvol, &path);
    store_read_unlock(m->fs.store);
    if (ret < 0)
        return ret;
    free(kept);
    kept = path;
    *out = subvol;
    return 0;
}
