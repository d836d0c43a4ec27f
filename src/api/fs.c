// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening and closing, and questions about the whole file system. */
#include "api/internal.h"

static int open_fs(const char *const *devices, unsigned count,
                   const struct copse_open_options *given, struct mount **out)
{
    struct copse_open_options options;
    AUTO_FREE struct dev **devs = NULL;

    API_REQUIRE(devices && count > 0 && out);
    TRY(api_take_options(&options, sizeof(options), given));
    API_REQUIRE(!(options.subvol && options.subvolid));
    API_REQUIRE(options.readonly || !options.rescue);
    devs = calloc(count, sizeof(struct dev *));
    if (!devs)
        return fail(-ENOMEM, "opening %u devices", count);
    TRY(api_open_devices(devices, count, options.readonly, devs));
    return mount_open(env_real(), devs, count, &options, out);
}

COPSE_EXPORT int copse_open(const char *const *devices, unsigned count,
                            const struct copse_open_options *options, copse_fs **out)
{
    struct mount *mount = NULL;
    int ret = API_CALL(open_fs(devices, count, options, &mount));

    if (ret == 0)
        *out = (copse_fs *)mount;
    return ret;
}

COPSE_EXPORT int copse_close(copse_fs *fs)
{
    if (!fs)
        return 0;
    return API_CALL(mount_close(mount_of(fs)));
}

COPSE_EXPORT void copse_crash(copse_fs *fs)
{
    if (fs)
        mount_crash(mount_of(fs));
}

COPSE_EXPORT int copse_shutdown(copse_fs *fs, bool flush)
{
    return API_CALL(mount_shutdown(mount_of(fs), flush));
}

COPSE_EXPORT bool copse_readonly(const copse_fs *fs)
{
    return store_readonly(((const struct mount *)fs)->fs.store);
}

COPSE_EXPORT int copse_sync(copse_fs *fs)
{
    return API_CALL(mount_sync(mount_of(fs)));
}

COPSE_EXPORT int copse_usage(copse_fs *fs, struct copse_usage *out)
{
    return API_CALL(mount_usage(mount_of(fs), out));
}

COPSE_EXPORT int copse_fs_info(copse_fs *fs, struct copse_fs_info *out)
{
    return API_CALL(mount_info(mount_of(fs), out));
}

COPSE_EXPORT int copse_set_label(copse_fs *fs, const char *label)
{
    return API_CALL(mount_set_label(mount_of(fs), label));
}
