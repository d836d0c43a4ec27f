// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which superblock of a device counts.
 *
 * A copy is dangerous: the one at 256 GiB can outlive its file system and carry a higher
 * generation than the file system that lies there now. So the primary decides as long as its
 * checksum holds, also when its contents are refused.
 */
#include <stdio.h>
#include <string.h>

#include "disk/vol/signature.h"
#include "disk/vol/vol_internal.h"

/* Who a file system is, and which of its devices this one. */
struct identity {
    struct uuid fsid;
    struct uuid device;
};

static struct identity identity_of(const struct super *super)
{
    return (struct identity){super->fsid, super->dev_item.uuid};
}

static bool identity_equal(const struct identity *a, const struct identity *b)
{
    return uuid_equal(&a->fsid, &b->fsid) && uuid_equal(&a->device, &b->device);
}

/* Whether magic and checksum hold: then this is what a file system wrote, right or wrong. */
static bool intact(const uint8_t *bytes)
{
    const disk_super *super = (const void *)bytes;
    uint16_t type = le16_get(super->csum_type);
    uint8_t csum[CSUM_MAX];

    if (le64_get(super->magic) != SUPER_MAGIC || !csum_type_known(type))
        return false;
    csum_compute((enum csum_type)type, bytes + CSUM_FIELD_SIZE, SUPER_SIZE - CSUM_FIELD_SIZE, csum);
    return memcmp(csum, super->csum.b, csum_size((enum csum_type)type)) == 0;
}

/* Reads copy i where it is a valid superblock that lies inside the device it describes. */
static bool read_candidate(struct dev *dev, unsigned copy, struct super *out)
{
    return super_take_copy(dev, copy, out) == 0 &&
           super_offset(copy) + SUPER_SIZE <= out->dev_item.total_bytes;
}

/*
 * The best copy of the file system `who`, or, when that is not known, of the one the first valid
 * copy belongs to. That one also says how large the file system is: copies beyond are leftovers.
 * 0: none.
 */
static unsigned choose_copy(struct dev *dev, const struct identity *who, struct super *out)
{
    struct identity wanted;
    uint64_t size = 0;
    unsigned chosen = 0;

    for (unsigned copy = 1; copy < SUPER_COPIES; copy++) {
        struct super found;
        struct identity is;

        if (!read_candidate(dev, copy, &found))
            continue;
        is = identity_of(&found);
        if (chosen == 0)
            wanted = who ? *who : is;
        if (!identity_equal(&is, &wanted))
            continue;
        if (chosen != 0 &&
            (super_offset(copy) + SUPER_SIZE > size || found.generation <= out->generation))
            continue;
        size = found.dev_item.total_bytes;
        *out = found;
        chosen = copy;
    }
    return chosen;
}

/* Somebody else's magic on a device whose btrfs magic is gone means that the btrfs is gone too. */
static int refuse_foreign(struct dev *dev, const uint8_t *primary)
{
    const disk_super *super = (const void *)primary;
    const struct signature *foreign;
    unsigned row = 0;

    if (le64_get(super->magic) == SUPER_MAGIC)
        return 0;
    TRY(signature_find(dev, &row, &foreign));
    if (foreign)
        return fail(-EINVAL, "%s: not btrfs, but %s", dev_label(dev), foreign->name);
    return 0;
}

/* The primary is bad: err and the message say how. Looks for a copy. */
static int find_copy(struct dev *dev, const uint8_t *primary, int err, struct super *out,
                     unsigned *copy)
{
    char why[FAIL_MESSAGE_MAX];
    struct identity who;
    struct super remains, found;
    unsigned chosen;
    bool known;

    snprintf(why, sizeof(why), "%s", fail_message());
    TRY(refuse_foreign(dev, primary));
    super_decode(&remains, primary);
    who = identity_of(&remains);
    known = !uuid_is_null(&who.fsid) || !uuid_is_null(&who.device);
    chosen = choose_copy(dev, known ? &who : NULL, &found);
    if (chosen == 0)
        return fail(err, "%s: no usable superblock: %s", dev_label(dev), why);
    *out = found;
    *copy = chosen;
    return 0;
}

int super_find(struct dev *dev, struct super *out, unsigned *copy)
{
    uint8_t bytes[SUPER_SIZE] = {0};
    int err;

    if (dev->size < SUPER_OFFSET + SUPER_SIZE)
        return fail(-EINVAL, "%s: not btrfs, only %llu bytes long", dev_label(dev), LLU(dev->size));
    err = dev_read(dev, SUPER_OFFSET, bytes, SUPER_SIZE);
    if (err == 0)
        err = super_validate(bytes, SUPER_OFFSET);
    else
        memset(bytes, 0, sizeof(bytes));
    if (err < 0 && intact(bytes))
        return fail_context(err, "%s", dev_label(dev));
    if (err < 0)
        return find_copy(dev, bytes, err, out, copy);
    super_decode(out, bytes);
    *copy = 0;
    return 0;
}

int super_take_copy(struct dev *dev, unsigned copy, struct super *out)
{
    uint64_t offset = super_offset(copy);
    uint8_t bytes[SUPER_SIZE];

    if (dev->size < offset + SUPER_SIZE)
        return fail(-EINVAL, "%s: too short for superblock copy %u", dev_label(dev), copy);
    TRY(dev_read(dev, offset, bytes, SUPER_SIZE));
    int ret = super_validate(bytes, offset);
    if (ret < 0)
        return fail_context(ret, "%s: superblock copy %u", dev_label(dev), copy);
    super_decode(out, bytes);
    return 0;
}

/* ---- system array
 * -------------------------------------------------------------------------------- */

/* super_validate has been through the array, so its entries are whole and of the right kind. */
int super_load_system_array(struct vol *vol)
{
    const uint8_t *array = vol->super.sys_chunk_array.b;

    for (uint32_t at = 0; at < vol->super.sys_chunk_array_size;) {
        const uint8_t *item = array + at + sizeof(disk_key);
        uint32_t left = vol->super.sys_chunk_array_size - at - (uint32_t)sizeof(disk_key);
        struct chunk_map chunk;
        struct key key;

        key_decode(&key, array + at);
        TRY(chunk_map_decode(key.offset, item, left, &chunk));
        TRY(vol_add_chunk(vol, &chunk));
        at += (uint32_t)sizeof(disk_key) + chunk_item_size(chunk.num_stripes);
    }
    return 0;
}
