// SPDX-License-Identifier: GPL-2.0-or-later
/* Checking. */
#include "api/internal.h"

#include <sys/stat.h>
#include <unistd.h>

#include "disk/dev/undo.h"
#include "ops/check/check.h"
#include "ops/repair/repair.h"

static int check(const char *const *devices, unsigned count,
                 const struct copse_check_options *given, struct copse_check_result *out)
{
    struct copse_check_options options;
    struct dev *dev;

    API_REQUIRE(devices && out);
    TRY(api_take_options(&options, sizeof(options), given));
    if (count != 1)
        return fail(-EOPNOTSUPP, "%u devices given, only one is supported", count);
    TRY(api_open_devices(devices, count, !options.repair, &dev));
    if (options.repair)
        return repair_run(env_real(), dev, &options, out);
    return check_run(env_real(), dev, &options, out);
}

/* An image that has become longer or shorter since. */
static int restore_size(const char *path, uint64_t size)
{
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size == size)
        return 0;
    if (truncate(path, (off_t)size) < 0)
        return fail(-errno, "%s: setting its size: %s", path, strerror(errno));
    return 0;
}

static int undo(const char *const *devices, unsigned count, const char *undo_file)
{
    struct undo_info info;
    struct dev *dev;
    int ret;

    API_REQUIRE(devices && undo_file);
    if (count != 1)
        return fail(-EOPNOTSUPP, "%u devices given, only one is supported", count);
    TRY(undo_look(undo_file, &info));
    /* Its size is changed by who has it alone. */
    TRY(api_open_devices(devices, count, false, &dev));
    ret = repair_undo_fits(dev, undo_file);
    if (ret == 0)
        ret = restore_size(devices[0], info.device_size);
    dev_close(dev);
    TRY(ret);
    TRY(api_open_devices(devices, count, false, &dev));
    return repair_undo(dev, undo_file);
}

COPSE_EXPORT int copse_check(const char *const *devices, unsigned count,
                             const struct copse_check_options *options,
                             struct copse_check_result *out)
{
    return API_CALL(check(devices, count, options, out));
}

COPSE_EXPORT int copse_check_undo(const char *const *devices, unsigned count, const char *undo_file)
{
    return API_CALL(undo(devices, count, undo_file));
}
