// SPDX-License-Identifier: GPL-2.0-or-later
/* Making file systems: words of a command line become the options of ops/mkfs. */
#include "api/internal.h"

#include "disk/csum/csum.h"
#include "ops/mkfs/mkfs.h"

static int take_words(const struct copse_mkfs_options *given, struct mkfs_options *out)
{
    if (given->uuid)
        TRY(uuid_parse(given->uuid, &out->fsid));
    if (given->device_uuid)
        TRY(uuid_parse(given->device_uuid, &out->device_uuid));
    if (given->csum)
        TRY(csum_by_name(given->csum, &out->csum));
    if (given->data_profile)
        TRY(mkfs_profile_parse(given->data_profile, &out->data));
    if (given->meta_profile)
        TRY(mkfs_profile_parse(given->meta_profile, &out->meta));
    if (given->features)
        TRY(mkfs_features_parse(given->features, out));
    if (given->runtime_features)
        TRY(mkfs_features_parse(given->runtime_features, out));
    if (given->mixed)
        out->features_on |= MKFS_MIXED_BG;
    return 0;
}

static int open_device(const char *path, uint64_t byte_count, struct dev **out)
{
    return byte_count ? dev_file_create(path, byte_count, out) : dev_file_open(path, false, out);
}

static int make(const char *path, const struct copse_mkfs_options *given)
{
    struct mkfs_options options = MKFS_OPTIONS_INIT;
    struct env *env = env_real();
    bool existed = access(path, F_OK) == 0;
    struct dev *dev;
    int ret;

    options.force = given->force;
    options.no_discard = given->no_discard;
    options.size = given->byte_count;
    options.label = given->label;
    options.nodesize = given->nodesize;
    options.sectorsize = given->sectorsize;
    TRY(take_words(given, &options));
    TRY(open_device(path, given->byte_count, &dev));
    if (given->seed) {
        env = env_seeded_new(given->seed);
        if (!env) {
            dev_close(dev);
            return fail(-ENOMEM, "%s", path);
        }
    }
    ret = mkfs_run(env, dev, &options, NULL);
    if (ret == 0)
        ret = dev_flush(dev);
    dev_close(dev);
    if (given->seed)
        env_seeded_free(env);
    /* A file made for a file system that cannot be is nobody's. */
    if (ret < 0 && !existed)
        unlink(path);
    return ret;
}

static int make_with(const char *device, const struct copse_mkfs_options *given)
{
    struct copse_mkfs_options options;

    API_REQUIRE(device);
    TRY(api_take_options(&options, sizeof(options), given));
    return make(device, &options);
}

COPSE_EXPORT int copse_mkfs(const char *device, const struct copse_mkfs_options *options)
{
    return API_CALL(make_with(device, options));
}

COPSE_EXPORT const char *copse_mkfs_feature(unsigned number, const char **what)
{
    const struct mkfs_feature *feature = mkfs_features;

    for (; feature->name; feature++)
        if (feature->bit && number-- == 0)
            break;
    if (feature->name && what)
        *what = feature->what;
    return feature->name;
}
