// SPDX-License-Identifier: GPL-2.0-or-later
/* Writing the superblock, and the system chunks inside it. */
#include <string.h>

#include "disk/vol/vol_internal.h"

/* The bytes of one copy; super->dev_item is that of the device. */
static void super_bytes(const struct super *super, unsigned copy, uint8_t bytes[SUPER_SIZE])
{
    struct super own = *super;
    uint8_t csum[CSUM_MAX];

    own.bytenr = super_offset(copy);
    super_encode(bytes, &own);
    csum_compute((enum csum_type)own.csum_type, bytes + CSUM_FIELD_SIZE,
                 SUPER_SIZE - CSUM_FIELD_SIZE, csum);
    memcpy(bytes, csum, sizeof(csum));
}

/* Whether copy i has a place on the device as the file system sees it. */
static bool copy_fits(const struct vol_device *device, unsigned copy)
{
    uint64_t end = super_offset(copy) + SUPER_SIZE;

    return end <= device->item.total_bytes && end <= device->dev->size;
}

static int write_copy(const struct vol_device *device, const struct super *super, unsigned copy)
{
    uint8_t bytes[SUPER_SIZE];

    if (!copy_fits(device, copy))
        return 0;
    super_bytes(super, copy, bytes);
    return dev_write(device->dev, super_offset(copy), bytes, SUPER_SIZE);
}

/* Copies [from, to) on every device, each with its own device item. */
static int write_copies(struct vol *vol, const struct super *super, unsigned from, unsigned to)
{
    for (unsigned i = 0; i < vol->device_count; i++) {
        struct super own = *super;

        own.dev_item = vol->devices[i].item;
        for (unsigned copy = from; copy < to; copy++)
            TRY(write_copy(&vol->devices[i], &own, copy));
    }
    return 0;
}

static bool copy_is(const struct vol_device *device, const struct super *super, unsigned copy)
{
    uint8_t want[SUPER_SIZE], is[SUPER_SIZE];

    if (!copy_fits(device, copy))
        return true;
    super_bytes(super, copy, want);
    return dev_read(device->dev, super_offset(copy), is, SUPER_SIZE) == 0 &&
           memcmp(want, is, SUPER_SIZE) == 0;
}

/*
 * Who was here last may have been cut off between its primary and the copies: they name trees
 * whose blocks have been free since, and were perhaps used by now. If the next primary is torn a
 * copy counts, so before that they must say what the last one says, of the device, too, which the
 * transaction that is about to end may have changed. Where the primary was bad, the copy in use is
 * all there is, and is left alone.
 */
static int renew_copies(struct vol *vol)
{
    const struct vol_device *device = &vol->devices[0];
    bool old = false;

    for (unsigned copy = 1; copy < SUPER_COPIES; copy++)
        old |= !copy_is(device, &vol->super, copy);
    if (!old)
        return 0;
    for (unsigned copy = 1; copy < SUPER_COPIES; copy++)
        TRY(write_copy(device, &vol->super, copy));
    return vol_flush(vol);
}

static int before_first_super(struct vol *vol)
{
    INVARIANT(!vol->readonly, "I5: a read-only volume changes no byte");
    if (!vol->copies_known && !vol->used_copy)
        TRY(renew_copies(vol));
    vol->copies_known = true;
    return 0;
}

int vol_write_supers(struct vol *vol, const struct super *super)
{
    TRY(before_first_super(vol));
    TRY(write_copies(vol, super, 0, 1));
    TRY(vol_flush(vol));
    vol->super = *super;
    vol_update_limits(vol);
    vol->used_copy = false;
    /*
     * The flush before the next primary makes them durable. Until that primary is written this one
     * cannot be torn, so nobody needs them earlier.
     */
    return write_copies(vol, super, 1, SUPER_COPIES);
}

int vol_write_log_super(struct vol *vol, const struct super *super)
{
    const struct vol_device *device = &vol->devices[0];

    INVARIANT(vol->device_count == 1, "a log commit writes to one device");
    TRY(before_first_super(vol));
    TRY(write_copy(device, super, 0));
    TRY(vol_flush(vol));
    vol->used_copy = false;
    for (unsigned copy = 1; copy < SUPER_COPIES; copy++)
        TRY(write_copy(device, super, copy));
    return 0;
}

int vol_fill_system_array(struct vol *vol, struct super *super)
{
    struct system_array array = {{0}};
    struct chunk_map chunk;
    uint32_t used = 0;

    for (uint64_t from = 0; vol_next_chunk(vol, from, &chunk); from = chunk.logical + 1) {
        struct key key = key_make(FIRST_CHUNK_TREE_OBJECTID, KEY_CHUNK_ITEM, chunk.logical);

        if (!(chunk.type & BG_SYSTEM))
            continue;
        if (used + sizeof(disk_key) + chunk_item_size(chunk.num_stripes) > sizeof(array.b))
            return fail(-ENOSPC, "%s: the superblock has no room for another system chunk",
                        vol->label);
        key_encode(array.b + used, &key);
        used += (uint32_t)sizeof(disk_key);
        used += chunk_map_encode(vol, &chunk, array.b + used);
    }
    super->sys_chunk_array = array;
    super->sys_chunk_array_size = used;
    return 0;
}
