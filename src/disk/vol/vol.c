// SPDX-License-Identifier: GPL-2.0-or-later
/* The volume itself: what it is made of and how it comes and goes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/lock.h"
#include "disk/vol/vol_internal.h"

static void close_devs(struct dev **devs, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        dev_close(devs[i]);
}

void vol_close(struct vol *vol)
{
    if (!vol)
        return;
    for (unsigned i = 0; i < vol->device_count; i++)
        dev_close(vol->devices[i].dev);
    for (size_t i = 0; i < vol->chunk_count; i++)
        free(vol->chunks[i]);
    rwlock_destroy(&vol->lock);
    free(vol->chunks);
    free(vol->devices);
    free(vol->label);
    free(vol);
}

static void cleanup_vol(struct vol **vol)
{
    vol_close(*vol);
}

#define AUTO_VOL CLEANUP(cleanup_vol)

/* A volume without devices and without a superblock. */
static struct vol *vol_alloc(struct env *env)
{
    struct vol *vol = calloc(1, sizeof(*vol));

    if (!vol)
        return NULL;
    vol->env = env;
    vol->unflushed = true; /* by who was here last, perhaps */
    rwlock_init(&vol->lock, RANK_CHUNK_MAP);
    return vol;
}

void vol_update_limits(struct vol *vol)
{
    vol->limits.incompat = vol->super.incompat_flags;
    vol->limits.compat_ro = vol->super.compat_ro_flags;
}

static void set_super(struct vol *vol, const struct super *super)
{
    vol->super = *super;
    vol->node_uuid =
        super->incompat_flags & INCOMPAT_METADATA_UUID ? super->metadata_uuid : super->fsid;
    vol->limits = (struct format_limits){
        .nodesize = super->nodesize,
        .sectorsize = super->sectorsize,
        .csum_type = super->csum_type,
        .csum_size = csum_size((enum csum_type)super->csum_type),
        .metadata_uuid = &vol->node_uuid,
    };
    vol_update_limits(vol);
}

/* Makes dev the volume's only device, described by super. The volume owns it from here on. */
static int attach(struct vol *vol, struct dev *dev, const struct super *super)
{
    AUTO_FREE struct vol_device *devices = calloc(1, sizeof(*devices));
    AUTO_FREE char *label = strdup(dev_label(dev));

    if (!devices || !label)
        return fail(-ENOMEM, "%s: out of memory", dev_label(dev));
    devices[0] = (struct vol_device){
        .devid = super->dev_item.devid,
        .uuid = super->dev_item.uuid,
        .dev = dev,
        .item = super->dev_item,
    };
    vol->devices = STEAL(devices);
    vol->label = STEAL(label);
    vol->device_count = 1;
    set_super(vol, super);
    return 0;
}

/* What in the superblock, besides feature bits, forbids writing; NULL: nothing. */
static const char *super_forbids_writing(const struct super *super)
{
    if (super->flags & SUPER_FLAG_SEEDING)
        return "it is a seed device";
    if (super->flags & (SUPER_FLAG_METADUMP | SUPER_FLAG_METADUMP_V2))
        return "it is a metadata dump without file contents";
    if (super->flags & SUPER_FLAG_ERROR)
        return "its superblock records an error";
    return NULL;
}

/* Promise 8. */
static int decide_readonly(struct vol *vol, const struct vol_open_options *options)
{
    const char *reason = super_forbids_writing(&vol->super);
    bool forbidden = false;

    TRY(features_check(vol->super.incompat_flags, vol->super.compat_ro_flags, &forbidden));
    if (forbidden)
        snprintf(vol->readonly_reason, sizeof(vol->readonly_reason), "%s", fail_message());
    else if (reason)
        snprintf(vol->readonly_reason, sizeof(vol->readonly_reason), "%s", reason);
    vol->readonly = options->readonly || forbidden || reason;
    return 0;
}

static int check_size(const struct dev *dev, const struct super *super)
{
    if (super->num_devices != 1)
        return fail(-EOPNOTSUPP, "%s: the file system has %llu devices, only one is supported",
                    dev_label(dev), LLU(super->num_devices));
    if (super->dev_item.total_bytes > dev->size)
        return fail(-EUCLEAN, "%s: truncated: %llu bytes, the file system needs %llu",
                    dev_label(dev), LLU(dev->size), LLU(super->dev_item.total_bytes));
    return 0;
}

static int open_device(struct vol *vol, struct dev *dev, const struct vol_open_options *options)
{
    struct super super;
    unsigned copy = options->super_copy;

    if (copy)
        TRY(super_take_copy(dev, copy, &super));
    else
        TRY(super_find(dev, &super, &copy));
    TRY(check_size(dev, &super));
    TRY(attach(vol, dev, &super));
    vol->used_copy = copy > 0;
    if (vol->used_copy)
        env_note(vol->env, NOTE_WARNING, "%s: primary superblock is bad, using the copy at %llu",
                 vol->label, LLU(super_offset(copy)));
    TRY(decide_readonly(vol, options));
    return super_load_system_array(vol);
}

int vol_open(struct env *env, struct dev **devs, unsigned dev_count,
             const struct vol_open_options *options, struct vol **out)
{
    AUTO_VOL struct vol *vol = vol_alloc(env);
    int err;

    if (!vol || dev_count != 1) {
        close_devs(devs, dev_count);
        return vol ? fail(-EOPNOTSUPP, "%u devices given, only one is supported", dev_count)
                   : fail(-ENOMEM, "out of memory");
    }
    err = open_device(vol, devs[0], options);
    if (err < 0) {
        if (vol->device_count == 0)
            close_devs(devs, dev_count);
        return err;
    }
    *out = STEAL(vol);
    return 0;
}

int vol_new(struct env *env, struct dev *dev, const struct super *super, struct vol **out)
{
    AUTO_VOL struct vol *vol = vol_alloc(env);
    int err = vol ? attach(vol, dev, super) : fail(-ENOMEM, "out of memory");

    if (err < 0) {
        dev_close(dev);
        return err;
    }
    vol->copies_known = true;
    *out = STEAL(vol);
    return 0;
}

const struct super *vol_super(const struct vol *vol)
{
    return &vol->super;
}

const struct format_limits *vol_limits(const struct vol *vol)
{
    return &vol->limits;
}

bool vol_readonly(const struct vol *vol)
{
    return vol->readonly;
}

const char *vol_readonly_reason(const struct vol *vol)
{
    return vol->readonly_reason;
}

bool vol_used_super_copy(const struct vol *vol)
{
    return vol->used_copy;
}

struct env *vol_env(const struct vol *vol)
{
    return vol->env;
}

const char *vol_label(const struct vol *vol)
{
    return vol->label;
}

unsigned vol_device_count(const struct vol *vol)
{
    return vol->device_count;
}

struct vol_device *vol_device(struct vol *vol, unsigned index)
{
    INVARIANT(index < vol->device_count, "devices are asked for by a number below their count");
    return &vol->devices[index];
}

struct vol_device *vol_device_by_id(const struct vol *vol, uint64_t devid)
{
    for (unsigned i = 0; i < vol->device_count; i++)
        if (vol->devices[i].devid == devid)
            return &vol->devices[i];
    return NULL;
}
